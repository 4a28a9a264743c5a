//! The grid that the electricity comes from, and grams of CO₂ equivalent of the measured energy.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use meter::carbon::{CARRIED_S, Carbon, CarbonError, Country, Intensity, Series};
use record::{Energy, Warning, WarningKind};
use units::limits;

use crate::Failure;

/// The grid that the electricity comes from.
pub(super) struct Grid {
    kind: GridKind,
    pue: f64,
}

enum GridKind {
    Unknown,
    Mean(Country, Intensity),
    Series(Series),
}

/// The carbon of an energy, and what limits it.
pub(super) struct Weighed {
    /// `None` if the grid or the energy is not known.
    pub(super) carbon: Option<Carbon>,
    /// Why the carbon is not known, or less well than the series says.
    pub(super) warning: Option<Warning>,
}

impl Grid {
    /// Checks the flags, before the command runs.
    ///
    /// # Errors
    ///
    /// If a flag is wrong. A series that does not cover the present is not an error; [`Grid::note`]
    /// mentions it.
    pub(super) fn new(
        region: Option<&str>,
        series: Option<&Path>,
        pue: f64,
    ) -> Result<Self, Failure> {
        let kind = match (region, series) {
            (Some(code), _) => {
                let fail = |error: CarbonError| {
                    Failure::bad_input(anyhow::Error::new(error).context("--region"))
                };
                let country = Country::of_code(code).map_err(fail)?;
                GridKind::Mean(country, Intensity::of_region(code).map_err(fail)?)
            }
            (None, Some(path)) => GridKind::Series(
                Series::read(path).context("--intensity").map_err(Failure::bad_input)?,
            ),
            (None, None) => GridKind::Unknown,
        };
        let checked = limits::PUE.check(pue).map_err(|_| CarbonError::Pue(pue));
        checked.context("--pue").map_err(Failure::bad_input)?;
        Ok(Self { kind, pue })
    }

    /// What to tell before the command runs: that the series ends or begins so that the carbon of a
    /// command that starts now cannot be known.
    pub(super) fn note(&self, now: SystemTime) -> Option<String> {
        let GridKind::Series(series) = &self.kind else { return None };
        let now = unix_seconds(now);
        series.over(now, now).err().map(|error| {
            format!(
                "warning: --intensity: {error}; the joules are measured, the carbon is not known"
            )
        })
    }

    /// The country; `None` if no region was given.
    pub(super) fn country(&self) -> Option<Country> {
        match &self.kind {
            GridKind::Mean(country, _) => Some(*country),
            GridKind::Unknown | GridKind::Series(_) => None,
        }
    }

    /// The carbon of an energy that was used within `length` before `end`.
    pub(super) fn weigh(
        &self,
        energy: Option<Energy>,
        length: Duration,
        end: SystemTime,
    ) -> Weighed {
        let unknown = |text: String| Weighed {
            carbon: None,
            warning: Some(Warning::new(WarningKind::Carbon, text)),
        };
        let Some(energy) = energy else { return Weighed { carbon: None, warning: None } };
        let mut warning = None;
        let intensity = match &self.kind {
            GridKind::Unknown => return Weighed { carbon: None, warning: None },
            GridKind::Mean(_, intensity) => intensity.clone(),
            GridKind::Series(series) => {
                let end = unix_seconds(end);
                match series.over(end - length.as_secs_f64(), end) {
                    Ok(intensity) => {
                        let (_, last) = series.ends();
                        warning = (end > last).then(|| carried(end - last));
                        intensity
                    }
                    Err(error) => {
                        return unknown(format!("--intensity: {error}; the carbon is not known"));
                    }
                }
            }
        };
        match intensity.weigh(&energy, self.pue) {
            Ok(carbon) => Weighed { carbon: Some(carbon), warning },
            Err(error) => unknown(format!("the carbon is not known: {error}")),
        }
    }
}

/// The warning that the last value of a series was used after its time.
fn carried(seconds: f64) -> Warning {
    let text = format!(
        "--intensity: the series ends {seconds:.0} s before the command's end; its last value was \
         used until then, as for up to {} hours",
        CARRIED_S / 3600.0
    );
    Warning::new(WarningKind::Carbon, text)
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use record::{Joules, Origin};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn grid(content: &str) -> Grid {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.csv");
        std::fs::write(&path, content).unwrap();
        Grid::new(None, Some(&path), 1.0).unwrap()
    }

    fn weigh(grid: &Grid, end: u64) -> Weighed {
        let energy =
            Energy { joules: Joules(3.6e6), uncertainty: Joules(1.0), origin: Origin::Measured };
        grid.weigh(Some(energy), Duration::from_secs(10), at(end))
    }

    #[test]
    fn a_live_series_gives_carbon_with_a_warning() {
        let grid = grid("1000,100\n4600,120\n8200,140\n");
        assert!(grid.note(at(8_500)).is_none());
        let weighed = weigh(&grid, 8_500);
        assert!((weighed.carbon.unwrap().grams - 140.0).abs() < 1e-9);
        let text = weighed.warning.unwrap().text;
        assert!(text.contains("ends 300 s before") && text.contains("6 hours"), "{text}");
        assert!(weigh(&grid, 8_100).warning.is_none());
    }

    #[test]
    fn a_series_of_another_day_loses_the_carbon_and_nothing_else() {
        let grid = grid("1000,100\n4600,120\n");
        for end in [500, 100_000] {
            let note = grid.note(at(end)).unwrap();
            assert!(note.contains("carbon is not known"), "{note}");
            let weighed = weigh(&grid, end);
            assert!(weighed.carbon.is_none());
            assert_eq!(weighed.warning.unwrap().kind, WarningKind::Carbon);
        }
    }
}
