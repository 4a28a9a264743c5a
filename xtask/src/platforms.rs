//! `cargo xtask ci platforms`: dependencies that exist for Linux only stay out of other systems' builds.

use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::process::{root, without_cargo_variables};

/// Systems that the libraries are meant to build on besides Linux.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

/// Crates that compile on Linux only.
const LINUX_ONLY: [&str; 4] = ["linux-raw-sys", "perf-event2", "perf-event-open-sys2", "procfs"];

/// Asks cargo which packages each system's build would use.
pub(crate) fn run() -> anyhow::Result<u8> {
    for target in TARGETS {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        without_cargo_variables(&mut command);
        let output = command
            .current_dir(root())
            .args(["tree", "--workspace", "--exclude", "xtask", "--edges", "normal"])
            .args(["--prefix", "none", "--format", "{p}", "--target", target])
            .stderr(Stdio::inherit())
            .output()
            .context("failed to start `cargo tree`")?;
        ensure!(output.status.success(), "`cargo tree --target {target}` failed");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut packages: Vec<&str> =
            text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        packages.sort_unstable();
        packages.dedup();
        ensure!(packages.contains(&"wattlab"), "`cargo tree --target {target}` lists no `wattlab`");
        let wrong: Vec<&str> =
            packages.into_iter().filter(|name| LINUX_ONLY.contains(name)).collect();
        if !wrong.is_empty() {
            bail!(
                "a build for {target} would use {}, which exists for Linux only; move the dependency to \
                 [target.'cfg(target_os = \"linux\")'.dependencies] (find the user with \
                 `cargo tree --target {target} --invert {}`)",
                wrong.join(", "),
                wrong[0]
            );
        }
    }
    Ok(0)
}
