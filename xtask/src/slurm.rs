//! `cargo xtask slurm`: the tests that start a Slurm of two nodes on this machine.
//!
//! They take minutes, most of which Slurm spends waiting, so `cargo test` skips them unless the variable
//! below is set.

use std::process::Command;

use crate::process::{cargo_command, root};

/// The variable that the tests look for.
const VARIABLE: &str = "WATTLAB_TEST_SLURM";

/// The tests as a cargo command. `--workspace` compiles nothing that `cargo test --workspace` has not.
pub(crate) fn command() -> Command {
    let mut command = cargo_command();
    command.current_dir(root()).env(VARIABLE, "1").args([
        "test",
        "--workspace",
        "--locked",
        "--test",
        "slurm",
        "--",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
}
