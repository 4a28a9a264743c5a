//! `cargo xtask commands`: runs every command that the documentation shows.
//!
//! Commands are the lines of fenced blocks marked `sh`, and the lines after `$ ` in blocks marked `console`.
//! Each runs in a folder that looks like the root of the repository, so that files it writes do not end up in
//! the sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail, ensure};

use crate::{
    process::{release_folder, root, target_folder, without_cargo_variables},
    reproduce,
};

/// What in a command shows that CI does not run it, and why not.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo test --workspace", "a step of its own in `cargo xtask ci`"),
    ("cargo xtask reproduce --workers", "repeats the quick reproduction"),
    ("datasets fetch", "needs a network"),
    ("cuda-toolkit", "needs a network and downloads 0.3 GB"),
    ("--features wattlab/cuda", "needs the CUDA toolkit"),
    ("xtask bundle", "needs the CUDA toolkit"),
    ("--device cuda", "needs an NVIDIA GPU"),
    ("--plugin libwattlab_probe_nvml.so", "needs an NVIDIA GPU"),
    ("session.sh", "needs an NVIDIA GPU"),
    ("--executor slurm", "needs Slurm"),
    ("srun ", "needs Slurm"),
    ("network.onnx", "needs a network in an ONNX file"),
    ("--data-dir ", "needs the studies' data sets"),
    ("datasets subset", "needs the studies' data sets"),
    ("--profile results/timeline-", "takes several minutes"),
    ("configs/fashion-small.toml", "needs Fashion-MNIST"),
    ("results/fashion-mnist/profile.toml", "needs Fashion-MNIST"),
];

/// A command of the documentation.
struct Shown {
    /// File, relative to the root folder.
    file: PathBuf,
    /// Line of the file, from 1.
    line: usize,
    /// The command with its continuation lines.
    command: String,
}

/// Runs the commands, or with `--list` prints them and why some are not run.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let list = match args {
        [] => false,
        ["--list"] => true,
        _ => bail!("usage: cargo xtask commands [--list]"),
    };
    let shown = all()?;
    for (part, _) in NOT_RUN {
        ensure!(
            shown.iter().any(|shown| shown.command.contains(part)),
            "no page shows `{part}` any more; remove it from `xtask/src/commands.rs`"
        );
    }
    if !list {
        // The commands find the program by its name.
        let built = reproduce::build()?;
        if built != 0 {
            return Ok(built);
        }
    }
    let scratch = scratch()?;
    let mut done: Vec<&str> = Vec::new();
    for Shown { file, line, command } in &shown {
        let place = format!("{}:{line}: {command}", file.display());
        if let Some(reason) = not_run(command) {
            eprintln!("commands: not run, {reason}: {place}");
            continue;
        }
        if done.contains(&command.as_str()) {
            continue;
        }
        eprintln!("commands: {place}");
        done.push(command);
        if list {
            continue;
        }
        let begin = Instant::now();
        let output = shell(command, &scratch)?;
        if !output.status.success() {
            eprintln!(
                "{}{}commands: {} shows a command that fails ({})",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
                file.display(),
                output.status
            );
            return Ok(1);
        }
        eprintln!("commands: passed in {:.1} s", begin.elapsed().as_secs_f64());
    }
    Ok(0)
}

/// Why a command is not run, if it is not.
fn not_run(command: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(part, _)| command.contains(part)).map(|&(_, reason)| reason)
}

/// Runs a command with bash; programs that cargo built in release mode are found by name.
fn shell(command: &str, folder: &Path) -> anyhow::Result<std::process::Output> {
    let mut shell = Command::new("bash");
    without_cargo_variables(&mut shell);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(release_folder()).chain(env::split_paths(&path));
    shell
        .args(["-e", "-o", "pipefail", "-c", command])
        .current_dir(folder)
        .env("PATH", env::join_paths(folders)?)
        .stdin(Stdio::null())
        .output()
        .context("failed to start `bash`")
}

/// The folder in which the commands run.
pub(crate) fn folder() -> PathBuf {
    root().join("target/commands")
}

