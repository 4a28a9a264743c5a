//! Integrates the readings of a sensor that shows power.

mod beats;
pub(crate) mod boards;
mod deconvolve;
pub(crate) mod history;
mod profile;
pub(crate) mod response;
mod series;
mod transitions;

use units::{Joules, Seconds, Watts};

/// The running integral of power readings by the trapezoid rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integral {
    last: Option<(Seconds, Watts)>,
}

/// The stretch between two readings of power.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trapezoid {
    /// Mean power × time.
    pub energy: Joules,
    /// Mean of the two powers.
    pub mean: Watts,
    /// Absolute difference of the two powers.
    pub jump: Watts,
}

impl Integral {
    /// Adds a reading, and returns the stretch since the reading before: all zeros for the first one.
    pub fn advance(&mut self, now: Seconds, power: Watts) -> Trapezoid {
        let Some((before, earlier)) = self.last.replace((now, power)) else {
            return Trapezoid::default();
        };
        let mean = Watts((power.0 + earlier.0) / 2.0);
        let jump = Watts((power.0 - earlier.0).abs());
        Trapezoid { energy: mean * (now - before), mean, jump }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_integrated_exactly() {
        let mut integral = Integral::default();
        let energy: Joules = (0..=10)
            .map(f64::from)
            .map(|step| integral.advance(Seconds(step / 10.0), Watts(step * 10.0)).energy)
            .sum();
        assert!((energy.0 - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_has_the_difference_of_its_two_powers() {
        let mut integral = Integral::default();
        integral.advance(Seconds(0.0), Watts(0.0));
        let step = integral.advance(Seconds(2.0), Watts(100.0));
        assert_eq!((step.energy, step.jump), (Joules(100.0), Watts(100.0)));
    }
}
