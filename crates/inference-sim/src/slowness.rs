//! A server that is slower for a while.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use units::Seconds;

/// A factor on the times of a server that changes slowly: log-normal with mean 1, whose logarithm is an
/// Ornstein-Uhlenbeck process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slowness {
    /// The standard deviation of the logarithm.
    sigma: f64,
    /// Seconds after which the correlation of the logarithm is 1/e.
    fades_s: f64,
}

/// The factor of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    /// Standard normal, and when it was; nothing before the first batch.
    last: Option<(f64, f64)>,
}

impl Slowness {
    /// A factor with this coefficient of variation and time of correlation.
    pub(crate) fn new(cv: f64, fades_s: f64) -> Self {
        Self { sigma: (cv * cv).ln_1p().sqrt(), fades_s }
    }

    /// The factor of a batch that starts now.
    pub(crate) fn factor(self, pace: &mut Pace, now_s: f64, random: &mut ChaCha8Rng) -> f64 {
        let normal: f64 = StandardNormal.sample(random);
        let value = match pace.last {
            None => normal,
            Some((value, at_s)) => {
                let left = (-(now_s - at_s).max(0.0) / self.fades_s).exp();
                value * left + normal * (1.0 - left * left).max(0.0).sqrt()
            }
        };
        pace.last = Some((value, now_s));
        (self.sigma * value - self.sigma * self.sigma / 2.0).exp()
    }
}

/// How much slower than on average a server was at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceSample {
    /// When it was measured.
    pub time: Seconds,
    /// The measured time of a batch over the mean of all batches of that kind.
    pub ratio: f64,
}

/// The fewest samples that say something about slowness.
const SAMPLES: usize = 30;
/// More pairs of samples would take long, and say little more.
const MOST_SAMPLES: usize = 3_000;
const LAGS: usize = 20;

/// Fits the factor of [`crate::ServiceLaw::slowing`] to measured paces: its coefficient of variation and the
/// time over which it fades, in seconds. `None` for fewer than 30 samples, without times between them,
/// or where the logarithms of the ratios are no more alike when they are near in time.
///
/// The mean of ½ (x(t) − x(t + h))² over pairs of logarithms, which is the variogram, is
/// n + σ² (1 − exp(−h / fades)): n is the variance of single batches. Of a grid of times, the one with
/// the least squares is taken, over lags that are equally far apart in logarithm (Cressie 1993,
/// Statistics for Spatial Data, section 2.6). Lags over half of the time measured are left out.
#[must_use]
pub fn fit_slowness(samples: &[PaceSample]) -> Option<(f64, Seconds)> {
    let step = samples.len().div_ceil(MOST_SAMPLES).max(1);
    let points: Vec<(f64, f64)> = samples
        .iter()
        .step_by(step)
        .map(|sample| (sample.time.0, sample.ratio.ln()))
        .filter(|(time, log)| time.is_finite() && log.is_finite())
        .collect();
    if points.len() < SAMPLES {
        return None;
    }
    let times = || points.iter().map(|point| point.0);
    let span_s = times().fold(f64::MIN, f64::max) - times().fold(f64::MAX, f64::min);
    let pairs = || {
        let others = |(number, a): (usize, &(f64, f64))| {
            let a = *a;
            points[number + 1..].iter().map(move |b| ((b.0 - a.0).abs(), (b.1 - a.1).powi(2) / 2.0))
        };
        points.iter().enumerate().flat_map(others)
    };
    let shortest_s = pairs().map(|pair| pair.0).filter(|&lag| lag > 0.0).fold(f64::MAX, f64::min);
    let longest_s = span_s / 2.0;
    if shortest_s >= longest_s {
        return None;
    }
    let per_lag = (longest_s / shortest_s).ln() / LAGS as f64;
    // Sums of lags and squares, and counts.
    let mut lags = [(0.0, 0.0, 0.0); LAGS];
    for (lag_s, square) in pairs().filter(|pair| (shortest_s..=longest_s).contains(&pair.0)) {
        let number = ((lag_s / shortest_s).ln() / per_lag) as usize;
        let lag = &mut lags[number.min(LAGS - 1)];
        *lag = (lag.0 + lag_s, lag.1 + square, lag.2 + 1.0);
    }
    // All lags weigh the same: the many pairs of long lags say little about the time of fading.
    let variogram: Vec<(f64, f64)> = lags
        .iter()
        .filter(|lag| lag.2 > 0.0)
        .map(|&(time, square, count)| (time / count, square / count))
        .collect();
    let plain = line(&variogram, |_| 0.0).2;
    let fades = (0..=100).map(|step| {
        let share = f64::from(step) / 100.0;
        shortest_s * (longest_s / shortest_s).powf(share)
    });
    let fits = fades.map(|fades_s| {
        let (_, variance, error) = line(&variogram, |lag_s| 1.0 - (-lag_s / fades_s).exp());
        (fades_s, variance, error)
    });
    let (fades_s, variance, error) = fits.min_by(|a, b| a.2.total_cmp(&b.2))?;
    // A constant explains the variogram nearly as well: there is no slowness that lasts.
    if variance <= 0.0 || error > 0.5 * plain {
        return None;
    }
    Some((variance.exp_m1().sqrt(), Seconds(fades_s)))
}

