//! `cargo xtask bundle`: collects in `target/bundle` what a GPU machine without cargo and without a network
//! needs.

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

use crate::process::{cargo, release_folder, root};

/// The greatest size of a bundle in bytes.
const LIMIT: u64 = 48 << 20;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let (mut data, mut features) = (None, vec!["--features", "wattlab/cuda"]);
    let mut rest = args;
    loop {
        match rest {
            [] => break,
            ["--data", folder, more @ ..] => {
                data = Some(PathBuf::from(folder));
                rest = more;
            }
            ["--cpu", more @ ..] => {
                features.clear();
                rest = more;
            }
            _ => bail!("usage: cargo xtask bundle [--data DIR] [--cpu]"),
        }
    }
    let build = ["build", "--release", "-p", "wattlab", "-p", "wattlab-probe-nvml"];
    let code = cargo(&[&build[..], &features].concat(), &[])?;
    if code != 0 {
        return Ok(code);
    }
    let folder = root().join("target/bundle");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to clear `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?;
    let probe = format!("{DLL_PREFIX}wattlab_probe_nvml{DLL_SUFFIX}");
    for name in ["wattlab", &probe] {
        copy(&release_folder().join(name), &folder.join(name))?;
        let stripped = Command::new("strip").arg(folder.join(name)).status();
        ensure!(stripped.context("failed to start `strip`")?.success(), "`strip {name}` failed");
    }
    for (from, name) in [
        ("xtask/gpu/session.sh", "session.sh"),
        ("crates/models/benches/peer_gpu.py", "peer_gpu.py"),
        ("configs/gpu.toml", "gpu.toml"),
    ] {
        copy(&root().join(from), &folder.join(name))?;
    }
    if let Some(data) = data {
        copy_folder(&data, &folder.join("data").join(data.file_name().unwrap_or_default()))?;
    }
    let bytes = size(&folder)?;
    eprintln!("{}: {:.1} MiB", folder.display(), bytes as f64 / f64::from(1 << 20));
    eprintln!(
        "on the GPU machine, run `target/bundle/session.sh all` (or some of its parts, see its first lines)"
    );
    ensure!(bytes <= LIMIT, "the bundle is larger than {} MiB", LIMIT >> 20);
    Ok(0)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("failed to copy `{}` to `{}`", from.display(), to.display()))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create `{}`", to.display()))?;
    let entries =
        fs::read_dir(from).with_context(|| format!("failed to read `{}`", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        bytes += if path.is_dir() { size(&path)? } else { fs::metadata(&path)?.len() };
    }
    Ok(bytes)
}
