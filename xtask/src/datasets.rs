//! `cargo xtask datasets`: builds `wattlab`, then runs `wattlab datasets`.

use crate::process::{become_wattlab, cargo};

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    become_wattlab(&[&["datasets"], args].concat())
}
