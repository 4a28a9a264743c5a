//! A Gaussian process with a Matérn-5/2 kernel, a length for each dimension, and fitted noise
//! (Rasmussen and Williams 2006, chapters 2, 4 and 5).

use super::dense::{cholesky, dot, forward, inverse_transposed, times_upper};

/// What was observed: one row a distinct point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations {
    pub(crate) dimensions: usize,
    /// Dimensions without an order: two places are the same, or at distance 1.
    pub(crate) unordered: Vec<bool>,
    /// Points of the unit cube, one after another.
    pub(crate) points: Vec<f64>,
    /// Mean of the values at each point.
    pub(crate) values: Vec<f64>,
    /// How often each point was tried.
    pub(crate) repetitions: Vec<f64>,
    /// Squared deviations from those means, summed over all points.
    pub(crate) scatter: f64,
}

impl Observations {
    /// Merges points that are the same into their mean.
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

    fn squared(&self, a: &[f64], b: &[f64]) -> impl Iterator<Item = f64> {
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

/// Logarithms of the kernel's settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Lengths, then the variance of the signal, then that of the noise.
    pub(crate) logs: Vec<f64>,
}

impl Settings {
    fn inverse_squares(&self) -> Vec<f64> {
        self.logs[..self.logs.len() - 2].iter().map(|it| (-2.0 * it).exp()).collect()
    }

    fn signal(&self) -> f64 {
        self.logs[self.logs.len() - 2].exp()
    }

    pub(crate) fn noise(&self) -> f64 {
        self.logs[self.logs.len() - 1].exp()
    }
}

/// Matérn 5/2 at a squared scaled distance, and −2 times its slope there.
fn matern(squared: f64) -> (f64, f64) {
    let r = (5.0 * squared).sqrt();
    let decay = (-r).exp();
    ((1.0 + r + r * r / 3.0) * decay, 5.0 / 3.0 * (1.0 + r) * decay)
}

/// The least noise, relative to standardized values: keeps the matrix regular.
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

    /// At these settings, but for a constant; infinite where the covariance is singular.
    pub(crate) fn cost(&self, settings: &Settings, gradient: &mut [f64]) -> f64 {
        let it = self.observations;
        let (n, d) = (it.len(), it.dimensions);
        let (inverse_squares, signal, noise) =
            (settings.inverse_squares(), settings.signal(), settings.noise());
        let mut lower = vec![0.0; n * n];
        let mut slopes = Vec::with_capacity(n * n / 2);
        let mut covariances = Vec::with_capacity(n * n / 2);
        let mut pairs = self.squares.chunks_exact(d);
        for i in 0..n {
            for (entry, squares) in lower[i * n..i * n + i].iter_mut().zip(&mut pairs) {
                let (covariance, slope) = matern(dot(squares, &inverse_squares));
                *entry = signal * covariance;
                covariances.push(*entry);
                slopes.push(signal * slope);
            }
            lower[i * n + i] = signal + noise / it.repetitions[i] + JITTER;
        }
        if !cholesky(&mut lower, n) {
            return f64::INFINITY;
        }
        let upper = inverse_transposed(&lower, n);
        let mut half = it.values.clone();
        forward(&lower, n, &mut half);
        let weights = times_upper(&upper, n, &half);
        let log_root: f64 = (0..n).map(|i| lower[i * n + i].ln()).sum();
        // Repetitions say how much noise there is, whatever the signal.
        let extra = it.repetitions.iter().sum::<f64>() - n as f64;
        let repeated = 0.5 * (extra * (noise + JITTER).ln() + it.scatter / (noise + JITTER));

        gradient.fill(0.0);
        let (lengths, rest) = gradient.split_at_mut(d);
        let mut pairs = self.squares.chunks_exact(d).zip(slopes).zip(covariances);
        for i in 0..n {
            for (j, ((squares, slope), covariance)) in (0..i).zip(&mut pairs) {
                let inverse = dot(&upper[i * n + i..(i + 1) * n], &upper[j * n + i..(j + 1) * n]);
                // Each pair stands for (i, j) and (j, i), which cancels the half.
                let share = inverse - weights[i] * weights[j];
                rest[0] += share * covariance;
                let share = share * slope;
                lengths.iter_mut().zip(squares).for_each(|(it, square)| *it += share * square);
            }
            let row = &upper[i * n + i..(i + 1) * n];
            let share = 0.5 * (dot(row, row) - weights[i] * weights[i]);
            rest[0] += share * signal;
            rest[1] += share * noise / it.repetitions[i];
        }
        lengths.iter_mut().zip(&inverse_squares).for_each(|(it, inverse)| *it *= inverse);
        rest[1] += 0.5 * noise / (noise + JITTER) * (extra - it.scatter / (noise + JITTER));
        0.5 * dot(&half, &half) + log_root + repeated
    }
}

