//! The flags of commands that run more than once.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::anyhow;
use units::limits::{self, OutOfRange};

use super::super::compare::Limits;
use crate::{Failure, sensing::seconds};

/// How commands run more than once.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Repeated runs")]
pub(crate) struct Repeat {
    /// Measure this many runs of the command, and report their mean with its interval.
    #[arg(long, value_name = "N", value_parser = limits::ROUNDS.parser::<u32>(), conflicts_with = "compare")]
    pub(in super::super) runs: Option<u32>,
    /// Run each command this many times before the measured runs.
    #[arg(long, value_name = "N", default_value = "0", value_parser = limits::WARMUP.parser::<u32>())]
    pub(in super::super) warmup: u32,
    /// Run this line of a shell before each run, outside of the measurement.
    #[arg(long, value_name = "CMD")]
    pub(in super::super) prepare: Option<OsString>,
    /// Before each run, wait until the power is back at idle, for at most this long; 0 does not wait
    /// [default: 10 with `--compare`, otherwise 0].
    #[arg(long, value_name = "SECONDS", value_parser = rest)]
    pub(in super::super) rest: Option<Duration>,
    /// Go on when a command fails, and count its run; otherwise a failed run ends the measurement with
    /// the command's exit code.
    #[arg(long)]
    pub(in super::super) ignore_failure: bool,
    /// Pass the standard output of repeated commands on, to standard error. By default it is discarded.
    #[arg(long)]
    pub(in super::super) show_output: bool,
    /// Read the standard input of each run of a repeated command from this file. By default it is empty.
    #[arg(long, value_name = "FILE")]
    pub(in super::super) input: Option<PathBuf>,
    /// Compare the energies of two commands, which are lines of a shell. They run in pairs, in random
    /// order, until the interval of the ratio (A divided by B) is narrow enough.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["command", "region", "intensity", "emissions"])]
    pub(in super::super) compare: Vec<OsString>,
    /// Stop comparing when the 95 % interval of the ratio is at most this wide, from its lower to its
    /// upper end, as a share of the ratio; commands that differ by this much are then told apart
    /// [default: 1%].
    #[arg(long, value_name = "PERCENT", value_parser = precision)]
    precision: Option<f64>,
    /// Stop comparing after this many runs of each command [default: 1000].
    #[arg(long, value_name = "N", value_parser = limits::ROUNDS.parser::<u32>())]
    max_runs: Option<u32>,
    /// Stop comparing after this many seconds; the pair of runs that is in progress ends first
    /// [default: 3600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_time: Option<Duration>,
    /// Seed of the random order in which two commands run [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write a table as CSV: a line for each command.
    #[arg(long, value_name = "FILE")]
    pub(in super::super) export_csv: Option<PathBuf>,
    /// Write a table as Markdown: a line for each command.
    #[arg(long, value_name = "FILE")]
    pub(in super::super) export_markdown: Option<PathBuf>,
}

/// Where a comparison stops unless flags say otherwise.
const PRECISION: f64 = 0.01;
const MAX_RUNS: u32 = 1_000;
const MAX_TIME: Duration = Duration::from_secs(3_600);
const SEED: u64 = 1;

impl Repeat {
    /// Checks that flags of a comparison stand beside `--compare`. (Clap does not ask for a flag that
    /// excludes another one that is given, here the command.)
    ///
    /// # Errors
    ///
    /// Names the flag.
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        let given = [
            ("--precision", self.precision.is_some()),
            ("--max-runs", self.max_runs.is_some()),
            ("--max-time", self.max_time.is_some()),
            ("--seed", self.seed.is_some()),
        ];
        match given.iter().find(|(_, given)| *given && self.compare.is_empty()) {
            Some((flag, _)) => Err(Failure::bad_input(anyhow!(
                "{flag} is for comparisons; give two commands with `--compare A B`"
            ))),
            None => Ok(()),
        }
    }

    /// When a comparison stops.
    pub(in super::super) fn limits(&self) -> Limits {
        Limits {
            precision: self.precision.unwrap_or(PRECISION),
            runs: self.max_runs.unwrap_or(MAX_RUNS),
            time: self.max_time.unwrap_or(MAX_TIME),
        }
    }

    /// The seed of the order of two commands.
    pub(in super::super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(SEED)
    }

    /// Whether a flag asks for more than one plain run.
    pub(in super::super) fn is_repeated(&self) -> bool {
        self.runs.is_some() || self.warmup > 0 || self.prepare.is_some() || self.rest.is_some()
    }
}

/// Parses the longest time to rest, 0 to a day.
fn rest(text: &str) -> Result<Duration, OutOfRange> {
    limits::WAIT_S.duration(limits::WAIT_S.parse(text)?)
}

/// Parses a share such as `1%` or `0.01`, from 0.01 % to 100 %.
fn precision(text: &str) -> Result<f64, String> {
    const SMALLEST: f64 = 1e-4;
    let trimmed = text.trim();
    let share = match trimmed.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().map(|percent| percent / 100.0),
        None => trimmed.parse(),
    };
    match share {
        // Without its sign, 1 could be 1 % or 100 %.
        Ok(share) if share == 1.0 && !trimmed.ends_with('%') => {}
        Ok(share) if (SMALLEST..=1.0).contains(&share) => return Ok(share),
        _ => {}
    }
    Err(format!(
        "expected a percentage from `0.01%` to `100%`, such as `1%` or `0.01`; found `{text}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_a_percentage_or_a_share() {
        for (text, share) in [("1%", 0.01), ("0.5 %", 0.005), ("0.02", 0.02), ("100%", 1.0)] {
            assert_eq!(precision(text), Ok(share));
        }
        for text in ["1", "0", "0%", "-1%", "5", "NaN", "inf%", "%", "", "101%", "1e-9", "one"] {
            assert!(precision(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
    }
}
