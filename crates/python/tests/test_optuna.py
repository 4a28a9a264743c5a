"""Our samplers pass Optuna's own sampler tests; the pruner and the exchange of studies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", minversion="5")
pytest_samplers = pytest.importorskip("optuna.testing.pytest_samplers")

import wattlab.optuna  # noqa: E402
from wattlab import Float  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


class _Cases(
    pytest_samplers.BasicSamplerTestCase,  # type: ignore[name-defined,misc]
    pytest_samplers.RelativeSamplerTestCase,  # type: ignore[name-defined,misc]
    pytest_samplers.MultiObjectiveSamplerTestCase,  # type: ignore[name-defined,misc]
):
    pass


class TestGP(_Cases):
    @pytest.fixture
    def sampler(self) -> Callable[[], Any]:
        return lambda: wattlab.optuna.GPSampler(seed=1)


class TestGPOfJoules(_Cases):
    @pytest.fixture
    def sampler(self) -> Callable[[], Any]:
        return lambda: wattlab.optuna.GPSampler(seed=1, cost="joules")


class TestTPE(_Cases):
    @pytest.fixture
    def sampler(self) -> Callable[[], Any]:
        return lambda: wattlab.optuna.TPESampler(seed=1)


def _sphere(trial: Any) -> float:
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5)
    return float((x - 1) ** 2 + (y + 2) ** 2)


def test_trials_have_joules_with_their_origin() -> None:
    study = optuna.create_study(sampler=wattlab.optuna.GPSampler(seed=1, cost="joules"))
    study.optimize(_sphere, n_trials=8)
    for trial in study.trials:
        assert trial.user_attrs["joules"] >= 0.0
        assert trial.user_attrs["joules_origin"] in ("measured", "estimated", "mixed")


def test_an_objective_s_own_joules_are_kept_and_count() -> None:
    def objective(trial: Any) -> float:
        value = _sphere(trial)
        trial.set_user_attr("joules", 7.0)
        return value

    study = optuna.create_study(sampler=wattlab.optuna.GPSampler(seed=1, cost="joules"))
    study.optimize(objective, n_trials=8)
    assert {trial.user_attrs["joules"] for trial in study.trials} == {7.0}


def test_the_sampler_beats_random_search_on_a_sphere() -> None:
    def best(sampler: Any) -> float:
        study = optuna.create_study(sampler=sampler)
        study.optimize(_sphere, n_trials=25)
        return float(study.best_value)

    assert best(wattlab.optuna.GPSampler(seed=3)) < best(optuna.samplers.RandomSampler(seed=3))


def test_a_seed_gives_the_same_search_and_pickling_keeps_it() -> None:
    def values(sampler: Any) -> list[float]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(_sphere, n_trials=6)
        return [trial.value for trial in study.trials]

    sampler = wattlab.optuna.GPSampler(seed=9, cost="joules")
    copy = pickle.loads(pickle.dumps(sampler))
    assert len(values(copy)) == 6
    assert values(wattlab.optuna.TPESampler(seed=9)) == values(wattlab.optuna.TPESampler(seed=9))


@pytest.mark.parametrize("kind", ["asha", "median", "posterior"])
def test_the_pruner_ends_bad_trials(kind: str) -> None:
    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(9):
            trial.report(x + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(x)

    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=1), pruner=wattlab.optuna.Pruner(9, kind=kind)
    )
    study.optimize(objective, n_trials=30)
    states = [trial.state.name for trial in study.trials]
    assert "COMPLETE" in states and (states.count("PRUNED") > 3)


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match="kind"):
        wattlab.optuna.Pruner(9, kind="hyperband")
    with pytest.raises(ValueError, match="least"):
        wattlab.optuna.Pruner(3, least=4)
    with pytest.raises(ValueError, match="cost"):
        wattlab.optuna.GPSampler(cost="euros")
    with pytest.raises(ValueError, match="budget_joules"):
        wattlab.optuna.GPSampler(budget_joules=3.0)


def test_a_study_goes_to_optuna_s_storage_and_comes_back(tmp_path: Any) -> None:
    space = {"x": Float(-5, 5), "y": Float(-5, 5)}
    study = wattlab.Study(space, seed=1)
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, trial["x"] ** 2, joules=2.0)
    target = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="s")
    assert wattlab.optuna.export_study(study, space, target) == 5
    loaded = optuna.load_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="s")
    back = wattlab.optuna.import_study(loaded)
    assert back.best()["value"] == study.best()["value"] == loaded.best_value
    assert [row["cost"] for row in back.trials()] == [2.0] * 5
