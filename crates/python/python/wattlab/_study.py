"""Searches that count joules."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from wattlab import _core
from wattlab._frames import frame
from wattlab._json import dumps
from wattlab._meter import Meter
from wattlab._space import Space, described
from wattlab.errors import ExhaustedError, InputError, SpanError, TrialPruned

if TYPE_CHECKING:
    import pandas as pd

Value = Union[float, Sequence[float], None]


class Trial:
    """A trial that runs: `params` by name and, with a pruner, the steps to go (`first` to `last`)."""

    def __init__(self, study: Study, answer: dict[str, Any]) -> None:
        self._study = study
        self.number: int = answer["trial"]
        self.params: dict[str, Any] = answer["params"]
        self.first: int = answer.get("from", 0) + 1
        self.last: int | None = answer.get("until")
        self._is_over = False

    def __getitem__(self, name: str) -> Any:
        return self.params[name]

    def report(self, step: int, value: Value, joules: float | None = None) -> None:
        """Tells the value after a step, counted from 1; one that is not finite is left out."""
        self._study.report(self.number, step, value, joules)

    def should_stop(self) -> bool:
        """Whether the trial ends here, for now; end the objective then by `raise wattlab.TrialPruned`."""
        stops = self._study.should_stop(self.number)
        self._is_over = stops
        return stops

    def __repr__(self) -> str:
        return f"<Trial {self.number}: {self.params}>"


class Study(_core.Study):
    """A search for the parameters with the best values, and for few joules.

    >>> study = Study({"x": Float(-5, 5)}, seed=1)
    >>> for _ in range(5):
    ...     trial = study.ask()
    ...     study.tell(trial, (trial["x"] - 1) ** 2, joules=2.0)
    >>> study.best()["value"] >= 0
    True

    space: parameters by name: `Float`, `Int`, `Categorical`.
    direction: "minimize", "maximize", or a list with one for each objective.
    sampler: "gp", "tpe", "sobol", "random", "grid", "paper-pi", or a dictionary with `kind` and settings.
    pruner: a dictionary such as `{"kind": "asha", "most": 27}`, or its `most` alone.
    constraints: comparisons that every point satisfies, such as "layers * width <= 4096".
    limits: for each objective the worst acceptable value, or None.
    budget_joules, budget_seconds: what may be spent; a study has at most one of them.
    journal: the file that keeps the study. If it exists, the study goes on where it ends. One process at a
        time has it open: `close()`, or a `with` block, releases it.
    """

    def __new__(
        cls,
        space: Space,
        *,
        direction: str | Sequence[str] = "minimize",
        sampler: str | Mapping[str, Any] = "gp",
        seed: int = 0,
        pruner: int | Mapping[str, Any] | None = None,
        constraints: Sequence[str] = (),
        limits: Sequence[float | None] | None = None,
        budget_joules: float | None = None,
        budget_seconds: float | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> Study:
        if budget_joules is not None and budget_seconds is not None:
            raise InputError("both `budget_joules` and `budget_seconds` are given; a study counts one of them")
        for name, budget in (("budget_joules", budget_joules), ("budget_seconds", budget_seconds)):
            if budget is not None and not 0 < budget < float("inf"):
                raise InputError(f"`{name}` is {budget}; expected a finite number above 0")
        description: dict[str, Any] = {
            "seed": seed,
            "direction": direction if isinstance(direction, str) else list(direction),
            "sampler": {"kind": sampler} if isinstance(sampler, str) else dict(sampler),
            "space": described(space),
            "constraints": list(constraints),
        }
        if pruner is not None:
            description["pruner"] = dict(pruner) if isinstance(pruner, Mapping) else {"most": pruner}
        if limits is not None:
            description["limits"] = list(limits)
        if budget_joules is not None:
            description["budget_j"] = budget_joules
        if journal is not None:
            description["journal"] = os.fspath(journal)
        study = super().__new__(cls, dumps(description), budget_seconds)
        study.budget_joules = budget_joules
        study.budget_seconds = budget_seconds
        return study

    budget_joules: float | None
    budget_seconds: float | None

    def __enter__(self) -> Study:
        return self

    def ask(self) -> Trial:
        """The next trial. Raises `ExhaustedError` if nothing is left to try."""
        return Trial(self, json.loads(self.ask_json()))

    def tell(self, trial: Trial | int, value: Value, joules: float | None = None) -> None:
        """Tells the value of a trial, one for each objective; None or NaN if it failed.

        joules: its cost, if it is known.
        """
        self.tell_json(_number(trial), _value(value), joules)

    def report(self, trial: Trial | int, step: int, value: Value, joules: float | None = None) -> None:
        """Tells the value of a trial after a step, counted from 1."""
        self.report_json(_number(trial), step, _value(value), joules)

    def add(self, params: Mapping[str, Any], value: Value, joules: float | None = None) -> int:
        """Adds a trial that was evaluated elsewhere; returns its number."""
        return self.add_json(dumps(dict(params)), _value(value), joules)

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Runs a trial with these parameters next; the search chooses those that are left out."""
        self.enqueue_json(dumps(dict(params)))

    def best(self) -> dict[str, Any]:
        """The best trial: `trial`, `params`, `value`. Raises `InputError` before the first value."""
        best: dict[str, Any] = json.loads(self.best_json())
        return best

    def pareto(self) -> list[dict[str, Any]]:
        """The trials that no other one is better than in every objective."""
        trials: list[dict[str, Any]] = json.loads(self.pareto_json())
        return trials

    def trials(self) -> list[dict[str, Any]]:
        """All trials with a result, and with a pruner those that run: parameters, state, values, seconds, joules with
        uncertainty and origin.
        """
        trials: list[dict[str, Any]] = json.loads(self.trials_json())
        return trials

    def dataframe(self) -> pd.DataFrame:
        """`trials()` as a DataFrame, a column `params.NAME` for each parameter."""
        rows = []
        for trial in self.trials():
            params = trial.pop("params")
            rows.append({**trial, **{f"params.{name}": value for name, value in params.items()}})
        return frame(rows)

    def running(self) -> list[Trial]:
        """Trials without a result: also those of a program that was killed."""
        return [Trial(self, answer) for answer in json.loads(self.running_json())]

    def spent(self) -> dict[str, Any]:
        """Seconds and joules of all trials and of the search, with uncertainty and origin."""
        spent: dict[str, Any] = json.loads(self.spent_json())
        return spent

    def optimize(
        self,
        function: Callable[[Trial], Value],
        n: int,
        *,
        meter: Meter | None = None,
        catch: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> Study:
        """Runs `n` trials, or fewer if the budget is used up, and measures their joules.

        function: gets a `Trial` and returns its value. An exception of `catch` is a failed trial; any other
            one ends the search, after the trial is told as failed. With a pruner it calls
            `trial.report(step, value)` for each step and raises `TrialPruned` if `trial.should_stop()`.
        meter: measures the trials; by default one is made.
        """
        if n < 0:
            raise InputError(f"`n` is {n}; expected at least 0 trials")
        own = meter is None
        meter = Meter() if meter is None else meter
        try:
            for _ in range(n):
                if self._used_up() or not self._step(function, meter, catch):
                    break
        finally:
            if own:
                meter.close()
        return self

    def _used_up(self) -> bool:
        spent = self.spent()
        joules = (spent["joules"] or 0.0) + (spent["told_j"] or 0.0)
        return (self.budget_joules is not None and joules >= self.budget_joules) or (
            self.budget_seconds is not None and spent["seconds"] >= self.budget_seconds
        )

    def _step(self, function: Callable[[Trial], Value], meter: Meter, catch: Any) -> bool:
        search = meter.begin("search")
        try:
            trial = self.ask()
        except ExhaustedError:
            return False
        finally:
            self._spend(None, search.end())
        span = meter.begin(f"trial-{trial.number}")
        value: Value = None
        pruned = False
        try:
            value = function(trial)
        except TrialPruned:
            pruned = True
        except catch:
            pass
        finally:
            # An exception that is not caught tells a failed trial, too.
            self._spend(trial.number, span.end())
            if not pruned and not self._has_ended(trial):
                self._tell_or_fail(trial, value)
        return True

    def _tell_or_fail(self, trial: Trial, value: Value) -> None:
        """A value that cannot be used is an error, and the trial has failed."""
        try:
            self.tell(trial, value)
        except (InputError, TypeError):
            self.tell(trial, None)
            raise

    def _has_ended(self, trial: Trial) -> bool:
        """Whether reports have ended the trial."""
        return self.is_pruned and trial.number not in {running.number for running in self.running()}

    def _spend(self, trial: int | None, span: _core.Span) -> None:
        if span.duration is None:
            raise SpanError("the study measures its trials in the process that made it")
        self.add_spent(trial, span.duration, span.joules, span.uncertainty, span.origin)


def _number(trial: Trial | int) -> int:
    return trial.number if isinstance(trial, Trial) else trial


def _value(value: Value) -> str:
    return dumps(value)
