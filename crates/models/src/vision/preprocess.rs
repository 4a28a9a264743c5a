//! Photographs to tensors, as torchvision does it for its pretrained weights.

use std::path::Path;

use candle_core::{Device, Tensor};
use image::{ImageReader, RgbImage};

use super::{
    VisionError,
    resize::{Filter, resize},
};

/// Mean and standard deviation of ImageNet's red, green and blue, in [0, 1].
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// From pixels to what a network was trained on (torchvision's `ImageClassification`): the shorter
/// side resized, the center cropped, colors from [0, 1] to `(value − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preprocessing {
    /// Pixels of the shorter side after resizing.
    pub resize: u32,
    /// Pixels of the sides of the crop.
    pub crop: u32,
    /// Bicubic (a = −0.5) and not bilinear interpolation; antialiased both.
    pub bicubic: bool,
    /// Of red, green and blue.
    pub mean: [f32; 3],
    /// Of red, green and blue.
    pub deviation: [f32; 3],
}

impl Preprocessing {
    pub(super) const fn new(resize: u32, crop: u32) -> Self {
        Self { resize, crop, bicubic: false, mean: IMAGENET.0, deviation: IMAGENET.1 }
    }

    pub(super) const fn bicubic(self) -> Self {
        Self { bicubic: true, ..self }
    }

    /// To [−1, 1]. The networks that Google trained expect it; torchvision gives them ImageNet's
    /// normalization and undoes it within the network (`transform_input`).
    pub(super) const fn to_one(self) -> Self {
        Self { mean: [0.5; 3], deviation: [0.5; 3], ..self }
    }

    /// Images `[n][3][crop][crop]` of JPEG and PNG files.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is no such image.
    pub fn read<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Tensor, VisionError> {
        let images: Vec<Tensor> = paths
            .iter()
            .map(|path| {
                let path = path.as_ref();
                let fail = |reason: String| VisionError::Image { path: path.to_owned(), reason };
                let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
                let image = reader.map_err(|error| fail(error.to_string()))?.decode();
                self.tensor(&image.map_err(|error| fail(error.to_string()))?.into_rgb8())
            })
            .collect::<Result<_, VisionError>>()?;
        Ok(Tensor::stack(&images, 0)?)
    }

    /// An image `[3][crop][crop]` of bytes `[height][width][3]`.
    ///
    /// # Errors
    ///
    /// If there are not that many bytes, or none.
    pub fn apply(&self, height: u32, width: u32, rgb: Vec<u8>) -> Result<Tensor, VisionError> {
        let bytes = rgb.len();
        let image = RgbImage::from_raw(width, height, rgb).filter(|_| bytes > 0);
        self.tensor(&image.ok_or(VisionError::Pixels { height, width, bytes })?)
    }

    fn tensor(&self, image: &RgbImage) -> Result<Tensor, VisionError> {
        let (width, height) = image.dimensions();
        let filter = if self.bicubic { Filter::Bicubic } else { Filter::Bilinear };
        // The longer side is rounded down, as torchvision does.
        let short = u64::from(width.min(height)).max(1);
        let scaled = |side: u32| {
            u32::try_from(u64::from(self.resize) * u64::from(side) / short).unwrap_or(u32::MAX)
        };
        let size = (scaled(width), scaled(height));
        let resized = resize(image, size.0, size.1, filter);
        let start = |side: u32| (f64::from(side - self.crop) / 2.0).round_ties_even() as u32;
        let side = self.crop as usize;
        let mut values = vec![0.0_f32; 3 * side * side];
        for (index, value) in values.iter_mut().enumerate() {
            let (channel, y, x) = (index / (side * side), index / side % side, index % side);
            let pixel = resized.get_pixel(start(size.0) + x as u32, start(size.1) + y as u32);
            let color = f32::from(pixel.0[channel]) / 255.0;
            *value = (color - self.mean[channel]) / self.deviation[channel];
        }
        Ok(Tensor::from_vec(values, (3, side, side), &Device::Cpu)?)
    }
}
