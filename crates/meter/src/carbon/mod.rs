//! What energy does to the climate: grams of CO₂ equivalent of a grid's electricity.

mod series;

use units::{Energy, Origin, Seconds};

pub use self::series::Series;

/// See the head of the file.
const TABLE: &str = include_str!("intensity.csv");

/// Joules of a kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

/// How much a kilowatt-hour of a grid weighs.
#[derive(Clone, Debug, PartialEq)]
pub struct Intensity {
    /// Grams of CO₂ equivalent per kilowatt-hour.
    pub grams_per_kwh: f64,
    /// Half of a 95 % interval of it; `None` where its source tells none: of a yearly mean, of which
    /// a given hour may be far away.
    pub uncertainty: Option<f64>,
    /// Where it holds, and when, in words.
    pub scope: String,
    /// Who says so.
    pub source: String,
}

/// Why there is no intensity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarbonError {
    /// No such region in the table.
    #[error("region `{code}` is not in the table; expected an ISO 3166 code such as {}", near.join(", "))]
    Region {
        /// As it was asked for.
        code: String,
        /// Codes that look like it.
        near: Vec<String>,
    },
    /// A time series cannot be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// A line of a time series is none.
    #[error("`{path}`, line {line}: {problem}; expected `SECONDS_SINCE_1970,GRAMS_PER_KWH`")]
    Line {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The series tells nothing of that time.
    #[error("the series covers {from} to {to} (seconds since 1970), not {asked}")]
    Outside {
        /// Its first time.
        from: f64,
        /// Its last time.
        to: f64,
        /// The time that was asked for.
        asked: f64,
    },
    /// A power usage effectiveness below 1.
    #[error("pue is {0}, expected 1 or more: what a data center draws over what its machines do")]
    Pue(f64),
}

/// Grams of CO₂ equivalent.
#[derive(Clone, Debug, PartialEq)]
pub struct Carbon {
    /// Grams.
    pub grams: f64,
    /// Half of their 95 % interval: of the energy, and of the intensity if its source tells one.
    pub uncertainty: f64,
    /// Of the energy.
    pub origin: Origin,
    /// Of the grid.
    pub intensity: Intensity,
    /// Power usage effectiveness that was multiplied in.
    pub pue: f64,
}

impl Intensity {
    /// A country's yearly mean, by its ISO 3166-1 code of two or three letters.
    ///
    /// # Errors
    ///
    /// If it is not in the table.
    pub fn of_region(code: &str) -> Result<Self, CarbonError> {
        let wanted = code.to_ascii_uppercase();
        let found = rows().find(|it| it.alpha3 == wanted || it.alpha2 == wanted);
        let Some(row) = found else {
            let start = wanted.get(..1).unwrap_or_default();
            let near = rows().filter(|it| !start.is_empty() && it.alpha3.starts_with(start));
            let mut near: Vec<String> = near.map(|it| it.alpha3.to_owned()).take(8).collect();
            if near.is_empty() {
                near = vec!["FRA".to_owned(), "DEU".to_owned(), "USA".to_owned()];
            }
            return Err(CarbonError::Region { code: code.to_owned(), near });
        };
        Ok(Self {
            grams_per_kwh: row.grams,
            uncertainty: None,
            scope: format!("{}, mean of {}", row.country, row.year),
            source: "Our World in Data (Ember; Energy Institute)".to_owned(),
        })
    }

    /// What an energy weighs. `pue` is the data center's power usage effectiveness, 1 for none.
    ///
    /// Relative uncertainties of independent factors add in quadrature.
    ///
    /// # Errors
    ///
    /// If `pue` is below 1.
    pub fn weigh(&self, energy: &Energy, pue: f64) -> Result<Carbon, CarbonError> {
        if !pue.is_finite() || pue < 1.0 {
            return Err(CarbonError::Pue(pue));
        }
        let factor = pue / KILOWATT_HOUR;
        let grams = energy.joules.0 * self.grams_per_kwh * factor;
        let of_energy = energy.uncertainty.0 * self.grams_per_kwh * factor;
        let of_grid = energy.joules.0 * self.uncertainty.unwrap_or(0.0) * factor;
        Ok(Carbon {
            grams,
            uncertainty: of_energy.hypot(of_grid),
            origin: energy.origin,
            intensity: self.clone(),
            pue,
        })
    }
}

/// The seconds since 1970 at which a span of that length that ends now began.
#[must_use]
pub fn began(duration: Seconds, now: std::time::SystemTime) -> f64 {
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() - duration.0
}

struct Row {
    alpha3: &'static str,
    alpha2: &'static str,
    country: &'static str,
    grams: f64,
    year: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    let lines = TABLE.lines().filter(|it| !it.starts_with('#')).skip(1);
    lines.filter_map(|line| {
        let mut fields = line.split(',');
        Some(Row {
            alpha3: fields.next()?,
            alpha2: fields.next()?,
            country: fields.next()?,
            grams: fields.next()?.parse().ok()?,
            year: fields.next()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use units::Joules;

    use super::*;

    #[test]
    fn the_table_is_whole() {
        let lines = TABLE.lines().filter(|it| !it.starts_with('#')).count() - 1;
        assert_eq!(rows().count(), lines);
        assert!(lines > 200);
        assert!(rows().all(|it| (1.0..2000.0).contains(&it.grams) && it.alpha3.len() == 3));
    }

    #[test]
    fn a_kilowatt_hour_of_france() {
        let france = Intensity::of_region("fra").unwrap();
        assert_eq!(france, Intensity::of_region("FR").unwrap());
        let energy =
            Energy { joules: Joules(3.6e6), uncertainty: Joules(3.6e5), origin: Origin::Measured };
        let carbon = france.weigh(&energy, 1.5).unwrap();
        assert!((carbon.grams - 1.5 * france.grams_per_kwh).abs() < 1e-9);
        assert!((carbon.uncertainty - carbon.grams / 10.0).abs() < 1e-9);
        assert!(matches!(france.weigh(&energy, 0.9), Err(CarbonError::Pue(_))));
    }

    #[test]
    fn an_unknown_region_names_its_neighbors() {
        let error = Intensity::of_region("FRX").unwrap_err().to_string();
        assert!(error.contains("`FRX`") && error.contains("FRA"), "{error}");
    }

    proptest! {
        #[test]
        fn any_code_is_a_region_or_an_error(code in "\\PC{0,6}") {
            let _ = Intensity::of_region(&code);
        }
    }
}
