//! Several objectives: which results are not beaten in all, and how much they cover.

/// Whether `b` is as good as `a` in every objective and better in one; more is better.
#[must_use]
pub fn dominated(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| b >= a) && a != b
}

/// Indices of the points that no other dominates, rising; of equal ones the first.
#[must_use]
pub fn pareto_front(points: &[Vec<f64>]) -> Vec<usize> {
    let free = |i: &usize| {
        let own = &points[*i];
        !points.iter().enumerate().any(|(j, it)| dominated(own, it) || (j < *i && it == own))
    };
    (0..points.len()).filter(free).collect()
}

/// The volume between a reference point and what the points dominate; more is better in every
/// objective (Zitzler and Thiele 1998). Exact, by slices along the last objective (While et al.
/// 2006); of n points in m objectives it takes about nᵐ⁻¹ steps.
#[must_use]
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let above = |it: &&Vec<f64>| {
        it.len() == reference.len()
            && it.iter().zip(reference).all(|(it, reference)| it > reference)
    };
    let mut points: Vec<Vec<f64>> = points.iter().filter(above).cloned().collect();
    let Some((low, rest)) = reference.split_last() else { return 0.0 };
    if rest.is_empty() {
        return points.iter().map(|it| it[0] - low).fold(0.0, f64::max);
    }
    let last = rest.len();
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut volume = 0.0;
    let mut slice: Vec<Vec<f64>> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        slice.push(point[..last].to_vec());
        let below = points.get(index + 1).map_or(*low, |it| it[last]);
        if point[last] > below {
            let front: Vec<Vec<f64>> =
                pareto_front(&slice).into_iter().map(|it| slice[it].clone()).collect();
            volume += (point[last] - below) * hypervolume(&front, rest);
            slice = front;
        }
    }
    volume
}
