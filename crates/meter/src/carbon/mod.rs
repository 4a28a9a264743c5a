//! Carbon: grams of CO₂ equivalent of the electricity that was used.

mod country;
mod error;
mod series;

use units::{Energy, Origin, Seconds, limits};

pub use self::{
    country::Country,
    error::{CARRIED_S, CarbonError},
    series::Series,
};

/// Joules in a kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

/// The carbon intensity of a grid: grams of CO₂ equivalent per kilowatt-hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Intensity {
    /// Grams of CO₂ equivalent per kilowatt-hour.
    pub grams_per_kwh: f64,
    /// Half of its 95 % interval. `None` if the source states none, as for a yearly mean, from which
    /// a given hour may be far away.
    pub uncertainty: Option<f64>,
    /// The place and time for which it holds, in words.
    pub scope: String,
    /// The organization or file that it comes from.
    pub source: String,
}

/// Grams of CO₂ equivalent.
#[derive(Clone, Debug, PartialEq)]
pub struct Carbon {
    /// Grams.
    pub grams: f64,
    /// Half of their 95 % interval, from the uncertainty of the energy and, if it is known, of the
    /// intensity.
    pub uncertainty: f64,
    /// The origin of the energy.
    pub origin: Origin,
    /// The intensity of the grid.
    pub intensity: Intensity,
    /// The power usage effectiveness that was used.
    pub pue: f64,
}

impl Intensity {
    /// The yearly mean of a country, given by its ISO 3166-1 code of two or three letters.
    ///
    /// # Errors
    ///
    /// If the table does not have that country.
    pub fn of_region(code: &str) -> Result<Self, CarbonError> {
        let row = country::find(code)?;
        Ok(Self {
            grams_per_kwh: row.grams,
            uncertainty: None,
            scope: format!("{}, mean of {}", row.country.name, row.year),
            source: "Our World in Data (Ember; Energy Institute)".to_owned(),
        })
    }

    /// The carbon of an energy. `pue` is the data center's power usage effectiveness; 1 if there is
    /// no data center.
    ///
    /// Relative uncertainties of independent factors add in quadrature.
    ///
    /// # Errors
    ///
    /// If `pue` is not from 1 to 100.
    pub fn weigh(&self, energy: &Energy, pue: f64) -> Result<Carbon, CarbonError> {
        limits::PUE.check(pue).map_err(|_| CarbonError::Pue(pue))?;
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

/// The start, in seconds since 1970, of a span that lasted `duration` and ends now.
#[must_use]
pub fn began(duration: Seconds, now: std::time::SystemTime) -> f64 {
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() - duration.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use units::Joules;

    use super::*;

    #[test]
    fn a_kilowatt_hour_of_france() {
        let france = Intensity::of_region("fra").unwrap();
        assert_eq!(france, Intensity::of_region("FR").unwrap());
        let energy =
            Energy { joules: Joules(3.6e6), uncertainty: Joules(3.6e5), origin: Origin::Measured };
        let carbon = france.weigh(&energy, 1.5).unwrap();
        assert!((carbon.grams - 1.5 * france.grams_per_kwh).abs() < 1e-9);
        assert!((carbon.uncertainty - carbon.grams / 10.0).abs() < 1e-9);
        for pue in [0.9, 1e300, f64::NAN, f64::INFINITY] {
            assert!(matches!(france.weigh(&energy, pue), Err(CarbonError::Pue(_))));
        }
    }

    proptest! {
        #[test]
        fn any_code_is_a_region_or_an_error(code in "\\PC{0,6}") {
            let _ = Intensity::of_region(&code);
        }
    }
}
