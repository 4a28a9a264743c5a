//! With which exit code a study fails.

use crate::{
    Failure,
    driver::DriveError,
    executor::{ExecuteError, slurm::SlurmError},
    work::RunError,
};

/// A run that failed while costs were estimated.
pub(super) fn of_run(error: RunError) -> Failure {
    match error {
        RunError::Interrupted => Failure::Interrupted,
        error => Failure::run_time(error),
    }
}

/// A study that stopped before its end.
pub(super) fn of_study(error: DriveError) -> Failure {
    match error {
        DriveError::Interrupted => Failure::Interrupted,
        DriveError::Execute(error) => of_executor(error),
        error => Failure::run_time(error),
    }
}

/// An executor that failed. What the user can change in the profile is bad input.
pub(super) fn of_executor(error: ExecuteError) -> Failure {
    match error {
        ExecuteError::Interrupted => Failure::Interrupted,
        ExecuteError::Slurm(SlurmError::Missing { .. } | SlurmError::Refused { .. }) => {
            Failure::bad_input(error)
        }
        error => Failure::run_time(error),
    }
}
