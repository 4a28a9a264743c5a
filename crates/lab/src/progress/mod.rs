//! What people and machines see while runs go on: bars on a terminal, plain lines elsewhere, a
//! status file, metrics.

mod export;
mod status;

use std::{
    io::{IsTerminal, Write, stderr},
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{Energy, Experiment, RunRecord};

pub use self::{
    export::open_metrics,
    status::{ExperimentStatus, STATUS_SCHEMA, StudyState, StudyStatus},
};
use crate::{drive::title, executor::RunCounts};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Time between two status files.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Time between two sendings.
const SEND_EVERY: Duration = Duration::from_secs(10);

/// Where the figures go, beside the terminal.
#[derive(Clone, Debug, Default)]
pub struct Sinks {
    /// The study's folder: `status.json`.
    pub folder: Option<PathBuf>,
    /// A file in OpenMetrics' format, for a textfile collector.
    pub metrics: Option<PathBuf>,
    /// An OpenTelemetry collector.
    pub otlp: Option<String>,
}

/// An experiment at the start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Which.
    pub experiment: Experiment,
    /// Its runs.
    pub total: usize,
    /// Those found in the journal.
    pub done: usize,
    /// What those cost.
    pub joules: Option<Energy>,
    /// Time that one of the others is expected to take.
    pub each: Duration,
}

/// The progress of a study.
#[derive(Debug)]
pub struct Progress {
    rows: Vec<Row>,
    plain: bool,
    started: Instant,
    /// Expected time of the runs that ended in this call.
    expected: Duration,
    /// How many those are.
    fresh: usize,
    /// Runs at once, until runs show what that gains.
    workers: usize,
    last_line: Option<Instant>,
    written: Option<Instant>,
    sent: Option<Instant>,
    status: StudyStatus,
    sinks: Sinks,
    complained: bool,
}

#[derive(Debug)]
struct Row {
    start: Start,
    done: usize,
    joules: Option<Energy>,
    bar: ProgressBar,
}

impl Progress {
    /// Of a study's experiments; `workers` runs at once.
    #[must_use]
    pub fn new(status: StudyStatus, starts: &[Start], workers: usize, sinks: Sinks) -> Self {
        let plain = !stderr().is_terminal();
        let target =
            if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let style = "{prefix:<16} {bar:30.green} {pos:>5}/{len:<5} {msg}";
        let style = ProgressStyle::with_template(style).expect("a constant, valid template");
        let row = |start: &Start| {
            let bar = bars.add(ProgressBar::new(start.total as u64).with_style(style.clone()));
            bar.set_prefix(title(start.experiment));
            bar.set_position(start.done as u64);
            Row { start: *start, done: start.done, joules: start.joules, bar }
        };
        let mut this = Self {
            rows: starts.iter().map(row).collect(),
            plain,
            started: Instant::now(),
            expected: Duration::ZERO,
            fresh: 0,
            workers: workers.max(1),
            last_line: None,
            written: None,
            sent: None,
            status,
            sinks,
            complained: false,
        };
        this.show(None);
        this
    }

    /// Another run ended.
    pub fn finished(&mut self, record: &RunRecord) {
        let Some(at) =
            self.rows.iter().position(|it| it.start.experiment == record.spec.experiment)
        else {
            return;
        };
        let row = &mut self.rows[at];
        row.done += 1;
        row.joules = Energy::total(row.joules.into_iter().chain(record.energy.total));
        row.bar.set_position(row.done as u64);
        self.expected += row.start.each;
        self.fresh += 1;
        self.show(Some(at));
    }

    /// Runs have begun, or workers were lost.
    pub fn standing(&mut self, standing: RunCounts) {
        if self.status.standing != standing {
            self.status.standing = standing;
            self.show(None);
        }
    }

    /// Somebody asked for an end.
    pub fn stopping(&mut self) {
        let running = self.status.standing.running;
        if running > 0 {
            line(&format!("stopping: {running} runs are told to end; those that ended are kept"));
        }
    }

    /// The study is over; leaves the bars on the screen as they are.
    pub fn end(&mut self, state: StudyState) {
        self.status.state = state;
        self.status.standing =
            RunCounts { lost: self.status.standing.lost, ..RunCounts::default() };
        (self.written, self.sent) = (None, None);
        self.show(None);
        self.rows.iter().for_each(|it| it.bar.abandon());
    }

