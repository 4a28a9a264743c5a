//! Checks whether a plugin keeps the contract of `probe.h`: the program `wattlab-probe-check`, which
//! `wattlab plugin check` includes.

mod channels;
mod deadline;
mod process;
mod readings;
mod report;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use self::{
    channels::unsound,
    deadline::{Steps, deadlines},
    readings::readings,
};
pub use self::{
    process::{check_in_process, check_in_process_within},
    report::{Check, CheckStatus, Report},
};
use crate::{
    plugin::{LoadError, OPENS_WITHIN, Plugin},
    source::Source,
};

/// Loads a plugin and tries everything that the meter does with it: opens it, lists its channels,
/// makes 1,000 readings, opens it a second time beside the first, and opens it again. A call that does
/// not return within 5 s (opening it: 10 s) fails its check and ends them all.
///
/// A plugin that crashes ends the calling process too; see [`check_in_process`].
#[must_use]
pub fn check(path: &Path, options: &[(String, String)]) -> Report {
    check_within(path, options, OPENS_WITHIN)
}

/// As [`check`], with another time limit for opening the plugin.
#[must_use]
pub fn check_within(path: &Path, options: &[(String, String)], opens_within: Duration) -> Report {
    let shared = Arc::new(Mutex::new(Report::new(path)));
    let (steps, deadlines) = deadlines(opens_within);
    let (theirs, path, options) = (Arc::clone(&shared), path.to_owned(), options.to_vec());
    let started = thread::Builder::new()
        .name("wattlab-check".to_owned())
        .spawn(move || run(&theirs, &path, &options, &steps));
    let problem = match started {
        Ok(_) => deadlines.wait(),
        Err(error) => Some(("load", format!("failed to start a thread: {error}"))),
    };
    let mut report = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((id, words)) = problem {
        report.add(id, CheckStatus::Failed, words);
    }
    report
}

fn run(report: &Mutex<Report>, path: &Path, options: &[(String, String)], steps: &Steps) {
    let add = |id, verdict, words: String| {
        report.lock().unwrap_or_else(PoisonError::into_inner).add(id, verdict, words);
    };
    steps.opening("open");
    let mut plugin = match Plugin::load_here(path, options) {
        Ok(plugin) => plugin,
        Err(LoadError::Open { name, code, reason, remedy }) => {
            report.lock().unwrap_or_else(PoisonError::into_inner).plugin = Some(name);
            add("load", CheckStatus::Passed, "its version and function table are valid".to_owned());
            let fix = remedy.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
            let words = format!("its hardware was not found: {reason} (code {code}){fix}");
            add("open", CheckStatus::Skipped, words);
            if remedy.is_none() {
                let words = "the reason for not opening lacks a second line that says what to do";
                add("remedy", CheckStatus::Failed, words.to_owned());
            }
            return;
        }
        Err(error) => return add("load", CheckStatus::Failed, error.in_full()),
    };
    {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.plugin = Some(plugin.name().to_owned());
        report.add("load", CheckStatus::Passed, "its version and function table are valid");
        report.add("open", CheckStatus::Passed, "it found its hardware");
        let odd = |letter: char| {
            !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        };
        let name = plugin.name();
        let bad = name.is_empty() || name.contains(odd);
        let problem = bad.then(|| format!("its name is `{name}`, expected a-z, 0-9 and `-`"));
        report.judge("name", problem, format!("its name is `{name}`"));
        let good = format!("{} channels with valid descriptions", plugin.channels().len());
        report.judge("channels", unsound(&plugin), good);
    }
    let found = readings(&mut plugin, steps);
    {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        found.judge(&mut report);
    }
    steps.opening("two-opens");
    match Plugin::load_here(path, options) {
        Ok(mut second) => {
            // Each has a state of its own, so reading one must not disturb the other.
            let both = read_all(&mut plugin, "two-opens", steps)
                .and_then(|()| read_all(&mut second, "two-opens", steps));
            report.lock().unwrap_or_else(PoisonError::into_inner).judge(
                "two-opens",
                both.err(),
                "opened twice, both can be read",
            );
            steps.begin("reopen", "closing it");
        }
        Err(error) => {
            add("two-opens", CheckStatus::Skipped, format!("it cannot be opened twice: {error}"))
        }
    }
    let before = plugin.channels().to_vec();
    steps.begin("reopen", "closing it");
    drop(plugin);
    steps.opening("reopen");
    let again = Plugin::load_here(path, options).map_err(|error| error.to_string());
    let again = again.and_then(|mut plugin| {
        read_all(&mut plugin, "reopen", steps)?;
        steps.begin("reopen", "closing it");
        let same = plugin.channels() == before;
        if same { Ok(()) } else { Err("opened again, it lists other channels".to_owned()) }
    });
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.judge("reopen", again.err(), "closed and opened again, it lists the same channels");
}

fn read_all(plugin: &mut Plugin, id: &'static str, steps: &Steps) -> Result<(), String> {
    (0..plugin.channels().len()).try_for_each(|channel| {
        steps.begin(id, "a reading");
        plugin.read(channel).map(drop).map_err(|error| error.to_string())
    })
}
