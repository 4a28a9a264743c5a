//! Compares the networks with PyTorch's; writes `crates/models/BENCHMARKS.md`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::python;
use crate::process::{cargo, release_folder, root};

const PEERS: [&str; 2] = ["torch==2.15.0", "torchvision==0.29.2"];

/// Runs the comparison with the PyTorch of `python`, or with one that is installed under `target/` (several
/// gigabytes).
pub(crate) fn run(python: Option<&str>) -> anyhow::Result<u8> {
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let python = match python {
        Some(path) => PathBuf::from(path),
        None => python::with("bench-models", &PEERS)?,
    };
    let output = Command::new(python)
        .arg(root().join("crates/models/benches/peer.py"))
        .arg(release_folder().join("wattlab"))
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start Python")?;
    ensure!(
        output.status.success(),
        "the comparison failed; check that this Python has torch and torchvision"
    );
    let text = String::from_utf8(output.stdout)?;
    eprintln!("{text}");
    let path = root().join("crates/models/BENCHMARKS.md");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}
