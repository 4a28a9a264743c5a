//! What people see while runs go on: bars on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{Energy, RunRecord};

use crate::experiment::Brief;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// The progress of one experiment.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    title: &'static str,
    started: Instant,
    /// Runs of this call, those found in the journal left out.
    fresh: usize,
    last_line: Option<Instant>,
    joules: Option<Energy>,
}

impl Progress {
    /// Of an experiment with `total` runs, of which `done` were found in the journal.
    #[must_use]
    pub fn new(title: &'static str, total: usize, done: &[&Brief]) -> Self {
        let plain = !stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style = "{prefix:<28} {bar:30.green} {pos:>5}/{len:<5} {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a constant, valid template"));
        bar.set_prefix(title);
        bar.set_position(done.len() as u64);
        bar.enable_steady_tick(Duration::from_millis(500));
        let joules = Energy::total(done.iter().filter_map(|it| it.energy));
        let this =
            Self { bar, plain, title, started: Instant::now(), fresh: 0, last_line: None, joules };
        this.show();
        this
    }

    /// Another run ended.
    pub fn finished(&mut self, record: &RunRecord) {
        self.fresh += 1;
        self.bar.inc(1);
        self.joules = Energy::total(self.joules.into_iter().chain(record.energy.total));
        self.show();
        let now = Instant::now();
        let complete = Some(self.bar.position()) == self.bar.length();
        let due = self.last_line.is_none_or(|last| now - last >= LINE_EVERY);
        if self.plain && (due || complete) {
            self.last_line = Some(now);
            let (position, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            line(&format!("{}: {position}/{total} {}", self.title, self.message()));
        }
    }

    fn show(&self) {
        self.bar.set_message(self.message());
    }

    fn message(&self) -> String {
        let joules = self
            .joules
            .map_or_else(String::new, |it| format!(", {:.0} {}", it.joules, it.origin.word()));
        format!(
            "{}{joules}",
            self.time_left().map_or_else(String::new, |it| format!("{} left", human(it)))
        )
    }

    fn time_left(&self) -> Option<Duration> {
        let left = self.bar.length()?.saturating_sub(self.bar.position());
        let fresh = u32::try_from(self.fresh).ok().filter(|it| *it > 0)?;
        Some(self.started.elapsed() / fresh * u32::try_from(left).ok()?)
    }

    /// Leaves the bar on the screen as it is.
    pub fn end(self) {
        self.bar.abandon();
    }
}

/// A line for people, on standard error; lost where nobody listens.
pub fn line(text: &str) {
    drop(writeln!(stderr().lock(), "{text}"));
}

/// A duration as people say it: `48 s`, `3 min 20 s`, `5 h 10 min`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) if h < 48 => format!("{h} h {m} min"),
        (h, ..) => format!("{:.1} days", h as f64 / 24.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let say = |seconds| human(Duration::from_secs(seconds));
        assert_eq!(
            [say(48), say(200), say(18_600), say(432_000)],
            ["48 s", "3 min 20 s", "5 h 10 min", "5.0 days"]
        );
    }
}
