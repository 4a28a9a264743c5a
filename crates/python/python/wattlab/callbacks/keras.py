"""Keras."""

from __future__ import annotations

from typing import Any

import keras

from wattlab._meter import Meter
from wattlab.callbacks._clock import Clock


class EnergyCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds joules of each epoch to its `logs`, which Keras gives to the callbacks after this one and keeps in
    `History`: `energy/epoch/joules`, `.../joules_uncertainty`, `.../is_measured`, `.../seconds`.

    Put it before the callbacks that log. `epochs` keeps the reports.
    """

    def __init__(self, *, meter: Meter | None = None, prefix: str = "energy") -> None:
        super().__init__()
        self._clock = Clock(meter, 0, prefix)

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The report of each epoch, as `Span.to_dict` has it."""
        return self._clock.epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._clock.begin_epoch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = self._clock.end_epoch()
        if logs is not None:
            logs.update(found)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._clock.close()
