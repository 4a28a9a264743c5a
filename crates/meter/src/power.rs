//! Energy of a sensor that tells power only.

use record::{Joules, Seconds, Watts};

/// The running integral of power readings by the trapezoid rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integral {
    last: Option<(Seconds, Watts)>,
}

impl Integral {
    /// Takes a reading; the energy since the reading before (0 for the first), and half of what it
    /// would differ if the power had jumped right after that reading or right before this one.
    pub fn advance(&mut self, now: Seconds, power: Watts) -> (Joules, Joules) {
        let Some((before, earlier)) = self.last.replace((now, power)) else {
            return (Joules(0.0), Joules(0.0));
        };
        let time = now - before;
        let mean = Watts((power.0 + earlier.0) / 2.0);
        (mean * time, Watts((power.0 - earlier.0).abs() / 2.0) * time)
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
            .map(|step| integral.advance(Seconds(step / 10.0), Watts(step * 10.0)).0)
            .sum();
        assert!((energy.0 - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_sways_by_all_that_it_may_have_missed() {
        let mut integral = Integral::default();
        integral.advance(Seconds(0.0), Watts(0.0));
        assert_eq!(integral.advance(Seconds(2.0), Watts(100.0)), (Joules(100.0), Joules(100.0)));
    }
}
