"""The exceptions of wattlab. Every message is that of the program `wattlab`.

| class | when | also a |
|---|---|---|
| `Error` | any of the following | `Exception` |
| `InputError` | a description, a number, a formula or a column that cannot be used | `ValueError` |
| `SensorError` | a sensor or a plugin that was named cannot be opened | `RuntimeError` |
| `SpanError` | a span or a meter is used in the wrong order | `RuntimeError` |
| `StudyError` | a study refuses what is asked or told | `RuntimeError` |
| `ExhaustedError` | every point of a space was tried, or the budget is used up | `StudyError` |
| `JournalError` | a journal cannot be read or written | `OSError` |
| `InternalError` | a fault of wattlab itself | `RuntimeError` |
| `TrialPruned` | raised by an objective to end its trial early | `Exception` |
"""


class Error(Exception):
    """The base of all exceptions of wattlab."""


class InputError(Error, ValueError):
    """A description, a number, a formula or a column cannot be used."""


class SensorError(Error, RuntimeError):
    """A sensor or a plugin that was named cannot be opened."""


class SpanError(Error, RuntimeError):
    """A span or a meter is used in the wrong order, or after it was closed."""


class StudyError(Error, RuntimeError):
    """A study refuses what is asked or told, such as a result for a trial that is not running."""


class ExhaustedError(StudyError):
    """Nothing is left to try: every point of a finite space was tried, or the budget is used up."""


class JournalError(Error, OSError):
    """A journal cannot be read or written, or is not the journal of a study."""


class InternalError(Error, RuntimeError):
    """A fault of wattlab itself. Please report it."""


class TrialPruned(Exception):
    """An objective raises it when `trial.should_stop()` says so; it is no failure."""
