//! Fits the kernel's lengths, signal and noise by maximum a posteriori, under the hypothesis that
//! predicts each value best from the others.

use super::{
    lbfgs::minimize,
    process::{Likelihood, Observations, Process, Settings},
    warp::{Warp, Warped},
};

/// A log-normal prior: median and deviation of the logarithm.
type Prior = (f64, f64);

/// The prior of a length, before scaling by √d (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs
/// great in high dimensions", with a shorter and narrower scale for small budgets).
const LENGTH: Prior = (-0.9, 0.6);
/// The prior of a length if the coordinate is the number of steps: there are few values to fit to, and
/// early values should not say too much about late ones.
const TRAINING: Prior = (-1.5, 0.2);
/// The prior of the signal's variance; values are standardized.
const SIGNAL: Prior = (0.0, 1.0);
/// The prior of the noise variance: small, as for trainings with one seed, but wide. The noise hardly
/// leaves the median as long as short lengths explain the values, too.
const NOISE: Prior = (-12.0, 2.5);
/// The prior of the noise variance if accuracies scatter: a tenth to a half of the values' deviation.
const NOISY: Prior = (-3.0, 1.5);
/// Bounds of the settings' logarithms.
const LENGTH_BOUNDS: (f64, f64) = (-4.0, 3.5);
const SIGNAL_BOUNDS: (f64, f64) = (-4.0, 5.0);
const NOISE_BOUNDS: (f64, f64) = (-18.0, 0.0);
/// The hypotheses about values; the first is the default.
const HYPOTHESES: [Hypothesis; 3] = [
    Hypothesis::new(Warp::Tail, 0.0),
    Hypothesis::new(Warp::Whole, 0.0),
    Hypothesis::new(Warp::Tail, 0.8),
];
/// One more hypothesis about trials that are stopped early. Without it, close trials whose values
/// scatter make all lengths short, and places far from them look promising.
const SCATTERED: Hypothesis = Hypothesis { noise: NOISY, ..HYPOTHESES[0] };
/// Evaluations of the likelihood per hypothesis, and the gain below which the search ends.
const EVALUATIONS: usize = 30;
const TOLERANCE: f64 = 1e-2;
/// Another hypothesis replaces the first only if it predicts better by this many nats.
const DOUBT: f64 = 2.0;
/// With this many completed trials, early values are used only if they help.
const CURVES: usize = 4;
/// Settings are fitted to at most this many points, since the likelihood takes n³ steps.
const FITTED: usize = 128;

/// A hypothesis about the values.
#[derive(Clone, Copy, Debug)]
struct Hypothesis {
    warp: Warp,
    /// The share of the signal that is a sum over the dimensions.
    additive: f64,
    noise: Prior,
}

impl Hypothesis {
    const fn new(warp: Warp, additive: f64) -> Self {
        Self { warp, additive, noise: NOISE }
    }
}

/// The process that explains the values best, and the values as it sees them; `None` without points.
pub(crate) fn fit(
    points: &[Vec<f64>],
    values: &[f64],
    unordered: &[bool],
) -> Option<(Process, Warped)> {
    explain(&HYPOTHESES, points, values, unordered, false)
}

/// The process of the values without compression, and their mean and deviation; `None` without points.
pub(crate) fn fit_plain(
    points: &[Vec<f64>],
    values: &[f64],
    unordered: &[bool],
) -> Option<(Process, f64, f64)> {
    let (process, warped) =
        explain(&[Hypothesis::new(Warp::Nothing, 0.0)], points, values, unordered, false)?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some((process, mean, warped.unit))
}

/// The process of one objective of several. Distances above the floor are kept, because a volume is
/// computed from them; only values below it are compressed. Also returns the floor as the process sees
/// it.
pub(crate) fn fit_from(
    points: &[Vec<f64>],
    values: &[f64],
    floor: f64,
    unordered: &[bool],
) -> Option<(Process, Warped, f64)> {
    let warp = Warp::Below(floor);
    let hypotheses = [0.0, 0.8].map(|additive| Hypothesis::new(warp, additive));
    let (process, warped) = explain(&hypotheses, points, values, unordered, false)?;
    let seen = if floor.is_finite() {
        // One more value at the end, the floor's, under the same transformation.
        warp.place(floor, values, &warped.values)
    } else {
        floor
    };
    Some((process, warped, seen))
}

/// The process of values after some steps, with the steps as the last coordinate. It is 1 for the first
/// `whole` values, those of completed trials. The early values are used if they help to predict the
/// final values of other trials, as they do unless curves cross. Also returns the number of values that
/// are used.
pub(crate) fn fit_staged(
    points: &[Vec<f64>],
    values: &[f64],
    whole: usize,
    unordered: &[bool],
) -> Option<(Process, usize, Warped)> {
    if whole < CURVES {
        let (process, warped) = explain(&HYPOTHESES, points, values, unordered, true)?;
        return Some((process, points.len(), warped));
    }
    let mut best: Option<(f64, Process, usize, Warped)> = None;
    for (index, seen) in [points.len(), whole].into_iter().enumerate() {
        if index > 0 && seen == points.len() {
            break;
        }
        for hypothesis in HYPOTHESES.into_iter().chain([SCATTERED]) {
            let warped = hypothesis.warp.apply_as(&values[..seen], whole);
            let observations = Observations::new(&points[..seen], &warped.values, unordered);
            let settings =
                settings_of_some(points, &warped.values, &observations, hypothesis, true);
            let Some(process) = Process::new(observations, &settings) else { continue };
            let score = process.leave_curves_out() + warped.jacobian;
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, process, seen, warped));
            }
        }
    }
    best.map(|(_, process, seen, warped)| (process, seen, warped))
}

