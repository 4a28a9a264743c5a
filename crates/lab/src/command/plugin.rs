//! `wattlab plugin`: probes that are loaded at run time.

use std::{
    io::{stdin, stdout},
    path::PathBuf,
    process,
};

use anyhow::anyhow;
use meter::{
    conformance::{self, Verdict},
    isolate,
};
use serde_json::{Value, json};

use crate::{
    Failure, output,
    sensing::{PluginFile, plugin},
};

/// Subcommands of `wattlab plugin`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check whether a plugin keeps the contract of `probe.h`.
    Check {
        /// The shared library, with its options if it has some.
        #[arg(value_name = "FILE[,KEY=VALUE]...", value_parser = plugin)]
        plugin: PluginFile,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
        /// In this process, which a plugin that crashes takes with it.
        #[arg(long, hide = true)]
        here: bool,
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
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check { plugin, json, here: true } => tell(&examine(plugin), *json),
        Command::Check { plugin, json, here: false } => check(plugin, *json),
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

/// Checks it in a process of its own.
fn check(plugin: &PluginFile, json: bool) -> Result<(), Failure> {
    if !plugin.path.is_file() {
        let text = format!("plugin `{}` is not a file", plugin.path.display());
        return Err(Failure::bad_input(anyhow!(text)));
    }
    let program = std::env::current_exe().map_err(Failure::run_time)?;
    let output = process::Command::new(program)
        .args(["plugin", "check", "--json", "--here", &plugin.to_string()])
        .stderr(process::Stdio::inherit())
        .output()
        .map_err(Failure::run_time)?;
    let told = match serde_json::from_slice(&output.stdout) {
        Ok(told) => told,
        Err(_) => json!({
            "schema": SCHEMA,
            "path": plugin.path,
            "plugin": null,
            "passed": false,
            "checks": [{
                "id": "crash",
                "verdict": "failed",
                "words": format!("it took its process with it: {}", output.status),
            }],
        }),
    };
    tell(&told, json)
}

const SCHEMA: &str = "wattlab.plugin-check/1";

fn examine(plugin: &PluginFile) -> Value {
    let report = conformance::check(&plugin.path, &plugin.options);
    let word = |verdict| match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    };
    let checks: Vec<_> = report
        .checks
        .iter()
        .map(|it| json!({ "id": it.id, "verdict": word(it.verdict), "words": it.words }))
        .collect();
    json!({
        "schema": SCHEMA,
        "path": report.path,
        "plugin": report.plugin,
        "passed": report.passed(),
        "checks": checks,
    })
}

fn tell(told: &Value, json: bool) -> Result<(), Failure> {
    if json {
        output::print_json(told)?;
    } else {
        for it in told["checks"].as_array().into_iter().flatten() {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            let line = format!("{:<8} {:<10} {}", text("verdict"), text("id"), text("words"));
            output::print(&line);
        }
    }
    if told["passed"] == true {
        Ok(())
    } else {
        Err(Failure::run_time(anyhow!("the plugin does not keep the contract; see above")))
    }
}
