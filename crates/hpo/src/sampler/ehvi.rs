//! Several objectives: a Gaussian process each, and the logarithm of the expected hypervolume
//! improvement over the front of their posterior means.
//!
//! With two objectives it is exact (as Emmerich et al. 2011): over the strips between neighbors of the
//! front the gain is a product, so its expectation is one of expected improvements. With more it is
//! ParEGO's (Knowles 2006): a process of the augmented Chebyshev distance under random weights.

use super::{bayes::bounds, uniform};
use crate::{
    cost::CostModel,
    gp::{Process, Warped, expected_improvement, fit_from, minimize},
    objectives::{Objectives, Outcome},
    random::{Stream, sobol},
    space::{Kind, Space},
};

const INITIAL: usize = 8;
const CANDIDATES: u32 = 384;
const NEIGHBORS: usize = 128;
const STARTS: usize = 6;
const EVALUATIONS: usize = 30;
/// Trials that the processes see, the last ones.
const SEEN: usize = 256;

pub(crate) fn suggest(
    space: &Space,
    objectives: &Objectives,
    seed: u64,
    number: u32,
    (told, pending): (&[Outcome], &[Vec<f64>]),
    exponent: f64,
) -> Vec<f64> {
    let given: Vec<(&[f64], &[f64])> = told
        .iter()
        .filter_map(|it| Some((it.parameters.as_slice(), it.values.as_deref()?)))
        .collect();
    if given.len() < INITIAL {
        return space.spread(seed, "initial", number);
    }
    let values: Vec<Vec<f64>> = given.iter().map(|it| it.1.to_vec()).collect();
    let floor = objectives.floor(&values);
    // A failed trial is as bad as the worst in everything.
    let worst: Vec<f64> = (0..floor.len())
        .map(|k| values.iter().map(|it| it[k]).fold(f64::INFINITY, f64::min))
        .collect();
    let failed = told.iter().filter(|it| it.values.is_none());
    let mut seen: Vec<(Vec<f64>, Vec<f64>)> = given
        .iter()
        .map(|it| (space.places(it.0), it.1.to_vec()))
        .chain(failed.map(|it| (space.places(&it.parameters), worst.clone())))
        .collect();
    seen.drain(..seen.len().saturating_sub(SEEN));
    let (points, values): (Vec<Vec<f64>>, Vec<Vec<f64>>) = seen.into_iter().unzip();
    let unordered = space.unordered();

    let mut columns: Vec<(Vec<f64>, f64)> =
        (0..floor.len()).map(|k| (values.iter().map(|it| it[k]).collect(), floor[k])).collect();
    if columns.len() != 2 {
        columns = vec![(chebyshev(&values, &floor, seed, number), f64::NEG_INFINITY)];
    }
    let fitted: Option<Vec<(Process, Warped, f64)>> = columns
        .iter()
        .map(|(values, floor)| fit_from(&points, values, *floor, &unordered))
        .collect();
    let Some(fitted) = fitted else { return uniform(space, seed, number) };
    let (mut processes, mut floors) = (Vec::new(), Vec::new());
    let mut believed = points.clone();
    believed.extend(pending.iter().map(|it| space.places(it)));
    for (process, mut warped, floor) in fitted {
        warped.values.extend(believed[points.len()..].iter().map(|it| process.at(it).0));
        let observations = crate::gp::Observations::new(&believed, &warped.values, &unordered);
        let Some(process) = process.with(observations) else {
            return uniform(space, seed, number);
        };
        processes.push(process);
        floors.push(floor);
    }
    let costs = told.iter().filter_map(|it| Some((it.parameters.as_slice(), it.cost?)));
    let costs = (exponent > 0.0).then(|| CostModel::new(space, costs, exponent)).flatten();
    let gain = Gain { costs, ..Gain::new(&processes, &floors, &believed) };
    let tried =
        |point: &[f64]| told.iter().map(|it| &it.parameters).chain(pending).any(|it| it == point);
    maximize(&gain, space, seed, number, tried)
}

/// −max wₖ dₖ − 0.05 Σ wₖ dₖ of the distances to the best of each objective, in units of what lies
/// between it and the floor.
fn chebyshev(values: &[Vec<f64>], floor: &[f64], seed: u64, number: u32) -> Vec<f64> {
    let mut random = Stream::new(seed, number, "weights");
    // Exponential numbers over their sum are uniform on the simplex.
    let raw: Vec<f64> = floor.iter().map(|_| -(1.0 - random.unit()).ln() + 1e-12).collect();
    let sum: f64 = raw.iter().sum();
    let scales: Vec<(f64, f64)> = floor
        .iter()
        .enumerate()
        .map(|(k, floor)| {
            let top = values.iter().map(|it| it[k]).fold(f64::NEG_INFINITY, f64::max);
            (top, (top - floor).max(1e-12))
        })
        .collect();
    values
        .iter()
        .map(|it| {
            let parts: Vec<f64> = it
                .iter()
                .zip(&scales)
                .zip(&raw)
                .map(|((value, (top, range)), weight)| weight / sum * (top - value) / range)
                .collect();
            -parts.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                - 0.05 * parts.iter().sum::<f64>()
        })
        .collect()
}

/// What a point is expected to add.
struct Gain<'a> {
    processes: &'a [Process],
    /// Places on the front, for the neighborhood.
    front: Vec<Vec<f64>>,
    /// With two objectives, strips: from and to in the first, and how high the second is there.
    /// With one, a single strip from the best value.
    strips: Vec<(f64, f64, f64)>,
    costs: Option<CostModel>,
}

