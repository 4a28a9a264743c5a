//! `wattlab plugin`: probes that are loaded at run time.

use std::{path::PathBuf, process, time::Duration};

use anyhow::anyhow;
use meter::{
    conformance::{self, Report},
    isolate,
};

use crate::{
    Failure, output,
    sensing::{PluginFile, plugin, seconds},
};

/// Subcommands of `wattlab plugin`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check whether a plugin keeps the contract of `probe.h`.
    Check {
        /// The shared library, with its options if it has any.
        #[arg(value_name = "FILE[,KEY=VALUE]...", value_parser = plugin)]
        plugin: PluginFile,
        /// Time that the plugin may take to open its hardware.
        #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
        plugin_timeout: Duration,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
        /// Load the plugin in this process, which ends if the plugin crashes.
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Serve a plugin to a meter that runs it in a process of its own.
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
/// If the plugin fails a check (exit code 1) or is not a file (exit code 2).
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check { plugin, here: true, plugin_timeout, .. } => {
            output::keep_from_plugins()?;
            let report = conformance::check_within(&plugin.path, &plugin.options, *plugin_timeout);
            output::print_json(&report.to_json())
        }
        Command::Check { plugin, json, plugin_timeout, here: false } => {
            show(&check(plugin, *plugin_timeout)?, *json)
        }
        Command::Serve { path, options } => {
            let option = |option: &String| {
                option.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
            };
            let options: Vec<_> = options.iter().filter_map(option).collect();
            isolate::serve(path, &options).map_err(Failure::run_time)
        }
    }
}

/// Checks a plugin in a process of its own.
fn check(plugin: &PluginFile, timeout: Duration) -> Result<Report, Failure> {
    if !plugin.path.is_file() {
        let text = format!("plugin `{}` is not a file", plugin.path.display());
        return Err(Failure::bad_input(anyhow!(text)));
    }
    let program = std::env::current_exe().map_err(Failure::run_time)?;
    let mut command = process::Command::new(program);
    command.args(["plugin", "check", "--json", "--here", "--plugin-timeout"]);
    command.args([timeout.as_secs_f64().to_string(), plugin.to_string()]);
    conformance::check_in_process_within(command, &plugin.path, timeout).map_err(Failure::run_time)
}

fn show(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        output::print_json(&report.to_json())?;
    } else {
        output::print(report.table().trim_end());
    }
    if report.passed() {
        Ok(())
    } else {
        Err(Failure::run_time(anyhow!(
            "the plugin does not keep the contract of `probe.h`; see the failed checks above"
        )))
    }
}