/// The line `n + v · x(lag)` through rows of lag and value: n, v and the mean of the squared errors.
/// Without a slope where x is constant.
fn line(rows: &[(f64, f64)], x: impl Fn(f64) -> f64) -> (f64, f64, f64) {
    let mean = |value: &dyn Fn(&(f64, f64)) -> f64| {
        rows.iter().map(value).sum::<f64>() / rows.len() as f64
    };
    let (x_mean, y_mean) = (mean(&|row| x(row.0)), mean(&|row| row.1));
    let square = mean(&|row| (x(row.0) - x_mean).powi(2));
    let slope = if square > 1e-12 {
        mean(&|row| (x(row.0) - x_mean) * (row.1 - y_mean)) / square
    } else {
        0.0
    };
    let start = y_mean - slope * x_mean;
    (start, slope, mean(&|row| (row.1 - start - slope * x(row.0)).powi(2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn the_factor_has_its_mean_variation_and_correlation() {
        let slowness = Slowness::new(0.3, 5.0);
        let mut random = generator(1, Stream::Slowness, 0);
        let mut pace = Pace::default();
        let factors: Vec<f64> = (0..400_000)
            .map(|step| slowness.factor(&mut pace, f64::from(step), &mut random))
            .collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&factors) - 1.0).abs() < 0.01);
        let squares: Vec<f64> = factors.iter().map(|factor| (factor - 1.0).powi(2)).collect();
        assert!((mean(&squares).sqrt() - 0.3).abs() < 0.01);
        // The logarithms after 5 seconds are correlated by 1/e.
        let logs: Vec<f64> = factors.iter().map(|factor| factor.ln()).collect();
        let center = mean(&logs);
        let products: Vec<f64> =
            logs.windows(6).map(|pair| (pair[0] - center) * (pair[5] - center)).collect();
        let variances: Vec<f64> = logs.iter().map(|log| (log - center).powi(2)).collect();
        let correlation = mean(&products) / mean(&variances);
        assert!((correlation - (-1.0_f64).exp()).abs() < 0.02, "{correlation}");
    }

    /// Paces every second, with the variation of single batches.
    fn samples(slowness: Option<Slowness>, seed: u64, noise: f64) -> Vec<PaceSample> {
        let mut random = generator(seed, Stream::Slowness, 0);
        let mut pace = Pace::default();
        (0..2_000)
            .map(|step| {
                let time = f64::from(step);
                let factor =
                    slowness.map_or(1.0, |slowness| slowness.factor(&mut pace, time, &mut random));
                let normal: f64 = StandardNormal.sample(&mut random);
                PaceSample { time: Seconds(time), ratio: factor * (noise * normal).exp() }
            })
            .collect()
    }

    #[test]
    fn a_known_slowness_is_found_in_noise() {
        for (cv, fades_s) in [(0.1, 20.0), (0.05, 10.0)] {
            let found: Vec<(f64, Seconds)> = (1..=8)
                .filter_map(|seed| {
                    fit_slowness(&samples(Some(Slowness::new(cv, fades_s)), seed, 0.03))
                })
                .collect();
            assert_eq!(found.len(), 8, "{cv}");
            let mean =
                |value: fn(&(f64, Seconds)) -> f64| found.iter().map(value).sum::<f64>() / 8.0;
            assert!((mean(|fit| fit.0) / cv - 1.0).abs() < 0.15, "{found:?}");
            assert!((mean(|fit| fit.1.0.ln()) - fades_s.ln()).abs() < 0.4, "{found:?}");
        }
    }

    #[test]
    fn noise_is_no_slowness() {
        let found = (1..=20).filter_map(|seed| fit_slowness(&samples(None, seed, 0.05)));
        let large = found.filter(|fit| fit.0 > 0.01).count();
        assert!(large <= 1, "{large} of 20");
        assert_eq!(fit_slowness(&samples(None, 1, 0.05)[..20]), None);
        let at_once = [PaceSample { time: Seconds(1.0), ratio: 1.1 }; 40];
        assert_eq!(fit_slowness(&at_once), None);
    }
}
