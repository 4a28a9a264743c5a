"""Samplers and a pruner for Optuna (4 or later).

>>> import optuna
>>> import wattlab.optuna
>>> study = optuna.create_study(sampler=wattlab.optuna.GPSampler(cost="joules"))  # doctest: +SKIP

`GPSampler(cost="joules")` measures each trial and writes `joules`, `joules_uncertainty` and `joules_origin` to
its user attributes; cheap trials are then preferred while a budget is large. An objective that knows its own
joules sets the attribute `joules` itself.
"""

from wattlab.optuna._exchange import export_study, import_study
from wattlab.optuna._pruner import Pruner
from wattlab.optuna._samplers import GPSampler, TPESampler

__all__ = ["GPSampler", "Pruner", "TPESampler", "export_study", "import_study"]
