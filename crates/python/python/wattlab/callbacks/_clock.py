"""The spans of a training: one for each epoch, and one for each group of steps."""

from __future__ import annotations

import sys
from typing import Any

from wattlab import _core
from wattlab._meter import Meter


def synchronize() -> None:
    """Waits for the GPU's work, where the program uses PyTorch on one."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()


def numbers(span: _core.Span, prefix: str) -> dict[str, float]:
    """A span for a logger: joules, their uncertainty, seconds, and whether a sensor measured them (1 or 0)."""
    found = {f"{prefix}/seconds": span.duration or 0.0}
    if span.joules is not None:
        found[f"{prefix}/joules"] = span.joules
        found[f"{prefix}/joules_uncertainty"] = span.uncertainty or 0.0
        found[f"{prefix}/is_measured"] = 1.0 if span.origin == "measured" else 0.0
    return found


class Clock:
    """Opens and closes the spans; `meter` is made when the training begins, unless one is given."""

    def __init__(self, meter: Meter | None, every: int, prefix: str) -> None:
        if every < 0:
            raise ValueError(f"`every` is {every}; expected 0 (no steps) or a number of steps")
        self.every, self.prefix = every, prefix
        self.epochs: list[dict[str, Any]] = []
        self._given, self._meter = meter, meter
        self._epoch: _core.Span | None = None
        self._steps: _core.Span | None = None
        self._count = 0

    def begin_epoch(self) -> None:
        self.end()
        if self._meter is None:
            self._meter = Meter()
        synchronize()
        self._count = 0
        self._epoch = self._meter.begin("epoch")
        self._steps = self._meter.begin("steps") if self.every else None

    def step(self) -> dict[str, float] | None:
        """A step has ended. Returns the joules per step of the last `every` steps when they are complete."""
        if self._steps is None or self._meter is None:
            return None
        self._count += 1
        if self._count < self.every:
            return None
        synchronize()
        self._steps.end()
        found = numbers(self._steps, f"{self.prefix}/step")
        found = {name: value if name.endswith("measured") else value / self._count for name, value in found.items()}
        self._count = 0
        self._steps = self._meter.begin("steps")
        return found

    def end_epoch(self) -> dict[str, float]:
        """The epoch has ended. Returns its numbers; empty if none was open."""
        if self._epoch is None:
            return {}
        synchronize()
        span, self._epoch = self._epoch, None
        span.end()
        if self._steps is not None:
            self._steps.end()
            self._steps = None
        report = span.to_dict()
        self.epochs.append(report if report is not None else {})
        return numbers(span, f"{self.prefix}/epoch")

    def end(self, error: str | None = None) -> None:
        """The training has ended, perhaps by an exception; open spans are reported with it."""
        for span in (self._steps, self._epoch):
            if span is not None:
                span.end(error)
        self._epoch = self._steps = None

    def close(self) -> None:
        self.end()
        if self._given is None and self._meter is not None:
            self._meter.close()
            self._meter = None
