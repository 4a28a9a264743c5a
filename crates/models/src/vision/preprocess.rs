//! Photographs to tensors, exactly as torchvision prepares them for its pretrained weights.

use std::path::Path;

use super::{
    error::VisionError,
    photograph::{Encoded, Photograph},
    resize::{Crop, Filter, resize},
};
use candle_core::{Device, Tensor};

/// Mean and standard deviation of red, green and blue in ImageNet, in [0, 1].
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

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
    /// If a file cannot be read, is truncated, or is not a JPEG or PNG image.
    pub fn read<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Tensor, VisionError> {
        let images = paths.iter().map(|path| Ok(self.prepare(path.as_ref(), 3)?.image));
        Ok(Tensor::stack(&images.collect::<Result<Vec<_>, VisionError>>()?, 0)?)
    }

    /// Reads a JPEG or PNG file as an image of 3 channels, or of 1 for gray. For gray, `mean` and `deviation`
    /// of red are used.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is truncated, or is not a JPEG or PNG image; or if the number of channels
    /// is neither 1 nor 3.
    pub fn prepare(&self, path: &Path, channels: usize) -> Result<PreparedImage, VisionError> {
        let fail = |reason| VisionError::Image { path: path.to_owned(), reason };
        let encoded = Encoded::read(path).map_err(fail)?;
        // Until the end of this function, so that two large images are not in memory at once.
        let _turn = encoded.turn();
        let (photograph, orientation) = encoded.decode().map_err(fail)?;
        Ok(PreparedImage { image: self.tensor(photograph, channels)?, orientation })
    }

    /// Converts planes of bytes `[planes][height][width]`, of which there are 1 or 3, to an image of 3
    /// channels, or of 1 for gray.
    ///
    /// # Errors
    ///
    /// If the number of bytes does not match the size, or is 0; or if the number of channels is neither 1
    /// nor 3.
    pub fn prepare_planes(
        &self,
        [height, width]: [usize; 2],
        planes: &[u8],
        channels: usize,
    ) -> Result<PreparedImage, VisionError> {
        let area = height.saturating_mul(width);
        let count = planes.len() / area.max(1);
        let values = (0..area * count).map(|index| planes[index % count * area + index / count]);
        let size = [width, height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        let image = Photograph::new(size, count, values.collect());
        let image = image.filter(|_| count * area == planes.len()).ok_or(VisionError::Pixels {
            height: size[1],
            width: size[0],
            bytes: planes.len(),
        })?;
        Ok(PreparedImage { image: self.tensor(image, channels)?, orientation: None })
    }

    /// Converts bytes `[height][width][3]` to an image `[3][crop][crop]`.
    ///
    /// # Errors
    ///
    /// If the number of bytes does not match the size, or is 0.
    pub fn apply(&self, height: u32, width: u32, rgb: Vec<u8>) -> Result<Tensor, VisionError> {
        let bytes = rgb.len();
        let image = Photograph::new([width, height], 3, rgb);
        self.tensor(image.ok_or(VisionError::Pixels { height, width, bytes })?, 3)
    }

    fn tensor(&self, image: Photograph, channels: usize) -> Result<Tensor, VisionError> {
        let image = match channels {
            1 => image.gray(),
            3 => image,
            _ => return Err(VisionError::Channels { channels }),
        };
        let [width, height] = image.size;
        let filter = if self.bicubic { Filter::Bicubic } else { Filter::Bilinear };
        // The longer side is rounded down, as in torchvision.
        let short = u64::from(width.min(height)).max(1);
        let size = image.size.map(|side| u64::from(self.resize) * u64::from(side) / short);
        if self.crop == 0 || u64::from(self.crop) > size[0].min(size[1]) {
            let (resize, crop) = (self.resize, self.crop);
            return Err(VisionError::Preprocessing { height, width, resize, crop });
        }
        let start =
            size.map(|side| ((side - u64::from(self.crop)) as f64 / 2.0).round_ties_even() as u64);
        let colors = resize(&image, &Crop { size, start, side: self.crop }, filter);
        let side = self.crop as usize;
        let mut values = Vec::with_capacity(channels * side * side);
        for channel in 0..channels {
            let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
            let value = |color: &[u8; 3]| (f32::from(color[channel]) / 255.0 - mean) / deviation;
            values.extend(colors.iter().map(value));
        }
        Ok(Tensor::from_vec(values, (channels, side, side), &Device::Cpu)?)
    }
}

/// A photograph as a network reads it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PreparedImage {
    /// `[channels][crop][crop]`
    pub image: Tensor,
    /// The orientation that the file's EXIF data ask for, 2 to 8. It is ignored, as in torchvision; `None` if
    /// the image is upright as it is.
    pub orientation: Option<u16>,
}

/// Width and height of a JPEG or PNG file in pixels, without decoding it.
///
/// # Errors
///
/// If the file cannot be read, is truncated, or is not a JPEG or PNG image.
pub fn image_size(path: &Path) -> Result<[u32; 2], VisionError> {
    let fail = |reason| VisionError::Image { path: path.to_owned(), reason };
    Encoded::read(path).map(|encoded| encoded.size()).map_err(fail)
}
