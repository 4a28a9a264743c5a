//! Powers over time whose energy is known exactly.

use std::f64::consts::TAU;

/// A power over time; its integral has a closed form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wave {
    /// A constant power, in watts.
    Constant(f64),
    /// Power at 0 s in watts, and its slope in watts per second.
    Ramp(f64, f64),
    /// Mean power in watts, amplitude in watts (at most the mean), period in seconds.
    Sine(f64, f64, f64),
    /// Power in the first part of each period and in the rest, both in watts; period in seconds;
    /// share of the first part.
    Square(f64, f64, f64, f64),
}

impl Wave {
    /// Power in watts at a time in seconds.
    #[must_use]
    pub fn power(self, at: f64) -> f64 {
        match self {
            Self::Constant(watts) => watts,
            Self::Ramp(watts, slope) => watts + slope * at,
            Self::Sine(mean, amplitude, period) => mean + amplitude * (TAU * at / period).sin(),
            Self::Square(high, low, period, share) => {
                if (at / period).rem_euclid(1.0) < share {
                    high
                } else {
                    low
                }
            }
        }
    }

    /// Energy in joules from 0 s to a time in seconds.
    #[must_use]
    pub fn energy(self, at: f64) -> f64 {
        match self {
            Self::Constant(watts) => watts * at,
            Self::Ramp(watts, slope) => watts * at + slope * at * at / 2.0,
            Self::Sine(mean, amplitude, period) => {
                mean * at + amplitude * period / TAU * (1.0 - (TAU * at / period).cos())
            }
            Self::Square(high, low, period, share) => {
                let (whole, part) = ((at / period).floor(), (at / period).rem_euclid(1.0));
                let first = high * share;
                let rest = low * (1.0 - share);
                let begun = high * part.min(share) + low * (part - share).max(0.0);
                period * (whole * (first + rest) + begun)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The closed form agrees with the mean of the power at many points.
        #[test]
        fn energy_is_the_integral_of_power(from in 0.0_f64..5.0, length in 0.1_f64..5.0) {
            for wave in [
                Wave::Constant(80.0),
                Wave::Ramp(10.0, 7.0),
                Wave::Sine(100.0, 60.0, 0.7),
                Wave::Square(200.0, 20.0, 0.3, 0.4),
            ] {
                let points = 20_000_u32;
                let sum: f64 = (0..points)
                    .map(|point| {
                        wave.power(from + length * (f64::from(point) + 0.5) / f64::from(points))
                    })
                    .sum();
                let found = wave.energy(from + length) - wave.energy(from);
                let expected = sum * length / f64::from(points);
                // The sum finds the time of a jump of 180 W to a 20,000th of the length.
                prop_assert!((found - expected).abs() < 1.0, "{wave:?}: {found}, {expected}");
            }
        }
    }
}
