"""PyTorch Lightning."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    from pytorch_lightning.callbacks import Callback

from wattlab._meter import Meter
from wattlab.callbacks._clock import Clock


class EnergyCallback(Callback):  # type: ignore[misc]
    """Logs joules of each training epoch, and per step of each `every` steps, to the trainer's loggers.

    Names: `energy/epoch/joules`, `.../joules_uncertainty`, `.../is_measured` (1 if a sensor measured them),
    `.../seconds`; the same with `step`. `epochs` keeps the reports.
    """

    def __init__(self, every: int = 50, *, meter: Meter | None = None, prefix: str = "energy") -> None:
        super().__init__()
        self._clock = Clock(meter, every, prefix)

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The report of each epoch, as `Span.to_dict` has it."""
        return self._clock.epochs

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._clock.begin_epoch()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        self._log(trainer, self._clock.step())

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._log(trainer, self._clock.end_epoch())

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._clock.end(f"{type(exception).__name__}: {exception}")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._clock.close()

    def _log(self, trainer: Any, found: dict[str, float] | None) -> None:
        if found:
            for logger in trainer.loggers:
                logger.log_metrics(found, step=trainer.global_step)
