//! How a command can fail, and with which exit code.

use std::{fmt, process::ExitCode};

/// How a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The user can mend it: exit code 2.
    BadInput(anyhow::Error),
    /// Something went wrong at run time: exit code 1.
    RunTime(anyhow::Error),
    /// Interrupted; what was finished is kept: exit code 130.
    Interrupted,
}

impl Failure {
    /// Of an error the user can mend.
    pub fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    /// Of an error at run time.
    pub fn run_time(error: impl Into<anyhow::Error>) -> Self {
        Self::RunTime(error.into())
    }

    /// The promised exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
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
            // `{:#}` prints the causes behind the error.
            Self::BadInput(error) | Self::RunTime(error) => write!(f, "{error:#}"),
            Self::Interrupted => {
                f.write_str("interrupted; finished runs are kept, run the same command to go on")
            }
        }
    }
}
