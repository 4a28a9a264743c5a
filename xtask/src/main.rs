//! Project commands: `cargo xtask <command>`. Runs cargo and `wattlab` as processes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a command talks to people")]

mod bench;
mod bundle;
mod ci;
mod cuda;
mod datasets;
mod new_probe;
mod process;
mod reproduce;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  reproduce [flags]            build, then answer all five questions (flags: cargo xtask reproduce --help)
  datasets fetch NAME [flags]  download a data set and verify it (--from DIR: take files from a folder)
  datasets list                the data sets that are known
  new-probe NAME               a new probe in plugins/NAME that works, to be filled
  bench meter [--peers]        what measuring costs; beside CodeCarbon, Zeus, pyJoules and carbontracker
  bench sim [--live]           the simulator beside SimPy, Ciw and nexosim; beside live queues
  bench journal [RECORDS]...   how journal, plans and report grow; into docs/scale.md
  bench hpo [flags]            the optimizer against its peers
  bundle [--data DIR] [--cpu]  program, probe, scripts and data for a machine with a GPU, in target/bundle
  cuda-toolkit [--check]       a CUDA 13.0 toolkit from PyPI in target/cuda, for --features cuda
  slurm                        a study on a real Slurm of two nodes on this machine (needs slurm-wlm, munge, root)
  ci                           everything that must be green before a change lands";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.split_first() {
        Some((&"reproduce", rest)) => reproduce::run(rest),
        Some((&"datasets", rest)) => datasets::run(rest),
        Some((&"new-probe", rest)) => new_probe::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"slurm", [])) => process::cargo(
            &["test", "-p", "wattlab", "--test", "slurm", "--", "--nocapture", "--test-threads=1"],
            &[],
        ),
        Some((&"bundle", rest)) => bundle::run(rest),
        Some((&"cuda-toolkit", rest)) => cuda::run(rest),
        Some((&"ci", [])) => ci::run(),
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
