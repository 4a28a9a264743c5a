//! Joules per layer: coefficients that are not negative, with the smallest relative errors.

use report::stats::non_negative_least_squares;

use super::{measured::Measured, work::NetworkWork};

/// Joules for one image and unit of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Coefficients {
    /// Per floating-point operation of a convolution over several pixels.
    pub(crate) per_window_flop: f64,
    /// Per other floating-point operation of the forward pass.
    pub(crate) per_flop: f64,
    /// Per byte of the forward pass.
    pub(crate) per_byte: f64,
    /// Per byte of weights.
    pub(crate) per_weight_byte: f64,
    /// Per layer.
    pub(crate) per_pass: f64,
}

impl Coefficients {
    /// Joules for one image.
    pub(crate) fn joules(&self, work: &NetworkWork) -> f64 {
        self.per_window_flop * work.window_flops
            + self.per_flop * work.flops
            + self.per_byte * work.bytes
            + self.per_weight_byte * work.weights
            + self.per_pass * work.passes
    }

    /// Least squares of the relative errors over coefficients of at least 0; `None` without data.
    pub(crate) fn fit<'a>(measured: impl Iterator<Item = &'a Measured>) -> Option<Self> {
        let measured: Vec<&Measured> = measured.collect();
        let column = |of: fn(&NetworkWork) -> f64| -> Vec<f64> {
            measured.iter().map(|one| of(&one.work) / one.joules).collect()
        };
        let columns = [
            column(|work| work.window_flops),
            column(|work| work.flops),
            column(|work| work.bytes),
            column(|work| work.weights),
            column(|work| work.passes),
        ];
        let ones = vec![1.0; measured.len()];
        let found =
            non_negative_least_squares(&columns.each_ref().map(Vec::as_slice), &ones).ok()?;
        let [per_window_flop, per_flop, per_byte, per_weight_byte, per_pass] =
            found.try_into().ok()?;
        Some(Self { per_window_flop, per_flop, per_byte, per_weight_byte, per_pass })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_coefficients_are_found_again() {
        let truth = Coefficients {
            per_window_flop: 1e-11,
            per_flop: 2e-11,
            per_byte: 3e-10,
            per_weight_byte: 0.0,
            per_pass: 1e-4,
        };
        let rows: Vec<Measured> = (1..20)
            .map(|at| {
                let work = NetworkWork {
                    window_flops: 1e9 * f64::from(at % 7),
                    flops: 1e9 * f64::from(at),
                    bytes: 1e8 / f64::from(at),
                    weights: 1e6 * f64::from(at % 3),
                    passes: f64::from(at % 5 + 1),
                };
                Measured { work, joules: truth.joules(&work), group: String::new() }
            })
            .collect();
        let found = Coefficients::fit(rows.iter()).unwrap();
        for row in &rows {
            assert!((found.joules(&row.work) / row.joules - 1.0).abs() < 1e-9, "{found:?}");
        }
        assert!((found.per_pass / truth.per_pass - 1.0).abs() < 1e-6, "{found:?}");
        assert!(Coefficients::fit([].iter()).is_none());
    }
}
