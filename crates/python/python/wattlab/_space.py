"""The parameters of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

Condition = Mapping[str, Any]


@dataclass(frozen=True)
class Float:
    """A real number from `low` to `high`, searched by its logarithm if `log`, in steps of `step` if given.

    only_if: the parameter is active where earlier parameters have these values: `{"optimizer": "sgd"}`.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    only_if: Condition | None = None

    def describe(self) -> dict[str, Any]:
        return {"kind": "float", "low": self.low, "high": self.high, **_options(self)}


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included; otherwise as `Float`."""

    low: int
    high: int
    log: bool = False
    step: int | None = None
    only_if: Condition | None = None

    def describe(self) -> dict[str, Any]:
        return {"kind": "int", "low": self.low, "high": self.high, **_options(self)}


@dataclass(frozen=True)
class Categorical:
    """One of `choices`: numbers, texts, true or false."""

    choices: Sequence[Any]
    only_if: Condition | None = None

    def describe(self) -> dict[str, Any]:
        options = {} if self.only_if is None else {"only_if": dict(self.only_if)}
        return {"kind": "categorical", "choices": list(self.choices), **options}


Parameter = Union[Float, Int, Categorical]
Space = Mapping[str, Union[Parameter, Mapping[str, Any]]]


def _options(parameter: Float | Int) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if parameter.log:
        options["log"] = True
    if parameter.step is not None:
        options["step"] = parameter.step
    if parameter.only_if is not None:
        options["only_if"] = dict(parameter.only_if)
    return options


def described(space: Space) -> list[dict[str, Any]]:
    """The space as the description of a study has it."""
    if not isinstance(space, Mapping):
        raise TypeError('`space` must be a dictionary: {"lr": wattlab.Float(1e-5, 1e-1, log=True)}')
    parameters = []
    for name, parameter in space.items():
        if isinstance(parameter, Mapping):
            parameters.append({"name": name, **parameter})
        elif isinstance(parameter, (Float, Int, Categorical)):
            parameters.append({"name": name, **parameter.describe()})
        else:
            raise TypeError(f"parameter `{name}` is {parameter!r}; use wattlab.Float, Int or Categorical")
    return parameters
