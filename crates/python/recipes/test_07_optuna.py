"""Recipe 7: Optuna with wattlab's sampler, beside its own, on three functions."""

import math
from typing import Any, Callable

import pytest

optuna = pytest.importorskip("optuna")


def sphere(trial: Any) -> float:
    return float(sum(trial.suggest_float(f"x{i}", -5, 5) ** 2 for i in range(3)))


def branin(trial: Any) -> float:
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def mixed(trial: Any) -> float:
    kind = trial.suggest_categorical("kind", ["wide", "deep"])
    size = trial.suggest_int("size", 1, 64, log=True)
    return abs(math.log2(size) - 4) + (0.5 if kind == "wide" else 0.0)


@pytest.mark.parametrize("function", [sphere, branin, mixed])
def test_recipe(function: Callable[[Any], float]) -> None:
    import wattlab.optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    best = {}
    for name, sampler in {
        "wattlab": wattlab.optuna.GPSampler(seed=1, cost="joules"),
        "optuna": optuna.samplers.TPESampler(seed=1),
        "random": optuna.samplers.RandomSampler(seed=1),
    }.items():
        study = optuna.create_study(sampler=sampler)
        study.optimize(function, n_trials=25)
        best[name] = study.best_value
    print(function.__name__, best)
    assert best["wattlab"] <= best["random"] + 1e-9
