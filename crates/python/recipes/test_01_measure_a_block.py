"""Recipe 1: the joules of a stretch of a program."""

import wattlab


def test_recipe() -> None:
    with wattlab.Meter() as meter:
        with meter.span("load") as load:
            numbers = [x * 0.5 for x in range(200_000)]
        with meter.span("work") as work:
            total = sum(numbers)

    for span in (load, work):
        if span.joules is None:  # nothing on this machine can be read
            print(span.name, span.warnings)
        else:
            print(f"{span.name}: {span.joules:.3f} J ± {span.uncertainty:.3f} J, {span.origin}")

    assert total == 0.5 * sum(range(200_000))
    assert [span["name"] for span in meter.report()["spans"]] == ["load", "work"]
