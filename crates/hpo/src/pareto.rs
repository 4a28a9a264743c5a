//! Pareto fronts and hypervolumes.

/// Whether `b` dominates `a`: it is at least as good in every objective and better in one. Larger is
/// better.
#[must_use]
pub fn dominated(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| b >= a) && a != b
}

/// Indices of the points that no other point dominates, in rising order; of equal points only the
/// first.
#[must_use]
pub fn pareto_front(points: &[Vec<f64>]) -> Vec<usize> {
    let is_optimal = |i: &usize| {
        let own = &points[*i];
        !points
            .iter()
            .enumerate()
            .any(|(j, other)| dominated(own, other) || (j < *i && other == own))
    };
    (0..points.len()).filter(is_optimal).collect()
}

/// The volume between a reference point and the region that the points dominate (Zitzler and Thiele
/// 1998). Larger is better in every objective.
///
/// Exact, by slices along the last objective (While et al. 2006): about nᵐ⁻¹ steps for n points in m
/// objectives.
#[must_use]
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let above = |point: &&Vec<f64>| {
        point.len() == reference.len()
            && point.iter().zip(reference).all(|(value, reference)| value > reference)
    };
    let mut points: Vec<Vec<f64>> = points.iter().filter(above).cloned().collect();
    let Some((low, rest)) = reference.split_last() else { return 0.0 };
    if rest.is_empty() {
        return points.iter().map(|point| point[0] - low).fold(0.0, f64::max);
    }
    let last = rest.len();
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut volume = 0.0;
    let mut slice: Vec<Vec<f64>> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        slice.push(point[..last].to_vec());
        let below = points.get(index + 1).map_or(*low, |next| next[last]);
        if point[last] > below {
            let front: Vec<Vec<f64>> =
                pareto_front(&slice).into_iter().map(|index| slice[index].clone()).collect();
            volume += (point[last] - below) * hypervolume(&front, rest);
            slice = front;
        }
    }
    volume
}
