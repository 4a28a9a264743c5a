//! Recordings of GPU power sensors beside a power meter.

use units::{Seconds, Watts};

/// What a driver showed at one poll.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Poll {
    /// Time of the poll.
    pub at: Seconds,
    /// `power.draw`: a mean over a second since Ampere.
    pub draw: Watts,
    /// `power.draw.instant`, which drivers show since 530; `None` if it was not recorded.
    pub instant: Option<Watts>,
}

/// A board's power as its driver showed it and as a meter in its supply lines measured it, over the
/// same time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recording {
    /// Its name: the board's name, and optionally a hyphen and the kind of load.
    pub name: String,
    /// The driver's readings in order of time.
    pub polls: Vec<Poll>,
    /// The meter's samples in order of time.
    pub meter: Vec<(Seconds, Watts)>,
}

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("recording `{name}`, `{file}`, line {line}: {problem}")]
pub struct RecordingError {
    /// The recording.
    pub name: String,
    /// The file within it.
    pub file: &'static str,
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong and what is expected.
    pub problem: String,
}

/// The driver's readings: columns `time_s`, `power_draw_w`, and optionally `power_draw_instant_w`.
const SENSOR: &str = "nvidia_smi.csv";

/// The meter's samples: columns `time_s` and `watts`.
const METER: &str = "meter.csv";

/// Powers from outside are in this range, in watts; times, in seconds.
const POWERS: std::ops::RangeInclusive<f64> = 0.0..=1e5;
const TIMES: std::ops::RangeInclusive<f64> = -1e7..=1e7;

impl Recording {
    /// Reads the text of `nvidia_smi.csv` (columns `time_s`, `power_draw_w` and optionally
    /// `power_draw_instant_w`) and of `meter.csv` (`time_s`, `watts`); other columns are ignored. Both
    /// files have one time base, in seconds.
    ///
    /// # Errors
    ///
    /// If a column is missing, a value is not a number in its range, times do not rise, or the two
    /// files do not cover at least one second together.
    pub fn parse(name: &str, sensor: &str, meter: &str) -> Result<Self, RecordingError> {
        let sensor = Table { name, file: SENSOR, text: sensor };
        let meter = Table { name, file: METER, text: meter };
        let (times, draws) = sensor.columns("time_s", "power_draw_w")?;
        let instants = sensor.optional("power_draw_instant_w");
        let polls = times.iter().zip(draws).enumerate().map(|(at, (time, draw))| Poll {
            at: Seconds(*time),
            draw: Watts(draw),
            instant: instants.as_ref().map(|instants| Watts(instants[at])),
        });
        let polls: Vec<Poll> = polls.collect();
        let (times, watts) = meter.columns("time_s", "watts")?;
        let meter_samples: Vec<_> =
            times.into_iter().map(Seconds).zip(watts.into_iter().map(Watts)).collect();
        let (first, last) = (meter_samples[0].0, meter_samples[meter_samples.len() - 1].0);
        let (begin, end) = (polls[0].at, polls[polls.len() - 1].at);
        if begin > first || end < last || last - first < Seconds(1.0) {
            let problem = format!(
                "the meter covers {first} to {last} and the driver {begin} to {end}; expected the \
                 driver to cover the meter's time, and that to be 1 s or more"
            );
            return Err(meter.error(1, problem));
        }
        Ok(Self { name: name.to_owned(), polls, meter: meter_samples })
    }

    /// The board's name: everything before the last hyphen.
    #[must_use]
    pub fn board(&self) -> &str {
        self.name.rsplit_once('-').map_or(&self.name, |(board, _)| board)
    }
}

struct Table<'a> {
    name: &'a str,
    file: &'static str,
    text: &'a str,
}

impl Table<'_> {
    fn error(&self, line: usize, problem: String) -> RecordingError {
        RecordingError { name: self.name.to_owned(), file: self.file, line, problem }
    }

    fn position(&self, column: &str) -> Option<usize> {
        let header = self.text.lines().next()?.trim_start_matches('\u{feff}');
        header.split(',').position(|name| name.trim() == column)
    }

    /// Times that rise, and the values of a column: at least two.
    fn columns(&self, times: &str, values: &str) -> Result<(Vec<f64>, Vec<f64>), RecordingError> {
        let find = |column: &str| {
            let missing = || self.error(1, format!("there is no column `{column}`"));
            self.position(column).ok_or_else(missing)
        };
        let (time_at, value_at) = (find(times)?, find(values)?);
        let (mut found, mut powers) = (Vec::<f64>::new(), Vec::new());
        for (index, line) in self.text.lines().enumerate().skip(1) {
            if line.trim().is_empty() {
                continue;
            }
            let cells: Vec<&str> = line.split(',').collect();
            let number = |at: usize, column: &str, range: &std::ops::RangeInclusive<f64>| {
                let text = cells.get(at).map_or("", |cell| cell.trim());
                text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
                    let (low, high) = (range.start(), range.end());
                    let problem = format!("`{column}` is `{text}`, expected {low:e} to {high:e}");
                    self.error(index + 1, problem)
                })
            };
            let (time, power) =
                (number(time_at, times, &TIMES)?, number(value_at, values, &POWERS)?);
            if found.last().is_some_and(|last| *last > time) {
                let problem = format!("`{times}` is {time}, earlier than in the line before");
                return Err(self.error(index + 1, problem));
            }
            // Two polls in one millisecond: the later one counts.
            if found.last() == Some(&time) {
                powers.pop();
                found.pop();
            }
            found.push(time);
            powers.push(power);
        }
        if found.len() < 2 {
            return Err(self.error(1, "there are fewer than two rows".to_owned()));
        }
        Ok((found, powers))
    }

    /// The values of a column that may be missing or hold no numbers, such as `[N/A]`.
    fn optional(&self, column: &str) -> Option<Vec<f64>> {
        self.position(column)?;
        self.columns("time_s", column).ok().map(|(_, values)| values)
    }
}
