//! The 95 % interval of an energy.
//!
//! An interval has two parts. The *random* part is how much the result would change for another
//! window of the same work: at each end the sensor's value is up to one update period old and is
//! rounded to a unit, and power that is sampled may have changed between two samples. Each of these is
//! a variance. Half of the interval is 1.93 standard deviations, which gives 95 % coverage within half
//! a percent both for the difference of two uniform phases (1.90) and for a sum of many terms (1.96).
//! If power differs between the two ends, the counter's delay has a different effect at each end and
//! shifts the error to one side.
//!
//! The *systematic* part is the error of the gain that the sensor's maker states, or of a model's
//! coefficients. It is the same in every window and is added in quadrature (GUM, JCGM 100:2008,
//! 5.1.2). If nothing is stated, [`gain`] assumes a value, and 0 for RAPL.

use units::{Domain, Joules, Seconds, Watts};

use crate::source::{Channel, Kind};

/// Number of standard deviations in half of a 95 % interval.
const HALF_WIDTH: f64 = 1.93;

/// Number of standard deviations below which 95 % of a distribution lie: 1.68 for two uniform phases,
/// 1.64 for a sum of many terms.
const ONE_SIDED: f64 = 1.66;

/// The random part of an error: its variance and its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Random {
    pub(crate) variance: f64,
    pub(crate) bias: Joules,
}

impl Random {
    /// Half of the interval around the reported value that contains the true value in 95 % of cases.
    fn half_width(self) -> f64 {
        let (deviation, bias) = (self.variance.sqrt(), self.bias.0.abs());
        if deviation == 0.0 {
            return bias;
        }
        // From a two-sided to a one-sided interval as the bias grows.
        let factor = ONE_SIDED + (HALF_WIDTH - ONE_SIDED) * (-2.0 * bias / deviation).exp();
        bias + factor * deviation
    }
}

/// Variance of a uniform distribution of width 1.
const UNIFORM: f64 = 1.0 / 12.0;

/// Variance from one end of a span: power × the age of the value, which is uniform over `width`.
pub(crate) fn edge_variance(power: Watts, width: Seconds) -> f64 {
    (power * width).0.powi(2) * UNIFORM
}

/// Variance of the difference of two readings that are rounded down to a unit.
pub(crate) fn resolution_variance(unit: Joules) -> f64 {
    unit.0.powi(2) * 2.0 * UNIFORM
}

/// The error of a sensor of which nothing is stated. A shunt has 1 % to 5 % and a monitor chip 0.5 % to
/// 1 % of full scale (TI INA219, INA226), which is more of a small reading; ACPI meters state 95 %
/// to 98 % accuracy where they state any; GPU boards were found 6 % low to 3 % high (Yang, Adamek,
/// Armour, SC24).
const UNSTATED: f64 = 0.1;

/// Half of the 95 % interval of a channel's gain, as a share.
///
/// Intel and AMD state none for the energy counters of processors, and comparisons with other
/// sensors differ by more than any single value would cover, so nothing is assumed there.
pub(crate) fn gain(channel: &Channel) -> f64 {
    let of_processor = matches!(
        channel.domain,
        Domain::CpuPackage
            | Domain::CpuDie
            | Domain::CpuCore
            | Domain::CpuUncore
            | Domain::CpuProcess
            | Domain::Dram
            | Domain::Psys
    );
    let unstated = if of_processor && channel.kind != Kind::Power { 0.0 } else { UNSTATED };
    channel.relative_error.unwrap_or(unstated)
}

/// A sensor is delayed by half of its window, and its value is half an update period old on average
/// and a whole one at most.
const DELAYED: f64 = 0.6;

/// A sensor whose window is long compared with the span may be off by this many times the energy.
const MOST_UNSEEN: f64 = 3.0;

/// Variance of an integral of powers from what its sensor shows late: `behind` is its averaging time
/// plus its update period.
///
/// A reading is a mean over a time that began before the span, so the span's own power at its ends
/// is not known, however steady the readings are. At one end of the span the power before may have
/// been as far from the span's as that is from nothing, which shifts a good half of `behind` by the
/// mean power. For a span shorter than that, the readings may have nothing to do with it: power may be
/// nothing or several times as high (an idle GPU that begins to work).
///
/// Boards whose `nvidia-smi` averages over 1 s are off by -53 % to +105 % in windows of 0.5 s (five
/// boards with a meter in their supply lines: Yang, Adamek, Armour, SC24), so that the truth may be
/// 113 % above the reading; this rule gives ±132 %.
pub(crate) fn unseen_variance(energy: Joules, duration: Seconds, behind: Seconds) -> f64 {
    if duration.0 <= 0.0 || behind.0 <= 0.0 {
        return 0.0;
    }
    let share = (behind / duration * DELAYED).min(MOST_UNSEEN);
    (energy.0 * share / HALF_WIDTH).powi(2)
}

