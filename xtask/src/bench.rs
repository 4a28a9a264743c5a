//! `cargo xtask bench NAME`: measures one of the crates, and compares it with its peers in the same run.

mod journal;
mod meter;
mod models;
mod python;
mod sim;
mod tables;

use anyhow::bail;

use crate::process::cargo;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args {
        ["journal", sizes @ ..] => journal::run(sizes),
        ["meter"] => cargo(&["bench", "-p", "wattlab-meter"], &[]),
        ["meter", "--peers"] => meter::run(),
        ["models", flags @ ..] => models::run(flags),
        ["sim"] => sim::run(),
        ["sim", "--live"] => sim::live(),
        ["hpo", "--tables", flags @ ..] => tables::run(flags),
        ["hpo", flags @ ..] => {
            let mut command = vec!["bench", "-p", "wattlab-hpo", "--bench", "targets"];
            // Cargo runs a benchmark in its package's folder; relative paths mean the caller's.
            let flags: Vec<String> = flags
                .iter()
                .map(|flag| match std::path::absolute(flag) {
                    Ok(path) if path.is_dir() => path.display().to_string(),
                    _ => (*flag).to_owned(),
                })
                .collect();
            if !flags.is_empty() {
                command.push("--");
                command.extend(flags.iter().map(String::as_str));
            }
            cargo(&command, &[])
        }
        _ => bail!(
            "usage: cargo xtask bench hpo [flags] | hpo --tables [--python FILE] [--runs FILE] [flags] | journal [RECORDS]... | meter [--peers] | models [--peer torch,onnxruntime,openvino] [--python FILE] [--seconds S] [--network NAME]... | sim [--live]"
        ),
    }
}
