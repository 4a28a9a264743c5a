"""Recipe 4: all spans as a DataFrame, and failures among them."""

import pytest
import wattlab


def test_recipe() -> None:
    pytest.importorskip("pandas")
    with wattlab.Meter() as meter:
        for epoch in range(3):
            with meter.span("epoch"):
                sum(range(10_000 * (epoch + 1)))
        try:
            with meter.span("epoch"):
                raise MemoryError("batch too large")
        except MemoryError:
            pass

    table = meter.dataframe()
    print(table[["name", "duration_s", "joules", "origin", "error"]])
    assert len(table) == 4
    assert table["error"].iloc[3] == "MemoryError: batch too large"
    assert table.groupby("name")["duration_s"].sum()["epoch"] > 0