/// How much sampled power varied: running sums over the steps of an integral.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sway {
    steps: f64,
    power: f64,
    power_squared: f64,
    jumps_squared: f64,
    /// Σ (jump × length)².
    products_squared: f64,
}

impl Sway {
    /// Adds a step between two samples of power, given their mean and their difference.
    pub(crate) fn add(&mut self, mean: Watts, jump: Watts, length: Seconds) {
        self.steps += 1.0;
        self.power += mean.0;
        self.power_squared += mean.0.powi(2);
        self.jumps_squared += jump.0.powi(2);
        self.products_squared += (jump * length).0.powi(2);
    }

    /// Variance of the integral. `behind` is the sensor's averaging time plus its update period.
    ///
    /// A power that jumps once somewhere in a step causes an error that is uniform over ± half of
    /// jump × length. A power that changes faster than it is sampled causes six times that variance:
    /// the sum of n independent samples of variance s² has variance n·s², and their mean squared jump
    /// is 2·s². Von Neumann's ratio, the mean squared jump divided by twice the variance, separates
    /// the first case (near 0) from the second (near 1).
    ///
    /// A mean over the last w seconds is delayed by w/2, which adds w/2 seconds of the difference in
    /// power at both ends.
    pub(crate) fn variance(&self, behind: Seconds) -> f64 {
        if self.steps == 0.0 {
            return 0.0;
        }
        // The means of steps vary less than the samples; a quarter of the squared jumps corrects that.
        let spread = self.power_squared / self.steps - (self.power / self.steps).powi(2);
        let jumps = self.jumps_squared / self.steps;
        let spread = spread.max(0.0) + jumps / 4.0;
        let ratio = if spread > 0.0 { (jumps / (2.0 * spread)).min(1.0) } else { 0.0 };
        let ends = 2.0 * spread * (behind.0 / 2.0).powi(2);
        self.products_squared * UNIFORM * (1.0 + 5.0 * ratio.powi(2)) + ends
    }
}

/// Half of a 95 % interval, from the random part, the systematic half-width, and the energy that is
/// entirely in doubt.
pub(crate) fn half_width(random: Random, systematic: Joules, doubt: Joules) -> Joules {
    Joules(random.half_width().hypot(systematic.0)) + doubt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn within(windows: u32, covered: impl Fn(f64, f64) -> bool) -> f64 {
        // Two phases on a grid that fills the unit square evenly (Roberts' R2 sequence).
        let hit = (0..windows).filter(|window| {
            let window = f64::from(*window);
            let (a, b) = (window * 0.754_877_666_2, window * 0.569_840_291);
            covered(a.fract(), b.fract())
        });
        hit.count() as f64 / f64::from(windows)
    }

    #[test]
    fn two_phases_are_covered_in_95_of_100_windows() {
        let power = Watts(100.0);
        for (period, unit) in [(0.1, 0.001), (0.001, 0.37), (0.01, 0.61)] {
            let variance =
                2.0 * edge_variance(power, Seconds(period)) + resolution_variance(Joules(unit));
            let random = Random { variance, bias: Joules(0.0) };
            let half = half_width(random, Joules(0.0), Joules(0.0)).0;
            let share = within(20_000, |a, b| {
                let read =
                    |at: f64| (power.0 * (at / period).floor() * period / unit).floor() * unit;
                let (from, to) = (a * 7.0, a * 7.0 + 3.0 + b);
                let found = read(to) - read(from);
                (found - power.0 * (to - from)).abs() <= half
            });
            assert!((0.93..=0.97).contains(&share), "{share} at period {period}, unit {unit}");
        }
    }

    proptest! {
        #[test]
        fn more_doubt_never_narrows_the_interval(variance in 0.0..1e6, gain in 0.0..1e3, doubt in 0.0..1e3) {
            let random = Random { variance, bias: Joules(0.0) };
            let plain = half_width(random, Joules(0.0), Joules(0.0));
            prop_assert!(half_width(random, Joules(gain), Joules(doubt)) >= plain);
            let shifted = Random { variance, bias: Joules(doubt) };
            prop_assert!(half_width(shifted, Joules(0.0), Joules(0.0)) >= plain);
        }
    }
}
