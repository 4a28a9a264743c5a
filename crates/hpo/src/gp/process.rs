//! A Gaussian process with a Matérn-5/2 kernel, a length for each dimension, and fitted noise
//! (Rasmussen and Williams 2006, chapters 2, 4 and 5).

use super::dense::{cholesky, dot, forward, inverse_transposed, times_upper};

/// Observations: one row per distinct point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations {
    pub(crate) dimensions: usize,
    /// Dimensions without an order: the distance of two places is 0 if they are equal, otherwise 1.
    pub(crate) unordered: Vec<bool>,
    /// Points of the unit cube, one after another.
    pub(crate) points: Vec<f64>,
    /// Mean of the values at each point.
    pub(crate) values: Vec<f64>,
    /// Number of times each point was tried.
    pub(crate) repetitions: Vec<f64>,
    /// Squared deviations from those means, summed over all points.
    pub(crate) scatter: f64,
}

impl Observations {
    /// Merges equal points into their mean.
    pub(crate) fn new(points: &[Vec<f64>], values: &[f64], unordered: &[bool]) -> Self {
        let mut all =
            Self { dimensions: unordered.len(), unordered: unordered.to_vec(), ..Self::default() };
        for (point, value) in points.iter().zip(values) {
            let same = (0..all.len())
                .find(|i| all.point(*i).iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-9));
            if let Some(i) = same {
                // Welford's update.
                all.repetitions[i] += 1.0;
                let before = value - all.values[i];
                all.values[i] += before / all.repetitions[i];
                all.scatter += before * (value - all.values[i]);
            } else {
                all.points.extend(point);
                all.values.push(*value);
                all.repetitions.push(1.0);
            }
        }
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.dimensions..(i + 1) * self.dimensions]
    }

    fn squared<'a>(
        &'a self,
        a: &'a [f64],
        b: &'a [f64],
    ) -> impl Iterator<Item = f64> + Clone + use<'a> {
        a.iter().zip(b).zip(&self.unordered).map(|((a, b), unordered)| {
            if *unordered { f64::from(u8::from(a != b)) } else { (a - b) * (a - b) }
        })
    }

    /// Squared differences of each pair i > j along each dimension.
    fn squares(&self) -> Vec<f64> {
        let mut squares = Vec::with_capacity(self.len() * self.len() * self.dimensions / 2);
        for i in 0..self.len() {
            for j in 0..i {
                squares.extend(self.squared(self.point(i), self.point(j)));
            }
        }
        squares
    }
}

/// The settings of a kernel, as logarithms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Lengths, then the variance of the signal, then that of the noise.
    pub(crate) logs: Vec<f64>,
    /// The share of the signal that is a sum of one function per dimension (Duvenaud et al. 2011,
    /// "Additive Gaussian processes"); the rest depends on all dimensions together.
    pub(crate) additive: f64,
}

impl Settings {
    fn kernel(&self) -> Kernel {
        let inverse_squares = self.inverse_squares();
        Kernel { inverse_squares, signal: self.signal(), additive: self.additive }
    }

    fn inverse_squares(&self) -> Vec<f64> {
        self.logs[..self.logs.len() - 2].iter().map(|log| (-2.0 * log).exp()).collect()
    }

    fn signal(&self) -> f64 {
        self.logs[self.logs.len() - 2].exp()
    }

    pub(crate) fn noise(&self) -> f64 {
        self.logs[self.logs.len() - 1].exp()
    }
}

/// The covariance of two points, from their squared differences along each dimension.
#[derive(Clone, Debug)]
struct Kernel {
    inverse_squares: Vec<f64>,
    signal: f64,
    additive: f64,
}

impl Kernel {
    fn covariance(&self, squares: impl Iterator<Item = f64>) -> f64 {
        let d = self.inverse_squares.len() as f64;
        let (mut all, mut sum) = (0.0, 0.0);
        for (square, inverse) in squares.zip(&self.inverse_squares) {
            let scaled = square * inverse;
            all += scaled;
            if self.additive > 0.0 {
                // The lengths of the joint part are √d times those of the additive part.
                sum += matern(scaled * d).0;
            }
        }
        self.signal * ((1.0 - self.additive) * matern(all).0 + self.additive / d * sum)
    }

    /// The covariance and, for each dimension, −2 times its slope along the scaled square.
    fn slopes(&self, squares: impl Iterator<Item = f64> + Clone, slopes: &mut [f64]) -> f64 {
        let d = self.inverse_squares.len() as f64;
        let scaled = squares.zip(&self.inverse_squares).map(|(square, inverse)| square * inverse);
        let (joint, joint_slope) = matern(scaled.clone().sum());
        let joint_slope = self.signal * (1.0 - self.additive) * joint_slope;
        if self.additive == 0.0 {
            slopes.fill(joint_slope);
            return self.signal * joint;
        }
        let mut sum = 0.0;
        for (slope, scaled) in slopes.iter_mut().zip(scaled) {
            let (alone, alone_slope) = matern(scaled * d);
            sum += alone;
            *slope = joint_slope + self.signal * self.additive * alone_slope;
        }
        self.signal * ((1.0 - self.additive) * joint + self.additive / d * sum)
    }
}

