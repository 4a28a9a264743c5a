"""Studies from and to Optuna, whatever its storage."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from wattlab._space import Categorical, Float, Int, Space
from wattlab._study import Study
from wattlab.errors import InputError


def import_study(source: optuna.Study, **options: Any) -> Study:
    """A wattlab study with the completed trials of an Optuna study, and the joules in their attributes.

    options: those of `wattlab.Study`, such as `journal`. The space is the intersection of the trials'; trials
    that lack a parameter are left out.
    """
    completed = source.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    space = optuna.search_space.intersection_search_space(completed)
    if not space:
        raise InputError("the study has no completed trials with a parameter in common, so it has no space")
    parameters: Space = {name: _parameter(one) for name, one in space.items()}
    words = ["maximize" if way == optuna.study.StudyDirection.MAXIMIZE else "minimize" for way in source.directions]
    direction = words[0] if len(words) == 1 else words
    study = Study(parameters, **{"direction": direction, **options})
    for trial in completed:
        values = trial.values if len(trial.values) > 1 else trial.values[0]
        params = {name: trial.params[name] for name in space}
        study.add(params, values, trial.user_attrs.get("joules"))
    return study


def export_study(study: Study, space: Space, target: optuna.Study) -> int:
    """Adds the completed trials of a wattlab study to an Optuna study; returns their number.

    space: that of the wattlab study. Joules go to the user attribute `joules`.
    """
    distributions = {name: _distribution(name, one) for name, one in space.items()}
    count = 0
    for trial in study.trials():
        if trial["state"] != "completed":
            continue
        joules = trial["joules"] if trial["joules"] is not None else trial["cost"]
        attributes = {"joules": joules, "joules_origin": trial["origin"]}
        target.add_trial(
            optuna.trial.create_trial(
                values=trial["values"],
                params=trial["params"],
                distributions={name: distributions[name] for name in trial["params"]},
                user_attrs={key: value for key, value in attributes.items() if value is not None},
            )
        )
        count += 1
    return count


def _parameter(distribution: BaseDistribution) -> Float | Int | Categorical:
    if isinstance(distribution, FloatDistribution):
        return Float(distribution.low, distribution.high, distribution.log, distribution.step)
    if isinstance(distribution, IntDistribution):
        step = None if distribution.step == 1 else distribution.step
        return Int(distribution.low, distribution.high, distribution.log, step)
    if isinstance(distribution, CategoricalDistribution):
        return Categorical(distribution.choices)
    raise InputError(f"the distribution {distribution!r} is not known")


def _distribution(name: str, parameter: Any) -> BaseDistribution:
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    if isinstance(parameter, Int):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step or 1)
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(list(parameter.choices))
    raise InputError(f"parameter `{name}` is {parameter!r}; use wattlab.Float, Int or Categorical")
