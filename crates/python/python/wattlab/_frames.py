"""pandas, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def pandas() -> Any:
    """The module; an `ImportError` that says what to do without it."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("a DataFrame needs pandas; install it: pip install 'wattlab[pandas]'") from error
    return pd


def has_pandas() -> bool:
    """Whether pandas can be imported."""
    try:
        import pandas  # noqa: F401
    except ImportError:
        return False
    return True


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each dictionary."""
    return pandas().DataFrame(rows)  # type: ignore[no-any-return]


def is_frame(value: Any) -> bool:
    """Whether a value is a DataFrame; pandas is not imported for this."""
    return type(value).__module__.split(".")[0] == "pandas" and type(value).__name__ == "DataFrame"
