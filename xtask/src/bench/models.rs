//! The networks beside PyTorch's; writes `crates/models/BENCHMARKS.md`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::process::{cargo, release_folder, root};

const PEER: [&str; 2] = ["torch==2.15.0", "torchvision==0.29.2"];

/// With the peer from `python`, or from an environment made under `target/` (some gigabytes).
pub(crate) fn run(python: Option<&str>) -> anyhow::Result<u8> {
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let python = python.map_or_else(made, |it| Ok(PathBuf::from(it)))?;
    let output = Command::new(python)
        .arg(root().join("crates/models/benches/peer.py"))
        .arg(release_folder().join("wattlab"))
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start the peer")?;
    ensure!(
        output.status.success(),
        "the peer could not be run: does its Python have torchvision?"
    );
    let text = String::from_utf8(output.stdout)?;
    eprintln!("{text}");
    let path = root().join("crates/models/BENCHMARKS.md");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// A Python with the peer in it, under `target/`.
fn made() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/bench-models");
    let python: &Path = &folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        ensure!(made.context("failed to start `python3`")?.success(), "`python3 -m venv` failed");
    }
    let installed = Command::new(python).args(["-m", "pip", "install", "-q"]).args(PEER).status();
    ensure!(installed?.success(), "PyTorch could not be installed: is PyPI reachable?");
    Ok(python.to_owned())
}
