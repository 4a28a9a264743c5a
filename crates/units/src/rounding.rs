//! How an energy is written for people: both numbers rounded to what the uncertainty allows.

use std::fmt;

use crate::Energy;

/// Digits after the decimal point to which a value and its uncertainty are rounded, by the rule of
/// the Particle Data Group (*Review of Particle Physics*, Introduction, section 5.3): two digits of
/// the uncertainty if its first three are 100 to 354, one digit from 355 to 949, and 950 or more
/// becomes 1000. Negative: to tens, hundreds, and so on. `None` if the uncertainty is 0 or not
/// finite.
fn decimals(uncertainty: f64) -> Option<i32> {
    if !(uncertainty.is_finite() && uncertainty > 0.0) {
        return None;
    }
    let exponent = uncertainty.log10().floor() as i32;
    let three_digits = (uncertainty * 10_f64.powi(2 - exponent)).round();
    Some(if three_digits <= 354.0 { 1 - exponent } else { -exponent })
}

/// The value with that many digits after the decimal point, or rounded to a power of ten.
fn rounded(value: f64, decimals: i32) -> String {
    let text = if decimals < 0 {
        let unit = 10_f64.powi(-decimals);
        format!("{:.0}", (value / unit).round() * unit)
    } else {
        // A 64-bit float has no more digits than this that mean anything.
        format!("{value:.*}", decimals.min(15) as usize)
    };
    let zero = text.trim_start_matches(['-', '0', '.']).is_empty();
    if zero { text.trim_start_matches('-').to_owned() } else { text }
}

impl fmt::Display for Energy {
    /// `0.0010 J ± 0.0005 J, estimated`: both numbers are rounded to what the uncertainty allows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.word();
        match decimals(self.uncertainty.0) {
            Some(decimals) => {
                let value = rounded(self.joules.0, decimals);
                let uncertainty = rounded(self.uncertainty.0, decimals);
                write!(f, "{value} J ± {uncertainty} J, {origin}")
            }
            None => write!(f, "{} ± {}, {origin}", self.joules, self.uncertainty),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Energy, Joules, Origin};

    fn shown(joules: f64, uncertainty: f64) -> String {
        let energy = Energy {
            joules: Joules(joules),
            uncertainty: Joules(uncertainty),
            origin: Origin::Measured,
        };
        energy.to_string()
    }

    #[test]
    fn an_energy_is_rounded_to_its_uncertainty() {
        for (joules, uncertainty, expected) in [
            (0.001_035_265, 0.000_517_632_500_011_478, "0.0010 J ± 0.0005 J"),
            (42.127, 0.354, "42.13 J ± 0.35 J"),
            (42.127, 0.355, "42.1 J ± 0.4 J"),
            (42.127, 0.96, "42.1 J ± 1.0 J"),
            (42.127, 9.996, "42 J ± 10 J"),
            (123_456.7, 1_234.5, "123500 J ± 1200 J"),
            (123_456.7, 98_765.0, "120000 J ± 100000 J"),
            (-0.000_01, 0.5, "0.0 J ± 0.5 J"),
            (40.0, 0.0, "40 J ± 0 J"),
            (40.0, f64::INFINITY, "40 J ± inf J"),
        ] {
            assert_eq!(shown(joules, uncertainty), format!("{expected}, measured"));
        }
    }
}
