"""Recipe 5: worker processes measure their own spans, and send the reports as plain data."""

import multiprocessing
from typing import Any, Optional

import wattlab


def work(number: int) -> Optional[dict[str, Any]]:
    with wattlab.Meter() as meter, meter.span(f"worker-{number}") as span:
        sum(range(10_000))
    return span.to_dict()


def test_recipe() -> None:
    with wattlab.Meter() as meter, meter.span("pool") as pool_span, multiprocessing.Pool(2) as pool:
        reports = pool.map(work, range(4))

    assert [report["name"] for report in reports if report] == [f"worker-{number}" for number in range(4)]
    assert pool_span.duration is not None and pool_span.duration > 0
