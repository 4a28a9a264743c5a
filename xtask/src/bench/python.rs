//! Python environments for peers that are written in Python.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, ensure};

use crate::process::root;

/// The Python of a virtual environment in `target/NAME` in which these packages are installed.
pub(super) fn with(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = root().join("target").join(name);
    let python = folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        ensure!(made.context("failed to start `python3`")?.success(), "`python3 -m venv` failed");
    }
    let pip = ["-m", "pip", "install", "-q"];
    let installed = Command::new(&python).args(pip).args(packages).status();
    ensure!(
        installed.context("failed to start `pip`")?.success(),
        "failed to install {}; check that PyPI can be reached",
        packages.join(", ")
    );
    Ok(python)
}
