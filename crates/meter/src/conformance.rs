//! Whether a plugin keeps the contract of `probe.h`: `wattlab plugin check FILE`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::{
    clock::{Clock, Monotonic},
    plugin::{LoadError, Plugin},
    source::{Kind, Source},
};

/// Readings of all channels together.
const READINGS: usize = 1_000;
/// A reading that takes longer makes the meter call the plugin stale.
const DEADLINE_S: f64 = 0.1;
/// An update period longer than this is a mistake in its unit.
const LONGEST_PERIOD_S: f64 = 3_600.0;
/// A plugin that does not come back within this time hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Passed,
    /// Not as it must be.
    Failed,
    /// It could not be tried, with the reason in the words.
    Skipped,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `load`, `open`, `name`, `channels`, `read`, `counters`, `time`, `two-opens` or `reopen`.
    pub id: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub words: String,
}

/// All that was checked of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// As the plugin calls itself, if it got so far.
    pub plugin: Option<String>,
    /// In the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|it| it.verdict != Verdict::Failed)
    }

    fn add(&mut self, id: &'static str, verdict: Verdict, words: impl Into<String>) {
        self.checks.push(Check { id, verdict, words: words.into() });
    }

    /// Fails with the problem, or passes with what is good.
    fn judge(&mut self, id: &'static str, problem: Option<String>, good: impl Into<String>) {
        match problem {
            Some(problem) => self.add(id, Verdict::Failed, problem),
            None => self.add(id, Verdict::Passed, good),
        }
    }
}

/// Loads a plugin and tries everything the meter does with it: opens it, lists its channels, makes
/// 1,000 readings, opens it twice and again. One that crashes takes the caller with it; a caller
/// that must live runs this in a process of its own.
#[must_use]
pub fn check(path: &Path, options: &[(String, String)]) -> Report {
    let report = Report { path: path.to_owned(), plugin: None, checks: Vec::new() };
    let shared = Arc::new(Mutex::new(report));
    let (done, finished) = mpsc::channel();
    let (theirs, path, options) = (Arc::clone(&shared), path.to_owned(), options.to_vec());
    let started = thread::Builder::new().name("wattlab-check".to_owned()).spawn(move || {
        run(&theirs, &path, &options);
        // Nobody listens any more if it took too long.
        let _ = done.send(());
    });
    let came = started.is_ok() && finished.recv_timeout(PATIENCE).is_ok();
    let mut report = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !came {
        let words = format!("the plugin did not come back within {} s", PATIENCE.as_secs());
        report.add("time", Verdict::Failed, words);
    }
    report
}

fn run(report: &Mutex<Report>, path: &Path, options: &[(String, String)]) {
    let add = |id, verdict, words: String| {
        report.lock().unwrap_or_else(PoisonError::into_inner).add(id, verdict, words);
    };
    let mut plugin = match Plugin::load_with(path, options) {
        Ok(plugin) => plugin,
        Err(LoadError::Open { name, code, reason, remedy }) => {
            report.lock().unwrap_or_else(PoisonError::into_inner).plugin = Some(name);
            add("load", Verdict::Passed, "version and table fit".to_owned());
            let fix = remedy.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
            let words = format!("its hardware is not here: {reason} (code {code}){fix}");
            add("open", Verdict::Skipped, words);
            if remedy.is_none() {
                let words = "the reason for not opening has no second line with a remedy";
                add("remedy", Verdict::Failed, words.to_owned());
            }
            return;
        }
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|it| format!(": {it}")).unwrap_or_default();
            return add("load", Verdict::Failed, format!("{error}{cause}"));
        }
    };
    {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.plugin = Some(plugin.name().to_owned());
        report.add("load", Verdict::Passed, "version and table fit");
        report.add("open", Verdict::Passed, "it opens its hardware");
        let odd = |it: char| !(it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
        let name = plugin.name();
        let bad = name.is_empty() || name.contains(odd);
        let problem = bad.then(|| format!("name `{name}`, expected a-z, 0-9 and `-`"));
        report.judge("name", problem, format!("it is called `{name}`"));
        let good = format!("{} channels make sense", plugin.channels().len());
        report.judge("channels", unsound(&plugin), good);
    }
    let found = readings(&mut plugin);
    {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        found.tell(&mut report);
    }
    match Plugin::load_with(path, options) {
        Ok(mut second) => {
            // Each has its own state: what one reads, the other does not feel.
            let both = read_all(&mut plugin).and(read_all(&mut second));
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report.judge("two-opens", both.err(), "two of it work side by side");
        }
        Err(error) => add("two-opens", Verdict::Skipped, format!("it opens once only: {error}")),
    }
    let before = plugin.channels().to_vec();
    drop(plugin);
    let again = Plugin::load_with(path, options).map_err(|it| it.to_string());
    let again = again.and_then(|mut it| {
        read_all(&mut it)?;
        let same = it.channels() == before;
        if same { Ok(()) } else { Err("opened again, its channels differ".to_owned()) }
    });
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.judge("reopen", again.err(), "closed and opened again, it is the same");
}

