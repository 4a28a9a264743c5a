"""The meter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattlab import _core
from wattlab._energy import joined
from wattlab._frames import frame

if TYPE_CHECKING:
    import pandas as pd

if sys.version_info >= (3, 11):
    from typing import Self
else:
    Self = Any


def packaged_probes() -> list[Path]:
    """The probes that come with this package, such as the one for NVIDIA's GPUs."""
    return sorted((Path(__file__).parent / "probes").glob("libwattlab_probe_*.so"))


class Meter(_core.Meter):
    """Measures the energy of spans of work on this machine.

    >>> with Meter() as meter:
    ...     with meter.span("sum") as span:
    ...         total = sum(range(1000))
    >>> span.origin in ("measured", "estimated", "mixed", None)
    True

    A span sees the energy of the whole machine while it is open, or of this process and its children where
    only a model is there (domain `cpu-process`); spans that are open at the same time see the same joules.
    The sensors are those of `wattlab probes`. In a forked process the meter opens its sensors again, and a
    span that began before the fork reports nothing there.

    interval: seconds between two readings inside a span (0.001 to 3600).
    sysfs, procfs: read these folders in place of /sys and /proc; their defaults are the environment
        variables WATTLAB_SYSFS and WATTLAB_PROCFS.
    plugins: shared libraries with probes; one that cannot be opened raises `SensorError`.
    attribute: divide the processor's energy between this process tree and the others.
    estimate: estimate the processor from CPU time if no sensor measures it.
    estimate_memory, estimate_gpus: estimate these parts, too, if no sensor measures them.
    keep: number of spans that `report()` lists; the totals of `report()` are of those as well.
    """

    def __new__(
        cls,
        *,
        interval: float = 0.1,
        sysfs: str | os.PathLike[str] | None = None,
        procfs: str | os.PathLike[str] | None = None,
        plugins: Sequence[str | os.PathLike[str]] = (),
        attribute: bool = False,
        estimate: bool = True,
        estimate_memory: bool = False,
        estimate_gpus: bool = False,
        keep: int = 100_000,
    ) -> Self:
        sysfs = sysfs if sysfs is not None else os.environ.get("WATTLAB_SYSFS") or None
        procfs = procfs if procfs is not None else os.environ.get("WATTLAB_PROCFS") or None
        return super().__new__(
            cls,
            interval=interval,
            sysfs=sysfs,
            procfs=procfs,
            plugins=[os.fspath(path) for path in plugins],
            offered=[os.fspath(path) for path in packaged_probes()],
            attribute=attribute,
            estimate=estimate,
            estimate_memory=estimate_memory,
            estimate_gpus=estimate_gpus,
            keep=keep,
        )

    def __enter__(self) -> Self:
        return self

    def report(self) -> dict[str, Any]:
        """All spans that ended, and the totals of each name.

        `spans` lists them in the order of their ends (joules, seconds, domains, warnings, `error`);
        `totals` has the number of spans, seconds and joules by name; `count` is the number of spans, of
        which the latest are listed.
        """
        report: dict[str, Any] = json.loads(self.report_json())
        totals: dict[str, dict[str, Any]] = {}
        for span in report["spans"]:
            total = totals.setdefault(
                span["name"],
                {"spans": 0, "seconds": 0.0, "joules": None, "uncertainty_j": None, "origin": set()},
            )
            total["spans"] += 1
            total["seconds"] += span["duration_s"]
            if span["joules"] is not None:
                # Uncertainties of one sensor are systematic, so they add up.
                total["joules"] = (total["joules"] or 0.0) + span["joules"]
                total["uncertainty_j"] = (total["uncertainty_j"] or 0.0) + span["uncertainty_j"]
                total["origin"].add(span["origin"])
        for total in totals.values():
            total["origin"] = joined(total["origin"])
        report["totals"] = totals
        return report

    def dataframe(self) -> pd.DataFrame:
        """`report()["spans"]` as a DataFrame: a row for each span, and a column `joules.DOMAIN` for each domain."""
        rows = []
        for span in json.loads(self.report_json())["spans"]:
            row = {key: value for key, value in span.items() if not isinstance(value, (list, dict))}
            row["warnings"] = "; ".join(span["warnings"])
            for domain in span["domains"]:
                key = f"joules.{domain['domain']}.{domain['device']}"
                row[key] = row.get(key, 0.0) + domain["joules"]
            rows.append(row)
        return frame(rows)

    def idle(self, seconds: float = 10.0) -> dict[str, Any] | None:
        """Measures the idle power of the machine, which must do nothing else for that time.

        Returns watts (`mean_w`), their standard deviation (`spread_w`) and origin; None if nothing can be
        read.
        """
        idle: dict[str, Any] | None = json.loads(self.idle_json(seconds))
        return idle

    def readings(self) -> list[dict[str, Any]]:
        """Reads every channel now: joules since the meter was made, and recent watts."""
        readings: list[dict[str, Any]] = json.loads(self.readings_json())
        return readings

    def probes(self) -> list[dict[str, Any]]:
        """Every probe: whether it is read, and if not, why and what to do about it."""
        probes: list[dict[str, Any]] = json.loads(self.probes_json())
        return probes
