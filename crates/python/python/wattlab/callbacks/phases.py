"""A plain training loop, whose phases are measured apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from wattlab._core import Span
from wattlab._meter import Meter
from wattlab.callbacks._clock import synchronize

_Batch = TypeVar("_Batch")


class Phases:
    """Spans of forward pass, backward pass, optimizer and data loading, each after the GPU's work is done.

    >>> with Meter() as meter:
    ...     phases = Phases(meter)
    ...     for batch in phases.batches([1, 2]):
    ...         with phases("forward"):
    ...             loss = batch * 2
    >>> sorted(phases.totals())
    ['data', 'forward']

    Waiting for the GPU costs time: phases that could overlap no longer do. Measure whole epochs as well to see
    how much (`Meter.span` alone does not wait).
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    @contextmanager
    def __call__(self, name: str) -> Iterator[Span]:
        """A phase."""
        synchronize()
        with self._meter.span(name) as span:
            yield span
            synchronize()

    def batches(self, loader: Iterable[_Batch], name: str = "data") -> Iterator[_Batch]:
        """The batches of a loader; the time in which the loop waits for them is a phase."""
        source = iter(loader)
        while True:
            with self(name):
                batch = next(source, _END)
            if batch is _END:
                return
            yield batch

    def totals(self) -> dict[str, dict[str, Any]]:
        """Spans, seconds and joules of each phase, as in `Meter.report`."""
        totals: dict[str, dict[str, Any]] = self._meter.report()["totals"]
        return totals


_END: Any = object()
