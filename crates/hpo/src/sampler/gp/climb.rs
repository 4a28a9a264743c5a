//! A local search in a finite space: from a point to the best of its neighbors, while that is better.

use crate::space::{Parameter, ParameterKind, Space};

/// The most moves from a start.
const MOVES: usize = 12;
/// The most other choices of a parameter that are looked at.
const CHOICES: u64 = 64;

/// The best point that is reached from `start`, with its score. `score` gives `None` for a point that
/// must not be chosen.
pub(super) fn climb(
    space: &Space,
    (first, start): (f64, Vec<f64>),
    score: impl Fn(&[f64]) -> Option<f64>,
) -> (f64, Vec<f64>) {
    let mut best = (first, start);
    for _ in 0..MOVES {
        let found = neighbors(space, &best.1)
            .into_iter()
            .filter_map(|point| Some((score(&point)?, point)))
            .reduce(|a, b| if b.0 > a.0 { b } else { a });
        match found {
            Some(found) if found.0 > best.0 => best = found,
            _ => break,
        }
    }
    best
}

/// The points that differ in one parameter: in a choice, or by a step or an eighth of the range.
fn neighbors(space: &Space, point: &[f64]) -> Vec<Vec<f64>> {
    let active = space.active(point);
    let mut all = Vec::new();
    for (axis, parameter) in space.parameters().iter().enumerate() {
        if !active[axis] {
            continue;
        }
        for value in others(parameter, point[axis]) {
            let mut other = point.to_vec();
            other[axis] = value;
            space.settle(&mut other);
            all.push(other);
        }
    }
    all
}

fn others(parameter: &Parameter, value: f64) -> Vec<f64> {
    let (Some(step), Some(cells)) = (parameter.step, parameter.cells()) else { return Vec::new() };
    let own = ((value - parameter.low) / step).round().max(0.0) as u64;
    let mut indices: Vec<u64> = if parameter.kind == ParameterKind::Categorical {
        (0..cells.min(CHOICES)).collect()
    } else {
        let far = (cells / 8).max(1);
        [own.saturating_sub(far), own.saturating_sub(1), own + 1, own + far].to_vec()
    };
    indices.retain(|index| *index != own && *index < cells);
    indices.dedup();
    indices.into_iter().map(|index| parameter.nth(index)).collect()
}
