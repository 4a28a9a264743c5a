//! Energy of a sensor that tells power only.

use record::{Joules, Seconds, Watts};

/// The running integral of power readings by the trapezoid rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integral {
    last: Option<(Seconds, Watts)>,
    energy: Joules,
}

impl Integral {
    /// Takes a reading; the energy since the reading before, `None` for the first.
    pub fn advance(&mut self, now: Seconds, power: Watts) -> Option<Joules> {
        let (before, earlier) = self.last.replace((now, power))?;
        let passed = Watts((power.0 + earlier.0) / 2.0) * (now - before);
        self.energy += passed;
        Some(passed)
    }

    /// All of it.
    #[must_use]
    pub fn energy(&self) -> Joules {
        self.energy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_integrated_exactly() {
        let mut integral = Integral::default();
        for step in 0..=10 {
            integral.advance(Seconds(f64::from(step) / 10.0), Watts(f64::from(step) * 10.0));
        }
        assert!((integral.energy().0 - 50.0).abs() < 1e-9);
    }
}
