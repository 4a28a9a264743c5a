//! A grid's carbon intensity over time, read from a file.

use std::{fs::File, io, path::Path};

use units::limits;

use super::{
    Intensity,
    error::{CARRIED_S, CarbonError},
};

/// Number of standard deviations in half of a 95 % interval.
const TWO: f64 = 2.0;

/// A time series of carbon intensities: times in seconds since 1970 with grams per kilowatt-hour.
/// Each value holds until the next time, and the last one for [`CARRIED_S`].
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    points: Vec<(f64, f64)>,
    name: String,
}

impl Series {
    /// Reads a file of `SECONDS_SINCE_1970,GRAMS_PER_KWH` lines. A first line that is not two numbers
    /// is a header; a byte order mark and empty lines are ignored.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, has no value, a line is not two numbers within their limits
    /// ([`limits::UNIX_TIME_S`], [`limits::CARBON_G_PER_KWH`]), or times do not increase.
    pub fn read(path: &Path) -> Result<Self, CarbonError> {
        let name = path.display().to_string();
        let fail = |source| CarbonError::Read { path: name.clone(), source };
        // A pipe is a fine source, but not an endless one.
        let content = File::open(path)
            .and_then(|file| units::read_at_most(file, limits::CONFIG_BYTES.max()))
            .map_err(fail)?;
        let text = String::from_utf8(content)
            .map_err(|_| fail(io::Error::other("it is not a text in UTF-8")))?;
        Self::parse(&text, &name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, CarbonError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut header = true;
        for (number, line) in text.lines().enumerate() {
            let fail = |problem: String| CarbonError::Line {
                path: name.to_owned(),
                line: number + 1,
                problem,
            };
            if line.trim().is_empty() {
                continue;
            }
            let pair = line.split_once(',').and_then(|(time, grams)| {
                Some((time.trim().parse::<f64>().ok()?, grams.trim().parse::<f64>().ok()?))
            });
            match pair {
                None if header => {}
                None => return Err(fail(format!("`{line}` is not two numbers"))),
                Some((time, grams)) => {
                    let checked = limits::UNIX_TIME_S.check(time);
                    let checked = checked.and(limits::CARBON_G_PER_KWH.check(grams));
                    checked.map_err(|error| fail(error.to_string()))?;
                    if points.last().is_some_and(|last| last.0 >= time) {
                        return Err(fail(format!("time {time} is not after the one before")));
                    }
                    points.push((time, grams));
                }
            }
            header = false;
        }
        if points.is_empty() {
            let problem = "the file has no value".to_owned();
            return Err(CarbonError::Line { path: name.to_owned(), line: 1, problem });
        }
        Ok(Self { points, name: name.to_owned() })
    }

    /// The times of the first and the last value, in seconds since 1970.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        (self.points[0].0, self.points[self.points.len() - 1].0)
    }

    /// The mean intensity between two times. Half of its interval is twice the standard deviation of
    /// the values in between, because power may have been high when intensity was.
    ///
    /// After its time the last value is used for [`CARRIED_S`]. The interval then includes how much the
    /// series changes within such a time elsewhere (the root of the mean square of those changes) or,
    /// if the series is shorter than that, by how much all of its values differ. A series with one
    /// value says nothing about its changes: its uncertainty is `None`.
    ///
    /// # Errors
    ///
    /// If a time is before the series, or more than [`CARRIED_S`] after it.
    pub fn over(&self, from: f64, to: f64) -> Result<Intensity, CarbonError> {
        let (first, last) = self.ends();
        let asked = if from < first { from } else { to };
        if !(from >= first && to <= last + CARRIED_S && from <= last + CARRIED_S) {
            return Err(CarbonError::Outside { from: first, to: last, asked });
        }
        // For two equal times it is the value at that time.
        let to = to.max(from + 1e-6);
        let (mut sum, mut squares, mut time) = (0.0, 0.0, 0.0);
        let ends = self.points[1..].iter().map(|point| point.0).chain([f64::INFINITY]);
        for ((start, grams), end) in self.points.iter().zip(ends) {
            let length = to.min(end) - from.max(*start);
            if length > 0.0 {
                sum += grams * length;
                squares += grams.powi(2) * length;
                time += length;
            }
        }
        let mean = sum / time;
        let within = (squares / time - mean * mean).max(0.0);
        let carried = (to - from.max(last)).max(0.0) / (to - from);
        let change = if to > last { self.change_within(to - last) } else { Some(0.0) };
        let mut scope = format!("{from:.0} to {to:.0} (seconds since 1970)");
        if to > last {
            scope.push_str(&format!("; the last value is of {last:.0}"));
        }
        Ok(Intensity {
            grams_per_kwh: mean,
            uncertainty: change.map(|change| TWO * within.sqrt().hypot(carried * change)),
            scope,
            source: self.name.clone(),
        })
    }

