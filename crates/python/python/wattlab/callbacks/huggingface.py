"""Hugging Face's `Trainer`."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from wattlab._meter import Meter
from wattlab.callbacks._clock import Clock


class EnergyCallback(TrainerCallback):  # type: ignore[misc]
    """Logs joules of each epoch, and per step of each `every` steps, as `Trainer.log` does.

    The values reach every reporter of the trainer (`report_to`) and its `log_history`, with the names
    `energy/epoch/joules`, `.../joules_uncertainty`, `.../is_measured`, `.../seconds`; the same with `step`.
    """

    def __init__(self, every: int = 50, *, meter: Meter | None = None, prefix: str = "energy") -> None:
        self._clock = Clock(meter, every, prefix)
        self._trainer: Any = None

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The report of each epoch, as `Span.to_dict` has it."""
        return self._clock.epochs

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._clock.begin_epoch()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._log(args, state, control, self._clock.step(), kwargs)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._log(args, state, control, self._clock.end_epoch(), kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._clock.close()

    def follow(self, trainer: Any) -> EnergyCallback:
        """Adds the callback to a trainer, whose reporters then get the values; returns the callback."""
        self._trainer = trainer
        trainer.add_callback(self)
        return self

    def _log(self, args: Any, state: Any, control: Any, found: dict[str, float] | None, kwargs: Any) -> None:
        if not found:
            return
        if self._trainer is not None:
            self._trainer.log(found)
        else:
            # Without the trainer only its history can be reached.
            state.log_history.append({**found, "step": state.global_step, "epoch": state.epoch})
