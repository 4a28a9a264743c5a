//! The large changes of a series of readings, from which a sensor's response is seen.

use super::series::median;

/// A change by less than this share of the range is not a transition.
const LARGE: f64 = 0.3;

/// Increments below this share of the range, or below this many deviations, are level.
const SMALL: f64 = 0.01;
const DEVIATIONS: f64 = 4.0;

/// A transition: its increments, all but single ones of the same sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transition(pub(super) Vec<f64>);

impl Transition {
    /// The whole change, in watts.
    pub(super) fn height(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Number of equal increments that would be as concentrated: (Σd)² / Σd².
    pub(super) fn width(&self) -> f64 {
        self.height().powi(2) / self.0.iter().map(|step| step * step).sum::<f64>()
    }

    /// The largest increment's share of the change.
    pub(super) fn largest(&self) -> f64 {
        self.0.iter().map(|step| step.abs()).fold(0.0, f64::max) / self.height().abs()
    }
}

/// Highest minus lowest value.
pub(super) fn range(values: &[f64]) -> f64 {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if lowest.is_finite() { highest - lowest } else { 0.0 }
}

/// The standard deviation of a reading, from the median difference of two in a row, in watts.
pub(super) fn noise(values: &[f64]) -> f64 {
    let steps = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    (median(steps).unwrap_or(0.0) / 0.95).max(1e-3)
}

/// Every change by a large part of the range. One level increment inside a transition does not end it.
pub(super) fn transitions(values: &[f64]) -> Vec<Transition> {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let range = range(values);
    let small = (SMALL * range).max(DEVIATIONS * noise(values));
    let mut found = Vec::new();
    let mut at = 0;
    while at < steps.len() {
        if steps[at].abs() <= small {
            at += 1;
            continue;
        }
        let sign = steps[at].signum();
        let (mut last, mut level) = (at, 0);
        for (later, step) in steps.iter().enumerate().skip(at) {
            if sign * step > small {
                (last, level) = (later, 0);
            } else {
                level += 1;
            }
            if level == 2 || sign * step < -small {
                break;
            }
        }
        found.push(Transition(steps[at..=last].to_vec()));
        at = last + 1;
    }
    found.retain(|transition| transition.height().abs() > LARGE * range);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_and_a_ramp_have_their_widths() {
        let mut values = vec![60.0; 10];
        values.extend([190.0; 10]);
        values.extend((1..=10).map(|step| 190.0 - 13.0 * f64::from(step)));
        values.extend([60.0; 10]);
        let found = transitions(&values);
        assert_eq!(found.len(), 2);
        assert!((found[0].width() - 1.0).abs() < 1e-9 && (found[0].height() - 130.0).abs() < 1e-9);
        assert!((found[1].width() - 10.0).abs() < 1e-9 && (found[1].height() + 130.0).abs() < 1e-9);
    }

    #[test]
    fn readings_without_a_change_have_no_transition() {
        assert_eq!(transitions(&[60.0; 20]), []);
        assert_eq!(transitions(&[]), []);
    }
}
