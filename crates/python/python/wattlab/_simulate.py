"""The simulator of queues of inference requests."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wattlab import _core
from wattlab._frames import has_pandas, pandas
from wattlab._json import dumps

if TYPE_CHECKING:
    import pandas as pd


class Simulation(dict[str, Any]):
    """The report of a simulation, a dictionary with the keys of `wattlab simulate --json`.

    Seconds, joules and watts; the names of the keys tell. `requests` holds the times of every request.
    """

    def __init__(self, report: dict[str, Any], log: str | None) -> None:
        super().__init__(report)
        self._log = log

    @property
    def requests(self) -> pd.DataFrame:
        """A row for each request, those of the warm-up too: `request`, `model`, `arrival_s`, `start_s`,
        `end_s`, `batch_size`, `outcome`. Needs pandas; `rows()` does not.
        """
        return pandas().read_csv(io.StringIO(self._text()))  # type: ignore[no-any-return]

    def rows(self) -> list[dict[str, str]]:
        """The same as a list of dictionaries of texts."""
        return list(csv.DictReader(io.StringIO(self._text())))

    def _text(self) -> str:
        if self._log is None:
            raise ValueError("the requests were not kept; simulate with `requests=True` a queue without `tokens`")
        return self._log


def simulate(
    description: Mapping[str, Any] | str | os.PathLike[str],
    *,
    requests: bool | None = None,
    replications: int = 1,
) -> Simulation:
    """Simulates a queue: a dictionary with the keys of the TOML file, or the path of one.

    requests: keep the times of every request; by default where pandas is installed.
    replications: number of seeds from which the intervals are computed.

    Raises `InputError` for a description that cannot be simulated; its message names the key.
    """
    wanted = has_pandas() if requests is None else requests
    if isinstance(description, Mapping):
        report, log = _core.simulate(json=dumps(dict(description)), requests=wanted, replications=replications)
    elif isinstance(description, (str, os.PathLike)):
        report, log = _core.simulate(path=description, requests=wanted, replications=replications)
    else:
        raise TypeError(f"`description` is {description!r}; expected a dictionary or a path")
    return Simulation(json.loads(report), log)