    fn show(&mut self, finished: Option<usize>) {
        self.fill();
        let left = self.status.left_s.map(Duration::from_secs_f64);
        for at in 0..self.rows.len() {
            let row = &self.rows[at];
            let message = self.message(row, left);
            row.bar.set_message(message.clone());
            let complete = row.done >= row.start.total;
            let due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
            if self.plain && finished == Some(at) && (due || complete) {
                let (title, done, total) = (title(row.start.experiment), row.done, row.start.total);
                line(&format!("{title}: {done}/{total}{message}"));
                self.last_line = Some(Instant::now());
            }
        }
        if self.written.is_none_or(|it| it.elapsed() >= WRITE_EVERY) {
            self.written = Some(Instant::now());
            self.write();
        }
        if self.sinks.otlp.is_some() && self.sent.is_none_or(|it| it.elapsed() >= SEND_EVERY) {
            self.sent = Some(Instant::now());
            self.send();
        }
    }

    /// ` 3 min left, 120 J estimated, 12 running, 1 lost`.
    fn message(&self, row: &Row, left: Option<Duration>) -> String {
        let mut words = Vec::new();
        if let Some(left) = left.filter(|_| row.done < row.start.total && self.fresh > 0) {
            words.push(format!("{} left in all", human(left)));
        }
        if let Some(it) = row.joules {
            words.push(format!("{:.0} {}", it.joules, it.origin.word()));
        }
        let RunCounts { queued, running, lost } = self.status.standing;
        if row.done < row.start.total && (running > 1 || queued > 0 || lost > 0) {
            words.push(format!("{running} running, {queued} queued"));
            if lost > 0 {
                words.push(format!("{lost} lost and handed on"));
            }
        }
        if words.is_empty() { String::new() } else { format!(" {}", words.join(", ")) }
    }

    /// Brings the status up to date.
    fn fill(&mut self) {
        let rows = self.rows.iter().map(|it| ExperimentStatus {
            experiment: it.start.experiment,
            total: Some(it.start.total),
            done: it.done,
            joules: it.joules,
        });
        self.status.experiments = rows.collect();
        self.status.joules = Energy::total(self.rows.iter().filter_map(|it| it.joules));
        let left = self.left();
        self.status.tell_time(left);
    }

    /// Time for the runs that are left: as expected, corrected by what runs took so far.
    fn left(&self) -> Option<Duration> {
        let left = |it: &Row| u32::try_from(it.start.total.saturating_sub(it.done)).unwrap_or(0);
        let expected: Duration = self.rows.iter().map(|it| it.start.each * left(it)).sum();
        if self.fresh == 0 || self.expected.is_zero() {
            return Some(expected / self.workers as u32).filter(|it| !it.is_zero());
        }
        let pace = self.started.elapsed().as_secs_f64() / self.expected.as_secs_f64();
        Some(expected.mul_f64(pace))
    }

    fn write(&mut self) {
        let json = serde_json::to_vec_pretty(&self.status).unwrap_or_default();
        let status = self.sinks.folder.as_ref().map(|it| (it.join("status.json"), json));
        let metrics = self.sinks.metrics.clone();
        let metrics = metrics.map(|it| (it, open_metrics(&self.status).into_bytes()));
        for (path, content) in status.into_iter().chain(metrics) {
            if let Err(error) = status::replace(&path, &content) {
                self.complain(&format!("failed to write `{}`: {error}", path.display()));
            }
        }
    }

    fn send(&mut self) {
        let Some(url) = self.sinks.otlp.clone() else { return };
        if let Err(error) = export::send(&url, &self.status) {
            self.complain(&format!("failed to send to `{url}`: {error}"));
        }
    }

    /// A study does not end because nobody can watch it.
    fn complain(&mut self, text: &str) {
        if !self.complained {
            self.complained = true;
            line(&format!("warning: {text}; the study goes on"));
        }
    }
}

/// A line for people, on standard error; lost where nobody listens.
pub fn line(text: &str) {
    drop(writeln!(stderr().lock(), "{text}"));
}

/// A share as people say it: `12 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
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