impl<'a> Gain<'a> {
    fn new(processes: &'a [Process], floors: &[f64], points: &[Vec<f64>]) -> Self {
        let mut means: Vec<(Vec<f64>, &Vec<f64>)> = points
            .iter()
            .map(|point| (processes.iter().map(|it| it.at(point).0).collect(), point))
            .collect();
        means.sort_by(|a, b| b.0[0].total_cmp(&a.0[0]));
        if processes.len() == 1 {
            let best = means[0].0[0];
            let front = means.iter().take(4).map(|it| it.1.clone()).collect();
            return Self {
                processes,
                front,
                strips: vec![(best, f64::INFINITY, 0.0)],
                costs: None,
            };
        }
        // From the right: the first objective falls, the second must rise.
        let (mut front, mut strips) = (Vec::new(), Vec::new());
        let (mut right, mut height) = (f64::INFINITY, floors[1]);
        for (mean, point) in means {
            if mean[0] > floors[0] && mean[1] > height {
                strips.push((mean[0], right, height));
                (right, height) = (mean[0], mean[1]);
                front.push(point.clone());
            }
        }
        strips.push((floors[0], right, height));
        Self { processes, front, strips, costs: None }
    }

    /// Its logarithm; the slope goes to `slope`, if it is wanted.
    fn log(&self, place: &[f64], slope: Option<&mut [f64]>) -> f64 {
        let d = place.len();
        let mut means = [0.0; 2];
        let mut deviations = [1.0; 2];
        let mut slopes = [[vec![0.0; d], vec![0.0; d]], [vec![0.0; d], vec![0.0; d]]];
        for (k, process) in self.processes.iter().enumerate() {
            let [mean_slope, variance_slope] = &mut slopes[k];
            let (mean, variance) = if slope.is_some() {
                process.slope(place, mean_slope, variance_slope)
            } else {
                process.at(place)
            };
            (means[k], deviations[k]) = (mean, variance.sqrt());
        }
        // Value, and slopes by mean and deviation, of each factor.
        let at = |k: usize, from: f64| expected_improvement(means[k], deviations[k], from);
        let two = self.processes.len() == 2;
        let mut total = 0.0;
        let mut parts = [[0.0; 2]; 2];
        for (from, to, height) in &self.strips {
            let a = at(0, *from);
            let b = if to.is_finite() { at(0, *to) } else { [0.0; 3] };
            let width = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
            let rise = if two { at(1, *height) } else { [1.0, 0.0, 0.0] };
            total += width[0] * rise[0];
            parts[0][0] += width[1] * rise[0];
            parts[0][1] += width[2] * rise[0];
            parts[1][0] += width[0] * rise[1];
            parts[1][1] += width[0] * rise[2];
        }
        let total = total.max(1e-300);
        let costs = self.costs.as_ref();
        let mut discount = costs.map_or(0.0, |it| it.discount(place));
        if let Some(slope) = slope {
            slope.fill(0.0);
            for k in 0..self.processes.len() {
                let [mean_slope, variance_slope] = &slopes[k];
                for (axis, it) in slope.iter_mut().enumerate() {
                    let deviation_slope = variance_slope[axis] / (2.0 * deviations[k]);
                    *it += (parts[k][0] * mean_slope[axis] + parts[k][1] * deviation_slope) / total;
                }
            }
            if let Some(costs) = costs {
                let mut own = vec![0.0; d];
                discount = costs.discount_slope(place, &mut own);
                slope.iter_mut().zip(own).for_each(|(it, own)| *it -= own);
            }
        }
        total.ln() - discount
    }
}

fn maximize(
    gain: &Gain,
    space: &Space,
    seed: u64,
    number: u32,
    tried: impl Fn(&[f64]) -> bool,
) -> Vec<f64> {
    let mut random = Stream::new(seed, number, "acquisition");
    let mut candidates: Vec<Vec<f64>> = (0..CANDIDATES)
        .map(|index| {
            sobol(seed ^ (u64::from(number) << 32), "candidates", index, space.dimensions())
        })
        .collect();
    for index in 0..NEIGHBORS {
        let Some(center) = gain.front.get(index % gain.front.len().max(1)) else { break };
        let width = 10.0_f64.powf(-0.7 - 2.0 * random.unit());
        let moved = center.iter().zip(space.parameters()).map(|(it, parameter)| {
            match parameter.kind {
                // Along the front often one parameter changes alone.
                _ if random.unit() < 0.5 => *it,
                Kind::Categorical => random.unit(),
                _ if parameter.continuous() => (it + width * random.normal()).clamp(0.0, 1.0),
                _ => (it + 0.2 * random.normal()).clamp(0.0, 1.0),
            }
        });
        candidates.push(moved.collect());
    }
    if space.is_constrained() {
        candidates.extend((0..NEIGHBORS).map(|_| space.places(&space.draw(&mut random))));
    }
    let mut scored: Vec<(f64, Vec<f64>)> = candidates
        .into_iter()
        .filter_map(|it| {
            let point = space.at(&it);
            let place = space.places(&point);
            (space.allows(&point) && !tried(&point)).then(|| (gain.log(&place, None), place))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut cost = |place: &[f64], slope: &mut [f64]| {
        let value = gain.log(place, Some(slope));
        slope.iter_mut().for_each(|it| *it = -*it);
        -value
    };
    scored
        .iter()
        .take(STARTS)
        .map(|(score, start)| {
            let refined = minimize(&mut cost, start, &bounds(space, start), EVALUATIONS, 1e-5);
            if space.allows(&space.at(&refined.1)) { refined } else { (-score, start.clone()) }
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, place)| space.at(&place))
        .filter(|it| !tried(it))
        .unwrap_or_else(|| uniform(space, seed, number))
}
