"""Optuna's interface of samplers."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from wattlab import _core
from wattlab._json import dumps
from wattlab._meter import Meter
from wattlab.optuna import _convert

# With so many joules left, the search maximizes the gain per joule.
UNLIMITED = 1e18
STATES = (TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING)


class _Sampler(BaseSampler):
    """Asks wattlab for the parameters that all trials so far have in common, and Optuna's RandomSampler for
    the others.
    """

    _kind = ""

    def __init__(
        self,
        *,
        seed: int | None = None,
        cost: str | None = None,
        budget_joules: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        """seed: of the search; None: another one each time.

        cost: "joules": each trial is measured, and the search maximizes the expected gain per joule. None:
            costs do not count.
        budget_joules: joules of the whole search; as they are used up, cheap trials are preferred less.
        meter: measures the trials; by default one is made at the first trial.
        """
        if cost not in (None, "joules"):
            raise ValueError(f'`cost` is {cost!r}; expected "joules" or None')
        if budget_joules is not None and cost is None:
            raise ValueError('`budget_joules` needs `cost="joules"`')
        self._seed = random.SystemRandom().randrange(2**32) if seed is None else int(seed)
        self._cost = cost
        self._budget = budget_joules
        self._meter = meter
        self._space = IntersectionSearchSpace()
        self._random = RandomSampler(seed=seed)
        self._spans: dict[int, _core.Span] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # A process that unpickles the sampler has a meter of its own.
        state = self.__dict__.copy()
        for name in ("_meter", "_spans", "_lock"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._meter, self._spans, self._lock = None, {}, threading.Lock()

    def reseed_rng(self) -> None:
        self._seed = random.SystemRandom().randrange(2**32)
        self._random.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = self._space.calculate(study)
        return {name: distribution for name, distribution in space.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        space = {name: distribution for name, distribution in search_space.items() if not distribution.single()}
        if not space:
            return {}
        description: dict[str, Any] = {
            # Two trials that are asked for at the same time differ.
            "seed": (self._seed * 1_000_003 + trial.number) % 2**63,
            "direction": _convert.direction(study),
            "sampler": {"kind": self._kind},
            "space": _convert.described(space),
        }
        if self._cost is not None:
            description["budget_j"] = self._budget or UNLIMITED
        known = self._known(study, trial, space)
        answer = json.loads(_core.suggest(dumps(description), dumps(known)))
        return _convert.values(answer, space)

    def _known(self, study: Study, trial: FrozenTrial, space: _convert.SearchSpace) -> list[dict[str, Any]]:
        known = []
        for other in study._get_trials(deepcopy=False, states=STATES, use_cache=True):
            params = _convert.numbers(other.params, space)
            if params is None or other.number == trial.number:
                continue
            row: dict[str, Any] = {"params": params, "value": None}
            if other.state == TrialState.RUNNING:
                row["running"] = True
            elif other.state == TrialState.COMPLETE:
                row["value"] = _convert.finite(other.values)
            if self._cost is not None and "joules" in other.user_attrs:
                row["cost_j"] = float(other.user_attrs["joules"])
            known.append(row)
        return known

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._random.before_trial(study, trial)
        if self._cost is None:
            return
        with self._lock:
            self._meter = Meter() if self._meter is None else self._meter
            self._spans[trial._trial_id] = self._meter.begin(f"trial-{trial.number}")

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._random.after_trial(study, trial, state, values)
        with self._lock:
            span = self._spans.pop(trial._trial_id, None)
        if span is None:
            return
        span.end()
        if span.joules is None or "joules" in study._storage.get_trial(trial._trial_id).user_attrs:
            return
        for key, value in (
            ("joules", span.joules),
            ("joules_uncertainty", span.uncertainty),
            ("joules_origin", span.origin),
        ):
            study._storage.set_trial_user_attr(trial._trial_id, key, value)


class GPSampler(_Sampler):
    """wattlab's Gaussian process, for one objective or several; with `cost="joules"`, per joule."""

    _kind = "gp"


class TPESampler(_Sampler):
    """wattlab's tree-structured Parzen estimator, for one objective or several."""

    _kind = "tpe"
