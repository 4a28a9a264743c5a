//! The ranges of a network's activations on calibration images.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{
    super::layers::{Layer, Step, StepObserver},
    settings::Clip,
};
use crate::kernels::bytes::ByteScale;

/// Images of a forward pass.
const BATCH: usize = 10;
/// Classes of a histogram.
const CLASSES: usize = 2048;
/// Shares of a range that are tried, in hundredths.
const SHARES: std::ops::RangeInclusive<u8> = 20..=100;

/// The least and the largest value of the input and of each step's output.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    pub(super) input: [f32; 2],
    /// In the order of the steps of a forward pass.
    pub(super) steps: Vec<[f32; 2]>,
}

impl Ranges {
    /// Observes a network on images `[n][h][w][c]`.
    pub(super) fn observe(layer: &Layer, images: &Tensor, clip: Clip) -> Result<Self> {
        let mut observer = Observer::default();
        observer.pass(layer, images)?;
        if clip == Clip::SquaredError {
            for values in &mut observer.values {
                values.classes = vec![0; CLASSES];
            }
            observer.pass(layer, images)?;
        }
        let ranges: Vec<[f32; 2]> = observer.values.iter().map(Values::range).collect();
        match ranges.split_first() {
            Some((input, steps)) => Ok(Self { input: *input, steps: steps.to_vec() }),
            None => Ok(Self::default()),
        }
    }
}

/// The values of a tensor on all images.
#[derive(Clone, Debug)]
struct Values {
    least: f32,
    largest: f32,
    /// Number of values in each of [`CLASSES`] equal parts of the range; empty in the first pass.
    classes: Vec<u64>,
}

impl Default for Values {
    fn default() -> Self {
        Self { least: f32::INFINITY, largest: f32::NEG_INFINITY, classes: Vec::new() }
    }
}

impl Values {
    fn add(&mut self, values: &[f32]) {
        if self.least.is_nan() {
            return;
        }
        if self.classes.is_empty() {
            for value in values {
                self.least = self.least.min(*value);
                self.largest = self.largest.max(*value);
            }
            if !values.iter().all(|value| value.is_finite()) {
                // Is reported when a scale is needed.
                (self.least, self.largest) = (f32::NAN, f32::NAN);
            }
            return;
        }
        let scale = CLASSES as f32 / (self.largest - self.least).max(f32::MIN_POSITIVE);
        for value in values {
            let class = ((value - self.least) * scale) as usize;
            self.classes[class.min(CLASSES - 1)] += 1;
        }
    }

    /// The range to represent.
    fn range(&self) -> [f32; 2] {
        let share = |hundredths: u8| {
            let share = f32::from(hundredths) / 100.0;
            [self.least * share, self.largest * share]
        };
        if self.classes.is_empty() {
            return share(100);
        }
        // The largest share if several have the same error.
        let errors: Vec<(u8, f64)> =
            SHARES.into_par_iter().map(|part| (part, self.error(share(part)))).collect();
        let best = errors.into_iter().rev().min_by(|a, b| a.1.total_cmp(&b.1));
        share(best.map_or(100, |(part, _)| part))
    }

    /// The sum of squared errors of the values as bytes of a range.
    fn error(&self, [least, largest]: [f32; 2]) -> f64 {
        let scale = ByteScale::covering(least, largest);
        let width = (self.largest - self.least) / CLASSES as f32;
        let classes = self.classes.iter().enumerate().filter(|(_, count)| **count > 0);
        classes
            .map(|(class, count)| {
                let value = self.least + (class as f32 + 0.5) * width;
                let error = f64::from(scale.number(scale.byte(value)) - value);
                *count as f64 * error * error
            })
            .sum()
    }
}

/// Observes the input, and each step of forward passes.
#[derive(Default)]
struct Observer {
    values: Vec<Values>,
    next: usize,
}

impl Observer {
    fn pass(&mut self, layer: &Layer, images: &Tensor) -> Result<()> {
        let n = images.dim(0)?;
        for first in (0..n).step_by(BATCH) {
            let batch = images.narrow(0, first, BATCH.min(n - first))?;
            self.next = 0;
            self.add(&batch)?;
            layer.forward(&batch, self)?;
        }
        Ok(())
    }

    fn add(&mut self, values: &Tensor) -> Result<()> {
        if self.next == self.values.len() {
            self.values.push(Values::default());
        }
        self.values[self.next].add(&values.flatten_all()?.to_vec1::<f32>()?);
        self.next += 1;
        Ok(())
    }
}

impl StepObserver for Observer {
    fn step(
        &mut self,
        _: Step<'_>,
        _: &Tensor,
        run: &dyn Fn() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let out = run()?;
        self.add(&out)?;
        Ok(out)
    }
}
