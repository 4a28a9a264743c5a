//! Photographs to tensors, exactly as torchvision prepares them for its pretrained weights.

use std::path::Path;

use super::{
    error::VisionError,
    photograph::Photograph,
    resize::{Filter, resize},
};
use candle_core::{Device, Tensor};

/// Mean and standard deviation of red, green and blue in ImageNet, in [0, 1].
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// Pixels of a resized image at most; long, narrow images become large when their shorter side is resized.
const MOST_PIXELS: u64 = 100_000_000;

/// The preparation of a photograph for a network (torchvision's `ImageClassification`): resize the shorter
/// side, crop the center, and normalize each color from [0, 1] to `(value − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preprocessing {
    /// Shorter side after resizing, in pixels.
    pub resize: u32,
    /// Side of the square crop, in pixels.
    pub crop: u32,
    /// Whether interpolation is bicubic (a = −0.5) instead of bilinear. Both are antialiased.
    pub bicubic: bool,
    /// Mean of red, green and blue.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue.
    pub deviation: [f32; 3],
}

impl Preprocessing {
    pub(super) const fn new(resize: u32, crop: u32) -> Self {
        Self { resize, crop, bicubic: false, mean: IMAGENET.0, deviation: IMAGENET.1 }
    }

    pub(super) const fn bicubic(self) -> Self {
        Self { bicubic: true, ..self }
    }

    /// Normalizes colors to [−1, 1], as the networks that Google trained expect. torchvision applies
    /// ImageNet's normalization to them and undoes it inside the network (`transform_input`).
    pub(super) const fn to_one(self) -> Self {
        Self { mean: [0.5; 3], deviation: [0.5; 3], ..self }
    }

    /// Reads JPEG and PNG files as images `[n][3][crop][crop]`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is not a JPEG or PNG image.
    pub fn read<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Tensor, VisionError> {
        let images: Vec<Tensor> = paths
            .iter()
            .map(|path| {
                let path = path.as_ref();
                let fail = |reason| VisionError::Image { path: path.to_owned(), reason };
                self.tensor(&Photograph::read(path).map_err(fail)?)
            })
            .collect::<Result<_, VisionError>>()?;
        Ok(Tensor::stack(&images, 0)?)
    }

    /// Converts bytes `[height][width][3]` to an image `[3][crop][crop]`.
    ///
    /// # Errors
    ///
    /// If the number of bytes does not match the size, or is 0.
    pub fn apply(&self, height: u32, width: u32, rgb: Vec<u8>) -> Result<Tensor, VisionError> {
        let bytes = rgb.len();
        let image = Photograph::new([width, height], rgb);
        self.tensor(&image.ok_or(VisionError::Pixels { height, width, bytes })?)
    }

    fn tensor(&self, image: &Photograph) -> Result<Tensor, VisionError> {
        let [width, height] = image.size;
        let filter = if self.bicubic { Filter::Bicubic } else { Filter::Bilinear };
        // The longer side is rounded down, as in torchvision.
        let short = u64::from(width.min(height)).max(1);
        let scaled = |side: u32| {
            u32::try_from(u64::from(self.resize) * u64::from(side) / short).unwrap_or(u32::MAX)
        };
        let size = (scaled(width), scaled(height));
        let pixels = u64::from(size.0) * u64::from(size.1);
        if self.crop == 0 || self.crop > size.0.min(size.1) || pixels > MOST_PIXELS {
            let (resize, crop) = (self.resize, self.crop);
            return Err(VisionError::Preprocessing { height, width, resize, crop });
        }
        let resized = resize(image, size.0, size.1, filter);
        let start = |side: u32| (f64::from(side - self.crop) / 2.0).round_ties_even() as u32;
        let side = self.crop as usize;
        let mut values = vec![0.0_f32; 3 * side * side];
        for (index, value) in values.iter_mut().enumerate() {
            let (channel, y, x) = (index / (side * side), index / side % side, index % side);
            let pixel = resized.pixel(start(size.0) + x as u32, start(size.1) + y as u32);
            let color = f32::from(pixel[channel]) / 255.0;
            *value = (color - self.mean[channel]) / self.deviation[channel];
        }
        Ok(Tensor::from_vec(values, (3, side, side), &Device::Cpu)?)
    }
}
