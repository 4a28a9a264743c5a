//! Trials from best to worst, with one objective or several.

use crate::{pareto::dominated, search::SearchState};

/// A trial that gave values, and how it compares with the others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranked<'a> {
    /// Its parameters, in the order of the space.
    pub(super) point: &'a [f64],
    /// The number of its front, from 0 for the best; with one objective its place in the order.
    pub(super) front: usize,
    /// How lonely it is on its front (Deb et al. 2002, crowding distance); 0 with one objective.
    pub(super) crowding: f64,
}

/// Trials that gave values, best first: by the objective or, with several, by non-dominated fronts and
/// on a front by crowding distance. Trials outside the objectives' limits come after the others. Equal
/// ones stay in the order of their numbers, and so do those after the first `most`.
pub(super) fn ranking<'a>(search: &SearchState<'a>, most: usize) -> Vec<Ranked<'a>> {
    let history = search.history();
    let given = history.results().iter();
    let given: Vec<(&[f64], &[f64])> =
        given.filter_map(|trial| Some((trial.parameters, trial.values?))).collect();
    let (allowed, refused): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|(_, values)| search.objectives.allow(values));
    let mut ranked: Vec<Ranked<'a>> = Vec::new();
    for part in [allowed, refused] {
        add_fronts(&mut ranked, part, most);
    }
    ranked
}

fn add_fronts<'a>(ranked: &mut Vec<Ranked<'a>>, mut left: Vec<(&'a [f64], &[f64])>, most: usize) {
    let mut number = ranked.last().map_or(0, |last| last.front + 1);
    if left.first().is_some_and(|(_, values)| values.len() == 1) {
        left.sort_by(|a, b| b.1[0].total_cmp(&a.1[0]));
        let ends = left.iter().zip(number..);
        ranked.extend(ends.map(|((point, _), front)| Ranked { point, front, crowding: 0.0 }));
        return;
    }
    while !left.is_empty() && ranked.len() < most {
        let is_best = |own: &[f64]| !left.iter().any(|(_, other)| dominated(own, other));
        let best: Vec<bool> = left.iter().map(|(_, own)| is_best(own)).collect();
        let mut best = best.iter();
        let (front, rest): (Vec<_>, Vec<_>) =
            left.iter().partition(|_| best.next().copied().unwrap_or(false));
        let crowding = crowding(&front);
        let mut front: Vec<Ranked<'a>> = front
            .iter()
            .zip(crowding)
            .map(|((point, _), crowding)| Ranked { point, front: number, crowding })
            .collect();
        front.sort_by(|a, b| b.crowding.total_cmp(&a.crowding));
        ranked.extend(front);
        number += 1;
        left = rest;
    }
    let rest = left.iter().map(|(point, _)| Ranked { point, front: number, crowding: 0.0 });
    ranked.extend(rest);
}

/// The crowding distance of each member of a front: the sum over the objectives of the gap between its
/// two neighbors, as a share of the front's range; infinite at the ends.
fn crowding(front: &[(&[f64], &[f64])]) -> Vec<f64> {
    let mut sums = vec![0.0; front.len()];
    let objectives = front.first().map_or(0, |(_, values)| values.len());
    for objective in 0..objectives {
        let at = |index: usize| front[index].1[objective];
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|a, b| at(*a).total_cmp(&at(*b)));
        let (Some(&low), Some(&high)) = (order.first(), order.last()) else { break };
        (sums[low], sums[high]) = (f64::INFINITY, f64::INFINITY);
        let range = at(high) - at(low);
        if range > 0.0 {
            for three in order.windows(3) {
                sums[three[1]] += (at(three[2]) - at(three[0])) / range;
            }
        }
    }
    sums
}
