//! Poisson arrivals whose rate follows a line through given points.

use std::sync::Arc;

use units::limits;

use crate::error::{ConfigError, limited};

pub(crate) const POINTS: &str = "rows of [seconds, requests per second], the first at 0 seconds, times rising, and a rate \
                                 above 0 in the last row";

/// The rate over time: linear between the points, and that of the last point after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ramp(Arc<[(f64, f64)]>);

impl Ramp {
    pub(crate) fn new(points: &[(f64, f64)]) -> Result<Self, ConfigError> {
        let key = "arrivals.points";
        for &(time, rate) in points {
            limited(key, time, limits::DURATION_S)?;
            limited(key, rate, limits::RATE_OR_ZERO_PER_S)?;
        }
        let rises = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let starts = points.first().is_some_and(|point| point.0 == 0.0);
        let goes_on = points.last().is_some_and(|point| limits::RATE_PER_S.check(point.1).is_ok());
        if !(rises && starts && goes_on) {
            let found = format!("{points:?}");
            return Err(ConfigError::Invalid { key, found, expected: POINTS });
        }
        Ok(Self(points.into()))
    }

    /// The rate after the last point.
    pub(crate) fn last_rate(&self) -> f64 {
        self.0.last().map_or(0.0, |point| point.1)
    }

    /// The time at which the integral of the rate from `time` on is `area`; `segment` is the number
    /// of points so far, which only rises.
    ///
    /// With exponential areas of mean 1 these are the arrivals of a Poisson process (inversion of
    /// the mean function: Çinlar 1975, Introduction to Stochastic Processes, section 4.7).
    #[inline]
    pub(crate) fn after(&self, mut time: f64, mut area: f64, segment: &mut usize) -> f64 {
        while let Some(&(end, end_rate)) = self.0.get(*segment) {
            if end <= time {
                *segment += 1;
                continue;
            }
            let (start, start_rate) = self.0[segment.saturating_sub(1)];
            let slope = (end_rate - start_rate) / (end - start);
            let rate = start_rate + slope * (time - start);
            let left = (rate + end_rate) / 2.0 * (end - time);
            if area < left {
                // The root of rate · d + slope / 2 · d² = area, without cancellation.
                let root = (rate * rate + 2.0 * slope * area).max(0.0).sqrt();
                return (time + 2.0 * area / (rate + root)).min(end);
            }
            area -= left;
            time = end;
            *segment += 1;
        }
        time + area / self.last_rate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_function_is_inverted() {
        let ramp = Ramp::new(&[(0.0, 0.0), (10.0, 2.0), (20.0, 0.0), (30.0, 1.0)]).unwrap();
        // 10 in the first segment, 10 in the second, 5 in the third, then 1 per second.
        for (area, expected) in
            [(2.5, 5.0), (10.0, 10.0), (17.5, 15.0), (20.0 + 1.25, 25.0), (26.0, 31.0)]
        {
            let mut segment = 0;
            let found = ramp.after(0.0, area, &mut segment);
            assert!((found - expected).abs() < 1e-9, "{area}: {found}");
            // In two steps.
            let mut segment = 0;
            let half = ramp.after(0.0, area / 2.0, &mut segment);
            let found = ramp.after(half, area / 2.0, &mut segment);
            assert!((found - expected).abs() < 1e-9, "{area}: {found}");
        }
        for points in
            [&[][..], &[(1.0, 1.0)], &[(0.0, 1.0), (0.0, 2.0)], &[(0.0, 0.0)], &[(0.0, f64::NAN)]]
        {
            assert!(Ramp::new(points).is_err(), "{points:?}");
        }
    }
}
