//! Small dense matrices, stored row by row. Only their lower half is read.

/// `a · b`, in eight partial sums that fit a vector register.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// Replaces a matrix by its lower Cholesky factor; false if the matrix is not positive definite.
pub(crate) fn cholesky(matrix: &mut [f64], n: usize) -> bool {
    for i in 0..n {
        let (above, row) = matrix.split_at_mut(i * n);
        for j in 0..i {
            let rest = row[j] - dot(&row[..j], &above[j * n..j * n + j]);
            row[j] = rest / above[j * n + j];
        }
        let rest = row[i] - dot(&row[..i], &row[..i]);
        if rest.is_nan() || rest <= 1e-14 {
            return false;
        }
        row[i] = rest.sqrt();
    }
    true
}

/// Solves `L x = b` in place.
pub(crate) fn forward(lower: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let rest = b[i] - dot(&lower[i * n..i * n + i], &b[..i]);
        b[i] = rest / lower[i * n + i];
    }
}

/// `L⁻ᵀ`, an upper triangular matrix: its row j is column j of `L⁻¹`.
pub(crate) fn inverse_transposed(lower: &[f64], n: usize) -> Vec<f64> {
    let mut upper = vec![0.0; n * n];
    for j in 0..n {
        let row = &mut upper[j * n..(j + 1) * n];
        row[j] = 1.0 / lower[j * n + j];
        for i in j + 1..n {
            row[i] = -dot(&lower[i * n + j..i * n + i], &row[j..i]) / lower[i * n + i];
        }
    }
    upper
}

/// `U x` for an upper triangular matrix.
pub(crate) fn times_upper(upper: &[f64], n: usize, x: &[f64]) -> Vec<f64> {
    (0..n).map(|j| dot(&upper[j * n + j..(j + 1) * n], &x[j..])).collect()
}
