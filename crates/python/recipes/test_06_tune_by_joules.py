"""Recipe 6: a search with a budget of joules, which a journal keeps."""

from pathlib import Path

import wattlab


def loss(trial: wattlab.Trial) -> float:
    steps = trial["steps"]
    work = sum(range(1000 * steps))  # stands for a training of so many steps
    return float((trial["rate"] - 0.01) ** 2 * 1e4 + 1 / steps) + 0.0 * work


def test_recipe(tmp_path: Path) -> None:
    space = {"rate": wattlab.Float(1e-4, 1e-1, log=True), "steps": wattlab.Int(1, 50)}
    journal = tmp_path / "study.jsonl"

    with wattlab.Study(space, seed=1, budget_joules=500.0, journal=journal) as study:
        study.optimize(loss, 12)
        print(study.best(), study.spent())

    # Later, or after a crash: the same call goes on where the journal ends.
    with wattlab.Study(space, seed=1, budget_joules=500.0, journal=journal) as study:
        assert 1 <= len(study.trials()) <= 12
        study.optimize(loss, 2)
        assert study.best()["value"] < 50
