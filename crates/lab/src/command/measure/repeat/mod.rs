//! Runs commands more than once: prepares, rests, measures, and says why it stopped.

mod args;
mod rest;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow};
use meter::{Idle, Meter};
use record::{Warning, WarningKind};

pub(crate) use self::args::Repeat;
use self::rest::Rest;
use super::{
    child::{self, Input, MeasuredCommand, Output},
    program::Program,
    signals::Signals,
};
use crate::{Failure, progress};

/// Runs of commands that follow one another.
pub(super) struct Session<'a> {
    meter: &'a Meter,
    signals: Signals,
    rest: Rest,
    prepare: Option<Program>,
    input: Option<PathBuf>,
    output: Output,
    ignore_failure: bool,
    /// Runs with an exit code other than 0 that were counted.
    failed: u32,
}

/// Why the runs ended early.
pub(super) enum Stop {
    /// Somebody asked for it.
    Interrupted,
    /// The command failed, and its run does not count.
    Command(Box<MeasuredCommand>),
    /// Something else failed.
    Failure(Failure),
}

impl<'a> Session<'a> {
    /// Begins to handle signals, and measures idle power if runs rest and `idle` is `None`.
    ///
    /// # Errors
    ///
    /// If signals cannot be handled.
    pub(super) fn start(
        meter: &'a Meter,
        repeat: &Repeat,
        default_rest: Duration,
        idle: Option<&Idle>,
    ) -> Result<Self, Failure> {
        let rest = Rest::new(meter, repeat.rest.unwrap_or(default_rest), idle);
        Ok(Self {
            meter,
            signals: Signals::start(true).map_err(Failure::run_time)?,
            rest,
            prepare: repeat.prepare.clone().map(Program::Shell),
            input: repeat.input.clone(),
            output: if repeat.show_output { Output::StandardError } else { Output::Discarded },
            ignore_failure: repeat.ignore_failure,
            failed: 0,
        })
    }

    /// Runs a command a few times and forgets the results.
    ///
    /// # Errors
    ///
    /// If the runs must stop.
    pub(super) fn warm_up(&mut self, program: &Program, runs: u32) -> Result<(), Stop> {
        let counted = self.failed;
        (0..runs).try_for_each(|_| self.measure(program).map(drop))?;
        self.failed = counted;
        Ok(())
    }

    /// Prepares, rests, and runs a command.
    ///
    /// # Errors
    ///
    /// If the runs must stop: somebody asked for it, or something failed.
    pub(super) fn measure(&mut self, program: &Program) -> Result<MeasuredCommand, Stop> {
        self.prepare()?;
        self.rest.wait(self.meter, &self.signals);
        if self.signals.stopped() {
            return Err(Stop::Interrupted);
        }
        let input = match &self.input {
            None => Input::Nothing,
            Some(path) => Input::File(open(path).map_err(Stop::Failure)?),
        };
        self.meter.forget_update_periods();
        let measured = child::run(self.meter, program, (input, self.output), &self.signals)
            .map_err(Stop::Failure)?;
        match measured.code() {
            _ if self.signals.stopped() || measured.is_interrupted() => Err(Stop::Interrupted),
            0 => Ok(measured),
            _ if self.ignore_failure => {
                self.failed += 1;
                Ok(measured)
            }
            _ => Err(Stop::Command(Box::new(measured))),
        }
    }

    fn prepare(&mut self) -> Result<(), Stop> {
        let Some(program) = &self.prepare else { return Ok(()) };
        let ended = program.command().stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let ended = ended.and_then(|mut child| {
            self.signals.pass_to(&child);
            let status = child.wait();
            self.signals.pass_to_nobody();
            status
        });
        let fail = || format!("--prepare: failed to run `{}`", program.text());
        match ended {
            _ if self.signals.stopped() => Err(Stop::Interrupted),
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Stop::Failure(Failure::run_time(anyhow!(
                "--prepare: `{}` ended with exit code {}; append `|| true` if that is no failure",
                program.text(),
                child::code(status)
            )))),
            Err(error) => {
                Err(Stop::Failure(Failure::run_time(anyhow::Error::new(error).context(fail()))))
            }
        }
    }

    /// What went wrong without ending the runs.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.failed > 0 {
            let text = format!("{} runs ended with an exit code other than 0", self.failed);
            warnings.push(Warning::new(WarningKind::FailedRun, text));
        }
        if self.rest.missed > 0 {
            let text = format!(
                "before {} runs the power was not back at idle when `--rest` had passed; close \
                 other programs, or allow a longer rest",
                self.rest.missed
            );
            warnings.push(Warning::new(WarningKind::OutsideLoad, text));
        }
        warnings
    }
}

impl Stop {
    /// Tells why, after the results. Returns this program's exit code.
    pub(super) fn tell(self, what: &str) -> u8 {
        match self {
            Self::Interrupted => {
                progress::line(&format!("interrupted; the figures are of the finished {what}"));
                130
            }
            Self::Command(measured) => {
                let code = measured.code();
                progress::line(&format!(
                    "a run ended with exit code {code}; the figures are of the {what} before it \
                     (`--ignore-failure` counts failed runs)"
                ));
                measured.exit_code()
            }
            Self::Failure(failure) => {
                progress::line(&format!("error: {failure}"));
                match failure {
                    Failure::BadInput(_) => 2,
                    Failure::RunTime(_) => 1,
                    Failure::Interrupted => 130,
                }
            }
        }
    }

    /// The warning that belongs into the results; `None` if nothing failed.
    pub(super) fn warning(&self) -> Option<Warning> {
        let text = match self {
            Self::Interrupted => return None,
            Self::Command(measured) => {
                format!("a run ended with exit code {} and is not counted", measured.code())
            }
            Self::Failure(failure) => format!("the runs ended early: {failure}"),
        };
        Some(Warning::new(WarningKind::FailedRun, text))
    }
}

/// Opens the standard input of a run.
///
/// # Errors
///
/// If the file cannot be read.
pub(super) fn open(path: &Path) -> Result<File, Failure> {
    let fail = || format!("--input: failed to open `{}`", path.display());
    File::open(path).with_context(fail).map_err(Failure::bad_input)
}
