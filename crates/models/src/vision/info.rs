//! What the program needs to know of a network before it runs.

use candle_core::{Device, Tensor};
use units::limits;

use super::error::VisionError;
use crate::random::Stream;

/// A network's name and the images that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkInfo {
    /// torchvision's name, or the path of the network's file.
    pub name: String,
    /// Channels of its images.
    pub channels: usize,
    /// The smallest side of images that it accepts, in pixels.
    pub least_side: usize,
    /// Whether it accepts images of exactly that side only.
    pub fixed_side: bool,
    /// The side of images for which it was made, in pixels.
    pub usual_side: usize,
}

impl NetworkInfo {
    /// A network for images of exactly one size.
    #[must_use]
    pub fn fixed(name: &str, channels: usize, side: usize) -> Self {
        Self {
            name: name.to_owned(),
            channels,
            least_side: side,
            fixed_side: true,
            usual_side: side,
        }
    }

    /// Checks that the network accepts images of that size, in pixels.
    ///
    /// # Errors
    ///
    /// If they are too small, or the network accepts one side only and they have another.
    pub fn check_size(&self, height: usize, width: usize) -> Result<(), VisionError> {
        let (name, least) = (&self.name, self.least_side);
        let side = height.min(width);
        if self.fixed_side && (height, width) != (least, least) {
            return Err(VisionError::Side { name: name.clone(), side: least, height, width });
        }
        if side < least {
            return Err(VisionError::TooSmall { name: name.clone(), least, side });
        }
        Ok(())
    }

    /// Random images `[n][channels][side][side]`, uniform in [−2, 2), about the range of normalized
    /// photographs.
    ///
    /// # Errors
    ///
    /// If there would be too many values.
    pub fn random_images(&self, n: usize, side: usize, seed: u64) -> Result<Tensor, VisionError> {
        random_pixels([n, self.channels, side, side], seed)
    }
}

/// Random images of any shape `[n][c][h][w]`, uniform in [−2, 2).
pub(super) fn random_pixels(shape: [usize; 4], seed: u64) -> Result<Tensor, VisionError> {
    let count = limits::VALUES_IN_MEMORY.product(&shape.map(|size| size as u64))? as usize;
    let values = Stream::new(seed, "images").uniform(count, 2.0);
    Ok(Tensor::from_vec(values, &shape[..], &Device::Cpu)?)
}
