//! Everyday units beside the joules of a report: watt-hours, grams of CO₂ equivalent, money.

use meter::carbon::Intensity;
use units::{Energy, limits};

use crate::Failure;

/// Joules in a watt-hour.
const WATT_HOUR: f64 = 3600.0;

/// Flags that say how joules are put into everyday units.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Everyday {
    /// Also report grams of CO2 equivalent, at this country's yearly mean (ISO 3166 code).
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Also report what the electricity costs, at this price of a kilowatt-hour in your currency.
    #[arg(long, value_name = "PER_KWH", value_parser = limits::PRICE.parser())]
    price: Option<f64>,
}

impl Everyday {
    /// The intensity of the grid; `None` without a region.
    ///
    /// # Errors
    ///
    /// If the region is unknown.
    fn intensity(&self) -> Result<Option<Intensity>, Failure> {
        let of = |code: &String| {
            Intensity::of_region(code).map_err(|error| {
                Failure::bad_input(anyhow::Error::new(error).context("flag `--region`"))
            })
        };
        self.region.as_ref().map(of).transpose()
    }

    /// Finds bad flags before any work is done.
    ///
    /// # Errors
    ///
    /// If the region is unknown.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.intensity().map(drop)
    }

    /// An energy in everyday units, as names and values for a list of facts.
    ///
    /// # Errors
    ///
    /// If the region is unknown.
    pub(crate) fn facts(&self, energy: Energy) -> Result<Vec<(String, String)>, Failure> {
        let origin = energy.origin.word();
        let watt_hours = energy.joules.0 / WATT_HOUR;
        let mut facts =
            vec![("in watt-hours".to_owned(), format!("{} Wh, {origin}", digits(watt_hours)))];
        if let Some(intensity) = self.intensity()? {
            let carbon = intensity.weigh(&energy, 1.0).map_err(Failure::bad_input)?;
            let text = format!(
                "{} g CO₂ equivalent, {origin} ({:.0} g/kWh: {}; {})",
                digits(carbon.grams),
                intensity.grams_per_kwh,
                intensity.scope,
                intensity.source
            );
            facts.push(("carbon".to_owned(), text));
        }
        if let Some(price) = self.price {
            let cost = watt_hours / 1000.0 * price;
            let text = format!("{}, {origin} (at {price} per kWh)", digits(cost));
            facts.push(("price of the electricity".to_owned(), text));
        }
        Ok(facts)
    }
}

/// A number with three digits.
fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use units::{Joules, Origin};

    use super::*;

    #[test]
    fn joules_become_watt_hours_grams_and_money() {
        let energy =
            Energy { joules: Joules(7200.0), uncertainty: Joules(0.0), origin: Origin::Estimated };
        let flags = Everyday { region: Some("FR".to_owned()), price: Some(0.3) };
        let facts = flags.facts(energy).unwrap();
        assert_eq!(facts[0].1, "2.00 Wh, estimated");
        assert!(
            facts[1].1.contains("g CO₂ equivalent, estimated") && facts[1].1.contains("France")
        );
        assert_eq!(facts[2].1, "0.000600, estimated (at 0.3 per kWh)");
        let wrong = Everyday { region: Some("XX".to_owned()), price: None };
        assert!(matches!(wrong.check(), Err(Failure::BadInput(_))));
    }
}
