"""Builds the wheel: maturin, after the program `wattlab` and the probes were built by cargo.

`WATTLAB_WHEEL=light` leaves the program and the probes out and builds without optimization, for tests; those
that the next variables name are packed.
`WATTLAB_WHEEL=published` builds for glibc 2.28 with zig, whose compiler comes from PyPI (`cargo-zigbuild`).
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
SCRIPTS = PACKAGE / "data" / "scripts"
TARGET = "x86_64-unknown-linux-gnu"
PROBES = ("wattlab-probe-nvml",)


def _kind() -> str:
    """`light`, `full` or `published`."""
    kind = os.environ.get("WATTLAB_WHEEL", "full")
    if kind not in ("light", "full", "published"):
        raise SystemExit(f"WATTLAB_WHEEL is {kind!r}; expected light, full or published")
    return kind


def _cargo() -> None:
    """Builds what is packed beside the extension, and copies it to where maturin packs it."""
    probes = PACKAGE / "python" / "wattlab" / "probes"
    for folder in (SCRIPTS, probes):
        shutil.rmtree(folder, ignore_errors=True)
    SCRIPTS.mkdir(parents=True)
    probes.mkdir(parents=True)
    program = os.environ.get("WATTLAB_PROGRAM")
    libraries = os.environ.get("WATTLAB_PROBES")
    if _kind() == "light" and (program is None or libraries is None):
        return
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if program is None or libraries is None:
        packages = [flag for name in ("wattlab", *PROBES) for flag in ("-p", name)]
        build, platform = ["build"], []
        if _kind() == "published":
            build, platform = ["zigbuild"], ["--target", f"{TARGET}.2.28"]
            target /= TARGET
        command = ["cargo", *build, "--profile", "wheel", "--locked", *platform, *packages]
        subprocess.run(command, cwd=ROOT, check=True)
    target /= "wheel"
    program = program or str(target / "wattlab")
    names = [f"lib{name.replace('-', '_')}.so" for name in PROBES]
    files = libraries.split(":") if libraries else [str(target / name) for name in names]
    for source, folder in [(program, SCRIPTS), *((file, probes) for file in files)]:
        copy = folder / Path(source).name
        shutil.copy(source, copy)
        subprocess.run(["strip", str(copy)], check=True)


def _arguments() -> list[str]:
    if _kind() == "light":
        return ["--profile", "dev"]
    if _kind() == "published":
        return ["--zig", "--target", TARGET, "--compatibility", "manylinux_2_28", "--profile", "wheel"]
    return ["--profile", "wheel"]


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


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    # maturin wants the folder of the scripts, which is filled later.
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    name: str = maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