/// The Matérn-5/2 function of a squared scaled distance, and −2 times its slope there.
fn matern(squared: f64) -> (f64, f64) {
    let r = (5.0 * squared).sqrt();
    let decay = (-r).exp();
    ((1.0 + r + r * r / 3.0) * decay, 5.0 / 3.0 * (1.0 + r) * decay)
}

/// The smallest noise, relative to standardized values; it keeps the matrix regular.
const JITTER: f64 = 1e-8;

/// The negative logarithm of the marginal likelihood, with its gradient.
pub(crate) struct Likelihood<'a> {
    observations: &'a Observations,
    squares: Vec<f64>,
}

impl<'a> Likelihood<'a> {
    pub(crate) fn new(observations: &'a Observations) -> Self {
        Self { observations, squares: observations.squares() }
    }

    /// The value at these settings up to a constant; infinite if the covariance is singular.
    pub(crate) fn cost(&self, settings: &Settings, gradient: &mut [f64]) -> f64 {
        let seen = self.observations;
        let (n, d) = (seen.len(), seen.dimensions);
        let (kernel, signal, noise) = (settings.kernel(), settings.signal(), settings.noise());
        let mut lower = vec![0.0; n * n];
        let mut slopes = vec![0.0; self.squares.len()];
        let mut covariances = Vec::with_capacity(n * n / 2);
        let mut pairs = self.squares.chunks_exact(d).zip(slopes.chunks_exact_mut(d));
        for i in 0..n {
            for (entry, (squares, slopes)) in lower[i * n..i * n + i].iter_mut().zip(&mut pairs) {
                *entry = kernel.slopes(squares.iter().copied(), slopes);
                covariances.push(*entry);
            }
            lower[i * n + i] = signal + noise / seen.repetitions[i] + JITTER;
        }
        if !cholesky(&mut lower, n) {
            return f64::INFINITY;
        }
        let upper = inverse_transposed(&lower, n);
        let mut half = seen.values.clone();
        forward(&lower, n, &mut half);
        let weights = times_upper(&upper, n, &half);
        let log_root: f64 = (0..n).map(|i| lower[i * n + i].ln()).sum();
        // Repetitions show the noise, whatever the signal.
        let extra = seen.repetitions.iter().sum::<f64>() - n as f64;
        let repeated = 0.5 * (extra * (noise + JITTER).ln() + seen.scatter / (noise + JITTER));

        gradient.fill(0.0);
        let (lengths, rest) = gradient.split_at_mut(d);
        let mut pairs = self.squares.chunks_exact(d).zip(slopes.chunks_exact(d)).zip(covariances);
        for i in 0..n {
            for (j, ((squares, slopes), covariance)) in (0..i).zip(&mut pairs) {
                let inverse = dot(&upper[i * n + i..(i + 1) * n], &upper[j * n + i..(j + 1) * n]);
                // Each pair stands for (i, j) and (j, i), which cancels the factor of a half.
                let share = inverse - weights[i] * weights[j];
                rest[0] += share * covariance;
                let products = squares.iter().zip(slopes).map(|(square, slope)| square * slope);
                lengths
                    .iter_mut()
                    .zip(products)
                    .for_each(|(length, product)| *length += share * product);
            }
            let row = &upper[i * n + i..(i + 1) * n];
            let share = 0.5 * (dot(row, row) - weights[i] * weights[i]);
            rest[0] += share * signal;
            rest[1] += share * noise / seen.repetitions[i];
        }
        lengths
            .iter_mut()
            .zip(&kernel.inverse_squares)
            .for_each(|(length, inverse)| *length *= inverse);
        rest[1] += 0.5 * noise / (noise + JITTER) * (extra - seen.scatter / (noise + JITTER));
        0.5 * dot(&half, &half) + log_root + repeated
    }
}

/// A process conditioned on observations.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    observations: Observations,
    settings: Settings,
    kernel: Kernel,
    lower: Vec<f64>,
    /// L⁻ᵀ.
    upper: Vec<f64>,
    weights: Vec<f64>,
}

impl Process {
    /// Conditions a process on observations. If the covariance is singular in floating point, the noise
    /// is raised tenfold until it is not. `None` without points, or if values are not finite.
    pub(crate) fn new(observations: Observations, settings: &Settings) -> Option<Self> {
        let n = observations.len();
        if n == 0 || observations.values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let (kernel, signal) = (settings.kernel(), settings.signal());
        let squares = observations.squares();
        let mut jitter = JITTER;
        loop {
            let mut lower = vec![0.0; n * n];
            let mut pairs = squares.chunks_exact(observations.dimensions);
            for i in 0..n {
                for (entry, squares) in lower[i * n..i * n + i].iter_mut().zip(&mut pairs) {
                    *entry = kernel.covariance(squares.iter().copied());
                }
                lower[i * n + i] = signal + settings.noise() / observations.repetitions[i] + jitter;
            }
            if cholesky(&mut lower, n) {
                let upper = inverse_transposed(&lower, n);
                let mut half = observations.values.clone();
                forward(&lower, n, &mut half);
                let weights = times_upper(&upper, n, &half);
                let settings = settings.clone();
                return Some(Self { observations, settings, kernel, lower, upper, weights });
            }
            jitter *= 10.0;
            if jitter > 1.0 {
                return None;
            }
        }
    }

