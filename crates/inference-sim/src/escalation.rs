//! A second, larger network that a server asks for some of the images of a batch.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{pause::PauseEffect, power::BatchEnergy, service::ServiceLaw};

/// Above this, the spread of the number of images that are asked for no longer matters for the load.
const LARGE: usize = 1_000;

/// Each image of a batch is asked of the large network with the same probability, right after the small
/// network's batch and all in one batch.
#[derive(Clone, Debug)]
pub(crate) struct Escalation {
    /// The probability.
    pub(crate) share: f64,
    /// The time of the large network's batches.
    pub(crate) law: ServiceLaw,
    /// Their joules; `None` where the power of the server is constant.
    pub(crate) energy: Option<BatchEnergy>,
}

/// What the large network adds to a batch, besides time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) images: u32,
    pub(crate) joules: f64,
}

impl Escalation {
    /// The seconds that a batch of this many images takes longer, and what else it adds.
    pub(crate) fn sample(&self, images: usize, random: &mut ChaCha8Rng) -> (f64, Asked) {
        let asked = (0..images).filter(|_| random.random::<f64>() < self.share).count();
        if asked == 0 {
            return (0.0, Asked::default());
        }
        let pause = PauseEffect::after(0.0);
        let seconds = self.law.sample(asked, pause, random);
        let joules = self.energy.as_ref();
        let joules = joules.map_or(0.0, |energy| energy.joules_with_pause(asked, seconds, pause));
        (seconds, Asked { images: u32::try_from(asked).unwrap_or(u32::MAX), joules })
    }

    /// Mean seconds that a batch of this many images adds: the sum over the binomial distribution of
    /// those that are asked.
    pub(crate) fn mean_s(&self, images: usize) -> f64 {
        let (asked, other) = (self.share, 1.0 - self.share);
        if images > LARGE || other == 0.0 {
            let mean = (images as f64 * asked).round() as usize;
            return if mean == 0 { 0.0 } else { self.law.mean_s(mean) };
        }
        // No image, one, and so on; in logarithms, as the first may be below the smallest number.
        let mut log = images as f64 * other.ln();
        let mut sum = 0.0;
        for count in 1..=images {
            log += ((images - count + 1) as f64 / count as f64 * asked / other).ln();
            sum += log.exp() * self.law.mean_s(count);
        }
        sum
    }

    /// The most images per second that one server can serve with both networks, in batches of
    /// `smallest` to `largest` images.
    pub(crate) fn capacity(&self, small: &ServiceLaw, smallest: usize, largest: usize) -> f64 {
        let powers = (0..usize::BITS).map_while(|power| 1_usize.checked_shl(power));
        let between = powers.filter(|size| (smallest..=largest).contains(size));
        between
            .chain([smallest, largest])
            .map(|size| size as f64 / (small.mean_s(size) + self.mean_s(size)))
            .fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn the_mean_is_that_of_samples() {
        let law = ServiceLaw::deterministic(0.5, 0.1).unwrap();
        for share in [0.0, 0.1, 0.6, 1.0] {
            let escalation = Escalation { share, law: law.clone(), energy: None };
            let mut random = generator(1, Stream::Cascade, 0);
            let sum: f64 = (0..200_000).map(|_| escalation.sample(8, &mut random).0).sum();
            // P(at least one) · 0.5 + 8 share · 0.1
            let exact = (1.0 - (1.0_f64 - share).powi(8)) * 0.5 + 0.8 * share;
            assert!((escalation.mean_s(8) - exact).abs() < 1e-9, "{share}");
            assert!((sum / 2e5 - exact).abs() < 0.005, "{share}: {}", sum / 2e5);
        }
    }
}
