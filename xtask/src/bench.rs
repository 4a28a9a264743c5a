//! `cargo xtask bench NAME`: an ability beside its peers, in one run.

mod meter;
mod models;
mod sim;

use anyhow::bail;

use crate::process::cargo;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args {
        ["meter"] => cargo(&["bench", "-p", "wattlab-meter"], &[]),
        ["meter", "--peers"] => meter::run(),
        ["models", "--peer", "torch"] => models::run(None),
        ["models", "--peer", "torch", "--python", python] => models::run(Some(python)),
        ["sim"] => sim::run(),
        ["hpo", flags @ ..] => {
            let mut command = vec!["bench", "-p", "wattlab-hpo", "--bench", "targets"];
            if !flags.is_empty() {
                command.push("--");
                command.extend(flags);
            }
            cargo(&command, &[])
        }
        _ => bail!(
            "usage: cargo xtask bench hpo [flags] | meter [--peers] | models --peer torch [--python FILE] | sim"
        ),
    }
}
