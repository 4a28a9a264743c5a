"""A machine with known sensors: a powercap tree in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest


class Tree:
    """A fake /sys with RAPL zones whose counters a test sets, in joules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class" / "powercap").mkdir(parents=True)

    def zone(self, zone: str, name: str) -> None:
        folder = self.root / "class" / "powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
        self.set(zone, 0.0)

    def gpu(self, number: int, joules: float) -> None:
        """The energy of a graphics card."""
        folder = self.root / "class" / "hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text("i915\n")
        new = folder / "new"
        new.write_text(f"{round(joules * 1e6)}\n")
        new.rename(folder / "energy1_input")

    def set(self, zone: str, joules: float) -> None:
        folder = self.root / "class" / "powercap" / zone
        new = folder / "new"
        new.write_text(f"{round(joules * 1e6)}\n")
        new.rename(folder / "energy_uj")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """One package with its memory; meters read it by the environment."""
    tree = Tree(tmp_path / "sys")
    tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:0:0", "dram")
    monkeypatch.setenv("WATTLAB_SYSFS", str(tree.root))
    return tree
