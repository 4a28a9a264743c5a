"""Recipe 2: the joules of every call of a function, and of each name in total."""

import wattlab

meter = wattlab.Meter()


@meter.span("square")
def square(x: int) -> int:
    return x * x


def test_recipe() -> None:
    assert [square(x) for x in range(5)] == [0, 1, 4, 9, 16]

    total = meter.report()["totals"]["square"]
    print(total["spans"], "calls,", total["joules"], "J,", total["origin"])
    assert total["spans"] == 5
