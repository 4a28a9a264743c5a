//! Least squares whose coefficients are not negative.

/// The sums that least squares need: products of features with each other and with the target.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Row by row.
    products: Vec<f64>,
    targets: Vec<f64>,
    squares: f64,
}

impl Sums {
    pub(super) fn new(features: usize) -> Self {
        Self {
            products: vec![0.0; features * features],
            targets: vec![0.0; features],
            squares: 0.0,
        }
    }

    /// Adds an observation.
    pub(super) fn add(&mut self, features: &[f64], target: f64) {
        let n = self.targets.len();
        for (row, &value) in features.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let products = &mut self.products[row * n..(row + 1) * n];
            products.iter_mut().zip(features).for_each(|(sum, other)| *sum += value * other);
            self.targets[row] += value * target;
        }
        self.squares += target * target;
    }

    /// The sums of both together.
    pub(super) fn and(mut self, other: &Self) -> Self {
        let pairs = self.products.iter_mut().zip(&other.products);
        pairs
            .chain(self.targets.iter_mut().zip(&other.targets))
            .for_each(|(sum, more)| *sum += more);
        self.squares += other.squares;
        self
    }

    /// The sum of the squared errors with these coefficients.
    pub(super) fn error(&self, coefficients: &[f64]) -> f64 {
        let n = self.targets.len();
        let rows = self.products.chunks(n.max(1)).zip(coefficients);
        let quadratic: f64 = rows.map(|(row, by)| by * dot(row, coefficients)).sum();
        (self.squares - 2.0 * dot(&self.targets, coefficients) + quadratic).max(0.0)
    }

    /// The coefficients from 0 on with the least squared error (Lawson and Hanson 1974, Solving Least
    /// Squares Problems, chapter 23): one after another leaves 0 where that lowers the error most, and
    /// returns to 0 where the others would make it negative.
    pub(super) fn not_negative(&self) -> Vec<f64> {
        let n = self.targets.len();
        // In units in which each feature has length 1.
        let scale: Vec<f64> = (0..n).map(|at| self.products[at * n + at].sqrt()).collect();
        let product = |a: usize, b: usize| self.products[a * n + b] / (scale[a] * scale[b]);
        let target = |a: usize| self.targets[a] / scale[a];
        let mut values = vec![0.0; n];
        let mut free: Vec<usize> = Vec::new();
        for _ in 0..10 * n {
            let slope =
                |a: usize| target(a) - free.iter().map(|&b| product(a, b) * values[b]).sum::<f64>();
            let next = (0..n)
                .filter(|at| scale[*at] > 0.0 && !free.contains(at))
                .map(|at| (at, slope(at)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((next, _)) = next.filter(|next| next.1 > 1e-10 * self.squares.sqrt()) else {
                break;
            };
            free.push(next);
            loop {
                let found = solve(&free, &product, &target);
                let Some(shortest) = free
                    .iter()
                    .zip(&found)
                    .filter(|(_, found)| **found <= 0.0)
                    .map(|(&at, &found)| values[at] / (values[at] - found).max(f64::MIN_POSITIVE))
                    .min_by(f64::total_cmp)
                else {
                    free.iter().zip(found).for_each(|(&at, found)| values[at] = found);
                    break;
                };
                // As far as none becomes negative.
                for (&at, found) in free.iter().zip(&found) {
                    values[at] += shortest.clamp(0.0, 1.0) * (found - values[at]);
                }
                let found = free.iter().copied().zip(found).collect::<Vec<_>>();
                for (at, found) in found {
                    if found <= 0.0 && values[at] <= 1e-14 {
                        values[at] = 0.0;
                        free.retain(|&other| other != at);
                    }
                }
                if free.is_empty() {
                    break;
                }
            }
        }
        values
            .iter()
            .zip(&scale)
            .map(|(value, scale)| if *scale > 0.0 { value / scale } else { 0.0 })
            .collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Least squares of these features alone, by Cholesky's decomposition. A ridge of 10⁻¹² decides between
/// features that are the same.
fn solve(
    free: &[usize],
    product: &impl Fn(usize, usize) -> f64,
    target: &impl Fn(usize) -> f64,
) -> Vec<f64> {
    let n = free.len();
    let mut lower = vec![0.0; n * n];
    for row in 0..n {
        for column in 0..=row {
            let ridge = if row == column { 1e-12 } else { 0.0 };
            let before: f64 =
                (0..column).map(|at| lower[row * n + at] * lower[column * n + at]).sum();
            let rest = product(free[row], free[column]) + ridge - before;
            lower[row * n + column] = if row == column {
                rest.max(1e-13).sqrt()
            } else {
                rest / lower[column * n + column]
            };
        }
    }
    let mut values: Vec<f64> = free.iter().map(|&at| target(at)).collect();
    for row in 0..n {
        let before: f64 = (0..row).map(|at| lower[row * n + at] * values[at]).sum();
        values[row] = (values[row] - before) / lower[row * n + row];
    }
    for row in (0..n).rev() {
        let after: f64 = (row + 1..n).map(|at| lower[at * n + row] * values[at]).sum();
        values[row] = (values[row] - after) / lower[row * n + row];
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The conditions of Karush, Kuhn and Tucker: no coefficient is negative, and no change of one within
        /// that lowers the error.
        #[test]
        fn no_change_is_better(rows in prop::collection::vec(prop::array::uniform5(-1.0..1.0_f64), 1..40)) {
            let mut sums = Sums::new(4);
            rows.iter().for_each(|row| sums.add(&row[..4], row[4]));
            let found = sums.not_negative();
            let error = sums.error(&found);
            for at in 0..4 {
                prop_assert!(found[at] >= 0.0);
                for change in [-1e-3, 1e-3] {
                    let mut other = found.clone();
                    other[at] = (other[at] + change).max(0.0);
                    prop_assert!(sums.error(&other) >= error - 1e-9, "{found:?}");
                }
            }
        }
    }

    #[test]
    fn known_coefficients_are_found() {
        let mut sums = Sums::new(3);
        for step in 0..30 {
            let x = f64::from(step);
            sums.add(&[1.0, x, x * x], 2.0 + 0.5 * x * x);
        }
        let found = sums.not_negative();
        assert!((found[0] - 2.0).abs() < 1e-6 && found[1].abs() < 1e-6, "{found:?}");
        assert!((found[2] - 0.5).abs() < 1e-6, "{found:?}");
    }
}
