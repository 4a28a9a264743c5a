"""Recipe 9: does the batch size change the joules? An analysis of variance of a table."""

import random

import pytest
from wattlab import stats


def test_recipe() -> None:
    pd = pytest.importorskip("pandas")
    noise = random.Random(1)
    rows = [
        {"batch": batch, "layers": layers, "joules": 100 - 10 * (batch == "large") + 20 * layers + noise.gauss(0, 2)}
        for batch in ("small", "large")
        for layers in (1, 2)
        for _ in range(6)
    ]
    found = stats.anova(pd.DataFrame(rows), "joules ~ batch*factor(layers)")
    print(found["terms"][["term", "f", "p", "partial_eta_sq"]])
    p = dict(zip(found["terms"]["term"], found["terms"]["p"]))
    assert p["batch"] < 0.001 and p["batch:layers"] > 0.01

    small = [row["joules"] for row in rows if row["batch"] == "small"]
    large = [row["joules"] for row in rows if row["batch"] == "large"]
    comparison = stats.compare(small, large)
    print(comparison["difference"], comparison["bootstrap"], comparison["choice"])
    assert comparison["difference"] > 0