/// What is wrong with the channels beyond what loading refuses.
fn unsound(plugin: &Plugin) -> Option<String> {
    let channels = plugin.channels();
    if channels.is_empty() {
        return Some("no channels; `open` should say that there is no hardware".to_owned());
    }
    let mut seen = HashSet::new();
    for channel in channels {
        let device = &channel.device;
        if device.is_empty() {
            return Some("a channel whose device has no name".to_owned());
        }
        if !seen.insert((device, format!("{:?}", channel.domain))) {
            return Some(format!("device `{device}` has two channels of one domain"));
        }
        if channel.inside.as_ref() == Some(device) && channels.len() == 1 {
            return Some(format!("device `{device}` lies inside itself"));
        }
        if channel.kind == (Kind::Counter { range: Some(1) }) {
            return Some(format!("the counter of `{device}` has range 1: it is always 0"));
        }
        for (what, time) in [("period", channel.period.0), ("averaging", channel.averaging.0)] {
            if time > LONGEST_PERIOD_S {
                return Some(format!("{what} {time} s of `{device}`; it is given in nanoseconds"));
            }
        }
        if channel.relative_error > 1.0 {
            return Some(format!("error {} of `{device}`; 0.05 is 5 %", channel.relative_error));
        }
    }
    None
}

fn read_all(plugin: &mut Plugin) -> Result<(), String> {
    (0..plugin.channels().len())
        .try_for_each(|channel| plugin.read(channel).map(drop).map_err(|it| it.to_string()))
}

/// What many readings show.
#[derive(Default)]
struct Readings {
    good: usize,
    failure: Option<String>,
    counters: usize,
    falls: Option<String>,
    slowest_s: f64,
}

fn readings(plugin: &mut Plugin) -> Readings {
    let clock = Monotonic::default();
    let channels = plugin.channels().to_vec();
    let mut found = Readings::default();
    if channels.is_empty() {
        return found;
    }
    found.counters = channels.iter().filter(|it| it.kind != Kind::Power).count();
    let mut last = vec![None; channels.len()];
    let mut fallen = vec![0_u32; channels.len()];
    for index in (0..channels.len()).cycle().take(READINGS) {
        let before = clock.now();
        let reading = plugin.read(index);
        found.slowest_s = found.slowest_s.max((clock.now() - before).0);
        // One that hangs at each reading is not asked a thousand times.
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
            let words = format!("`{device}` reads {value}, outside of its range {range}");
            found.falls.get_or_insert(words);
        }
        if last[index].replace(value).is_some_and(|it| value < it) {
            fallen[index] += 1;
            // One wrap may come at any time; a counter that falls every second time is none.
            if range.is_none() || fallen[index] as usize > READINGS / channels.len() / 4 + 1 {
                found.falls.get_or_insert(format!("the counter of `{device}` falls"));
            }
        }
    }
    found
}

impl Readings {
    fn tell(self, report: &mut Report) {
        let problem = match self.failure {
            _ if self.good == 0 && self.failure.is_none() => Some("nothing was read".to_owned()),
            failure => failure,
        };
        report.judge("read", problem, format!("{} readings", self.good));
        if self.counters == 0 {
            report.add("counters", Verdict::Skipped, "it has no energy counter");
        } else {
            let good = format!("{} never fall but at a wrap", self.counters);
            report.judge("counters", self.falls, good);
        }
        let slowest = format!("the slowest reading took {:.3} ms", self.slowest_s * 1e3);
        let late = self.slowest_s > DEADLINE_S;
        report.judge("time", late.then(|| format!("{slowest}, expected 100 at most")), slowest);
    }
}
