"""A row of `emissions.csv`."""

from __future__ import annotations

import csv
import os
import platform
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattlab._core import Span, __version__
from wattlab._energy import Energy

JOULES_PER_KWH = 3.6e6
CPU = ("cpu-package", "cpu-core", "cpu-uncore", "cpu-die", "cpu-process")


@dataclass
class EmissionsData:
    """What a tracker measured: seconds, kilograms, watts and kilowatt-hours, as CodeCarbon has them."""

    timestamp: str
    project_name: str
    run_id: str
    experiment_id: str
    duration: float
    emissions: float | None
    emissions_rate: float | None
    cpu_power: float | None
    gpu_power: float | None
    ram_power: float | None
    cpu_energy: float | None
    gpu_energy: float | None
    ram_energy: float | None
    energy_consumed: float | None
    water_consumed: float | None
    country_name: str | None
    country_iso_code: str | None
    region: str | None
    cloud_provider: str | None
    cloud_region: str | None
    os: str
    python_version: str
    codecarbon_version: str
    cpu_count: int | None
    cpu_model: str | None
    gpu_count: int | None
    gpu_model: str | None
    longitude: float | None
    latitude: float | None
    ram_total_size: float | None
    tracking_mode: str
    cpu_utilization_percent: float | None = None
    gpu_utilization_percent: float | None = None
    ram_utilization_percent: float | None = None
    ram_used_gb: float | None = None
    on_cloud: str = "N"
    pue: float = 1
    wue: float = 0
    cpu_energy_origin: str | None = None
    gpu_energy_origin: str | None = None
    ram_energy_origin: str | None = None
    energy_consumed_origin: str | None = None
    energy_consumed_uncertainty: float | None = None

    @property
    def values(self) -> OrderedDict[str, Any]:
        """The fields in the order of the columns."""
        return OrderedDict(self.__dict__.items())


def part(span: Span, domains: tuple[str, ...]) -> Energy | None:
    """The energy of some domains of a span; None if none of them was read."""
    report = span.to_dict()
    devices = [] if report is None else report["domains"]
    found = [one for one in devices if one["in_total"] and one["domain"] in domains]
    if not found:
        return None
    origins = {one["origin"] for one in found}
    origin = origins.pop() if len(origins) == 1 else "mixed"
    return Energy(sum(one["joules"] for one in found), sum(one["uncertainty_j"] for one in found), origin)


def kilowatt_hours(energy: Energy | None, pue: float) -> float | None:
    return None if energy is None else energy.joules * pue / JOULES_PER_KWH


def machine() -> dict[str, Any]:
    """What is known about this machine without looking anything up."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "codecarbon_version": f"wattlab-{__version__}",
        "cpu_count": os.cpu_count(),
        "cpu_model": _processor(),
        "gpu_count": None,
        "gpu_model": None,
        "longitude": None,
        "latitude": None,
        "ram_total_size": memory,
    }


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def write(path: Path, row: EmissionsData, *, replace: bool) -> None:
    """Adds a row to a CSV file, or replaces the row of the same run.

    A file with other columns, such as one of CodeCarbon, is moved to `FILE.bak` first, as CodeCarbon does.
    """
    columns = list(row.values)
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is not None and list(reader.fieldnames) != columns:
                os.replace(path, path.with_name(f"{path.name}.bak"))
            elif replace:
                rows = [old for old in reader if old["run_id"] != row.run_id]
    new = {name: "" if value is None else value for name, value in row.values.items()}
    is_new = replace or not path.exists()
    with path.open("w" if is_new else "a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if is_new:
            writer.writeheader()
            writer.writerows(rows)
        writer.writerow(new)
