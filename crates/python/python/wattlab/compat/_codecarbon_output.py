"""Where a tracker writes: CSV files, a logger, and handlers of the user's own."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import os
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from wattlab.compat._codecarbon_data import EmissionsData, TaskEmissionsData, own_columns
from wattlab.errors import InputError


class OutputMethod(str, Enum):
    """The outputs by name. Those that send something over the network are not offered."""

    CSV = "csv"
    LOGGER = "logger"


class Output(Protocol):
    """A handler: `out` at each flush and at the end."""

    def out(self, total: EmissionsData, delta: EmissionsData, /) -> None: ...


class LoggerOutput:
    """Logs what was used as one line of JSON."""

    def __init__(self, logger: logging.Logger, severity: int = logging.INFO) -> None:
        self.logger = logger
        self.logging_severity = severity

    def out(self, total: EmissionsData, _delta: EmissionsData, /) -> None:
        """Logs the total."""
        self.logger.log(self.logging_severity, json.dumps(dataclasses.asdict(total)))


class FileOutput:
    """Writes a row to `emissions.csv`, and the tasks to a file of their own."""

    def __init__(self, output_file_name: str, output_dir: str | Path, on_csv_write: str = "append") -> None:
        if on_csv_write not in ("append", "update"):
            raise InputError(f'`on_csv_write` is {on_csv_write!r}; expected "append" or "update"')
        # Checked here, because at the end of a training it would be too late.
        self._path = Path(output_dir) / output_file_name
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"`output_dir`: there is no folder {str(self._path.parent)!r}; make it first")
        self._replaces = on_csv_write == "update"

    def out(self, total: EmissionsData, _delta: EmissionsData, /) -> None:
        """Adds the row of this run, or replaces it (`update`)."""
        columns, rows = _earlier(self._path, list(total.values))
        rewrites = rows is not None or columns is None
        kept = rows or []
        if self._replaces:
            if not rewrites:
                kept = _rows(self._path)
            rewrites = True
            kept = [row for row in kept if row.get("run_id") != total.run_id]
        names = columns or list(total.values)
        if rewrites:
            _write(self._path, names, [*kept, total.values])
            return
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, names).writerow(_texts(total.values))

    def task_out(self, data: list[TaskEmissionsData], experiment_name: str) -> None:
        """Writes a row for each task."""
        path = self._path.with_name(f"emissions_{experiment_name}_{data[0].run_id}.csv")
        _write(path, list(data[0].values), (task.values for task in data))


def _earlier(path: Path, columns: list[str]) -> tuple[list[str] | None, list[dict[str, Any]] | None]:
    """The columns of a file, None for a new one; and its rows if they must be written again.

    A file of CodeCarbon gets our columns as well. One with other columns is moved to `FILE.bak`, as CodeCarbon
    does.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None, None
    with path.open(encoding="utf-8", newline="") as file:
        found = next(csv.reader(file), [])
    if sorted(found) == sorted(columns):
        return found, None
    if set(columns) - own_columns() <= set(found) <= set(columns):
        return columns, _rows(path)
    os.replace(path, _free(path.with_name(f"{path.name}.bak")))
    return None, None


def _free(path: Path) -> Path:
    """The path, or with the first number at its end that is free."""
    number, free = 0, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a whole file beside the old one, then replaces that."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(_texts(row) for row in rows)
    os.replace(new, path)


def _texts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in row.items()}
