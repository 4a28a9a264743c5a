//! Least squares by Householder reflections (Golub and Van Loan 2013, section 5.2): the normal
//! equations would lose half of the digits.

use super::StatsError;

/// A column this much shorter than it was, after the columns before it are taken out, is a
/// combination of them.
const DEPENDENT: f64 = 1e-9;

/// `X = QR` with what is needed of `Q`.
pub(super) struct LeastSquares {
    width: usize,
    /// Upper triangular, row by row.
    r: Vec<f64>,
    /// `Q'y`: the first `width` values belong to the columns, the rest to the residual.
    rotated: Vec<f64>,
}

impl LeastSquares {
    /// Fits `y` by columns of the same length.
    pub(super) fn fit(mut columns: Vec<Vec<f64>>, y: &[f64]) -> Result<Self, StatsError> {
        let (rows, width) = (y.len(), columns.len());
        if rows < width {
            return Err(StatsError::Singular);
        }
        let mut rotated = y.to_vec();
        let mut r = vec![0.0; width * width];
        for k in 0..width {
            let whole = norm(&columns[k]);
            let rest = norm(&columns[k][k..]);
            if rest <= whole * DEPENDENT {
                return Err(StatsError::Singular);
            }
            // The sign that does not cancel.
            let diagonal = if columns[k][k] > 0.0 { -rest } else { rest };
            let mut mirror = columns[k][k..].to_vec();
            mirror[0] -= diagonal;
            let square: f64 = mirror.iter().map(|value| value * value).sum();
            let reflect = |target: &mut [f64]| {
                let dot: f64 = mirror.iter().zip(&*target).map(|(a, b)| a * b).sum();
                let scale = 2.0 * dot / square;
                target.iter_mut().zip(&mirror).for_each(|(a, b)| *a -= scale * b);
            };
            columns[k + 1..].iter_mut().for_each(|column| reflect(&mut column[k..]));
            reflect(&mut rotated[k..]);
            r[k * width + k] = diagonal;
            for j in k + 1..width {
                r[k * width + j] = columns[j][k];
            }
        }
        Ok(Self { width, r, rotated })
    }

    /// Sum of squares that the last columns explain after all others.
    pub(super) fn last_columns_squares(&self, columns: usize) -> f64 {
        self.rotated[self.width - columns..self.width].iter().map(|value| value * value).sum()
    }

    pub(super) fn residual_squares(&self) -> f64 {
        self.rotated[self.width..].iter().map(|value| value * value).sum()
    }

    pub(super) fn coefficients(&self) -> Vec<f64> {
        let mut b = self.rotated[..self.width].to_vec();
        for i in (0..self.width).rev() {
            let known: f64 = (i + 1..self.width).map(|j| self.r[i * self.width + j] * b[j]).sum();
            b[i] = (b[i] - known) / self.r[i * self.width + i];
        }
        b
    }

    /// `R⁻ᵀ x`; its square is `x' (X'X)⁻¹ x`, the leverage of a row.
    pub(super) fn whiten(&self, x: &[f64]) -> Vec<f64> {
        let mut z = x.to_vec();
        for i in 0..self.width {
            let known: f64 = (0..i).map(|j| self.r[j * self.width + i] * z[j]).sum();
            z[i] = (z[i] - known) / self.r[i * self.width + i];
        }
        z
    }

    pub(super) fn leverage(&self, x: &[f64]) -> f64 {
        self.whiten(x).iter().map(|value| value * value).sum()
    }

    /// `(X'X)⁻¹`, row by row.
    pub(super) fn inverse_normal(&self) -> Vec<f64> {
        let width = self.width;
        let units: Vec<Vec<f64>> = (0..width)
            .map(|i| {
                self.whiten(&(0..width).map(|j| f64::from(u8::from(i == j))).collect::<Vec<_>>())
            })
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        units.iter().flat_map(|a| units.iter().map(move |b| dot(a, b))).collect()
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
