//! `wattlab plugin`: probes that are loaded at run time.

use std::{
    io::{stdin, stdout},
    path::PathBuf,
};

use anyhow::anyhow;
use meter::{
    conformance::{self, Verdict},
    isolate,
};
use serde_json::json;

use crate::{
    Failure, output,
    sensing::{PluginFile, plugin},
};

/// Subcommands of `wattlab plugin`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check whether a plugin keeps the contract of `probe.h`.
    Check {
        /// The shared library, with its options if it has some.
        #[arg(value_name = "FILE[,KEY=VALUE]...", value_parser = plugin)]
        plugin: PluginFile,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// The process of a plugin under `--isolate`.
    #[command(hide = true)]
    Serve {
        /// The shared library.
        path: PathBuf,
        /// Its options.
        #[arg(value_name = "KEY=VALUE")]
        options: Vec<String>,
    },
}

/// Runs it.
///
/// # Errors
///
/// If the plugin fails a check: exit code 1.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check { plugin, json } => check(plugin, *json),
        Command::Serve { path, options } => {
            let option = |it: &String| {
                it.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
            };
            let options: Vec<_> = options.iter().filter_map(option).collect();
            isolate::serve(path, &options, stdin().lock(), stdout().lock())
                .map_err(Failure::run_time)
        }
    }
}

fn check(plugin: &PluginFile, json: bool) -> Result<(), Failure> {
    if !plugin.path.is_file() {
        let text = format!("plugin `{}` is not a file", plugin.path.display());
        return Err(Failure::bad_input(anyhow!(text)));
    }
    let report = conformance::check(&plugin.path, &plugin.options);
    let word = |verdict| match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    };
    if json {
        let checks: Vec<_> = report
            .checks
            .iter()
            .map(|it| json!({ "id": it.id, "verdict": word(it.verdict), "words": it.words }))
            .collect();
        output::print_json(&json!({
            "schema": "wattlab.plugin-check/1",
            "path": report.path,
            "plugin": report.plugin,
            "passed": report.passed(),
            "checks": checks,
        }))?;
    } else {
        for it in &report.checks {
            output::print(&format!("{:<8} {:<10} {}", word(it.verdict), it.id, it.words));
        }
    }
    if report.passed() {
        Ok(())
    } else {
        Err(Failure::run_time(anyhow!("the plugin does not keep the contract; see above")))
    }
}
