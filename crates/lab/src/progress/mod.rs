//! The progress of a study: bars on a terminal, plain lines elsewhere, a status file, and metrics for
//! Prometheus and OpenTelemetry.

mod export;
mod status;

use std::{
    io::{IsTerminal, stderr},
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{Energy, RunRecord};

use self::export::open_metrics;
pub use self::status::{ExperimentStatus, STATUS_SCHEMA, Start, StudyState, StudyStatus};
pub(crate) use crate::output::{human, line};
use crate::{driver::DriverObserver, executor::RunCounts, experiment::title};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Time between two writes of the status file.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Time between two requests to an OpenTelemetry collector.
const SEND_EVERY: Duration = Duration::from_secs(10);

/// Where the study's figures go, beside the terminal. `None` leaves a destination out.
#[derive(Clone, Debug, Default)]
pub struct Sinks {
    /// The study's folder, for `status.json`.
    pub folder: Option<PathBuf>,
    /// A file in the OpenMetrics format, for a textfile collector.
    pub metrics: Option<PathBuf>,
    /// The address of an OpenTelemetry collector.
    pub otlp: Option<String>,
}

/// The progress of a study.
#[derive(Debug)]
pub struct Progress {
    rows: Vec<Row>,
    /// Whether standard error is no terminal: lines instead of bars.
    plain: bool,
    started: Instant,
    /// The expected time of the runs that have ended since the program started.
    expected: Duration,
    /// The number of these runs.
    ended: usize,
    /// The number of runs at once, until ended runs show how much faster that is.
    workers: usize,
    /// The time after which the study ends at the latest.
    at_most: Option<Duration>,
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
    /// The progress of a study with these experiments and `workers` runs at once.
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
            ended: 0,
            workers: workers.max(1),
            at_most: None,
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

    /// The study ends after this time at the latest; `None` if it has no such limit.
    pub fn end_after(&mut self, time: Option<Duration>) {
        self.at_most = time;
    }

    /// Ends the progress of a study; the bars stay on the screen.
    pub fn end(&mut self, state: StudyState) {
        self.status.state = state;
        self.status.standing =
            RunCounts { lost: self.status.standing.lost, ..RunCounts::default() };
        (self.written, self.sent) = (None, None);
        self.show(None);
        self.rows.iter().for_each(|row| row.bar.abandon());
    }

    /// Brings bars, status file and metrics up to date; `finished` is the row whose run has ended.
    fn show(&mut self, finished: Option<usize>) {
        self.update_status();
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
        if self.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
            self.written = Some(Instant::now());
            self.write();
        }
        if self.sinks.otlp.is_some() && self.sent.is_none_or(|sent| sent.elapsed() >= SEND_EVERY) {
            self.sent = Some(Instant::now());
            self.send();
        }
    }

    /// The text behind a bar: ` 3 min 0 s left in all, 120 J estimated, 2 running, 5 queued`.
    fn message(&self, row: &Row, left: Option<Duration>) -> String {
        let mut words = Vec::new();
        if let Some(left) = left.filter(|_| row.done < row.start.total && self.ended > 0) {
            words.push(format!("{} left in all", human(left)));
        }
        if let Some(energy) = row.joules {
            words.push(format!("{:.0} {}", energy.joules, energy.origin.word()));
        }
        let RunCounts { queued, running, lost } = self.status.standing;
        if row.done < row.start.total && (running > 1 || queued > 0 || lost > 0) {
            words.push(format!("{running} running, {queued} queued"));
            if lost > 0 {
                words.push(format!("{lost} restarted after their worker was lost"));
            }
        }
        if words.is_empty() { String::new() } else { format!(" {}", words.join(", ")) }
    }

    fn update_status(&mut self) {
        let rows =
            self.rows.iter().map(|row| Start { done: row.done, joules: row.joules, ..row.start });
        self.status.set_experiments(rows);
        let left = self.left();
        self.status.set_time_left(left);
    }

    /// The time for the runs that are left: their expected time, scaled by how much longer or shorter
    /// than expected the runs so far took. `None` while nothing is known.
    fn left(&self) -> Option<Duration> {
        let left = self.left_without_limit()?;
        let at_most = self.at_most.map(|time| time.saturating_sub(self.started.elapsed()));
        Some(at_most.map_or(left, |at_most| left.min(at_most)))
    }

    /// The same for a study that does all its runs.
    fn left_without_limit(&self) -> Option<Duration> {
        let left = |row: &Row| u32::try_from(row.start.total.saturating_sub(row.done)).unwrap_or(0);
        let expected: Duration = self.rows.iter().map(|row| row.start.each * left(row)).sum();
        if self.ended == 0 || self.expected.is_zero() {
            return Some(expected / self.workers as u32).filter(|time| !time.is_zero());
        }
        let pace = self.started.elapsed().as_secs_f64() / self.expected.as_secs_f64();
        Some(expected.mul_f64(pace))
    }

    fn write(&mut self) {
        if let Err(text) = publish(&self.status, &self.sinks) {
            self.complain(&text);
        }
    }

    fn send(&mut self) {
        let Some(url) = self.sinks.otlp.clone() else { return };
        if let Err(error) = export::send(&url, &self.status) {
            self.complain(&format!("failed to send metrics to `{url}`: {error}"));
        }
    }

    /// Warns once: a study does not stop because its progress cannot be shown.
    fn complain(&mut self, text: &str) {
        if !self.complained {
            self.complained = true;
            line(&format!("warning: {text}; the study continues"));
        }
    }
}

/// Writes the status and the metrics of a study that has no [`Progress`] yet. The terminal stays as
/// it is.
pub(crate) fn announce(
    mut status: StudyStatus,
    state: StudyState,
    starts: &[Start],
    sinks: &Sinks,
) {
    status.state = state;
    status.set_experiments(starts.iter().copied());
    if let Err(text) = publish(&status, sinks) {
        line(&format!("warning: {text}; the study continues"));
    }
}

/// Writes the status file and the metrics file.
fn publish(status: &StudyStatus, sinks: &Sinks) -> Result<(), String> {
    let json = serde_json::to_vec_pretty(status).unwrap_or_default();
    let file = sinks.folder.as_ref().map(|folder| (folder.join("status.json"), json));
    let metrics = sinks.metrics.clone();
    let metrics = metrics.map(|path| (path, open_metrics(status).into_bytes()));
    for (path, content) in file.into_iter().chain(metrics) {
        status::replace(&path, &content)
            .map_err(|error| format!("failed to write `{}`: {error}", path.display()))?;
    }
    Ok(())
}

impl DriverObserver for Progress {
    fn standing(&mut self, standing: RunCounts) {
        if self.status.standing != standing {
            self.status.standing = standing;
            self.show(None);
        }
    }

    fn finished(&mut self, record: &RunRecord) {
        let Some(at) =
            self.rows.iter().position(|row| row.start.experiment == record.spec.experiment)
        else {
            return;
        };
        let row = &mut self.rows[at];
        row.done += 1;
        row.joules = Energy::total(row.joules.into_iter().chain(record.energy.total));
        row.bar.set_position(row.done as u64);
        self.expected += row.start.each;
        self.ended += 1;
        self.show(Some(at));
    }

    fn stopping(&mut self) {
        let running = self.status.standing.running;
        if running > 0 {
            line(&format!("stopping {running} runs in progress; finished runs are kept"));
        }
    }
}