fn explain(
    hypotheses: &[Hypothesis],
    points: &[Vec<f64>],
    values: &[f64],
    unordered: &[bool],
    staged: bool,
) -> Option<(Process, Warped)> {
    let mut best: Option<(f64, Process, Warped)> = None;
    for (index, hypothesis) in hypotheses.iter().copied().enumerate() {
        let warped = hypothesis.warp.apply(values);
        let observations = Observations::new(points, &warped.values, unordered);
        let settings = settings_of_some(points, &warped.values, &observations, hypothesis, staged);
        let Some(process) = Process::new(observations, &settings) else { continue };
        let doubt = if index == 0 { 0.0 } else { DOUBT };
        let score = process.leave_one_out() + warped.jacobian - doubt;
        if best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, process, warped));
        }
    }
    best.map(|(_, process, warped)| (process, warped))
}

/// Settings fitted to all observations, or to an even selection of them if there are many. Callers order
/// observations by value or by number.
fn settings_of_some(
    points: &[Vec<f64>],
    warped: &[f64],
    observations: &Observations,
    hypothesis: Hypothesis,
    staged: bool,
) -> Settings {
    if warped.len() <= FITTED {
        return settings(observations, hypothesis, staged);
    }
    let pick = |i: usize| i * warped.len() / FITTED;
    let some: Vec<Vec<f64>> = (0..FITTED).map(|i| points[pick(i)].clone()).collect();
    let some_values: Vec<f64> = (0..FITTED).map(|i| warped[pick(i)]).collect();
    settings(&Observations::new(&some, &some_values, &observations.unordered), hypothesis, staged)
}

/// The settings with the largest posterior density near the medians of the priors.
fn settings(observations: &Observations, hypothesis: Hypothesis, staged: bool) -> Settings {
    let dimensions = observations.dimensions;
    let mut priors = vec![LENGTH; dimensions];
    if let (true, Some(last)) = (staged, priors.last_mut()) {
        *last = TRAINING;
    }
    priors.iter_mut().for_each(|prior| prior.0 += 0.5 * (dimensions as f64).ln());
    priors.extend([SIGNAL, hypothesis.noise]);
    let mut bounds = vec![LENGTH_BOUNDS; dimensions];
    bounds.extend([SIGNAL_BOUNDS, NOISE_BOUNDS]);
    let start: Vec<f64> = priors.iter().map(|prior| prior.0).collect();
    let likelihood = Likelihood::new(observations);
    let additive = hypothesis.additive;
    let mut trial = Settings { logs: start.clone(), additive };
    let mut cost = |logs: &[f64], gradient: &mut [f64]| {
        trial.logs.copy_from_slice(logs);
        let mut cost = likelihood.cost(&trial, gradient);
        for ((log, (median, deviation)), slope) in logs.iter().zip(&priors).zip(gradient) {
            let z = (log - median) / deviation;
            cost += 0.5 * z * z;
            *slope += z / deviation;
        }
        cost
    };
    let (_, logs) = minimize(&mut cost, &start, &bounds, EVALUATIONS, TOLERANCE);
    Settings { logs, additive }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also with repeated points.
    #[test]
    fn the_gradient_of_the_likelihood_equals_finite_differences() {
        let mut points: Vec<Vec<f64>> = (0..9_u32)
            .map(|i| vec![f64::from(i * 7 % 9) / 9.0, f64::from(i * 4 % 9) / 9.0, f64::from(i % 2)])
            .collect();
        points.push(points[3].clone());
        let values: Vec<f64> = (0..10).map(|i| (f64::from(i) * 1.7).sin()).collect();
        let observations = Observations::new(&points, &values, &[false, false, true]);
        let likelihood = Likelihood::new(&observations);
        let logs = vec![-1.0, -0.4, 0.2, 0.3, -3.0];
        let mut gradient = vec![0.0; 5];
        let mut unused = vec![0.0; 5];
        for additive in [0.0, 0.8] {
            likelihood.cost(&Settings { logs: logs.clone(), additive }, &mut gradient);
            for axis in 0..5 {
                let mut at = |step: f64| {
                    let mut logs = logs.clone();
                    logs[axis] += step;
                    likelihood.cost(&Settings { logs, additive }, &mut unused)
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                let error = (difference - gradient[axis]).abs();
                assert!(error < 1e-5, "{axis}: {difference} {gradient:?}");
            }
        }
    }
}
