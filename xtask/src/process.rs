//! Processes: cargo and what it built.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Runs `cargo` in the workspace's folder; its exit code.
pub(crate) fn cargo(args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(args).envs(env.iter().copied());
    status(&mut command)
}

/// Runs the built `wattlab` in the folder the user stands in; its exit code.
pub(crate) fn wattlab(args: &[impl AsRef<OsStr>]) -> anyhow::Result<u8> {
    status(Command::new(release_folder().join("wattlab")).args(args))
}

/// Where cargo puts release builds.
pub(crate) fn release_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root().join("target"), PathBuf::from).join("release")
}

fn status(command: &mut Command) -> anyhow::Result<u8> {
    let name = command.get_program().to_owned();
    // The child gets Ctrl-C from the terminal itself and ends in its own time; wait for it.
    let status =
        command.status().with_context(|| format!("failed to start `{}`", name.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
