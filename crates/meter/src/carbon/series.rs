//! A grid's carbon intensity over time, read from a file.

use std::{fs, path::Path};

use super::{CarbonError, Intensity};

/// Number of standard deviations in half of a 95 % interval.
const TWO: f64 = 2.0;

/// A time series of carbon intensities: times in seconds since 1970 with grams per kilowatt-hour.
/// Each value holds until the next time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    points: Vec<(f64, f64)>,
    name: String,
}

impl Series {
    /// Reads a file of `SECONDS_SINCE_1970,GRAMS_PER_KWH` lines. A first line that is not two numbers
    /// is a header.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a line is not two numbers, or times do not increase.
    pub fn read(path: &Path) -> Result<Self, CarbonError> {
        let name = path.display().to_string();
        let fail = |source| CarbonError::Read { path: name.clone(), source };
        Self::parse(&fs::read_to_string(path).map_err(fail)?, &name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, CarbonError> {
        let mut points: Vec<(f64, f64)> = Vec::new();
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
                None if number == 0 => {}
                None => return Err(fail(format!("`{line}` is not two numbers"))),
                Some((time, grams)) => {
                    if !time.is_finite() || !grams.is_finite() || grams < 0.0 {
                        return Err(fail(format!(
                            "`{line}` is not a finite time and an intensity from 0 on"
                        )));
                    }
                    if points.last().is_some_and(|last| last.0 >= time) {
                        return Err(fail(format!("time {time} is not after the one before")));
                    }
                    points.push((time, grams));
                }
            }
        }
        if points.len() < 2 {
            let problem = "the file has fewer than two points".to_owned();
            return Err(CarbonError::Line { path: name.to_owned(), line: 1, problem });
        }
        Ok(Self { points, name: name.to_owned() })
    }

    /// The mean intensity between two times. Half of its interval is twice the standard deviation of
    /// the values in between, because power may have been high when intensity was.
    ///
    /// # Errors
    ///
    /// If a time is not within the series.
    pub fn over(&self, from: f64, to: f64) -> Result<Intensity, CarbonError> {
        let (first, last) = (self.points[0].0, self.points[self.points.len() - 1].0);
        let asked = if from < first { from } else { to };
        if from < first || to > last || from.is_nan() || to.is_nan() {
            return Err(CarbonError::Outside { from: first, to: last, asked });
        }
        // For two equal times it is the value at that time.
        let to = to.max(from + 1e-6);
        let (mut sum, mut squares, mut time) = (0.0, 0.0, 0.0);
        for pair in self.points.windows(2) {
            let length = to.min(pair[1].0) - from.max(pair[0].0);
            if length > 0.0 {
                sum += pair[0].1 * length;
                squares += pair[0].1.powi(2) * length;
                time += length;
            }
        }
        // Both times are the last one of the series.
        if time == 0.0 {
            (sum, squares, time) = (self.points[self.points.len() - 1].1, 0.0, 1.0);
            squares += sum * sum;
        }
        let mean = sum / time;
        Ok(Intensity {
            grams_per_kwh: mean,
            uncertainty: Some(TWO * (squares / time - mean * mean).max(0.0).sqrt()),
            scope: format!("{from:.0} to {to:.0} (seconds since 1970)"),
            source: self.name.clone(),
        })
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

    #[test]
    fn an_error_names_the_file_and_the_line() {
        let error = Series::parse("0,1\n5,x\n", "f.csv").unwrap_err().to_string();
        assert!(error.starts_with("`f.csv`, line 2: `5,x` is not two numbers"), "{error}");
        let error = Series::parse("5,1\n5,2\n", "f.csv").unwrap_err().to_string();
        assert!(error.contains("is not after"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_series_or_an_error(text in "\\PC{0,60}") {
            let _ = Series::parse(&text, "x");
        }

        #[test]
        fn the_mean_is_among_the_values(
            values in prop::collection::vec(0.0_f64..1000.0, 2..20),
            from in 0.0_f64..1.0,
            length in 0.0_f64..1.0,
        ) {
            let points = values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
            let series = Series { points, name: String::new() };
            let end = (values.len() - 1) as f64;
            let from = from * end;
            let mean = series.over(from, from + (end - from) * length).unwrap().grams_per_kwh;
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            prop_assert!(mean >= low - 1e-6 && mean <= high + 1e-6);
        }
    }
}
