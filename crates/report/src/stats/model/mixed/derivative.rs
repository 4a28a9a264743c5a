//! Numerical derivatives by Richardson's extrapolation (Fornberg and Sloan 1994, Acta Numerica 3:203), with the steps
//! of R's `numDeriv`, on which lmerTest relies.

/// Halvings of the step.
const LEVELS: usize = 4;

fn steps(point: &[f64], share: f64) -> Vec<f64> {
    point.iter().map(|value| if value.abs() < 1e-5 { 1e-4 } else { share * value.abs() }).collect()
}

/// Takes out the errors of order h², h⁴, … of values at h, h/2, h/4, …
fn extrapolate(mut values: Vec<f64>) -> f64 {
    let mut power = 4.0;
    while values.len() > 1 {
        values =
            values.windows(2).map(|pair| (power * pair[1] - pair[0]) / (power - 1.0)).collect();
        power *= 4.0;
    }
    values[0]
}

/// The derivatives of several functions after one of their arguments.
pub(super) fn partial(
    function: impl Fn(&[f64]) -> Option<Vec<f64>>,
    point: &[f64],
    argument: usize,
) -> Option<Vec<f64>> {
    let step = steps(point, 1e-4)[argument];
    let at = |move_by: f64| {
        let mut moved = point.to_vec();
        moved[argument] += move_by;
        function(&moved)
    };
    let levels: Vec<Vec<f64>> = (0..LEVELS)
        .map(|level| {
            let h = step / f64::from(1_u32 << level);
            let (up, down) = (at(h)?, at(-h)?);
            Some(up.iter().zip(down).map(|(up, down)| (up - down) / (2.0 * h)).collect())
        })
        .collect::<Option<_>>()?;
    let columns = 0..levels[0].len();
    Some(columns.map(|i| extrapolate(levels.iter().map(|level| level[i]).collect())).collect())
}

/// The matrix of second derivatives, row by row.
pub(super) fn hessian(function: impl Fn(&[f64]) -> Option<f64>, point: &[f64]) -> Option<Vec<f64>> {
    let size = point.len();
    let steps = steps(point, 0.1);
    let center = function(point)?;
    let at = |moves: &[(usize, f64)]| {
        let mut moved = point.to_vec();
        moves.iter().for_each(|(argument, by)| moved[*argument] += by);
        function(&moved)
    };
    let halved = |argument: usize, level: usize| steps[argument] / f64::from(1_u32 << level);
    let mut matrix = vec![0.0; size * size];
    let mut diagonals = vec![vec![0.0; LEVELS]; size];
    for i in 0..size {
        for (level, value) in diagonals[i].iter_mut().enumerate() {
            let h = halved(i, level);
            *value = (at(&[(i, h)])? - 2.0 * center + at(&[(i, -h)])?) / (h * h);
        }
        matrix[i * size + i] = extrapolate(diagonals[i].clone());
    }
    for i in 0..size {
        for j in 0..i {
            let values = (0..LEVELS)
                .map(|level| {
                    let (h, k) = (halved(i, level), halved(j, level));
                    let both = at(&[(i, h), (j, k)])? - 2.0 * center + at(&[(i, -h), (j, -k)])?;
                    let own = matrix[i * size + i] * h * h + matrix[j * size + j] * k * k;
                    Some((both - own) / (2.0 * h * k))
                })
                .collect::<Option<_>>()?;
            matrix[i * size + j] = extrapolate(values);
            matrix[j * size + i] = matrix[i * size + j];
        }
    }
    Some(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_of_known_functions_are_found() {
        let function = |x: &[f64]| Some((x[0] * x[1]).exp() + x[0].powi(3));
        let point = [0.7_f64, -0.4];
        let e = (point[0] * point[1]).exp();
        let second = hessian(function, &point).unwrap();
        let expected = [
            point[1].powi(2) * e + 6.0 * point[0],
            (1.0 + point[0] * point[1]) * e,
            (1.0 + point[0] * point[1]) * e,
            point[0].powi(2) * e,
        ];
        for (found, expected) in second.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let first = partial(|x| function(x).map(|value| vec![value, x[0]]), &point, 0).unwrap();
        assert!((first[0] - (point[1] * e + 3.0 * point[0].powi(2))).abs() < 1e-9, "{first:?}");
        assert!((first[1] - 1.0).abs() < 1e-9);
    }
}
