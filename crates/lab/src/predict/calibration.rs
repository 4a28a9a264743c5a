//! How far predictions are off for architectures that the model has not seen.

use super::{fit::Coefficients, measured::Measured};

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Errors on architectures that were left out of the fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    /// Median relative error.
    pub(crate) median_error: f64,
    /// Half the width of the interval, as a difference of logarithms, for networks within the measured range.
    pub(crate) within: f64,
    /// The same beyond it: from predictions of the larger half of networks by the smaller one, and the other way
    /// round.
    pub(crate) beyond: f64,
    /// Share of left-out networks inside an interval that was calibrated without their architecture.
    pub(crate) coverage: f64,
    /// Groups of architectures.
    pub(crate) groups: usize,
    /// Networks.
    pub(crate) networks: usize,
}

/// Differences of logarithms of the predicted and the measured joules.
fn errors<'a>(
    coefficients: &'a Coefficients,
    measured: impl Iterator<Item = &'a Measured> + 'a,
) -> impl Iterator<Item = f64> + 'a {
    measured.map(|one| (coefficients.joules(&one.work) / one.joules).ln())
}

/// The conformal quantile of some errors: the ⌈(n + 1) · confidence⌉-th smallest, or the largest.
fn conformal(mut errors: Vec<f64>) -> Option<f64> {
    errors.sort_by(f64::total_cmp);
    let rank = ((errors.len() + 1) as f64 * CONFIDENCE).ceil() as usize;
    errors.get(rank.saturating_sub(1).min(errors.len().checked_sub(1)?)).copied()
}

impl Calibration {
    /// Leaves out each group of architectures in turn; `None` with fewer than three groups.
    pub(crate) fn of(measured: &[Measured]) -> Option<Self> {
        let mut groups: Vec<&str> = measured.iter().map(|one| one.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        if groups.len() < 3 {
            return None;
        }
        let mut by_group: Vec<Vec<f64>> = Vec::new();
        for group in &groups {
            let (left_out, rest): (Vec<&Measured>, Vec<&Measured>) =
                measured.iter().partition(|one| one.group == *group);
            let coefficients = Coefficients::fit(rest.into_iter())?;
            by_group.push(errors(&coefficients, left_out.into_iter()).map(f64::abs).collect());
        }
        let all: Vec<f64> = by_group.iter().flatten().copied().collect();
        let mut covered = 0;
        for (at, own) in by_group.iter().enumerate() {
            let others = by_group.iter().enumerate().filter(|(other, _)| *other != at);
            let half = conformal(others.flat_map(|(_, errors)| errors).copied().collect())?;
            covered += own.iter().filter(|error| **error <= half).count();
        }
        let mut relative: Vec<f64> = all.iter().map(|error| error.exp_m1()).collect();
        relative.sort_by(f64::total_cmp);
        Some(Self {
            median_error: relative[relative.len() / 2],
            within: conformal(all.clone())?,
            beyond: extrapolated(measured)?,
            coverage: covered as f64 / all.len() as f64,
            groups: groups.len(),
            networks: measured.len(),
        })
    }
}

/// The conformal quantile of errors where one half of the networks, by operations, predicts the other.
fn extrapolated(measured: &[Measured]) -> Option<f64> {
    let mut order: Vec<&Measured> = measured.iter().collect();
    order.sort_by(|a, b| a.work.flops.total_cmp(&b.work.flops));
    let (small, large) = order.split_at(order.len() / 2);
    let mut all = Vec::new();
    for (fitted, predicted) in [(small, large), (large, small)] {
        let coefficients = Coefficients::fit(fitted.iter().copied())?;
        all.extend(errors(&coefficients, predicted.iter().copied()).map(f64::abs));
    }
    conformal(all)
}
