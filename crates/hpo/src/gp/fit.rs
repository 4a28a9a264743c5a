//! Lengths, signal and noise by maximum a posteriori, under the hypothesis that predicts each value
//! best from the others.

use super::{
    lbfgs::minimize,
    process::{Likelihood, Observations, Process, Settings},
    warp::{Warp, Warped},
};

/// A log-normal prior: median and deviation of the logarithm.
type Prior = (f64, f64);

/// Of a length, before the √d scaling (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs
/// great in high dimensions", with a shorter and narrower scale for small budgets).
const LENGTH: Prior = (-0.9, 0.6);
/// The same where the coordinate is the length of training: it has few values to fit to, and what is
/// early should not say too much of what is late.
const TRAINING: Prior = (-1.5, 0.2);
/// Of the signal's variance; values are standardized.
const SIGNAL: Prior = (0.0, 1.0);
/// Of the noise variance: small, as trainings of one seed are, but wide. It hardly leaves its median
/// while short lengths explain the values too.
const NOISE: Prior = (-12.0, 2.5);
/// The same of trainings whose accuracies scatter: a tenth to half of the values' deviation.
const NOISY: Prior = (-3.0, 1.5);
/// Bounds of the logarithms.
const LENGTH_BOUNDS: (f64, f64) = (-4.0, 3.5);
const SIGNAL_BOUNDS: (f64, f64) = (-4.0, 5.0);
const NOISE_BOUNDS: (f64, f64) = (-18.0, 0.0);
/// What values may be; the first is the default.
const HYPOTHESES: [Hypothesis; 3] = [
    Hypothesis::new(Warp::Tail, 0.0),
    Hypothesis::new(Warp::Whole, 0.0),
    Hypothesis::new(Warp::Tail, 0.8),
];
/// What values of trainings may be besides: without it, trials close to each other whose values
/// scatter make all lengths short, and what lies beyond them looks promising.
const SCATTERED: Hypothesis = Hypothesis { noise: NOISY, ..HYPOTHESES[0] };
/// Evaluations of the likelihood for each of them, and the gain below which the search ends.
const EVALUATIONS: usize = 30;
const TOLERANCE: f64 = 1e-2;
/// By how much, in nats, another than the first must predict better.
const DOUBT: f64 = 2.0;
/// Whole curves from which on early values must show that they help.
const CURVES: usize = 4;
/// Points that settings are fitted to: the likelihood costs n³.
const FITTED: usize = 128;

/// What values may be.
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

/// The process that explains the values best, and the values as it sees them. `None` of no points.
pub(crate) fn fit(
    points: &[Vec<f64>],
    values: &[f64],
    unordered: &[bool],
) -> Option<(Process, Warped)> {
    explain(&HYPOTHESES, points, values, unordered, false)
}

/// The process of values as they are, with their mean and deviation. `None` of no points.
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

/// The same of an objective among several: distances above the floor are kept, as a volume is made
/// of them; only what is below is compressed. Also gives the floor as the process sees it.
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

/// The same of values after lengths of training, the last coordinate, which is 1 of the `whole`
/// ones: those come first. The early values are part of it if they help to predict the whole ones of
/// other curves, as they do unless curves cross.
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

/// Of all observations, or of some if they are many: evenly over the order, which callers give best
/// first or by number.
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

/// Of the largest posterior density near the priors' medians.
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

    /// Analytic gradients are those of small differences, repetitions included.
    #[test]
    fn the_likelihood_s_gradient_is_exact() {
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
