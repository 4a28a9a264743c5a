"""Measures the energy of Python programs, tunes their parameters by joules, simulates queues of inference.

>>> import wattlab
>>> with wattlab.Meter() as meter, meter.span("work") as span:
...     total = sum(range(1000))
>>> span.joules is None or span.joules >= 0
True

| name | what it is |
|---|---|
| `Meter`, `Span`, `Energy` | joules of spans of work, with uncertainty and origin |
| `Study`, `Trial`, `Float`, `Int`, `Categorical` | searches that count joules |
| `simulate` | queues of inference requests |
| `wattlab.stats` | analysis of variance, mixed models, comparisons |
| `wattlab.optuna` | sampler and pruner for Optuna |
| `wattlab.compat` | `codecarbon` and `zeus` with these joules |
| `wattlab.callbacks` | PyTorch Lightning, Hugging Face, Keras |
| `wattlab.errors` | the exceptions |
"""

from wattlab import errors
from wattlab._core import Span, __version__
from wattlab._energy import Energy
from wattlab._meter import Meter
from wattlab._simulate import Simulation, simulate
from wattlab._space import Categorical, Float, Int
from wattlab._study import Study, Trial
from wattlab.errors import Error, TrialPruned

__all__ = [
    "Categorical",
    "Energy",
    "Error",
    "Float",
    "Int",
    "Meter",
    "Simulation",
    "Span",
    "Study",
    "Trial",
    "TrialPruned",
    "__version__",
    "errors",
    "simulate",
]
