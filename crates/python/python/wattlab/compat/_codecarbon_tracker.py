"""Trackers with CodeCarbon's interface."""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from wattlab import _core
from wattlab._energy import Energy
from wattlab._meter import Meter
from wattlab.compat._codecarbon_config import Settings
from wattlab.compat._codecarbon_data import (
    CPU,
    EmissionsData,
    TaskEmissionsData,
    gpus,
    kilowatt_hours,
    machine,
    part,
    physical_processors,
)
from wattlab.compat._codecarbon_output import FileOutput, LoggerOutput, Output, OutputMethod
from wattlab.errors import InputError

log = logging.getLogger("wattlab.codecarbon")


class Task:
    """A part of the work: `emissions_data` once it has ended."""

    def __init__(self, task_name: str, span: _core.Span) -> None:
        self.task_name = task_name
        self.is_active = True
        self.emissions_data: EmissionsData | None = None
        self.span = span


class EmissionsTracker:
    """Measures from `start` to `stop`, and writes a row to `emissions.csv`.

    `stop` returns kilograms of CO2 equivalent; None if the carbon intensity or the energy is unknown.
    A keyword that is None is looked up in the variable `CODECARBON_NAME`, then in `.codecarbon.config` here and
    at home, as CodeCarbon does. Keywords of CodeCarbon that need its service, or estimate what wattlab
    measures, have no effect; they are named in the log (`wattlab.codecarbon`).
    """

    def __init__(
        self,
        project_name: str | None = None,
        measure_power_secs: float | None = None,
        *,
        output_dir: str | Path | None = None,
        output_file: str | Path | None = None,
        output_methods: str | Sequence[OutputMethod | str] | None = None,
        save_to_file: bool | None = None,
        save_to_logger: bool | None = None,
        logging_logger: Output | None = None,
        output_handlers: Sequence[Output] | None = None,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        tracking_mode: str | None = None,
        on_csv_write: str | None = None,
        pue: float | None = None,
        wue: float | None = None,
        force_carbon_intensity_g_co2e_kwh: float | None = None,
        country_iso_code: str | None = None,
        country_2letter_iso_code: str | None = None,
        region: str | None = None,
        cloud_provider: str | None = None,
        cloud_region: str | None = None,
        meter: Meter | None = None,
        **ignored: Any,
    ) -> None:
        """measure_power_secs: seconds between two readings; at most 0.1 are used, so that no power is missed.

        output_handlers: objects with `out(total, delta)`, called by `flush` and `stop`; and, where they have
        them, `task_out(tasks, experiment_name)` and `exit()`.
        """
        settings = Settings()
        if ignored:
            log.info("keywords without effect: %s", ", ".join(sorted(ignored)))
        self.run_id = uuid.uuid4()
        self.final_emissions: float | None = None
        self.final_emissions_data: EmissionsData | None = None
        self._project = settings.text("project_name", project_name) or "codecarbon"
        self._experiment = settings.text("experiment_id", experiment_id) or "5b0fa12a-3dd7-45bb-9766-cc326314d9f1"
        self._experiment_name = settings.text("experiment_name", experiment_name) or "base"
        self._mode = settings.text("tracking_mode", tracking_mode) or "machine"
        if self._mode not in ("machine", "process"):
            raise InputError(f'`tracking_mode` is {self._mode!r}; expected "machine" or "process"')
        self._pue = settings.number("pue", pue, 1.0) or 0.0
        self._wue = settings.number("wue", wue, 0.0) or 0.0
        for name, value, low, high in (("pue", self._pue, 1, 100), ("wue", self._wue, 0, 1000)):
            if not low <= value <= high:
                raise InputError(f"`{name}` is {value}; expected {low} to {high}")
        self._region = settings.text("region", region)
        self._cloud = (settings.text("cloud_provider", cloud_provider), settings.text("cloud_region", cloud_region))
        forced = "force_carbon_intensity_g_co2e_kwh"
        self._grams = settings.number(forced, force_carbon_intensity_g_co2e_kwh)
        if self._grams is not None and not 0 <= self._grams < float("inf"):
            raise InputError(f"`{forced}` is {self._grams}; expected a finite number of at least 0")
        self._country: tuple[str, str] | None = None
        country = settings.text("country_iso_code", country_iso_code) or settings.text(
            "country_2letter_iso_code", country_2letter_iso_code
        )
        if country is not None:
            code, name, grams, _ = _core.grid_of(country)
            self._country = (code, name)
            self._grams = grams if self._grams is None else self._grams
        self._outputs: list[Any] = list(output_handlers or [])
        methods = _methods(settings.text("output_methods", None) if output_methods is None else output_methods)
        if methods is None:
            saves = settings.flag("save_to_file", save_to_file, True)
            logs = settings.flag("save_to_logger", save_to_logger, False)
        else:
            saves, logs = OutputMethod.CSV in methods, OutputMethod.LOGGER in methods
        if saves:
            folder = settings.text("output_dir", None if output_dir is None else str(output_dir)) or "."
            file = settings.text("output_file", None if output_file is None else str(output_file)) or "emissions.csv"
            writes = settings.text("on_csv_write", on_csv_write) or "append"
            self._outputs.append(FileOutput(file, folder, writes))
        if logs:
            self._outputs.append(logging_logger or LoggerOutput(log))
        seconds = settings.number("measure_power_secs", measure_power_secs, 15.0) or 15.0
        self._interval = min(max(seconds, 0.001), 0.1)
        self._given = meter
        self._meter: Meter | None = None
        self._span: _core.Span | None = None
        self._tasks: dict[str, Task] = {}
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
        if self._span is None and self._active is None and not self._kept:
            log.warning("the tracker was stopped already, or not started")
            return self.final_emissions
        if self._active is not None:
            self.stop_task()
        if self._span is not None:
            span, self._span = self._span, None
            span.end()
            self._kept.append(self._row(span))
        rows, self._kept = self._kept, []
        row = _summed(rows)
        self.final_emissions_data, self.final_emissions = row, row.emissions
        self._write(row, rows[-1])
        for output in self._outputs:
            if hasattr(output, "exit"):
                output.exit()
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
        self._kept.append(self._row(self._span))
        self._span = self._opened().begin(self._project)
        total = _summed(self._kept)
        self._write(total, self._kept[-1])
        return total.emissions

    def start_task(self, task_name: str | None = None) -> None:
        """Begins a part of the work; one at a time, as in CodeCarbon."""
        if self._active is not None:
            log.warning("task `%s` is measured already; end it by stop_task before the next one", self._active)
            return
        name = task_name or str(uuid.uuid4())
        if name in self._tasks:
            name = f"{name}_{uuid.uuid4()}"
        self._tasks[name] = Task(name, self._opened().begin(name))
        self._active = name

    def stop_task(self, task_name: str | None = None) -> EmissionsData | None:
        """Ends a part of the work, and returns what it used; None if it is not measured."""
        name = task_name or self._active
        task = self._tasks.get(name) if name is not None else None
        if task is None or not task.is_active:
            log.warning("task `%s` is not measured; call start_task first", name)
            return None
        task.is_active = False
        self._active = None
        task.span.end()
        row = task.emissions_data = self._row(task.span)
        if self._span is None:
            self._kept.append(row)
        return row

    def get_detected_hardware(self) -> dict[str, Any]:
        """What is known about this machine; None where it is not."""
        found = machine()
        names = ("ram_total_size", "cpu_count", "cpu_model")
        return {
            **{name: found[name] for name in names},
            "cpu_physical_count": physical_processors(),
            **gpus(self._opened().readings()),
            "gpu_ids": None,
        }

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

    def _write(self, total: EmissionsData, delta: EmissionsData) -> None:
        """A full disk ends no training; what was to be written is in the log then."""
        ended = [task for task in self._tasks.values() if task.emissions_data is not None]
        tasks = [TaskEmissionsData(**_fields(task), task_name=task.task_name) for task in ended]
        for output in self._outputs:
            try:
                output.out(total, delta)
                if tasks and hasattr(output, "task_out"):
                    output.task_out(tasks, self._experiment_name)
            except Exception:
                log.exception("%s did not write %s", type(output).__name__, dict(total.values))

    def _opened(self) -> Meter:
        if self._meter is None:
            memory = {"estimate_memory": True, "estimate_gpus": True}
            self._meter = self._given or Meter(
                interval=self._interval,
                attribute=self._mode == "process",
                **memory,  # type: ignore[arg-type]
            )
        return self._meter

    def _row(self, span: _core.Span) -> EmissionsData:
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
            project_name=self._project,
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
            cloud_provider=self._cloud[0],
            cloud_region=self._cloud[1],
            on_cloud="N" if self._cloud[0] is None else "Y",
            **machine(),
            **gpus((span.to_dict() or {}).get("domains", [])),
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


def _methods(given: str | Sequence[OutputMethod | str] | None) -> set[str] | None:
    """The names of output methods; CodeCarbon's others have no effect."""
    if given is None:
        return None
    names = given.split(",") if isinstance(given, str) else given
    methods = {str(getattr(name, "value", name)).strip() for name in names} - {""}
    others = methods - {method.value for method in OutputMethod}
    if others:
        log.warning("outputs that are not offered, and are not written: %s", ", ".join(sorted(others)))
    return methods


def _fields(task: Task) -> dict[str, Any]:
    return {} if task.emissions_data is None else dict(task.emissions_data.values)
