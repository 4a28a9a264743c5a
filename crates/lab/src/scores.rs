//! Accuracy, calibration and confusions of a classifier, with their intervals.

use std::collections::BTreeMap;

use report::stats::{Bootstrap, BootstrapMethod, proportion_interval};

/// Bins of equal width of the confidence, as in Guo et al. (2017).
const BINS: usize = 15;
/// Largest number of classes for which the whole confusion matrix is printed.
pub(crate) const MATRIX: usize = 256;
/// How the interval of the calibration error is resampled.
const BOOTSTRAP: Bootstrap =
    Bootstrap { resamples: 2000, confidence: 0.95, seed: 0, method: BootstrapMethod::Percentile };

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scored {
    pub(crate) value: f64,
    pub(crate) ci95: [f64; 2],
}

/// What a network said about one image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Answer {
    /// Whether the most likely class is the label.
    right: bool,
    /// Whether the label is among the five most likely classes.
    among_five: bool,
    /// Probability of the most likely class (softmax).
    confidence: f64,
}

/// The answers to all images.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    answers: Vec<Answer>,
    /// How often a label (first) was taken for a class (second).
    pairs: BTreeMap<(u32, u32), u64>,
}

impl Scores {
    /// Adds the logits of an image with its label; `None` if a logit is not finite. Of equal logits, the first
    /// class counts as more likely.
    pub(crate) fn add(&mut self, logits: &[f32], label: u32) -> Option<()> {
        let own = *logits.get(label as usize)?;
        if logits.iter().any(|logit| !logit.is_finite()) {
            return None;
        }
        let before = |(class, logit): (usize, &f32)| {
            *logit > own || (*logit == own && class < label as usize)
        };
        let rank = logits.iter().enumerate().filter(|entry| before(*entry)).count();
        let (best, top) =
            logits.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (class, logit)| {
                if *logit > best.1 { (class, *logit) } else { best }
            });
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - top).exp()).sum();
        let (right, among_five) = (rank == 0, rank < 5);
        self.answers.push(Answer { right, among_five, confidence: 1.0 / sum });
        *self.pairs.entry((label, best as u32)).or_default() += 1;
        Some(())
    }

    /// Number of images.
    pub(crate) fn images(&self) -> usize {
        self.answers.len()
    }

    /// Number of images whose most likely class is the label.
    pub(crate) fn correct(&self) -> usize {
        self.answers.iter().filter(|answer| answer.right).count()
    }

    /// Share of images whose most likely class is the label.
    pub(crate) fn top1(&self) -> Scored {
        proportion(self.correct(), self.images())
    }

    /// Share of images whose label is among the five most likely classes.
    pub(crate) fn top5(&self) -> Scored {
        proportion(self.answers.iter().filter(|answer| answer.among_five).count(), self.images())
    }

    /// The expected calibration error (Guo et al. 2017): the mean difference between confidence and accuracy
    /// in each of 15 bins of the confidence, weighted by the bin's number of images.
    ///
    /// The interval is a basic bootstrap over images, 2 · error − quantiles, because resampled errors are
    /// larger than the error itself. Its upper end is at least the larger quantile, and it is widened where
    /// it would not contain the error.
    pub(crate) fn ece(&self) -> Scored {
        let n = self.images();
        let mut gaps = vec![0.0; n * BINS];
        for (row, answer) in gaps.chunks_exact_mut(BINS).zip(&self.answers) {
            // The bin of (0, 1/15] is the first; a confidence is never 0.
            let bin = ((answer.confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            row[bin] = answer.confidence - f64::from(u8::from(answer.right));
        }
        let mut whole = vec![0.0; BINS];
        for row in gaps.chunks_exact(BINS) {
            whole.iter_mut().zip(row).for_each(|(sum, gap)| *sum += gap);
        }
        let error = |sums: &[f64]| Some(sums.iter().map(|sum| sum.abs()).sum::<f64>() / n as f64);
        let value = error(&whole).unwrap_or(0.0);
        let found = BOOTSTRAP
            .sums(&gaps, BINS)
            .and_then(|sums| BOOTSTRAP.interval_of_sums(&whole, &sums, error));
        let ci95 = match found {
            Ok(found) => {
                let (low, high) = (found.interval.low, found.interval.high);
                [
                    (2.0 * value - high).clamp(0.0, value),
                    (2.0 * value - low).max(high).clamp(value, 1.0),
                ]
            }
            // A single image says nothing.
            Err(_) => [0.0, 1.0],
        };
        Scored { value, ci95 }
    }

    /// The confusion matrix `[label][class]`; `None` if there are more than [`MATRIX`] classes.
    pub(crate) fn confusion(&self, classes: usize) -> Option<Vec<Vec<u64>>> {
        (classes <= MATRIX).then(|| {
            let mut matrix = vec![vec![0; classes]; classes];
            for ((label, class), count) in &self.pairs {
                matrix[*label as usize][*class as usize] = *count;
            }
            matrix
        })
    }

    /// How often a label was taken for another class, most often first.
    pub(crate) fn mistakes(&self) -> Vec<([u32; 2], u64)> {
        let wrong = self.pairs.iter().filter(|((label, class), _)| label != class);
        let mut wrong: Vec<_> =
            wrong.map(|((label, class), count)| ([*label, *class], *count)).collect();
        wrong.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        wrong
    }
}

/// A proportion with Wilson's score interval.
fn proportion(count: usize, of: usize) -> Scored {
    // No image says nothing.
    let ci95 = proportion_interval(count, of, 0.95).map_or([0.0, 1.0], |it| [it.low, it.high]);
    Scored { value: count as f64 / of as f64, ci95 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of two classes with that probability of class 0.
    fn logits(probability: f64) -> [f32; 2] {
        [(probability / (1.0 - probability)).ln() as f32, 0.0]
    }

    #[test]
    fn the_calibration_error_is_that_of_its_definition() {
        let mut scores = Scores::default();
        // 90 % sure and right 6 of 10 times; 70 % sure and right 7 of 10 times.
        for image in 0..10 {
            scores.add(&logits(0.9), u32::from(image >= 6)).unwrap();
            scores.add(&logits(0.7), u32::from(image >= 7)).unwrap();
        }
        let Scored { value, ci95: [low, high] } = scores.ece();
        assert!((value - 0.15).abs() < 1e-6, "{value}");
        assert!(low <= value && value <= high && low < 0.1 && high > 0.2, "{low} {high}");
        assert!((scores.top1().value - 0.65).abs() < 1e-12);
        assert_eq!(scores.top5().value, 1.0);
        assert_eq!(scores.confusion(2), Some(vec![vec![13, 0], vec![7, 0]]));
        assert_eq!(scores.mistakes(), [([1, 0], 7)]);
        assert_eq!(scores.confusion(1000), None);
    }

    #[test]
    fn ranks_count_larger_logits_and_values_that_are_not_finite_are_refused() {
        let mut scores = Scores::default();
        let logits = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0];
        scores.add(&logits, 4).unwrap();
        scores.add(&logits, 5).unwrap();
        scores.add(&[1.0; 6], 0).unwrap();
        assert!((scores.top1().value - 1.0 / 3.0).abs() < 1e-12);
        assert!((scores.top5().value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(scores.add(&[1.0, f32::NAN], 0), None);
        assert_eq!(scores.add(&[1.0], 1), None);
        let mut single = Scores::default();
        single.add(&logits, 0).unwrap();
        assert_eq!(single.ece().ci95, [0.0, 1.0]);
    }
}
