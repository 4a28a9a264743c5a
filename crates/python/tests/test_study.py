"""Studies: ask and tell, joules, budgets, pruning, journals, wrong use."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from conftest import Tree
from wattlab import Categorical, Float, Int, Meter, Study, Trial, TrialPruned
from wattlab.errors import ExhaustedError, InputError, JournalError, StudyError

SPACE = {"x": Float(-5.0, 5.0), "k": Int(1, 4), "kind": Categorical(["a", "b", True])}


def _value(trial: Trial) -> float:
    return float((trial["x"] - 1.0) ** 2 + trial["k"] + (trial["kind"] == "b"))


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random", "sobol"])
def test_every_sampler_asks_for_points_of_the_space(sampler: str) -> None:
    study = Study(SPACE, sampler=sampler, seed=1)
    for _ in range(12):
        trial = study.ask()
        assert -5 <= trial["x"] <= 5 and trial["k"] in (1, 2, 3, 4) and trial["kind"] in ("a", "b", True)
        study.tell(trial, _value(trial), joules=1.0)
    best = study.best()
    assert best["value"] == min(row["values"][0] for row in study.trials())


def test_the_same_seed_gives_the_same_trials() -> None:
    def xs(seed: int) -> list[float]:
        study = Study(SPACE, seed=seed)
        found = []
        for _ in range(8):
            trial = study.ask()
            found.append(trial["x"])
            study.tell(trial, _value(trial))
        return found

    assert xs(3) == xs(3) != xs(4)


def test_optimize_measures_joules_and_says_their_origin(tree: Tree) -> None:
    spent = 0.0

    def objective(trial: Trial) -> float:
        nonlocal spent
        spent += 5.0
        tree.set("intel-rapl:0", spent)
        return _value(trial)

    study = Study(SPACE, seed=1, direction="minimize")
    with Meter() as meter:
        study.optimize(objective, 4, meter=meter)
    rows = study.trials()
    assert [row["state"] for row in rows] == ["completed"] * 4
    assert all(row["origin"] == "measured" for row in rows)
    total = study.spent()
    assert total["joules"] == pytest.approx(20.0, abs=total["uncertainty_j"] + 1e-6)


def test_a_budget_of_joules_ends_the_search(tree: Tree) -> None:
    spent = 0.0

    def objective(trial: Trial) -> float:
        nonlocal spent
        spent += 5.0
        tree.set("intel-rapl:0", spent)
        return _value(trial)

    study = Study(SPACE, seed=1, budget_joules=12.0)
    with Meter() as meter:
        study.optimize(objective, 100, meter=meter)
    assert 2 <= len(study.trials()) <= 4


def test_a_pruner_stops_trials_and_their_joules_count(tree: Tree) -> None:
    stopped = 0

    def objective(trial: Trial) -> float:
        nonlocal stopped
        value = 0.0
        for step in range(trial.first, 10):
            value = abs(trial["x"] - 1.0) + 1.0 / step
            trial.report(step, value)
            if trial.should_stop():
                stopped += 1
                raise TrialPruned
        return value

    study = Study(SPACE, seed=1, sampler="random", pruner={"kind": "asha", "most": 9})
    study.optimize(objective, 30)
    states = {row["state"] for row in study.trials()}
    assert stopped > 5 and "completed" in states and states <= {"completed", "paused"}
    assert study.running() == []


def test_several_objectives_have_a_front() -> None:
    study = Study(SPACE, direction=["minimize", "maximize"], seed=2)
    for _ in range(10):
        trial = study.ask()
        study.tell(trial, [_value(trial), trial["x"]])
    front = study.pareto()
    assert front and all(len(row["value"]) == 2 for row in front)
    with pytest.raises(InputError, match="2 objectives"):
        study.tell(study.ask(), 1.0)


def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    study = Study(SPACE, seed=1, journal=path)
    first = study.ask()
    study.tell(first, 1.0, joules=3.0)
    study.ask()
    with pytest.raises(JournalError):
        Study(SPACE, seed=1, journal=path)
    study.close()
    with pytest.raises(StudyError, match="closed"):
        study.ask()
    again = Study(SPACE, seed=1, journal=path)
    assert [trial.number for trial in again.running()] == [1]
    assert again.trials()[0]["values"] == [1.0]
    (tmp_path / "other.txt").write_text("not a journal\n")
    with pytest.raises(JournalError, match=r"other\.txt"):
        Study(SPACE, journal=tmp_path / "other.txt")


def test_failures_are_told_and_propagate() -> None:
    study = Study(SPACE, seed=1)

    def fails(trial: Trial) -> float:
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        study.optimize(fails, 3)
    assert [row["state"] for row in study.trials()] == ["failed"]
    study.optimize(fails, 2, catch=ValueError)
    assert [row["state"] for row in study.trials()] == ["failed"] * 3
    study.optimize(lambda trial: float("nan"), 1)
    assert study.trials()[-1]["state"] == "failed"
    with pytest.raises(KeyboardInterrupt):
        study.optimize(_interrupt, 1)
    assert study.running() == []


def _interrupt(trial: Trial) -> float:
    raise KeyboardInterrupt


def test_a_finite_space_can_be_exhausted() -> None:
    study = Study({"a": Categorical([1, 2])}, sampler="grid")
    assert {study.ask()["a"], study.ask()["a"]} == {1, 2}
    with pytest.raises(ExhaustedError):
        study.ask()
    Study({"a": Categorical([1, 2])}, sampler="grid").optimize(lambda trial: trial["a"], 10)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"space": {}}, "no parameters"),
        ({"space": {"x": Float(1, 0)}}, "range 1 to 0"),
        ({"space": {"x": Float(0, 1, log=True)}}, "x"),
        ({"space": {"x": Float(float("nan"), 1)}}, "needs `low`"),
        ({"space": {"x": {"kind": "flot", "low": 0, "high": 1}}}, "flot"),
        ({"sampler": "gpp"}, "gpp"),
        ({"direction": "down"}, "direction"),
        ({"budget_joules": -1.0}, "`budget_joules` is -1"),
        ({"budget_joules": float("inf")}, "finite"),
        ({"budget_joules": 1.0, "budget_seconds": 1.0}, "one of them"),
        ({"pruner": {"kind": "asha"}}, "most"),
        ({"constraints": ["x <"]}, "x <"),
    ],
)
def test_wrong_descriptions_name_the_key(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study(**{"space": SPACE, **keywords})  # type: ignore[arg-type]


def test_wrong_use_is_an_error() -> None:
    with pytest.raises(TypeError, match="Float"):
        Study({"x": 3})  # type: ignore[dict-item]
    study = Study(SPACE, seed=1)
    with pytest.raises(StudyError, match="not running"):
        study.tell(7, 1.0)
    trial = study.ask()
    with pytest.raises(InputError, match="cost_j"):
        study.tell(trial, 1.0, joules=-1.0)
    with pytest.raises(InputError, match="value"):
        study.tell(trial, "good")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pruner"):
        trial.should_stop()
    with pytest.raises(OverflowError):
        study.tell(2**70, 1.0)
    study.tell(trial, 1e308)
    with pytest.raises(TypeError, match="journal"):
        pickle.dumps(study)
    with pytest.raises(InputError):
        study.add({"x": 99.0, "k": 1, "kind": "a"}, 1.0)


def test_a_fork_may_not_use_the_study() -> None:
    study = Study(SPACE, seed=1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            study.ask()
        except StudyError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert "fork" in answer.read()
    os.waitpid(child, 0)
    assert study.ask().number == 0
