"""Functions and blocks that a tracker measures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from wattlab.compat._codecarbon_config import Settings
from wattlab.compat._codecarbon_tracker import EmissionsTracker, OfflineEmissionsTracker
from wattlab.errors import InputError

# What tells how much CO2 a kilowatt-hour is, or is accepted in its place.
PLACES = ("country_iso_code", "country_2letter_iso_code", "cloud_provider", "force_carbon_intensity_g_co2e_kwh")


def track_emissions(
    fn: Callable[..., Any] | None = None,
    project_name: str | None = None,
    *,
    offline: bool = False,
    **keywords: Any,
) -> Callable[..., Any]:
    """A decorator: each call is measured by a tracker with these keywords.

    offline: the country must be given, as in CodeCarbon.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            settings = Settings()
            if offline and all(settings.text(name, keywords.get(name)) is None for name in PLACES):
                raise InputError("`offline` is true, and no `country_iso_code` is given, such as 'FRA'")
            kind = OfflineEmissionsTracker if offline else EmissionsTracker
            with kind(project_name, **keywords):
                return function(*args, **kwargs)

        return measured

    return decorate(fn) if fn is not None else decorate


def track_task_emissions(
    fn: Callable[..., Any] | None = None, tracker: EmissionsTracker | None = None, task_name: str = ""
) -> Callable[..., Any]:
    """A decorator: each call is a task of a tracker; without one, of a tracker of its own."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with TaskEmissionsTracker(task_name, tracker):
                return function(*args, **kwargs)

        return measured

    return decorate(fn) if fn is not None else decorate


class TaskEmissionsTracker:
    """A `with` block that is a task of a tracker; without one, of a tracker of its own."""

    def __init__(self, task_name: str, tracker: EmissionsTracker | None = None) -> None:
        self.task_name = task_name
        self.is_default_tracker = tracker is None
        self.tracker = EmissionsTracker() if tracker is None else tracker

    def __enter__(self) -> TaskEmissionsTracker:
        self.tracker.start_task(self.task_name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.tracker.stop_task()
        if self.is_default_tracker:
            self.tracker.stop()
