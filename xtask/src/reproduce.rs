//! `cargo xtask reproduce`: builds `wattlab` and the NVML probe, then runs `wattlab reproduce`.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};

use crate::process::{become_wattlab, cargo, release_folder};

/// Builds what a reproduction needs, then becomes `wattlab reproduce` with these arguments.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let code = build()?;
    if code != 0 {
        return Ok(code);
    }
    become_wattlab(&arguments(args))
}

/// Builds `wattlab` and the NVML probe in release mode; cargo shows its progress.
fn build() -> anyhow::Result<u8> {
    if !release_folder().join("wattlab").exists() {
        eprintln!(
            "xtask: building `wattlab` for the first time; this takes several minutes on two cores, \
             and seconds from then on"
        );
    }
    cargo(&["build", "--release", "-p", "wattlab", "-p", "wattlab-probe-nvml"], &[])
}

/// The arguments of `wattlab reproduce`. Without an NVIDIA GPU the NVML probe reports that it found none,
/// and other sensors are used as before.
fn arguments(args: &[&str]) -> Vec<String> {
    let name = format!("{DLL_PREFIX}wattlab_probe_nvml{DLL_SUFFIX}");
    let plugin = release_folder().join(name).to_string_lossy().into_owned();
    let fixed = ["reproduce".to_owned(), "--plugin".to_owned(), plugin];
    fixed.into_iter().chain(args.iter().map(|&argument| argument.to_owned())).collect()
}
