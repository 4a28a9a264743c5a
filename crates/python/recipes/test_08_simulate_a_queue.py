"""Recipe 8: the joules per request of a queue, for several sizes of a batch."""

import wattlab


def queue(size: int) -> dict[str, object]:
    return {
        "seed": 1,
        "requests": 5000,
        "warmup": 500,
        "arrivals": {"process": "poisson", "rate": 20.0},
        "service": {"law": "deterministic", "base_s": 0.02, "per_item_s": 0.01},
        "batching": {"policy": "greedy", "size": size},
        "power": {"idle_w": 50.0, "busy_w": 250.0},
    }


def test_recipe() -> None:
    found = {size: wattlab.simulate(queue(size)) for size in (1, 8)}
    for size, report in found.items():
        print(size, report["energy_j_per_request"], "J,", report["mean_response_s"], "s")
    assert found[8]["energy_j_per_request"] < found[1]["energy_j_per_request"]
    first = wattlab.simulate(queue(8), requests=True).rows()[0]
    assert first["outcome"] == "served"
