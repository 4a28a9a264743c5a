//! `cargo xtask bench NAME`: an ability beside its peers, in one run.

mod sim;

use anyhow::bail;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args {
        ["sim"] => sim::run(),
        _ => bail!("usage: cargo xtask bench sim"),
    }
}
