"""The interfaces of CodeCarbon and Zeus, on a machine whose joules are known."""

from __future__ import annotations

import csv
import json
import logging
import os
from pathlib import Path

import pytest
from conftest import Tree
from wattlab import Meter
from wattlab.compat.codecarbon import (
    EmissionsData,
    EmissionsTracker,
    LoggerOutput,
    OfflineEmissionsTracker,
    TaskEmissionsTracker,
    track_emissions,
    track_task_emissions,
)
from wattlab.compat.zeus import ZeusMonitor
from wattlab.errors import InputError


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

    with pytest.raises(InputError, match="country_iso_code"):
        nowhere()
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
    assert load is not None and load.energy_consumed is not None
    assert fit is not None and fit.energy_consumed is not None
    assert load.energy_consumed + fit.energy_consumed == pytest.approx(40 / 3.6e6, rel=0.1)
    assert total == pytest.approx((load.energy_consumed + fit.energy_consumed) * 0.1)
    assert tracker.stop_task("fit") is None, "it has ended"
    assert tracker.stop() == total, "it has ended, too"
    tasks = _rows(tmp_path / f"emissions_base_{tracker.run_id}.csv")
    assert [row["task_name"] for row in tasks] == ["load", "fit"]
    assert float(tasks[1]["energy_consumed"]) == fit.energy_consumed


