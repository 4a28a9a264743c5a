//! `cargo xtask embed`: packages every crate as for crates.io, then builds and runs the programs in
//! `examples/embed`, workspaces of their own, against the packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::process::{cargo, cargo_command, root, status, target_folder};

/// Packages the crates, then runs every example; the first exit code that is not 0 ends it.
pub(crate) fn run() -> anyhow::Result<u8> {
    let folder = target_folder().join("embed");
    let packages = match package(&folder.join("packages"))? {
        Ok(packages) => packages,
        Err(code) => return Ok(code),
    };
    let mut examples = 0;
    for example in folders(&root().join("examples/embed"))? {
        let name = name_of(&example);
        let copy = folder.join("workspaces").join(&name);
        prepare(&example, &copy)?;
        eprintln!("embed: running examples/embed/{name} against the packaged crates");
        let code = status(example_command(&packages).args(["run", "--quiet"]).current_dir(&copy))?;
        if code != 0 {
            eprintln!("embed: examples/embed/{name} failed with exit code {code}");
            return Ok(code);
        }
        examples += 1;
    }
    ensure!(examples > 0, "examples/embed holds no example");
    check_all(&packages, &folder)
}

/// Packages every publishable crate and unpacks the archives into `folder`. Returns the packages' folders,
/// or cargo's exit code if it failed.
fn package(folder: &Path) -> anyhow::Result<Result<Vec<PathBuf>, u8>> {
    let archives = target_folder().join("package");
    if archives.exists() {
        fs::remove_dir_all(&archives)
            .with_context(|| format!("failed to clear `{}`", archives.display()))?;
    }
    // Verifying would compile every crate once more; the examples and `check_all` compile them below.
    let flags = ["--workspace", "--exclude", "xtask", "--no-verify", "--allow-dirty", "--quiet"];
    let code = cargo(&[&["package"][..], &flags].concat(), &[])?;
    if code != 0 {
        return Ok(Err(code));
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("failed to clear `{}`", folder.display()))?;
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("failed to create `{}`", folder.display()))?;
    for archive in entries(&archives)? {
        if archive.extension().is_some_and(|extension| extension == "crate") {
            // With new times, so that cargo compiles what has changed since the last run.
            let code =
                status(Command::new("tar").arg("-xzmf").arg(&archive).arg("-C").arg(folder))?;
            ensure!(code == 0, "`tar` failed to unpack `{}`", archive.display());
        }
    }
    Ok(Ok(folders(folder)?))
}

/// Copies an example out of this workspace. It gets our lock file, so that it uses the versions of other
/// people's crates that this workspace is tested with, and our profiles, so that their compiled crates are
/// shared.
fn prepare(example: &Path, copy: &Path) -> anyhow::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)
            .with_context(|| format!("failed to clear `{}`", copy.display()))?;
    }
    copy_folder(example, copy)?;
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("failed to read `{}`", manifest.display()))?;
    fs::write(&manifest, format!("{text}\n{}", profiles()?))?;
    fs::copy(root().join("Cargo.lock"), copy.join("Cargo.lock"))
        .context("failed to copy `Cargo.lock`")?;
    Ok(())
}

/// The profiles of the workspace, which end its manifest.
fn profiles() -> anyhow::Result<String> {
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?;
    let start = workspace.find("[profile.").context("the workspace's manifest has no profile")?;
    Ok(workspace[start..].to_owned())
}

/// Compiles all packages, `wattlab` among them, as dependencies of an empty program.
fn check_all(packages: &[PathBuf], folder: &Path) -> anyhow::Result<u8> {
    let all = folder.join("workspaces/all");
    fs::create_dir_all(all.join("src"))
        .with_context(|| format!("failed to create `{}`", all.display()))?;
    let mut manifest = String::from(
        "[workspace]\n\n[package]\nname = \"all\"\nedition = \"2024\"\n\n[dependencies]\n",
    );
    for package in packages {
        let (name, version) = name_and_version(package)?;
        // A probe is a shared library and nobody's dependency.
        if !name.starts_with("wattlab-probe-") || name == "wattlab-probe-abi" {
            manifest.push_str(&format!("{name} = \"{version}\"\n"));
        }
    }
    manifest.push('\n');
    manifest.push_str(&profiles()?);
    fs::write(all.join("Cargo.toml"), manifest)?;
    fs::write(all.join("src/lib.rs"), "")?;
    fs::copy(root().join("Cargo.lock"), all.join("Cargo.lock"))?;
    eprintln!("embed: checking all packaged crates together");
    status(example_command(packages).args(["check", "--quiet"]).current_dir(&all))
}

/// Cargo, told to take our crates from the packages instead of crates.io.
fn example_command(packages: &[PathBuf]) -> Command {
    let mut command = cargo_command();
    command.env("CARGO_TARGET_DIR", target_folder()).stdin(Stdio::null());
    for package in packages {
        if let Ok((name, _)) = name_and_version(package) {
            let path = package.display();
            command.arg("--config").arg(format!("patch.crates-io.{name}.path=\"{path}\""));
        }
    }
    command
}

/// `wattlab-meter` and `0.1.0` of `…/wattlab-meter-0.1.0`.
fn name_and_version(package: &Path) -> anyhow::Result<(String, String)> {
    let folder = name_of(package);
    match folder.rsplit_once('-') {
        Some((name, version)) => Ok((name.to_owned(), version.to_owned())),
        None => bail!("`{}` is not a package's folder", package.display()),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("failed to read `{}`", folder.display());
    let entries = fs::read_dir(folder).with_context(failed)?;
    let mut paths = entries
        .map(|entry| Ok(entry.with_context(failed)?.path()))
        .collect::<anyhow::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create `{}`", to.display()))?;
    for path in entries(from)? {
        let copy = to.join(name_of(&path));
        // Build outputs of an example that somebody built where it stands.
        if name_of(&path) == "target" {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy)
                .with_context(|| format!("failed to copy `{}`", path.display()))?;
        }
    }
    Ok(())
}
