//! `cargo xtask datasets`: builds `wattlab`, then runs `wattlab datasets`.

use crate::process::{cargo, wattlab};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let build = cargo(&["build", "--release", "--quiet", "-p", "wattlab"], &[])?;
    if build != 0 {
        return Ok(build);
    }
    wattlab(&[&["datasets"], args].concat())
}
