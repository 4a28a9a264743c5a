//! Checks whether a plugin keeps the contract of `probe.h`: the program `wattlab-probe-check`, which
//! `wattlab plugin check` includes.

mod report;

use std::{
    collections::HashSet,
    io,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

pub use self::report::{Check, CheckStatus, Report};
use crate::{
    clock::{Clock, MonotonicClock},
    plugin::{LoadError, Plugin},
    source::{Kind, Source},
};

/// Number of readings, all channels together.
const READINGS: usize = 1_000;
/// A reading that takes longer than this makes the meter call the plugin stale.
const DEADLINE_S: f64 = 0.1;
/// A longer update period than this is taken for a wrong unit.
const LONGEST_PERIOD_S: f64 = 3_600.0;
/// How long a check may take before the plugin counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// Loads a plugin and tries everything that the meter does with it: opens it, lists its channels,
/// makes 1,000 readings, opens it a second time beside the first, and opens it again.
///
/// A plugin that crashes ends the calling process too; see [`check_in_process`].
#[must_use]
pub fn check(path: &Path, options: &[(String, String)]) -> Report {
    let shared = Arc::new(Mutex::new(Report::new(path)));
    let (done, finished) = mpsc::channel();
    let (theirs, path, options) = (Arc::clone(&shared), path.to_owned(), options.to_vec());
    let started = thread::Builder::new().name("wattlab-check".to_owned()).spawn(move || {
        run(&theirs, &path, &options);
        // After the time limit there is no receiver any more.
        let _ = done.send(());
    });
    let came = started.is_ok() && finished.recv_timeout(PATIENCE).is_ok();
    let mut report = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !came {
        let words = format!("the plugin did not return within {} s", PATIENCE.as_secs());
        report.add("time", CheckStatus::Failed, words);
    }
    report
}

/// Checks a plugin in a process of its own, so that a plugin that crashes fails the check and not
/// the caller. `command` starts a process that calls [`check`] for the same `path` and writes
/// [`Report::to_json`] to its standard output.
///
/// # Errors
///
/// If the process cannot be started.
pub fn check_in_process(mut command: Command, path: &Path) -> io::Result<Report> {
    let output = command.stderr(Stdio::inherit()).output()?;
    Ok(Report::from_json(&output.stdout).unwrap_or_else(|| {
        let mut report = Report::new(path);
        let words = format!("the plugin crashed its process: {}", output.status);
        report.add("crash", CheckStatus::Failed, words);
        report
    }))
}

fn run(report: &Mutex<Report>, path: &Path, options: &[(String, String)]) {
    let add = |id, verdict, words: String| {
        report.lock().unwrap_or_else(PoisonError::into_inner).add(id, verdict, words);
    };
    let mut plugin = match Plugin::load_with(path, options) {
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
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            return add("load", CheckStatus::Failed, format!("{error}{cause}"));
        }
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
    let found = readings(&mut plugin);
    {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        found.judge(&mut report);
    }
    match Plugin::load_with(path, options) {
        Ok(mut second) => {
            // Each has a state of its own, so reading one must not disturb the other.
            let both = read_all(&mut plugin).and(read_all(&mut second));
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report.judge("two-opens", both.err(), "opened twice, both can be read");
        }
        Err(error) => {
            add("two-opens", CheckStatus::Skipped, format!("it cannot be opened twice: {error}"))
        }
    }
    let before = plugin.channels().to_vec();
    drop(plugin);
    let again = Plugin::load_with(path, options).map_err(|error| error.to_string());
    let again = again.and_then(|mut plugin| {
        read_all(&mut plugin)?;
        let same = plugin.channels() == before;
        if same { Ok(()) } else { Err("opened again, it lists other channels".to_owned()) }
    });
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.judge("reopen", again.err(), "closed and opened again, it lists the same channels");
}

/// What is wrong with the channels, beyond what loading a plugin refuses.
fn unsound(plugin: &Plugin) -> Option<String> {
    let channels = plugin.channels();
    if channels.is_empty() {
        return Some("no channels; `open` must fail if there is no hardware".to_owned());
    }
    let mut seen = HashSet::new();
    for channel in channels {
        let device = &channel.device;
        if device.is_empty() {
            return Some("a channel with an empty device name".to_owned());
        }
        if !seen.insert((device, format!("{:?}", channel.domain))) {
            return Some(format!("device `{device}` has two channels of the same domain"));
        }
        if channel.inside.as_ref() == Some(device) && channels.len() == 1 {
            return Some(format!("device `{device}` is inside itself"));
        }
        if channel.kind == (Kind::Counter { range: Some(1) }) {
            return Some(format!("the counter of `{device}` has range 1, so it is always 0"));
        }
        for (what, time) in [("period", channel.period.0), ("averaging", channel.averaging.0)] {
            if time > LONGEST_PERIOD_S {
                return Some(format!(
                    "the {what} of `{device}` is {time} s, expected at most 3600 s, given in \
                     nanoseconds"
                ));
            }
        }
        if channel.relative_error > 1.0 {
            let error = channel.relative_error;
            return Some(format!(
                "the relative error of `{device}` is {error}, expected at most 1; 0.05 is 5 %"
            ));
        }
    }
    None
}

fn read_all(plugin: &mut Plugin) -> Result<(), String> {
    (0..plugin.channels().len())
        .try_for_each(|channel| plugin.read(channel).map(drop).map_err(|error| error.to_string()))
}

/// What 1,000 readings have shown.
#[derive(Default)]
struct Readings {
    good: usize,
    failure: Option<String>,
    counters: usize,
    falls: Option<String>,
    slowest_s: f64,
}

fn readings(plugin: &mut Plugin) -> Readings {
    let clock = MonotonicClock::default();
    let channels = plugin.channels().to_vec();
    let mut found = Readings::default();
    if channels.is_empty() {
        return found;
    }
    found.counters = channels.iter().filter(|channel| channel.kind != Kind::Power).count();
    let mut last = vec![None; channels.len()];
    let mut fallen = vec![0_u32; channels.len()];
    for index in (0..channels.len()).cycle().take(READINGS) {
        let before = clock.now();
        let reading = plugin.read(index);
        found.slowest_s = found.slowest_s.max((clock.now() - before).0);
        // A plugin that hangs at each reading is not read a thousand times.
        if found.slowest_s > 10.0 * DEADLINE_S {
            break;
        }
        let value = match reading {
            Ok(value) => value,
            Err(error) => {
                found.failure.get_or_insert(error.to_string());
                continue;
            }
        };
        found.good += 1;
        let Kind::Counter { range } = channels[index].kind else { continue };
        let device = &channels[index].device;
        if let Some(range) = range.filter(|range| value >= *range) {
            let words = format!("`{device}` shows {value}, outside its range of {range}");
            found.falls.get_or_insert(words);
        }
        if last[index].replace(value).is_some_and(|before| value < before) {
            fallen[index] += 1;
            // A wrap may come at any time, but a counter that decreases this often is none.
            if range.is_none() || fallen[index] as usize > READINGS / channels.len() / 4 + 1 {
                found.falls.get_or_insert(format!("the counter of `{device}` decreases"));
            }
        }
    }
    found
}

impl Readings {
    fn judge(self, report: &mut Report) {
        let problem = match self.failure {
            _ if self.good == 0 && self.failure.is_none() => Some("nothing was read".to_owned()),
            failure => failure,
        };
        report.judge("read", problem, format!("{} readings", self.good));
        if self.counters == 0 {
            report.add("counters", CheckStatus::Skipped, "it has no energy counter");
        } else {
            let good = format!("{} counters, which decrease only when they wrap", self.counters);
            report.judge("counters", self.falls, good);
        }
        let slowest = format!("the slowest reading took {:.3} ms", self.slowest_s * 1e3);
        let late = self.slowest_s > DEADLINE_S;
        report.judge("time", late.then(|| format!("{slowest}, expected at most 100 ms")), slowest);
    }
}
