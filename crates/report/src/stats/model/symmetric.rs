//! Small symmetric matrices, stored row by row.

/// The lower triangle `L` with `A = LL'`; `None` if the matrix is not positive definite. Values above the diagonal
/// of the result are 0.
pub(super) fn cholesky(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut lower = matrix.to_vec();
    for i in 0..size {
        for j in 0..=i {
            let (row, other) = (&lower[i * size..i * size + j], &lower[j * size..j * size + j]);
            let known: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            let rest = lower[i * size + j] - known;
            lower[i * size + j] = if i == j {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[j * size + j]
            };
        }
        lower[i * size + i + 1..(i + 1) * size].fill(0.0);
    }
    Some(lower)
}

/// `L⁻¹ b`.
pub(super) fn forward(lower: &[f64], size: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in 0..size {
        let known: f64 = (0..i).map(|j| lower[i * size + j] * x[j]).sum();
        x[i] = (x[i] - known) / lower[i * size + i];
    }
    x
}

/// `L⁻ᵀ b`.
pub(super) fn backward(lower: &[f64], size: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in (0..size).rev() {
        let known: f64 = (i + 1..size).map(|j| lower[j * size + i] * x[j]).sum();
        x[i] = (x[i] - known) / lower[i * size + i];
    }
    x
}

/// Eigenvalues and, as rows in the same order, eigenvectors, by Jacobi's rotations (Golub and Van Loan 2013, 8.5).
pub(super) fn eigen(matrix: &[f64], size: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut a = matrix.to_vec();
    let mut vectors: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..60 {
        let off = |a: &[f64]| -> f64 {
            let above = (0..size).flat_map(|i| (i + 1..size).map(move |j| (i, j)));
            above.map(|(i, j)| a[i * size + j].powi(2)).sum()
        };
        let whole: f64 = a.iter().map(|value| value * value).sum();
        if off(&a) <= whole * 1e-30 {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                if a[p * size + q] == 0.0 {
                    continue;
                }
                let ratio = (a[q * size + q] - a[p * size + p]) / (2.0 * a[p * size + q]);
                let t = ratio.signum() / (ratio.abs() + (ratio * ratio + 1.0).sqrt());
                let t = if ratio == 0.0 { 1.0 } else { t };
                let cosine = 1.0 / (t * t + 1.0).sqrt();
                let sine = t * cosine;
                for k in 0..size {
                    let (x, y) = (a[k * size + p], a[k * size + q]);
                    a[k * size + p] = cosine * x - sine * y;
                    a[k * size + q] = sine * x + cosine * y;
                }
                for k in 0..size {
                    let (x, y) = (a[p * size + k], a[q * size + k]);
                    a[p * size + k] = cosine * x - sine * y;
                    a[q * size + k] = sine * x + cosine * y;
                }
                let (before, after) = vectors.split_at_mut(q);
                for (x, y) in before[p].iter_mut().zip(&mut after[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    ((0..size).map(|i| a[i * size + i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eigenvectors_and_triangles_give_the_matrix_back(
            values in prop::collection::vec(-3.0_f64..3.0, 16),
        ) {
            // B'B + I is positive definite.
            let n = 4;
            let at = |i: usize, j: usize| -> f64 {
                (0..n).map(|k| values[k * n + i] * values[k * n + j]).sum::<f64>()
                    + f64::from(u8::from(i == j))
            };
            let matrix: Vec<f64> = (0..n * n).map(|index| at(index / n, index % n)).collect();
            let (lambdas, vectors) = eigen(&matrix, n);
            let lower = cholesky(&matrix, n).unwrap();
            for i in 0..n {
                for j in 0..n {
                    let sum: f64 = (0..n).map(|k| lambdas[k] * vectors[k][i] * vectors[k][j]).sum();
                    let product: f64 = (0..n).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                    prop_assert!((sum - matrix[i * n + j]).abs() < 1e-9);
                    prop_assert!((product - matrix[i * n + j]).abs() < 1e-9);
                }
            }
            let b = &values[..n];
            let x = backward(&lower, n, &forward(&lower, n, b));
            for i in 0..n {
                let product: f64 = (0..n).map(|j| matrix[i * n + j] * x[j]).sum();
                prop_assert!((product - b[i]).abs() < 1e-8);
            }
            let mut negative = matrix;
            negative[0] = -1.0;
            prop_assert_eq!(cholesky(&negative, n), None);
        }
    }
}