/// Makes the folder: links to what the root folder holds, but for `target` and `Cargo.toml`. Cargo
/// finds the manifest in a folder above.
fn scratch() -> anyhow::Result<PathBuf> {
    let scratch = folder();
    if scratch.exists() {
        fs::remove_dir_all(&scratch)
            .with_context(|| format!("failed to clear `{}`", scratch.display()))?;
    }
    fs::create_dir_all(scratch.join("target"))
        .with_context(|| format!("failed to create `{}`", scratch.display()))?;
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name();
        if name != "target" && name != "Cargo.toml" && name != "Cargo.lock" {
            link(&root().join(&name), &scratch.join(&name))?;
        }
    }
    link(&release_folder(), &scratch.join("target/release"))?;
    link(&target_folder().join("debug"), &scratch.join("target/debug"))?;
    Ok(scratch)
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::os::unix::fs::symlink(from, to)
        .with_context(|| format!("failed to create the link `{}`", to.display()))
}

#[cfg(not(unix))]
fn link(_: &Path, to: &Path) -> anyhow::Result<()> {
    bail!("cannot create the link `{}`: the documentation's commands are for Unix", to.display())
}

/// Every command of every page.
fn all() -> anyhow::Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for file in pages()? {
        let path = root().join(&file);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        for (line, command) in commands(&text) {
            shown.push(Shown { file: file.clone(), line, command });
        }
    }
    Ok(shown)
}

/// The Markdown files of the repository, without the change log and what is built or generated. `cargo xtask
/// embed` runs the examples of `examples/embed`.
fn pages() -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            let skipped =
                name.starts_with('.') || ["target", "report", "tests", "embed"].contains(&&*name);
            if entry.file_type()?.is_dir() {
                if !skipped || path == Path::new("crates/report") {
                    folders.push(path);
                }
            } else if name.ends_with(".md") && name != "CHANGELOG.md" {
                pages.push(path);
            }
        }
    }
    pages.sort();
    // The front page first.
    pages.sort_by_key(|page| page != Path::new("README.md"));
    Ok(pages)
}

/// The commands of a page, each with its line number.
fn commands(text: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    let mut block = None;
    let mut unfinished: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim().to_owned()) };
            continue;
        }
        let part = match (block.as_deref(), &unfinished) {
            (Some("sh" | "console"), Some(_)) => line,
            (Some("sh"), None) => line,
            (Some("console"), None) => match line.strip_prefix("$ ") {
                Some(command) => command,
                None => continue,
            },
            _ => continue,
        };
        let (begin, mut command) = unfinished.take().unwrap_or((index + 1, String::new()));
        match part.strip_suffix('\\') {
            Some(part) => {
                command.push_str(part.trim());
                command.push(' ');
                unfinished = Some((begin, command));
            }
            None => {
                command.push_str(part.trim());
                let command = without_comment(&command);
                if !command.is_empty() {
                    commands.push((begin, command));
                }
            }
        }
    }
    commands
}

/// A command without the comment behind it, which begins with ` # ` or stands alone.
fn without_comment(command: &str) -> String {
    let end = if command.starts_with('#') { Some(0) } else { command.find(" # ") };
    command[..end.unwrap_or(command.len())].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_continuation_lines_and_without_comments() {
        let text = "# Title\n```sh\n# first\na b   # why\nc \\\n    d\n```\n```toml\nx = 1\n```\n\
                    ```console\n$ e f\noutput\n$ g\n```\n```\nh\n```\n";
        let found = commands(text);
        let expected = [(4, "a b"), (5, "c d"), (12, "e f"), (14, "g")]
            .map(|(at, command)| (at, command.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn every_page_is_found_and_no_exception_is_stale() {
        let shown = all().unwrap();
        assert!(shown.iter().any(|shown| shown.file == Path::new("README.md")));
        assert!(shown.iter().any(|shown| shown.file.starts_with("docs")));
        for (part, _) in NOT_RUN {
            assert!(
                shown.iter().any(|shown| shown.command.contains(part)),
                "no page shows `{part}`; remove it from the list"
            );
        }
    }
}
