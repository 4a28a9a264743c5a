//! Physical quantities: one `f64` newtype per unit, with the products and quotients that make sense.

use std::{
    fmt, iter,
    ops::{Add, AddAssign, Div, Mul, Sub},
};

use serde::{Deserialize, Serialize};

/// Energy, in joules (1 J = 1 W s).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Joules(pub f64);

/// Power, in watts.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watts(pub f64);

/// Time, in seconds, on a real or a simulated clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Mul<Seconds> for Watts {
    type Output = Joules;
    fn mul(self, time: Seconds) -> Joules {
        Joules(self.0 * time.0)
    }
}

impl Div<Seconds> for Joules {
    type Output = Watts;
    fn div(self, time: Seconds) -> Watts {
        Watts(self.0 / time.0)
    }
}

macro_rules! additive {
    ($($unit:ident $symbol:literal),*) => {$(
        impl Add for $unit {
            type Output = Self;
            fn add(self, other: Self) -> Self { Self(self.0 + other.0) }
        }
        impl AddAssign for $unit {
            fn add_assign(&mut self, other: Self) { self.0 += other.0; }
        }
        impl Sub for $unit {
            type Output = Self;
            fn sub(self, other: Self) -> Self { Self(self.0 - other.0) }
        }
        impl Mul<f64> for $unit {
            type Output = Self;
            fn mul(self, factor: f64) -> Self { Self(self.0 * factor) }
        }
        /// The ratio of two quantities of the same kind is a plain number.
        impl Div for $unit {
            type Output = f64;
            fn div(self, other: Self) -> f64 { self.0 / other.0 }
        }
        impl iter::Sum for $unit {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self { Self(items.map(|item| item.0).sum()) }
        }
        impl fmt::Display for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)?;
                f.write_str(concat!(" ", $symbol))
            }
        }
    )*};
}

additive!(Joules "J", Watts "W", Seconds "s");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_times_time_is_energy() {
        assert_eq!(Watts(300.0) * Seconds(2.0), Joules(600.0));
        assert_eq!(format!("{:.1}", Joules(600.0) / Seconds(4.0)), "150.0 W");
        assert_eq!(serde_json::to_string(&Joules(1.5)).unwrap(), "1.5");
    }
}
