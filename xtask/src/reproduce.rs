//! `cargo xtask reproduce`: builds `wattlab` and its plugins, then runs `wattlab reproduce`.

use crate::process::{cargo, wattlab};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let build = cargo(
        &["build", "--release", "--quiet", "-p", "wattlab", "-p", "wattlab-probe-nvml"],
        &[],
    )?;
    if build != 0 {
        return Ok(build);
    }
    wattlab(&[&["reproduce"], args].concat())
}
