"""What a tracker measured: a row of `emissions.csv`."""

from __future__ import annotations

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


@dataclass
class TaskEmissionsData(EmissionsData):
    """What a task used: the same, and its name in front."""

    task_name: str = ""

    @property
    def values(self) -> OrderedDict[str, Any]:
        """The fields in the order of the columns."""
        values = super().values
        values.move_to_end("task_name", last=False)
        return values


def own_columns() -> set[str]:
    """The columns that CodeCarbon does not have."""
    names = EmissionsData.__dataclass_fields__
    return {name for name in names if name.endswith(("_origin", "_uncertainty"))}


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
    """What is known about this machine without looking anything up, but for its GPUs."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "codecarbon_version": f"wattlab-{__version__}",
        "cpu_count": os.cpu_count(),
        "cpu_model": _processor(),
        "longitude": None,
        "latitude": None,
        "ram_total_size": memory,
    }


def gpus(channels: list[dict[str, Any]]) -> dict[str, Any]:
    """The number and the names of the GPUs among a meter's channels; None where it reads none."""
    names = [one["device"] for one in channels if one["domain"] == "gpu" and one["in_total"]]
    return {"gpu_count": len(names) or None, "gpu_model": ", ".join(names) or None}


def physical_processors() -> int | None:
    """The number of processor cores; None where Linux does not tell."""
    package, cores = "", set()
    for name, value in _cpuinfo():
        if name == "physical id":
            package = value
        elif name == "core id":
            cores.add((package, value))
    return len(cores) or None


def _processor() -> str | None:
    names = (value for name, value in _cpuinfo() if name == "model name")
    return next(names, platform.processor() or None)


def _cpuinfo() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    fields = (line.partition(":") for line in lines)
    return [(name.strip(), value.strip()) for name, _, value in fields]
