//! How images of a data set become the input of a network.

use candle_core::{Device, Tensor};
use units::limits;

use super::error::FitError;
use crate::dataset::{Dataset, Split};

/// How images become the input of a network: gray ones get equal colors, each image is resized to a square, and each
/// channel is normalized.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FitInput {
    /// Side of the network's images in pixels. Images of another side are resized by bilinear interpolation between
    /// the four nearest pixels (PyTorch's `interpolate` with `align_corners=False`, without antialiasing).
    pub side: usize,
    /// Mean of each channel, subtracted from values in [0, 1]. Their number is that of the network's channels.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, by which values are divided after that.
    pub deviation: Vec<f32>,
}

impl FitInput {
    /// Images as they are, with values in [0, 1].
    #[must_use]
    pub fn plain(channels: usize, side: usize) -> Self {
        Self { side, mean: vec![0.0; channels], deviation: vec![1.0; channels] }
    }

    /// Resized images, normalized by a mean and a standard deviation for each channel.
    #[must_use]
    pub fn normalized(side: usize, mean: Vec<f32>, deviation: Vec<f32>) -> Self {
        Self { side, mean, deviation }
    }

    /// The images of a split at `rows`, `[n][channels][side][side]`, and their labels `[n]`.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network, or are too many for the memory.
    pub(super) fn batch(
        &self,
        data: &Dataset,
        split: &Split,
        rows: &[usize],
        device: &Device,
    ) -> Result<(Tensor, Tensor), FitError> {
        let channels = self.mean.len();
        if data.channels != channels && data.channels != 1 {
            let (name, found) = (data.name.clone(), data.channels);
            return Err(FitError::Channels { name, found, expected: channels });
        }
        let factors = [rows.len(), channels, self.side, self.side].map(|size| size as u64);
        let count = limits::VALUES_IN_MEMORY.product(&factors)? as usize;
        let (plane, features) = (data.side * data.side, data.channels * data.side * data.side);
        let taps = taps(data.side, self.side);
        let mut values = Vec::with_capacity(count);
        for row in rows {
            let image = &split.images[row * features..(row + 1) * features];
            for channel in 0..channels {
                let from = if data.channels == 1 { 0 } else { channel };
                let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
                let pixels = &image[from * plane..(from + 1) * plane];
                resize(pixels, data.side, &taps, |value| values.push((value - mean) / deviation));
            }
        }
        let labels: Vec<u32> = rows.iter().map(|row| split.labels[*row]).collect();
        let shape = (rows.len(), channels, self.side, self.side);
        let labels = Tensor::from_vec(labels, rows.len(), device)?;
        Ok((Tensor::from_vec(values, shape, device)?, labels))
    }
}

/// For each pixel of the result along an axis: the two pixels that it lies between, and the share of the second.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let of = |index: usize| {
        let at = ((index as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        (first, (first + 1).min(from - 1), at - first as f32)
    };
    (0..to).map(of).collect()
}

fn resize(pixels: &[f32], side: usize, taps: &[(usize, usize, f32)], mut push: impl FnMut(f32)) {
    if taps.len() == side {
        pixels.iter().for_each(|value| push(*value));
        return;
    }
    for (top, bottom, down) in taps {
        for (left, right, across) in taps {
            let at = |row: &usize, column: &usize| pixels[row * side + column];
            let upper = at(top, left) + (at(top, right) - at(top, left)) * across;
            let lower = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * across;
            push(upper + (lower - upper) * down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of `torch.nn.functional.interpolate(mode='bilinear')`.
    #[test]
    fn images_are_resized_as_by_pytorch() {
        let found = |side: usize, pixels: &[f32], to: usize| {
            let mut values = Vec::new();
            resize(pixels, side, &taps(side, to), |value| values.push(value));
            values
        };
        assert_eq!(
            found(2, &[0.0, 4.0, 8.0, 12.0], 4),
            [0., 1., 3., 4., 2., 3., 5., 6., 6., 7., 9., 10., 8., 9., 11., 12.]
        );
        let pixels: Vec<f32> = (0..9).map(|value| value as f32).collect();
        assert_eq!(found(3, &pixels, 3), pixels);
        assert_eq!(found(3, &pixels, 2), [1.0, 2.5, 5.5, 7.0]);
    }
}
