//! How far predictions are off for architectures that the model has not seen.

use statrs::distribution::{ContinuousCDF, StudentsT};

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

/// The errors of each group of architectures by a fit of the others, without the groups in `never`.
fn left_out(measured: &[Measured], never: Option<&str>) -> Option<Vec<Vec<f64>>> {
    let mut groups: Vec<&str> = measured.iter().map(|one| one.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|group| Some(*group) != never);
    let of = |group: &&str| {
        let fitted =
            measured.iter().filter(|one| one.group != *group && Some(one.group.as_str()) != never);
        let coefficients = Coefficients::fit(fitted)?;
        let own = measured.iter().filter(|one| one.group == *group);
        let errors: Vec<f64> = errors(&coefficients, own).collect();
        // A fit that prices nothing of what a network does predicts 0 J.
        errors.iter().all(|error| error.is_finite()).then_some(errors)
    };
    groups.iter().map(of).collect()
}

/// Half of the 95 % interval for a network of another group: Student's t over groups, of the root mean square of
/// their errors, because the errors of one group go together.
fn half_width(by_group: &[Vec<f64>]) -> Option<f64> {
    let count = by_group.len() as f64;
    let squares = |errors: &Vec<f64>| {
        errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64
    };
    let mean = by_group.iter().map(squares).sum::<f64>() / count;
    let t = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
    Some(t * (mean * (1.0 + 1.0 / count)).sqrt())
}

impl Calibration {
    /// The same for few networks, whose errors have no 95 % quantile: with Student's t over the groups. `None` with
    /// fewer than four groups.
    pub(crate) fn of_few(measured: &[Measured]) -> Option<Self> {
        let by_group = left_out(measured, None)?;
        if by_group.len() < 4 {
            return None;
        }
        let mut groups: Vec<&str> = measured.iter().map(|one| one.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut covered = 0;
        for (group, own) in groups.iter().zip(&by_group) {
            // The interval is calibrated without the group, too.
            let half = half_width(&left_out(measured, Some(group))?)?;
            covered += own.iter().filter(|error| error.abs() <= half).count();
        }
        let all: Vec<f64> = by_group.iter().flatten().copied().collect();
        let mut relative: Vec<f64> = all.iter().map(|error| error.exp_m1().abs()).collect();
        relative.sort_by(f64::total_cmp);
        let within = half_width(&by_group)?;
        let halves = extrapolated(measured).filter(|half| half.is_finite());
        Some(Self {
            median_error: relative[relative.len() / 2],
            within,
            beyond: halves.map_or(2.0 * within, |half| half.max(within)),
            coverage: f64::from(covered as u32) / all.len() as f64,
            groups: groups.len(),
            networks: measured.len(),
        })
    }
}

/// The conformal quantile of errors where one half of the networks, by operations, predicts the other.
fn extrapolated(measured: &[Measured]) -> Option<f64> {
    let mut order: Vec<&Measured> = measured.iter().collect();
    order.sort_by(|a, b| a.work.all_flops().total_cmp(&b.work.all_flops()));
    let (small, large) = order.split_at(order.len() / 2);
    let mut all = Vec::new();
    for (fitted, predicted) in [(small, large), (large, small)] {
        let coefficients = Coefficients::fit(fitted.iter().copied())?;
        all.extend(errors(&coefficients, predicted.iter().copied()).map(f64::abs));
    }
    conformal(all)
}