    /// A process with the same settings, conditioned on other observations.
    pub(crate) fn with(&self, observations: Observations) -> Option<Self> {
        Self::new(observations, &self.settings)
    }

    pub(crate) fn observations(&self) -> &Observations {
        &self.observations
    }

    /// The sum of the log densities of each value given the others (Rasmussen and Williams, equations
    /// 5.10 to 5.12), up to a constant.
    pub(crate) fn leave_one_out(&self) -> f64 {
        let n = self.observations.len();
        (0..n)
            .map(|i| {
                let row = &self.upper[i * n + i..(i + 1) * n];
                let precision = dot(row, row);
                0.5 * (precision.ln() - self.weights[i] * self.weights[i] / precision)
            })
            .sum()
    }

    /// The sum of the log densities of each value whose last coordinate is 1, given those that differ in
    /// the other coordinates, up to a constant.
    ///
    /// Given the other points, a group of points has the inverse of its block of K⁻¹ as covariance, and
    /// its residuals are that covariance times the group's weights.
    pub(crate) fn leave_curves_out(&self) -> f64 {
        let seen = &self.observations;
        let n = seen.len();
        let place = |i: usize| seen.point(i).split_last();
        (0..n)
            .filter(|i| place(*i).is_some_and(|split| *split.0 == 1.0))
            .map(|i| {
                let own = place(i).map(|split| split.1);
                let mut group = vec![i];
                group.extend((0..n).filter(|j| *j != i && place(*j).map(|split| split.1) == own));
                let size = group.len();
                let mut precision = vec![0.0; size * size];
                for (a, i) in group.iter().enumerate() {
                    for (b, j) in group.iter().enumerate() {
                        let from = (*i).max(*j);
                        precision[a * size + b] = dot(
                            &self.upper[i * n + from..(i + 1) * n],
                            &self.upper[j * n + from..(j + 1) * n],
                        );
                    }
                }
                if !cholesky(&mut precision, size) {
                    return 0.0;
                }
                let upper = inverse_transposed(&precision, size);
                // The first row of the inverse: L⁻ᵀ L⁻¹.
                let off: f64 = (0..size)
                    .map(|b| {
                        let row = dot(&upper[b..size], &upper[b * size + b..(b + 1) * size]);
                        row * self.weights[group[b]]
                    })
                    .sum();
                let variance = dot(&upper[..size], &upper[..size]);
                -0.5 * (variance.ln() + off * off / variance)
            })
            .sum()
    }

    /// Posterior mean and variance of the signal at a point.
    pub(crate) fn at(&self, point: &[f64]) -> (f64, f64) {
        let n = self.observations.len();
        let mut cross: Vec<f64> =
            self.squares(point).map(|squares| self.kernel.covariance(squares)).collect();
        let mean = dot(&cross, &self.weights);
        forward(&self.lower, n, &mut cross);
        (mean, (self.kernel.signal - dot(&cross, &cross)).max(1e-12))
    }

    /// Posterior mean and variance at a point, and the gradients of both.
    pub(crate) fn slope(
        &self,
        point: &[f64],
        mean_slope: &mut [f64],
        variance_slope: &mut [f64],
    ) -> (f64, f64) {
        let seen = &self.observations;
        let mut slopes = vec![0.0; seen.points.len()];
        let mut cross: Vec<f64> = self
            .squares(point)
            .zip(slopes.chunks_exact_mut(seen.dimensions))
            .map(|(squares, slopes)| self.kernel.slopes(squares, slopes))
            .collect();
        let mean = dot(&cross, &self.weights);
        forward(&self.lower, seen.len(), &mut cross);
        let variance = (self.kernel.signal - dot(&cross, &cross)).max(1e-12);
        let solved = times_upper(&self.upper, seen.len(), &cross);
        mean_slope.fill(0.0);
        variance_slope.fill(0.0);
        for (i, slopes) in slopes.chunks_exact(seen.dimensions).enumerate() {
            let (mean_share, variance_share) = (self.weights[i], 2.0 * solved[i]);
            for (k, (other, slope)) in seen.point(i).iter().zip(slopes).enumerate() {
                let offset = if seen.unordered[k] { 0.0 } else { slope * (point[k] - other) };
                mean_slope[k] -= mean_share * offset;
                variance_slope[k] += variance_share * offset;
            }
        }
        for (k, inverse) in self.kernel.inverse_squares.iter().enumerate() {
            mean_slope[k] *= inverse;
            variance_slope[k] *= inverse;
        }
        (mean, variance)
    }

    /// Squared differences to the observed points along each dimension.
    fn squares<'a>(
        &'a self,
        point: &'a [f64],
    ) -> impl Iterator<Item = impl Iterator<Item = f64> + Clone + use<'a>> {
        let others = self.observations.points.chunks_exact(self.observations.dimensions);
        others.map(move |other| self.observations.squared(point, other))
    }
}
