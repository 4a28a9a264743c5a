"""The simulator and the statistics, against values that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wattlab
from wattlab import stats
from wattlab.errors import InputError

QUEUE = {
    "seed": 1,
    "requests": 2000,
    "warmup": 0,
    "arrivals": {"process": "poisson", "rate": 40.0},
    "service": {"law": "deterministic", "base_s": 0.01, "per_item_s": 0.005},
    "batching": {"policy": "greedy", "size": 8},
}


def test_a_queue_from_a_dictionary(tmp_path: Path) -> None:
    found = wattlab.simulate(QUEUE, requests=True)
    assert found["requests"] == 2000
    json.dumps(found)
    rows = found.rows()
    assert len(rows) == 2000 and rows[0]["outcome"] == "served"
    assert wattlab.simulate(QUEUE, requests=False) == found
    pytest.importorskip("pandas")
    frame = found.requests
    assert (frame["end_s"] >= frame["start_s"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requests": -1}, "requests"),
        ({"nonsense": 1}, "nonsense"),
        ({"arrivals": {"process": "poisson", "rate": float("nan")}}, "`arrivals.rate`"),
        ({"batching": {"policy": "greedy", "size": 0}}, "size"),
    ],
)
def test_wrong_queues_name_the_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wattlab.simulate({**QUEUE, **change})


def test_wrong_arguments_of_simulate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.toml"):
        wattlab.simulate(tmp_path / "missing.toml")
    with pytest.raises(TypeError):
        wattlab.simulate(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="replications"):
        wattlab.simulate(QUEUE, replications=0)


def test_anova_of_a_table() -> None:
    # One factor: F is the square of t of two samples of equal size with pooled variance.
    table = {"y": [1.0, 2.0, 3.0, 5.0, 6.0, 7.5], "g": ["a", "a", "a", "b", "b", "b"]}
    found = stats.anova(table, "y ~ g")
    [term] = found["terms"]
    assert term["term"] == "g" and term["df"] == 1 and found["residual"]["df"] == 4
    means = (2.0, 18.5 / 3)
    within = 2.0 + sum((value - means[1]) ** 2 for value in (5.0, 6.0, 7.5))
    between = 6 * ((means[1] - means[0]) / 2) ** 2
    assert term["f"] == pytest.approx(between / (within / 4))
    pd = pytest.importorskip("pandas")
    frame = stats.anova(pd.DataFrame(table), "y ~ g")
    assert list(frame["terms"]["term"]) == ["g"]
    assert frame["terms"]["f"][0] == pytest.approx(term["f"])


def test_wrong_tables_name_the_column() -> None:
    table = {"y": [1.0, 2.0, None], "g": ["a", "b", "a"]}
    with pytest.raises(InputError, match="`y` has missing"):
        stats.anova(table, "y ~ g")
    with pytest.raises(InputError, match="no column `h`"):
        stats.anova({"y": [1.0], "g": ["a"]}, "y ~ h")
    with pytest.raises(InputError, match="`type` is 4"):
        stats.anova({"y": [1.0, 2.0, 3.0, 4.0], "g": list("abab")}, "y ~ g", type=4)
    with pytest.raises(InputError):
        stats.anova({"y": [1.0, 2.0], "g": ["a", "b"]}, "y ~~ g")
    with pytest.raises(TypeError, match="DataFrame"):
        stats.anova([1, 2], "y ~ g")


def test_samples_against_known_values() -> None:
    # By hand: the difference -2.75 over the root of (5/3 + 26.75/3) / 4.
    found = stats.welch_t([1, 2, 3, 4], [2, 4, 6, 9])
    assert found["t"] == pytest.approx(-2.75 / ((5 / 3 + 26.75 / 3) / 4) ** 0.5)
    assert stats.describe([1, 2, 3, 4])["median"] == 2.5
    assert stats.holm([0.01, 0.04]) == pytest.approx([0.02, 0.04])
    assert stats.spearman([1, 2, 3, 4], [1, 4, 9, 16])["rho"] == pytest.approx(1.0)
    assert stats.mann_whitney([1, 2, 3], [4, 5, 6])["p"] == pytest.approx(0.1)
    assert stats.linear_regression([[1, 2, 3]], [2, 4, 6.1])["coefficients"][1]["estimate"] == pytest.approx(2.05)
    pairs = stats.tukey_hsd([1, 2, 3, 7, 8, 9.5], ["a", "a", "a", "b", "b", "b"])
    assert pairs[0]["p"] < 0.01


@pytest.mark.parametrize("values", [[], [float("nan"), 1.0], [float("inf"), 1.0], ["a", "b"], None])
def test_unfit_samples(values: object) -> None:
    with pytest.raises(InputError):
        stats.welch_t(values, [1.0, 2.0])
