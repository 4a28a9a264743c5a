"""Trackers with CodeCarbon's interface."""

from __future__ import annotations

import datetime
import functools
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from wattlab import _core
from wattlab._energy import Energy
from wattlab._meter import Meter
from wattlab.compat._codecarbon_data import (
    CPU,
    EmissionsData,
    kilowatt_hours,
    machine,
    part,
    write,
)
from wattlab.errors import InputError

log = logging.getLogger("wattlab.codecarbon")
FORCED = "force_carbon_intensity_g_co2e_kwh"


class EmissionsTracker:
    """Measures from `start` to `stop`, and writes a row to `emissions.csv`.

    `stop` returns kilograms of CO2 equivalent; None if the carbon intensity or the energy is unknown.
    Keywords of CodeCarbon that need its service, or estimate what wattlab measures, have no effect; they are
    named in the log (`wattlab.codecarbon`).
    """

    def __init__(
        self,
        project_name: str = "codecarbon",
        measure_power_secs: float = 15,
        *,
        output_dir: str | Path = ".",
        output_file: str = "emissions.csv",
        save_to_file: bool = True,
        experiment_id: str = "5b0fa12a-3dd7-45bb-9766-cc326314d9f1",
        tracking_mode: str = "machine",
        on_csv_write: str = "append",
        pue: float = 1.0,
        wue: float = 0.0,
        force_carbon_intensity_g_co2e_kwh: float | None = None,
        country_iso_code: str | None = None,
        region: str | None = None,
        meter: Meter | None = None,
        **ignored: Any,
    ) -> None:
        """measure_power_secs: seconds between two readings; at most 0.1 are used, so that no power is missed."""
        if on_csv_write not in ("append", "update"):
            raise ValueError(f'`on_csv_write` is {on_csv_write!r}; expected "append" or "update"')
        if tracking_mode not in ("machine", "process"):
            raise ValueError(f'`tracking_mode` is {tracking_mode!r}; expected "machine" or "process"')
        if not 1 <= pue <= 100:
            raise InputError(f"`pue` is {pue}; expected 1 to 100")
        if ignored:
            log.info("keywords without effect: %s", ", ".join(sorted(ignored)))
        self.run_id = uuid.uuid4()
        self.final_emissions: float | None = None
        self.final_emissions_data: EmissionsData | None = None
        self._path = Path(output_dir) / output_file
        self._saves = save_to_file
        self._updates = on_csv_write == "update"
        self._project = project_name
        self._experiment = experiment_id
        self._mode = tracking_mode
        self._pue, self._wue, self._region = pue, wue, region
        self._country: tuple[str, str] | None = None
        self._grams: float | None = force_carbon_intensity_g_co2e_kwh
        if country_iso_code is not None:
            code, name, grams, _ = _core.grid_of(country_iso_code)
            self._country = (code, name)
            self._grams = grams if self._grams is None else self._grams
        self._interval = min(max(measure_power_secs, 0.001), 0.1)
        self._given = meter
        self._meter: Meter | None = None
        self._span: _core.Span | None = None
        self._tasks: dict[str, _core.Span] = {}
        self._active: str | None = None
        self._kept: list[EmissionsData] = []

    def start(self) -> None:
        """Begins to measure. A tracker that measures already goes on."""
        if self._span is not None:
            log.warning("the tracker was started already")
            return
        self._span = self._opened().begin(self._project)

    def stop(self) -> float | None:
        """Ends, writes the row, and returns kilograms of CO2 equivalent."""
        if self._span is None and not self._kept:
            log.error("the tracker was not started")
            return None
        for name in list(self._tasks):
            self.stop_task(name)
        rows = self._kept
        if self._span is not None:
            span, self._span = self._span, None
            span.end()
            rows = [*rows, self._row(span, self._project)]
        self._kept = []
        row = _summed(rows)
        self.final_emissions_data, self.final_emissions = row, row.emissions
        if self._saves:
            write(self._path, row, replace=self._updates)
        if self._meter is not None and self._given is None:
            self._meter.close()
        self._meter = None
        return self.final_emissions

    def flush(self) -> float | None:
        """Writes a row of what was used since the start, and goes on; returns kilograms of CO2 equivalent.

        The meter's spans end once, so a new one begins here, and the parts are added at the end.
        """
        if self._span is None:
            log.error("the tracker was not started")
            return None
        self._span.end()
        self._kept.append(self._row(self._span, self._project))
        self._span = self._opened().begin(self._project)
        total = _summed(self._kept)
        if self._saves:
            write(self._path, total, replace=self._updates)
        return total.emissions

    def start_task(self, task_name: str | None = None) -> None:
        """Begins a part of the work; one at a time, as in CodeCarbon."""
        name = task_name or uuid.uuid4().hex
        if self._active is not None:
            log.info("task %s is under way; it is ended", self._active)
            self.stop_task(self._active)
        if name in self._tasks:
            raise ValueError(f"task `{name}` is under way already")
        self._tasks[name] = self._opened().begin(name)
        self._active = name

    def stop_task(self, task_name: str | None = None) -> EmissionsData:
        """Ends a part of the work, and returns what it used."""
        name = task_name or self._active
        if name is None or name not in self._tasks:
            raise ValueError(f"task `{name}` is not under way; call start_task first")
        span = self._tasks.pop(name)
        self._active = None if self._active == name else self._active
        span.end()
        row = self._row(span, self._project)
        if self._span is None:
            self._kept.append(row)
        return row

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _opened(self) -> Meter:
        if self._meter is None:
            memory = {"estimate_memory": True, "estimate_gpus": True}
            self._meter = self._given or Meter(
                interval=self._interval,
                attribute=self._mode == "process",
                **memory,  # type: ignore[arg-type]
            )
        return self._meter

    def _row(self, span: _core.Span, project: str) -> EmissionsData:
        seconds = span.duration or 0.0
        parts = {
            "cpu": part(span, CPU),
            "gpu": part(span, ("gpu",)),
            "ram": part(span, ("dram",)),
        }
        total = None
        if span.joules is not None:
            total = Energy(span.joules, span.uncertainty or 0.0, span.origin or "")
        energy = kilowatt_hours(total, self._pue)
        carbon = None if energy is None or self._grams is None else energy * self._grams / 1000
        fields: dict[str, Any] = {
            f"{name}_power": None if one is None or seconds <= 0 else one.joules * self._pue / seconds
            for name, one in parts.items()
        }
        for key, one in parts.items():
            fields[f"{key}_energy"] = kilowatt_hours(one, self._pue)
            fields[f"{key}_energy_origin"] = None if one is None else one.origin
        code, name = self._country or (None, None)
        return EmissionsData(
            timestamp=datetime.datetime.now().strftime("%Y-%m-%dT%H:%M:%S"),
            project_name=project,
            run_id=str(self.run_id),
            experiment_id=self._experiment,
            duration=seconds,
            emissions=carbon,
            emissions_rate=None if carbon is None or seconds <= 0 else carbon / seconds,
            **fields,
            energy_consumed=energy,
            water_consumed=None if energy is None else energy * self._wue,
            country_name=name,
            country_iso_code=code,
            region=self._region,
            cloud_provider=None,
            cloud_region=None,
            **machine(),
            tracking_mode=self._mode,
            pue=self._pue,
            wue=self._wue,
            energy_consumed_origin=None if total is None else total.origin,
            energy_consumed_uncertainty=None if total is None else total.uncertainty * self._pue / 3.6e6,
        )


