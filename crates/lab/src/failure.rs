//! How a command fails, and with which exit code.

use std::{fmt, process::ExitCode};

use models::vision::VisionError;

use crate::plain_text::without_control;

/// How a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad input, which the user can correct: exit code 2.
    BadInput(anyhow::Error),
    /// A failure at run time: exit code 1.
    RunTime(anyhow::Error),
    /// An interruption; what was finished is kept: exit code 130.
    Interrupted,
}

impl Failure {
    /// A failure by an error that the user can correct.
    pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    /// A failure by an error at run time.
    pub(crate) fn run_time(error: impl Into<anyhow::Error>) -> Self {
        Self::RunTime(error.into())
    }

    /// A failure of a network. What is wrong with its file, its weights or its images, the user can correct, even if it
    /// shows only when the network runs.
    pub(crate) fn of_network(error: VisionError) -> Self {
        match error {
            VisionError::Device(_) | VisionError::Tensor(_) => Self::run_time(error),
            error => Self::bad_input(error),
        }
    }

    /// The exit code of the process.
    #[must_use]
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BadInput(_) => 2,
            Self::RunTime(_) => 1,
            Self::Interrupted => 130,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // `{:#}` also prints the causes of the error.
            Self::BadInput(error) | Self::RunTime(error) => {
                // An error may quote a file of somebody else.
                f.write_str(&without_control(&format!("{error:#}")))
            }
            Self::Interrupted => {
                f.write_str("interrupted; finished runs are kept, and the same command continues")
            }
        }
    }
}
