"""Builds the wheel: maturin, after the program `wattlab` and the probes were built by cargo.

`WATTLAB_WHEEL=light` leaves the program and the probes out and builds without optimization, for tests.
`WATTLAB_PROGRAM` and `WATTLAB_PROBES` (separated by colons) name files that are built already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "crates" / "python"
PROBES = ("wattlab-probe-nvml",)


def _cargo() -> None:
    """Builds what is packed beside the extension, and copies it to where maturin packs it."""
    scripts = PACKAGE / "data" / "scripts"
    probes = PACKAGE / "python" / "wattlab" / "probes"
    for folder in (scripts, probes):
        shutil.rmtree(folder, ignore_errors=True)
    scripts.mkdir(parents=True)
    if os.environ.get("WATTLAB_WHEEL") == "light":
        return
    probes.mkdir(parents=True)
    program = os.environ.get("WATTLAB_PROGRAM")
    libraries = os.environ.get("WATTLAB_PROBES")
    if program is None or libraries is None:
        packages = [flag for name in ("wattlab", *PROBES) for flag in ("-p", name)]
        subprocess.run(["cargo", "build", "--release", "--locked", *packages], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    program = program or str(target / "wattlab")
    names = [f"lib{name.replace('-', '_')}.so" for name in PROBES]
    files = libraries.split(":") if libraries else [str(target / name) for name in names]
    for source, folder in [(program, scripts), *((file, probes) for file in files)]:
        copy = folder / Path(source).name
        shutil.copy(source, copy)
        subprocess.run(["strip", str(copy)], check=True)


def _arguments() -> list[str]:
    return ["--profile", "dev"] if os.environ.get("WATTLAB_WHEEL") == "light" else []


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    _cargo()
    settings = {**(config_settings or {})}
    settings.setdefault("build-args", " ".join(_arguments()))
    name: str = maturin.build_wheel(wheel_directory, settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    _cargo()
    name: str = maturin.build_editable(wheel_directory, config_settings, metadata_directory)
    return name


get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
