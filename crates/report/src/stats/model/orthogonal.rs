//! An orthonormal basis of columns, some of which may depend on others.

/// A column this much shorter than it was, after the columns before it are taken out, is a combination of them.
const DEPENDENT: f64 = 1e-9;

/// Columns made orthonormal from first to last by modified Gram-Schmidt, twice (Björck 1994, Linear Algebra and
/// its Applications 197:297), which is as exact as reflections. Dependent columns are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Orthogonal {
    /// The orthonormal columns.
    pub(super) basis: Vec<Vec<f64>>,
    /// Which of the given columns they came from.
    pub(super) kept: Vec<usize>,
    /// Column `j` of the upper triangle: what of `basis[0..=j]` is in the kept column.
    triangle: Vec<Vec<f64>>,
    given: usize,
}

impl Orthogonal {
    /// Adds a column; says whether it was independent.
    pub(super) fn push(&mut self, mut column: Vec<f64>) -> bool {
        let at = self.given;
        self.given += 1;
        let whole = norm(&column);
        let mut parts = vec![0.0; self.basis.len()];
        for _ in 0..2 {
            for (part, unit) in parts.iter_mut().zip(&self.basis) {
                let dot = dot(unit, &column);
                *part += dot;
                column.iter_mut().zip(unit).for_each(|(value, unit)| *value -= dot * unit);
            }
        }
        let rest = norm(&column);
        if rest <= whole * DEPENDENT {
            return false;
        }
        column.iter_mut().for_each(|value| *value /= rest);
        parts.push(rest);
        self.basis.push(column);
        self.kept.push(at);
        self.triangle.push(parts);
        true
    }

    /// Number of independent columns.
    pub(super) fn rank(&self) -> usize {
        self.basis.len()
    }

    /// `Q'y`.
    pub(super) fn rotate(&self, y: &[f64]) -> Vec<f64> {
        self.basis.iter().map(|unit| dot(unit, y)).collect()
    }

    /// `log |R|`.
    pub(super) fn log_scale(&self) -> f64 {
        self.triangle.iter().filter_map(|column| column.last()).map(|value| value.ln()).sum()
    }

    /// What the columns do not explain.
    pub(super) fn residual(&self, y: &[f64]) -> Vec<f64> {
        let mut rest = y.to_vec();
        for _ in 0..2 {
            for unit in &self.basis {
                let dot = dot(unit, &rest);
                rest.iter_mut().zip(unit).for_each(|(value, unit)| *value -= dot * unit);
            }
        }
        rest
    }

    /// The sum of its squares.
    pub(super) fn residual_squares(&self, y: &[f64]) -> f64 {
        let rest = self.residual(y);
        dot(&rest, &rest)
    }

    /// `R⁻¹ z`: coefficients of the kept columns from those of the basis.
    pub(super) fn coefficients(&self, rotated: &[f64]) -> Vec<f64> {
        let mut b = rotated.to_vec();
        for i in (0..b.len()).rev() {
            let known: f64 = (i + 1..b.len()).map(|j| self.triangle[j][i] * b[j]).sum();
            b[i] = (b[i] - known) / self.triangle[i][i];
        }
        b
    }

    /// `R⁻ᵀ x`: the combination of the basis' coefficients that equals the combination `x` of the kept columns'.
    pub(super) fn whiten(&self, x: &[f64]) -> Vec<f64> {
        let mut z = x.to_vec();
        for i in 0..z.len() {
            let known: f64 = (0..i).map(|j| self.triangle[i][j] * z[j]).sum();
            z[i] = (z[i] - known) / self.triangle[i][i];
        }
        z
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}
