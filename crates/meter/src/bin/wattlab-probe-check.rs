//! `wattlab-probe-check FILE[,KEY=VALUE]...`: checks whether a plugin keeps the contract of `probe.h`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, ExitCode},
};

use wattlab_meter::{
    conformance::{check, check_in_process},
    standard_streams::take_output,
};

const USAGE: &str = "\
usage: wattlab-probe-check [--json] FILE[,KEY=VALUE]...

Loads a plugin, with its options if it has any, and checks whether it keeps the contract of
`probe.h`. Exit code 0: it does; 1: it does not; 2: bad input.";

/// The flag of the process that loads the plugin.
const INLINE: &str = "--inline";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (flags, plugins): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    let [plugin] = plugins[..] else { return usage("expected one plugin") };
    if let Some(flag) = flags.iter().find(|flag| !["--json", INLINE].contains(*flag)) {
        return usage(&format!("unknown flag `{flag}`"));
    }
    let mut parts = plugin.split(',');
    let path = Path::new(parts.next().unwrap_or_default());
    let mut options = Vec::new();
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            return usage(&format!("expected KEY=VALUE after the comma, found `{part}`"));
        };
        options.push((key.to_owned(), value.to_owned()));
    }
    if !path.is_file() {
        eprintln!("error: plugin `{}` is not a file", path.display());
        return ExitCode::from(2);
    }
    if flags.contains(&INLINE) {
        let told = take_output().and_then(|mut output| {
            output.write_all(check(path, &options).to_json().to_string().as_bytes())
        });
        return if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let report = env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.args([INLINE, plugin]);
        check_in_process(command, path)
    });
    match report {
        Ok(report) => {
            if flags.contains(&"--json") {
                println!("{:#}", report.to_json());
            } else {
                print!("{}", report.table());
            }
            ExitCode::from(u8::from(!report.passed()))
        }
        Err(error) => {
            eprintln!("error: failed to start a process for the plugin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("error: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}
