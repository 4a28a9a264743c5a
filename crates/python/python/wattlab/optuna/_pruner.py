"""Optuna's interface of pruners."""

from __future__ import annotations

import math
from typing import Any

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from wattlab import _core
from wattlab._json import dumps
from wattlab.optuna import _convert

KINDS = ("posterior", "asha", "median", "none")


class Pruner(BasePruner):
    """Ends trials early by wattlab's rules: "posterior" (a Gaussian process over parameters and steps),
    "asha" or "median".

    most: number of steps (reports) of a whole trial; least: of the shortest one; factor: how many times
        longer each rung is than the one before. Trials end at rungs only.

    Halving and Hyperband pause trials and resume them, which Optuna cannot.
    """

    def __init__(self, most: int, *, kind: str = "posterior", least: int = 1, factor: int = 3) -> None:
        if kind not in KINDS:
            raise ValueError(f"`kind` is {kind!r}; expected one of {', '.join(KINDS)}")
        if not 1 <= least <= most:
            raise ValueError(f"`least` is {least} and `most` is {most}; expected 1 ≤ least ≤ most")
        if factor < 2:
            raise ValueError(f"`factor` is {factor}; expected at least 2")
        self._most = most
        self._description = {"kind": kind, "most": most, "least": least, "factor": factor}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if not trial.intermediate_values:
            return False
        space = {name: one for name, one in trial.distributions.items() if not one.single()}
        others = study._get_trials(
            deepcopy=False,
            states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING),
            use_cache=False,
        )
        known = [other for other in others if other.number != trial.number] + [trial]
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        trials: list[dict[str, Any]] = []
        for other in known:
            params = _convert.numbers(other.params, space)
            values = self._values(other, sign)
            if params is not None and values:
                trials.append({"params": params, "values": values})
        if not trials or not space or _convert.numbers(trial.params, space) is None:
            return False
        description = {"space": _convert.described(space), "pruner": self._description}
        return _core.should_prune(dumps(description), dumps(trials))

    def _values(self, trial: FrozenTrial, sign: float) -> list[float]:
        """The values in the order of the steps, larger is better; one that is NaN counts as the worst."""
        steps = sorted(trial.intermediate_values.items())[: self._most]
        values = [sign * value for _, value in steps]
        numbers = [value for value in values if math.isfinite(value)]
        worst = min(numbers) - 1.0 if numbers else -1e300
        return [value if math.isfinite(value) else worst for value in values]
