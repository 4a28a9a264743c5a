"""The interfaces of CodeCarbon and Zeus, on a machine whose joules are known."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from conftest import Tree
from wattlab.compat.codecarbon import EmissionsTracker, OfflineEmissionsTracker, track_emissions
from wattlab.compat.zeus import ZeusMonitor


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_tracker_writes_codecarbon_s_columns_and_the_origin(tree: Tree, tmp_path: Path) -> None:
    tracker = OfflineEmissionsTracker(country_iso_code="FRA", output_dir=str(tmp_path))
    tracker.start()
    tree.set("intel-rapl:0", 36.0)
    tree.set("intel-rapl:0:0", 3.6)
    kilograms = tracker.stop()
    [row] = _rows(tmp_path / "emissions.csv")
    assert float(row["energy_consumed"]) == pytest.approx(39.6 / 3.6e6, rel=0.05)
    assert float(row["ram_energy"]) == pytest.approx(3.6 / 3.6e6, rel=0.2)
    assert row["energy_consumed_origin"] == "measured"
    assert float(row["energy_consumed_uncertainty"]) > 0
    assert (row["country_iso_code"], row["country_name"]) == ("FRA", "France")
    assert kilograms is not None and float(row["emissions"]) == kilograms
    assert tracker.final_emissions == kilograms
    assert list(row)[:5] == ["timestamp", "project_name", "run_id", "experiment_id", "duration"]
    assert row["gpu_energy"] == "", "what is not known is empty"


def test_the_columns_are_those_of_the_installed_codecarbon(tree: Tree, tmp_path: Path) -> None:
    peers = pytest.importorskip("codecarbon.output_methods.emissions_data")
    with EmissionsTracker(output_dir=tmp_path):
        pass
    [row] = _rows(tmp_path / "emissions.csv")
    theirs = list(peers.EmissionsData.__dataclass_fields__)
    assert list(row)[: len(theirs)] == theirs


def test_without_a_country_grams_are_unknown_and_joules_are_not(tree: Tree, tmp_path: Path) -> None:
    with EmissionsTracker(output_dir=tmp_path) as tracker:
        tree.set("intel-rapl:0", 10.0)
    assert tracker.final_emissions is None
    data = tracker.final_emissions_data
    assert data is not None and data.energy_consumed is not None
    assert _rows(tmp_path / "emissions.csv")[0]["emissions"] == ""


def test_a_decorator_measures_each_call(tree: Tree, tmp_path: Path) -> None:
    @track_emissions(offline=True, country_iso_code="DEU", output_dir=tmp_path, project_name="train")
    def train(x: int) -> int:
        return x + 1

    assert [train(1), train(2)] == [2, 3]
    assert [row["project_name"] for row in _rows(tmp_path / "emissions.csv")] == ["train", "train"]

    @track_emissions
    def bare() -> str:
        return "ok"

    @track_emissions(offline=True, output_dir=tmp_path, save_to_file=False)
    def nowhere() -> int:
        return 3

    assert nowhere() == 3
    assert bare.__name__ == "bare"


def test_tasks_add_up(tree: Tree, tmp_path: Path) -> None:
    tracker = EmissionsTracker(output_dir=tmp_path, force_carbon_intensity_g_co2e_kwh=100.0, measure_power_secs=1)
    tracker.start_task("load")
    tree.set("intel-rapl:0", 10.0)
    load = tracker.stop_task("load")
    tracker.start_task("fit")
    tree.set("intel-rapl:0", 40.0)
    fit = tracker.stop_task()
    total = tracker.stop()
    assert load.energy_consumed is not None and fit.energy_consumed is not None
    assert load.energy_consumed + fit.energy_consumed == pytest.approx(40 / 3.6e6, rel=0.1)
    assert total == pytest.approx((load.energy_consumed + fit.energy_consumed) * 0.1)
    with pytest.raises(ValueError, match="not under way"):
        tracker.stop_task("fit")


def test_flush_writes_what_was_used_so_far(tree: Tree, tmp_path: Path) -> None:
    tracker = EmissionsTracker(output_dir=tmp_path, on_csv_write="update", country_iso_code="DE")
    tracker.start()
    tree.set("intel-rapl:0", 10.0)
    first = tracker.flush()
    tree.set("intel-rapl:0", 20.0)
    last = tracker.stop()
    rows = _rows(tmp_path / "emissions.csv")
    assert len(rows) == 1 and float(rows[0]["emissions"]) == last
    assert first is not None and last is not None and last == pytest.approx(2 * first, rel=0.2)


def test_an_exception_is_written_and_propagates(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), EmissionsTracker(output_dir=tmp_path):
        raise ValueError("boom")
    assert len(_rows(tmp_path / "emissions.csv")) == 1


def test_a_file_of_codecarbon_is_kept(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text("timestamp,project_name\n1,2\n")
    with EmissionsTracker(output_dir=tmp_path):
        pass
    assert (tmp_path / "emissions.csv.bak").read_text().startswith("timestamp")
    assert len(_rows(tmp_path / "emissions.csv")) == 1


@pytest.mark.parametrize(
    "keywords",
    [
        {"pue": 0.5},
        {"pue": float("nan")},
        {"on_csv_write": "x"},
        {"tracking_mode": "x"},
        {"country_iso_code": "XYZ"},
    ],
)
def test_wrong_settings(keywords: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        EmissionsTracker(**keywords)  # type: ignore[arg-type]


def test_windows_of_zeus(tree: Tree, tmp_path: Path) -> None:
    monitor = ZeusMonitor(log_file=tmp_path / "logs" / "zeus.csv")
    assert (monitor.gpu_indices, monitor.cpu_indices) == ([], [0])
    monitor.begin_window("training")
    monitor.begin_window("epoch")
    tree.set("intel-rapl:0", 10.0)
    tree.set("intel-rapl:0:0", 2.0)
    epoch = monitor.end_window("epoch")
    training = monitor.end_window("training")
    assert epoch.cpu_energy is not None and epoch.cpu_energy[0] == pytest.approx(10.0, abs=0.5)
    assert epoch.dram_energy is not None and epoch.dram_energy[0] == pytest.approx(2.0, abs=0.5)
    assert epoch.total_energy == 0.0, "Zeus' total is that of the GPUs"
    assert epoch.origin == "measured" and epoch.joules == pytest.approx(12.0, abs=1.0)
    assert training.time >= epoch.time
    lines = (tmp_path / "logs" / "zeus.csv").read_text().splitlines()
    assert lines[0].startswith("start_time,window_name,elapsed_time") and len(lines) == 3
    with pytest.raises(ValueError, match="does not exist"):
        monitor.end_window("epoch")
    monitor.begin_window("epoch")
    with pytest.raises(ValueError, match="already exists"):
        monitor.begin_window("epoch")
    monitor.begin_window("epoch", restart=True)
    monitor.end_window("epoch", cancel=True)
    with pytest.raises(ValueError, match="gpu_indices"):
        ZeusMonitor(gpu_indices=[0])
