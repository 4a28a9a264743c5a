//! Child processes: cargo and the programs that it built.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// Variables that `cargo run` sets for the program it starts, exact names.
///
/// Build scripts ask cargo to rebuild when some of these change, so a cargo that xtask starts must not see
/// them: otherwise `cargo build` and `cargo xtask` would rebuild one another's dependencies in turn.
const SET_BY_CARGO: [&str; 11] = [
    "CARGO",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_RUSTC_CURRENT_DIR",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
    "RUST_RECURSION_COUNT",
];

/// Beginnings of further names that `cargo run` sets.
const SET_BY_CARGO_PREFIX: [&str; 4] =
    ["CARGO_PKG_", "CARGO_BIN_EXE_", "CARGO_FEATURE_", "CARGO_CFG_"];

/// The root folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Runs cargo in the root folder of the workspace and returns its exit code.
pub(crate) fn cargo(args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<u8> {
    let mut command = cargo_command();
    status(command.current_dir(root()).args(args).envs(env.iter().copied()))
}

/// The cargo that started xtask, without the variables that it set for xtask.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_cargo_variables(&mut command);
    command
}

/// Runs the release build of `wattlab` in the user's current folder and returns its exit code.
pub(crate) fn wattlab(args: &[impl AsRef<OsStr>]) -> anyhow::Result<u8> {
    status(&mut wattlab_command(args))
}

/// Ends xtask by running the release build of `wattlab` in its place.
///
/// One process remains, so that Ctrl-C reaches `wattlab` alone and the prompt comes back when it has ended.
/// Where a process cannot be replaced, `wattlab` runs as a child.
pub(crate) fn become_wattlab(args: &[impl AsRef<OsStr>]) -> anyhow::Result<u8> {
    let mut command = wattlab_command(args);
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(&mut command);
        let program = command.get_program().display();
        Err(anyhow::Error::new(error).context(format!("failed to start `{program}`")))
    }
    #[cfg(not(unix))]
    status(&mut command)
}

/// The folder of cargo's build outputs.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The folder of cargo's release builds.
pub(crate) fn release_folder() -> PathBuf {
    target_folder().join("release")
}

/// Removes from a command's environment what `cargo run` added to xtask's. What users set, such as
/// `CARGO_HOME`, `CARGO_TARGET_DIR`, `CARGO_TERM_COLOR` and `RUSTFLAGS`, stays.
pub(crate) fn without_cargo_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if SET_BY_CARGO.contains(&&*text)
            || SET_BY_CARGO_PREFIX.iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
}

fn wattlab_command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(release_folder().join("wattlab"));
    command.args(args);
    without_cargo_variables(&mut command);
    command
}

/// Runs a command to its end and returns its exit code; 1 if a signal ended it.
pub(crate) fn status(command: &mut Command) -> anyhow::Result<u8> {
    let name = command.get_program().to_owned();
    let status =
        command.status().with_context(|| format!("failed to start `{}`", name.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