class OfflineEmissionsTracker(EmissionsTracker):
    """As `EmissionsTracker`; `country_iso_code` has three letters, as in CodeCarbon, or two."""


def _summed(rows: list[EmissionsData]) -> EmissionsData:
    """The sum of rows that follow one another."""
    total = EmissionsData(**rows[-1].values)
    for name in (
        "duration",
        "emissions",
        "cpu_energy",
        "gpu_energy",
        "ram_energy",
        "energy_consumed",
        "water_consumed",
        "energy_consumed_uncertainty",
    ):
        found = [value for value in (getattr(row, name) for row in rows) if value is not None]
        setattr(total, name, sum(found) if found else None)
    for name in ("cpu_energy_origin", "gpu_energy_origin", "ram_energy_origin", "energy_consumed_origin"):
        origins = {getattr(row, name) for row in rows} - {None}
        setattr(total, name, (origins.pop() if len(origins) == 1 else "mixed") if origins else None)
    if total.duration > 0:
        total.emissions_rate = None if total.emissions is None else total.emissions / total.duration
        for name in ("cpu", "gpu", "ram"):
            energy = getattr(total, f"{name}_energy")
            setattr(total, f"{name}_power", None if energy is None else energy * 3.6e6 / total.duration)
    return total


def track_emissions(
    fn: Callable[..., Any] | None = None,
    project_name: str = "codecarbon",
    *,
    offline: bool = False,
    **keywords: Any,
) -> Callable[..., Any]:
    """A decorator: each call is measured by a tracker with these keywords."""
    if offline and keywords.get("country_iso_code") is None and keywords.get(FORCED) is None:
        log.warning("without `country_iso_code` or a forced intensity, grams are unknown; joules are measured")
    kind = OfflineEmissionsTracker if offline else EmissionsTracker

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with kind(project_name, **keywords):
                return function(*args, **kwargs)

        return measured

    return decorate(fn) if fn is not None else decorate
