//! Project commands: `cargo xtask <command>`. Runs cargo and `wattlab` as processes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a command reports to its user")]

mod bench;
mod bundle;
mod ci;
mod commands;
mod cuda;
mod datasets;
mod embed;
mod fuzz;
mod new_probe;
mod platforms;
mod process;
mod reproduce;
mod slurm;
mod wheel;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  reproduce [flags]            build, then answer all five questions (flags: cargo xtask reproduce --help)
  datasets fetch NAME [flags]  download a data set and verify it (--from DIR: take its files from a folder)
  datasets list                list the known data sets
  new-probe NAME               create plugins/NAME, a working probe to adapt
  bench meter [--peers]        measure the meter's cost; compare with CodeCarbon, Zeus, pyJoules, carbontracker
  bench sim [--live]           compare the simulator with SimPy, Ciw and nexosim; with queues served live
  bench journal [RECORDS]...   measure how journal, plans and report grow; write the table in docs/scale.md
  bench hpo [flags]            compare the optimizer with its peers
  bench models --peer torch,onnxruntime,openvino
                               compare the networks with other runtimes
  bundle [--data DIR] [--cpu]  collect program, probe, scripts and data for a GPU machine in target/bundle
  cuda-toolkit [--check]       install a CUDA 13.0 toolkit from PyPI in target/cuda, for --features cuda
  wheel                        build the Python package in target/wheels, and check what it links to
  slurm                        run a study on a two-node Slurm on this machine (needs slurm-wlm, munge, root)
  public-api [--update]        compare the crates' public items with crates/*/public-api.txt, or rewrite the files
  commands [--list]            run every command that the documentation shows
  embed                        run examples/embed/* against the packaged crates
  fuzz [--seconds N] [FORMAT]...
                               feed damaged and extreme inputs to wattlab; write the table of docs/robustness.md
  ci [STEP]...                 run every check that must pass before a change lands";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.split_first() {
        Some((&"reproduce", rest)) => reproduce::run(rest),
        Some((&"datasets", rest)) => datasets::run(rest),
        Some((&"new-probe", rest)) => new_probe::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"wheel", rest)) => wheel::run(rest),
        Some((&"slurm", [])) => process::status(&mut slurm::command()),
        Some((&"bundle", rest)) => bundle::run(rest),
        Some((&"cuda-toolkit", rest)) => cuda::run(rest),
        Some((&"public-api", rest)) => public_api(rest),
        Some((&"commands", rest)) => commands::run(rest),
        Some((&"embed", [])) => embed::run(),
        Some((&"fuzz", rest)) => fuzz::run(rest),
        Some((&"ci", rest)) => ci::run(rest),
        Some((&("help" | "--help" | "-h"), _)) => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The comparison is a test, whose parser would make xtask slow to build.
fn public_api(args: &[&str]) -> anyhow::Result<u8> {
    let test = ["test", "--quiet", "-p", "xtask", "--test", "it", "public_api"];
    match args {
        [] => process::cargo(&test, &[]),
        ["--update"] => process::cargo(&test, &[("UPDATE_PUBLIC_API", "1")]),
        _ => anyhow::bail!("usage: cargo xtask public-api [--update]"),
    }
}
