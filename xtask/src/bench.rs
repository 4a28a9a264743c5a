//! `cargo xtask bench NAME`: an ability beside its peers, in one run.

mod journal;
mod meter;
mod models;
mod sim;

use anyhow::bail;

use crate::process::cargo;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args {
        ["journal", sizes @ ..] => journal::run(sizes),
        ["meter"] => cargo(&["bench", "-p", "wattlab-meter"], &[]),
        ["meter", "--peers"] => meter::run(),
        ["models", "--peer", "torch"] => models::run(None),
        ["models", "--peer", "torch", "--python", python] => models::run(Some(python)),
        ["sim"] => sim::run(),
        ["sim", "--live"] => sim::live(),
        ["hpo", flags @ ..] => {
            let mut command = vec!["bench", "-p", "wattlab-hpo", "--bench", "targets"];
            // A benchmark runs in its package's folder; a path is the caller's.
            let flags: Vec<String> = flags
                .iter()
                .map(|it| match std::path::absolute(it) {
                    Ok(path) if path.is_dir() => path.display().to_string(),
                    _ => (*it).to_owned(),
                })
                .collect();
            if !flags.is_empty() {
                command.push("--");
                command.extend(flags.iter().map(String::as_str));
            }
            cargo(&command, &[])
        }
        _ => bail!(
            "usage: cargo xtask bench hpo [flags] | journal [RECORDS]... | meter [--peers] | models --peer torch [--python FILE] | sim [--live]"
        ),
    }
}
