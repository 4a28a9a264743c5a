"""Optuna's distributions and trials in the terms of wattlab."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study, StudyDirection

SearchSpace = Mapping[str, BaseDistribution]


def described(space: SearchSpace) -> list[dict[str, Any]]:
    """The parameters of a description; choices are indices, because they may be any Python value."""
    return [_parameter(name, distribution) for name, distribution in space.items()]


def _parameter(name: str, distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"name": name, "kind": "categorical", "choices": list(range(len(distribution.choices)))}
    if isinstance(distribution, (FloatDistribution, IntDistribution)):
        kind = "int" if isinstance(distribution, IntDistribution) else "float"
        parameter: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "low": distribution.low,
            "high": distribution.high,
            "log": distribution.log,
        }
        if distribution.step not in (None, 1) or (kind == "float" and distribution.step is not None):
            parameter["step"] = distribution.step
        return parameter
    raise ValueError(f"parameter `{name}` has the unknown distribution {distribution!r}")


def numbers(params: Mapping[str, Any], space: SearchSpace) -> dict[str, Any] | None:
    """Parameters as the description has them; None if one is missing or outside its range."""
    found: dict[str, Any] = {}
    for name, distribution in space.items():
        if name not in params:
            return None
        inner = distribution.to_internal_repr(params[name])
        if not distribution._contains(inner):
            return None
        found[name] = int(inner) if not isinstance(distribution, FloatDistribution) else float(inner)
    return found


def values(params: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Parameters as Optuna has them."""
    found: dict[str, Any] = {}
    for name, distribution in space.items():
        value = params[name]
        if isinstance(distribution, CategoricalDistribution):
            found[name] = distribution.choices[int(value)]
        elif isinstance(distribution, IntDistribution):
            found[name] = int(value)
        elif isinstance(distribution, FloatDistribution):
            found[name] = _float(float(value), distribution)
    return found


def _float(value: float, distribution: FloatDistribution) -> float:
    if distribution.step is not None:
        steps = round((value - distribution.low) / distribution.step)
        value = distribution.low + steps * distribution.step
    return min(max(value, distribution.low), distribution.high)


def direction(study: Study) -> str | list[str]:
    """The direction of a study's description."""
    words = ["maximize" if way == StudyDirection.MAXIMIZE else "minimize" for way in study.directions]
    return words[0] if len(words) == 1 else words


def finite(numbers: list[float] | None) -> list[float] | float | None:
    """Values of a description; None for a trial that failed."""
    if numbers is None or not all(math.isfinite(number) for number in numbers):
        return None
    return numbers[0] if len(numbers) == 1 else list(numbers)
