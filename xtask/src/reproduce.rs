//! `cargo xtask reproduce`: builds `wattlab` and the NVML probe, then runs `wattlab reproduce`.

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
pub(crate) fn build() -> anyhow::Result<u8> {
    if !release_folder().join("wattlab").exists() {
        eprintln!(
            "xtask: building `wattlab` for the first time; this takes several minutes on two cores, \
             and seconds from then on"
        );
    }
    cargo(&["build", "--release", "-p", "wattlab", "-p", "wattlab-probe-nvml"], &[])
}

/// The arguments of `wattlab reproduce`, which finds the NVML probe in its own folder. Without an NVIDIA
/// GPU the probe is not used.
fn arguments(args: &[&str]) -> Vec<String> {
    ["reproduce"].iter().chain(args).map(|&argument| argument.to_owned()).collect()
}
