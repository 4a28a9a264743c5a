//! `cargo xtask reproduce`: builds `wattlab` and its plugins, then runs `wattlab reproduce`.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};

use crate::process::{cargo, release_folder, wattlab};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let build = cargo(
        &["build", "--release", "--quiet", "-p", "wattlab", "-p", "wattlab-probe-nvml"],
        &[],
    )?;
    if build != 0 {
        return Ok(build);
    }
    // Where there is no NVIDIA GPU the plugin says so, and nothing else changes.
    let name = format!("{DLL_PREFIX}wattlab_probe_nvml{DLL_SUFFIX}");
    let plugin = release_folder().join(name).to_string_lossy().into_owned();
    wattlab(&[&["reproduce", "--plugin", &plugin], args].concat())
}