/// A process that has seen its observations.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    observations: Observations,
    settings: Settings,
    inverse_squares: Vec<f64>,
    signal: f64,
    lower: Vec<f64>,
    /// L⁻ᵀ.
    upper: Vec<f64>,
    weights: Vec<f64>,
}

impl Process {
    /// Conditions on observations. Where the covariance is singular in floating point, the noise is
    /// raised tenfold until it is not; `None` of no points, or values that are not finite.
    pub(crate) fn new(observations: Observations, settings: &Settings) -> Option<Self> {
        let n = observations.len();
        if n == 0 || observations.values.iter().any(|it| !it.is_finite()) {
            return None;
        }
        let (inverse_squares, signal) = (settings.inverse_squares(), settings.signal());
        let squares = observations.squares();
        let mut jitter = JITTER;
        loop {
            let mut lower = vec![0.0; n * n];
            let mut pairs = squares.chunks_exact(observations.dimensions);
            for i in 0..n {
                for (entry, squares) in lower[i * n..i * n + i].iter_mut().zip(&mut pairs) {
                    *entry = signal * matern(dot(squares, &inverse_squares)).0;
                }
                lower[i * n + i] = signal + settings.noise() / observations.repetitions[i] + jitter;
            }
            if cholesky(&mut lower, n) {
                let upper = inverse_transposed(&lower, n);
                let mut half = observations.values.clone();
                forward(&lower, n, &mut half);
                let weights = times_upper(&upper, n, &half);
                let settings = settings.clone();
                return Some(Self {
                    observations,
                    settings,
                    inverse_squares,
                    signal,
                    lower,
                    upper,
                    weights,
                });
            }
            jitter *= 10.0;
            if jitter > 1.0 {
                return None;
            }
        }
    }

    /// The same settings after other observations.
    pub(crate) fn with(&self, observations: Observations) -> Option<Self> {
        Self::new(observations, &self.settings)
    }

    pub(crate) fn observations(&self) -> &Observations {
        &self.observations
    }

    /// Logarithm of the density that each value has under the others, summed (Rasmussen and
    /// Williams, equations 5.10 to 5.12), but for a constant.
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

    /// Mean and variance of the signal at a point.
    pub(crate) fn at(&self, point: &[f64]) -> (f64, f64) {
        let n = self.observations.len();
        let mut cross: Vec<f64> =
            self.distances(point).map(|it| self.signal * matern(it).0).collect();
        let mean = dot(&cross, &self.weights);
        forward(&self.lower, n, &mut cross);
        (mean, (self.signal - dot(&cross, &cross)).max(1e-12))
    }

    /// The same, with the gradients of both.
    pub(crate) fn slope(
        &self,
        point: &[f64],
        mean_slope: &mut [f64],
        variance_slope: &mut [f64],
    ) -> (f64, f64) {
        let it = &self.observations;
        let (mut cross, slopes): (Vec<f64>, Vec<f64>) = self
            .distances(point)
            .map(|it| {
                let (covariance, slope) = matern(it);
                (self.signal * covariance, self.signal * slope)
            })
            .unzip();
        let mean = dot(&cross, &self.weights);
        forward(&self.lower, it.len(), &mut cross);
        let variance = (self.signal - dot(&cross, &cross)).max(1e-12);
        let solved = times_upper(&self.upper, it.len(), &cross);
        mean_slope.fill(0.0);
        variance_slope.fill(0.0);
        for (i, slope) in slopes.iter().enumerate() {
            let (mean_share, variance_share) = (self.weights[i] * slope, 2.0 * solved[i] * slope);
            for (k, other) in it.point(i).iter().enumerate() {
                let offset = if it.unordered[k] { 0.0 } else { point[k] - other };
                mean_slope[k] -= mean_share * offset;
                variance_slope[k] += variance_share * offset;
            }
        }
        for (k, inverse) in self.inverse_squares.iter().enumerate() {
            mean_slope[k] *= inverse;
            variance_slope[k] *= inverse;
        }
        (mean, variance)
    }

    /// Squared scaled distances to the observed points.
    fn distances(&self, point: &[f64]) -> impl Iterator<Item = f64> {
        self.observations.points.chunks_exact(self.observations.dimensions).map(|other| {
            let squared = self.observations.squared(point, other);
            squared.zip(&self.inverse_squares).map(|(it, inverse)| it * inverse).sum()
        })
    }
}