def test_one_task_at_a_time(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    tracker = EmissionsTracker(save_to_file=False)
    tracker.start_task("first")
    tracker.start_task("second")
    assert "`first` is measured already" in caplog.text
    assert tracker.stop_task("second") is None
    assert tracker.stop_task() is not None
    tracker.start_task("first")
    assert tracker.stop_task() is not None, "a name may come again"
    tracker.stop()


def test_tasks_of_decorators_and_blocks(tree: Tree, tmp_path: Path) -> None:
    tracker = EmissionsTracker(output_dir=tmp_path, experiment_name="exp")

    @track_task_emissions(tracker=tracker, task_name="fit")
    def fit() -> int:
        return 42

    with tracker:
        assert fit() == 42 and fit.__name__ == "fit"
        with TaskEmissionsTracker("test", tracker):
            pass
    rows = _rows(tmp_path / f"emissions_exp_{tracker.run_id}.csv")
    assert [row["task_name"] for row in rows] == ["fit", "test"]
    assert len(_rows(tmp_path / "emissions.csv")) == 1


def test_outputs_get_the_total_and_the_part_since_the_last_one(tree: Tree, tmp_path: Path) -> None:
    class Mine:
        def __init__(self) -> None:
            self.seen: list[tuple[float | None, float | None]] = []
            self.has_ended = False

        def out(self, total: EmissionsData, delta: EmissionsData) -> None:
            self.seen.append((total.energy_consumed, delta.energy_consumed))

        def exit(self) -> None:
            self.has_ended = True

    mine = Mine()
    tracker = EmissionsTracker(output_methods=[], output_handlers=[mine])
    tracker.start()
    tree.set("intel-rapl:0", 10.0)
    tracker.flush()
    tree.set("intel-rapl:0", 40.0)
    tracker.stop()
    assert [round((total or 0) * 3.6e6) for total, _ in mine.seen] == [10, 40]
    assert [round((delta or 0) * 3.6e6) for _, delta in mine.seen] == [10, 30]
    assert mine.has_ended and not list(tmp_path.glob("*.csv"))


def test_an_output_that_fails_ends_nothing(tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def out(self, total: EmissionsData, delta: EmissionsData) -> None:
            raise OSError("disk full")

    with EmissionsTracker(output_dir=tmp_path, output_handlers=[Broken()]) as tracker:
        pass
    assert "disk full" in caplog.text and "energy_consumed" in caplog.text
    assert tracker.final_emissions_data is not None and len(_rows(tmp_path / "emissions.csv")) == 1


def test_the_logger_gets_a_line_of_json(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = LoggerOutput(logging.getLogger("mine"))
    with EmissionsTracker(output_methods="logger", logging_logger=logger, project_name="p"):
        pass
    [line] = [record.getMessage() for record in caplog.records if record.name == "mine"]
    assert json.loads(line)["project_name"] == "p"


def test_settings_come_from_keywords_then_variables_then_files(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    (home / ".codecarbon.config").write_text("[codecarbon]\nproject_name = home\nregion = oslo\npue = 1.5\n")
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\nproject_name = here\ncountry_iso_code = NOR\n")
    monkeypatch.setenv("CODECARBON_PUE", "2")
    with EmissionsTracker(experiment_id="key") as tracker:
        pass
    data = tracker.final_emissions_data
    assert data is not None
    assert (data.project_name, data.region, data.country_iso_code) == ("here", "oslo", "NOR")
    assert (data.pue, data.experiment_id) == (2.0, "key")
    monkeypatch.setenv("CODECARBON_PUE", "much")
    with pytest.raises(InputError, match="`pue` in CODECARBON_PUE is 'much'; expected a number"):
        EmissionsTracker()
    (tmp_path / ".codecarbon.config").write_text("pue = 1\n")
    with pytest.raises(InputError, match=r"\.codecarbon\.config"):
        EmissionsTracker(pue=1.0)


def test_a_missing_folder_is_named_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"output_dir.*none"):
        EmissionsTracker(output_dir=tmp_path / "none")


def test_hardware_is_what_is_known(tree: Tree) -> None:
    found = EmissionsTracker(save_to_file=False).get_detected_hardware()
    assert found["cpu_count"] == os.cpu_count() and found["gpu_count"] is None
    assert {"ram_total_size", "cpu_physical_count", "cpu_model", "gpu_model", "gpu_ids"} <= set(found)


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


def test_a_file_with_other_columns_is_kept(tree: Tree, tmp_path: Path) -> None:
    for time in ("1", "2"):
        (tmp_path / "emissions.csv").write_text(f"timestamp,project_name\n{time},2\n")
        with EmissionsTracker(output_dir=tmp_path):
            pass
        assert len(_rows(tmp_path / "emissions.csv")) == 1
    assert _rows(tmp_path / "emissions.csv.bak")[0]["timestamp"] == "1"
    assert _rows(tmp_path / "emissions.csv.bak.1")[0]["timestamp"] == "2"


@pytest.mark.parametrize("writes", ["append", "update"])
def test_a_file_of_codecarbon_goes_on(tree: Tree, tmp_path: Path, writes: str) -> None:
    columns = [name for name in EmissionsData.__dataclass_fields__ if not name.endswith(("_origin", "_uncertainty"))]
    path = tmp_path / "emissions.csv"
    path.write_text(f"{','.join(columns)}\n{','.join(f'old {name}' for name in columns)}\n")
    for _ in range(2):
        with EmissionsTracker(output_dir=tmp_path, on_csv_write=writes):
            pass
    rows = _rows(path)
    assert [row["energy_consumed_origin"] for row in rows] == ["", "measured", "measured"]
    assert rows[0]["duration"] == "old duration" and set(tmp_path.iterdir()) == {tmp_path / "sys", path}


def test_an_empty_file_gets_its_columns(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").touch()
    with EmissionsTracker(output_dir=tmp_path):
        pass
    assert len(_rows(tmp_path / "emissions.csv")) == 1


@pytest.mark.parametrize(
    "keywords",
    [
        {"pue": 0.5},
        {"pue": float("nan")},
        {"wue": -1.0},
        {"force_carbon_intensity_g_co2e_kwh": float("nan")},
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


@pytest.mark.parametrize(
    ("visible", "indices", "seen"),
    [
        (None, None, {0: 10.0, 1: 20.0, 2: 30.0}),
        (None, [2], {2: 30.0}),
        ("2,0", None, {0: 30.0, 1: 10.0}),
        ("1", [0], {0: 20.0}),
        ("0,-1,2", None, {0: 10.0}),
        ("", None, {}),
    ],
)
def test_gpus_of_zeus_are_those_that_the_framework_sees(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, visible: str | None, indices: list[int] | None, seen: dict[int, float]
) -> None:
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    for number in range(3):
        tree.gpu(number, 0.0)
    monitor = ZeusMonitor(gpu_indices=indices)
    monitor.begin_window("w")
    for number in range(3):
        tree.gpu(number, 10.0 * (number + 1))
    found = monitor.end_window("w")
    assert found.gpu_energy == pytest.approx(seen, abs=0.5)
    assert found.total_energy == pytest.approx(sum(seen.values()), abs=1.5)
    assert monitor.gpu_indices == list(seen)


def test_an_estimate_is_no_energy_of_zeus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(tmp_path / "sys")
    tree.zone("intel-rapl:0", "package-0")
    monkeypatch.setenv("WATTLAB_SYSFS", str(tree.root))
    monitor = ZeusMonitor(meter=Meter(estimate_memory=True))
    monitor.begin_window("w")
    tree.set("intel-rapl:0", 10.0)
    found = monitor.end_window("w")
    assert found.cpu_energy == pytest.approx({0: 10.0}) and found.dram_energy is None
    assert found.origin == "mixed" and found.joules is not None and found.joules > 10.0


def test_memory_of_zeus_is_that_of_its_package(tree: Tree) -> None:
    tree.zone("intel-rapl:1", "package-1")
    tree.zone("intel-rapl:2", "package-2")
    tree.zone("intel-rapl:2:0", "dram")
    monitor = ZeusMonitor()
    monitor.begin_window("w")
    for zone, joules in {"intel-rapl:1": 10.0, "intel-rapl:2": 20.0, "intel-rapl:2:0": 2.0}.items():
        tree.set(zone, joules)
    found = monitor.end_window("w")
    assert found.cpu_energy == pytest.approx({0: 0.0, 1: 10.0, 2: 20.0}, abs=0.5)
    assert found.dram_energy == pytest.approx({0: 0.0, 2: 2.0}, abs=0.1)


def test_gpus_of_zeus_by_name_are_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8d9c")
    with pytest.raises(ValueError, match=r"CUDA_VISIBLE_DEVICES.*GPU-8d9c"):
        ZeusMonitor()
