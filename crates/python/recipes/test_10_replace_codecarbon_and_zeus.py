"""Recipe 10: CodeCarbon's and Zeus' interfaces; only the import changes."""

import csv
from pathlib import Path

from wattlab.compat.codecarbon import OfflineEmissionsTracker, track_emissions
from wattlab.compat.zeus import ZeusMonitor


def test_codecarbon(tmp_path: Path) -> None:
    tracker = OfflineEmissionsTracker(country_iso_code="CAN", output_dir=str(tmp_path))
    tracker.start()
    sum(range(100_000))
    kilograms = tracker.stop()

    @track_emissions(offline=True, country_iso_code="CAN", output_dir=str(tmp_path))
    def train() -> int:
        return sum(range(100_000))

    train()
    with (tmp_path / "emissions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    print(kilograms, rows[0]["energy_consumed"], rows[0]["energy_consumed_origin"])
    assert len(rows) == 2


def test_zeus() -> None:
    monitor = ZeusMonitor()
    monitor.begin_window("epoch")
    sum(range(100_000))
    measurement = monitor.end_window("epoch")
    print(measurement.time, measurement.gpu_energy, measurement.joules, measurement.origin)
    assert measurement.time > 0