    /// By how much the intensity differs from what it was `lag` seconds before: the root of the mean
    /// square. `None` with one value.
    fn change_within(&self, lag: f64) -> Option<f64> {
        let (_, last) = self.ends();
        let mut later = 0;
        let (mut squares, mut count) = (0.0, 0.0);
        for (time, grams) in &self.points {
            if time + lag > last {
                break;
            }
            while self.points.get(later + 1).is_some_and(|point| point.0 <= time + lag) {
                later += 1;
            }
            squares += (self.points[later].1 - grams).powi(2);
            count += 1.0;
        }
        let values = self.points.iter().map(|point| point.1);
        let (low, high) = (values.clone().fold(f64::MAX, f64::min), values.fold(0.0, f64::max));
        // A lag that is shorter than a step shows most values as unchanged, so the series' own steps
        // are the least that can be expected; fewer than three changes say too little.
        let steps = self.points.windows(2).map(|pair| (pair[1].1 - pair[0].1).powi(2));
        let step = steps.sum::<f64>() / (self.points.len() as f64 - 1.0);
        match self.points.len() {
            1 => None,
            _ if count < 3.0 => Some(high - low),
            _ => Some((squares / count).max(step).sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_value_holds_until_the_next() {
        let series = Series::parse("time,g\n0,100\n10,300\n20,500\n", "x").unwrap();
        let mean = |from, to| series.over(from, to).unwrap().grams_per_kwh;
        assert!((mean(0.0, 10.0) - 100.0).abs() < 1e-9);
        assert!((mean(5.0, 15.0) - 200.0).abs() < 1e-9);
        assert!((series.over(5.0, 15.0).unwrap().uncertainty.unwrap() - 200.0).abs() < 1e-9);
        assert!((mean(20.0, 20.0) - 500.0).abs() < 1e-9);
        assert!(matches!(series.over(-1.0, 5.0), Err(CarbonError::Outside { .. })));
    }

    /// Live series (Electricity Maps, ENTSO-E) end in the past: the newest value is minutes to hours
    /// old.
    #[test]
    fn the_last_value_is_carried_on_for_six_hours_with_a_wider_interval() {
        let series =
            Series::parse("0,100\n3600,120\n7200,140\n10800,120\n14400,140\n", "x").unwrap();
        let now = series.over(14_700.0, 14_701.0).unwrap();
        assert!((now.grams_per_kwh - 140.0).abs() < 1e-9);
        // Every step of the series is 20 g, so one standard deviation is 20 g.
        assert!((now.uncertainty.unwrap() - 40.0).abs() < 1e-6, "{now:?}");
        assert!(now.scope.contains("the last value is of 14400"), "{now:?}");
        // Half of the time is within the series: half of that.
        let half = series.over(14_300.0, 14_500.0).unwrap();
        let expected = 2.0 * 10.0_f64.hypot(10.0);
        assert!((half.uncertainty.unwrap() - expected).abs() < 1e-6, "{half:?}");
        let end = 14_400.0 + CARRIED_S;
        assert!(series.over(end - 10.0, end).is_ok());
        assert!(matches!(series.over(end - 10.0, end + 1.0), Err(CarbonError::Outside { .. })));
        assert!(matches!(series.over(f64::NAN, 1.0), Err(CarbonError::Outside { .. })));
    }

    #[test]
    fn one_value_is_a_series_that_does_not_tell_its_changes() {
        let series = Series::parse("\u{feff}time,g\r\n100,200\r\n", "x").unwrap();
        let now = series.over(150.0, 160.0).unwrap();
        assert_eq!((now.grams_per_kwh, now.uncertainty), (200.0, None));
        assert!(Series::parse("", "x").is_err() && Series::parse("time,g\n", "x").is_err());
    }

    #[test]
    fn an_error_names_the_file_and_the_line() {
        let error = Series::parse("0,1\n5,x\n", "f.csv").unwrap_err().to_string();
        assert!(error.starts_with("`f.csv`, line 2: `5,x` is not two numbers"), "{error}");
        let error = Series::parse("5,1\n5,2\n", "f.csv").unwrap_err().to_string();
        assert!(error.contains("is not after"), "{error}");
        // Milliseconds instead of seconds, an infinite and a negative intensity.
        for line in ["1764133200000,300", "0,inf", "0,-5", "0,1e300"] {
            let error = Series::parse(line, "f.csv").unwrap_err().to_string();
            assert!(error.starts_with("`f.csv`, line 1: "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_series_or_an_error(text in "\\PC{0,60}") {
            let _ = Series::parse(&text, "x");
        }

        #[test]
        fn the_mean_is_among_the_values(
            values in prop::collection::vec(0.0_f64..1000.0, 1..20),
            from in 0.0_f64..1.0,
            length in 0.0_f64..3.0,
        ) {
            let points = values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
            let series = Series { points, name: String::new() };
            let from = from * (values.len() - 1) as f64;
            let found = series.over(from, from + length * values.len() as f64).unwrap();
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            prop_assert!(found.grams_per_kwh >= low - 1e-6 && found.grams_per_kwh <= high + 1e-6);
            prop_assert_eq!(found.uncertainty.is_none(), values.len() == 1);
        }
    }
}
