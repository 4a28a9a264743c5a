//! What a thousand readings of a plugin show.

use super::{
    deadline::Steps,
    report::{CheckStatus, Report},
};
use crate::{
    clock::{Clock, MonotonicClock},
    plugin::Plugin,
    source::{Kind, Source},
};

/// Number of readings, all channels together.
const READINGS: usize = 1_000;
/// A plugin whose readings are slow is read fewer times: for about this long.
const LONGEST_S: f64 = 20.0;
/// A reading that takes longer than this makes the meter call the plugin stale.
const DEADLINE_S: f64 = 0.1;

/// What the readings have shown.
#[derive(Default)]
pub(super) struct Readings {
    good: usize,
    failure: Option<String>,
    counters: usize,
    falls: Option<String>,
    slowest_s: f64,
}

/// Reads all channels in turn.
pub(super) fn readings(plugin: &mut Plugin, steps: &Steps) -> Readings {
    let clock = MonotonicClock::default();
    let start = clock.now();
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
        let waited = waited_s();
        steps.begin("read", "a reading");
        let reading = plugin.read(index);
        // That this thread waited for a processor says nothing about the plugin.
        let took = (clock.now() - before).0 - (waited_s() - waited);
        found.slowest_s = found.slowest_s.max(took);
        // A plugin that hangs at each reading is not read a thousand times.
        if found.slowest_s > 10.0 * DEADLINE_S || (before - start).0 > LONGEST_S {
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
            // A wrap may come at any time, but a value that decreases this often is not a counter.
            if range.is_none() || fallen[index] as usize > READINGS / channels.len() / 4 + 1 {
                found.falls.get_or_insert(format!("the counter of `{device}` decreases"));
            }
        }
    }
    found
}

/// How long this thread was ready to run and waited for a processor, in seconds: the second number of
/// `schedstat` (Linux: Documentation/scheduler/sched-stats.rst). 0 where the kernel does not count it.
fn waited_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    nanoseconds.unwrap_or(0) as f64 * 1e-9
}

impl Readings {
    pub(super) fn judge(self, report: &mut Report) {
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
