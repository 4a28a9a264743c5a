"""An energy with its uncertainty and origin."""

from __future__ import annotations

from typing import NamedTuple


class Energy(NamedTuple):
    """Joules, the half-width of their 95 % interval, and `measured`, `estimated` or `mixed`."""

    joules: float
    uncertainty: float
    origin: str

    def __str__(self) -> str:
        return f"{self.joules:.6g} J ± {self.uncertainty:.2g} J, {self.origin}"


def joined(origins: set[str]) -> str | None:
    """The origin of a sum: a sum that contains an estimate is no measurement."""
    if not origins:
        return None
    return origins.pop() if len(origins) == 1 else "mixed"
