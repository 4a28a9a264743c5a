//! The decade of vision networks, for inference, under torchvision's names and state-dict keys.

mod attention;
mod catalog;
mod checkpoint;
mod convnext;
mod convolutional;
mod densenet;
mod efficient;
mod inception;
mod layers;
mod mobile;
mod names;
mod preprocess;
mod pretrained;
mod profile;
mod regnet;
mod resident;
mod residual;
mod resize;
mod swin;
mod transformer;
mod weights;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use candle_core::{Device, Tensor};

pub use self::{
    catalog::{Architecture, architectures},
    checkpoint::read_weights,
    preprocess::Preprocessing,
    pretrained::{PUBLISHED, Pretrained, imagenet_class},
};
use self::{
    layers::Layer,
    names::current_name,
    resident::{Pool, Resident},
    weights::Weights,
};
use crate::{
    device::{DeviceError, Precision},
    study::Stream,
};

/// Trained numbers of a network that takes more than one image at a time: 40 MB of weights.
const MANY: usize = 10_000_000;

/// Why a vision network cannot be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// Nobody knows that network.
    #[error("no network `{name}`; known are {known}")]
    Unknown {
        /// As given.
        name: String,
        /// Those that are.
        known: String,
    },
    /// The images are too small.
    #[error("network `{name}` takes images of at least {least}×{least} pixels, got {side}×{side}")]
    TooSmall {
        /// Its name.
        name: &'static str,
        /// The smallest side it takes.
        least: usize,
        /// As given.
        side: usize,
    },
    /// The images have another size than the only one that the network takes.
    #[error("network `{name}` takes images of {side}×{side} pixels only, got {height}×{width}")]
    Side {
        /// Its name.
        name: &'static str,
        /// The side it takes.
        side: usize,
        /// As given.
        height: usize,
        /// As given.
        width: usize,
    },
    /// A tensor of a state dict is missing or has another shape.
    #[error("state dict: tensor `{name}` is {found}, expected shape {expected:?}")]
    State {
        /// Its name.
        name: String,
        /// As found.
        found: String,
        /// As needed.
        expected: Vec<usize>,
    },
    /// A file of weights cannot be read.
    #[error("failed to read weights from `{}`: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is no image that can be read.
    #[error("failed to read image `{}`: {reason}; JPEG and PNG are read", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another number of bytes than pixels have.
    #[error("an image of {height}×{width} pixels has {bytes} bytes, expected 3 a pixel")]
    Pixels {
        /// As given.
        height: u32,
        /// As given.
        width: u32,
        /// As given.
        bytes: usize,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The tensor library failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

/// A vision network in evaluation mode.
pub struct VisionNetwork {
    architecture: &'static Architecture,
    layer: Layer,
    parameters: usize,
    /// What it has where it runs, if that is not the CPU.
    resident: Option<Mutex<Resident>>,
}

/// Images that lie where a network runs.
pub struct Images(Lying);

enum Lying {
    Here(Tensor),
    There(Pool),
}

impl Images {
    /// How many.
    ///
    /// # Errors
    ///
    /// If they are no batch of images.
    pub fn count(&self) -> Result<usize, VisionError> {
        match &self.0 {
            Lying::Here(images) => Ok(images.dim(0)?),
            Lying::There(pool) => Ok(pool.count),
        }
    }
}

impl VisionNetwork {
    /// With random weights from a seed: for energy and time, which do not depend on them.
    ///
    /// # Errors
    ///
    /// If there is no network of that name.
    pub fn random(name: &str, classes: usize, seed: u64) -> Result<Self, VisionError> {
        Self::build(name, classes, Weights::random(seed))
    }

    /// With the weights of a torchvision state dict.
    ///
    /// # Errors
    ///
    /// If there is no network of that name, or a tensor is missing or has another shape.
    pub fn from_tensors(
        name: &str,
        classes: usize,
        tensors: HashMap<String, Tensor>,
    ) -> Result<Self, VisionError> {
        let tensors = tensors.into_iter().map(|(name, it)| (current_name(name), it)).collect();
        Self::build(name, classes, Weights::given(tensors))
    }

    fn build(name: &str, classes: usize, mut weights: Weights) -> Result<Self, VisionError> {
        let architecture = Architecture::named(name)?;
        let layer = (architecture.build)(&mut weights, classes)?;
        Ok(Self { architecture, layer, parameters: weights.parameters(), resident: None })
    }

    /// Which network this is.
    #[must_use]
    pub fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    /// Trained numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// On a device from now on, its values as given there.
    #[must_use]
    pub fn on(self, device: &crate::Device, precision: Precision) -> Self {
        let place = device.place().cloned();
        Self { resident: place.map(|it| Mutex::new(Resident::new(it, precision))), ..self }
    }

    /// Brings images `[n][3][side][side]` to where the network runs.
    ///
    /// # Errors
    ///
    /// If the network does not take them, or the device fails.
    pub fn keep(&self, images: &Tensor) -> Result<Images, VisionError> {
        let Some(resident) = &self.resident else {
            self.taken(images)?;
            return Ok(Images(Lying::Here(images.clone())));
        };
        let images = self.taken(images)?;
        let (n, h, w, _) = images.dims4()?;
        let values = images.flatten_all()?.to_vec1::<f32>()?;
        let resident = resident.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Images(Lying::There(resident.keep(&values, n, [h, w])?)))
    }

    /// Logits `[n][classes]` of kept images, those with these numbers or all, on the CPU.
    ///
    /// # Errors
    ///
    /// If there is no such image, or the device fails; or if they were kept for another device.
    pub fn run(&self, images: &Images, numbers: Option<&[usize]>) -> Result<Tensor, VisionError> {
        let count = images.count()?;
        if let Some(it) = numbers.into_iter().flatten().find(|it| **it >= count) {
            let text = format!("no image {it} of {count}, counted from 0");
            return Err(candle_core::Error::Msg(text).into());
        }
        match (&self.resident, &images.0, numbers) {
            (None, Lying::Here(images), None) => self.forward(images),
            (None, Lying::Here(images), Some(numbers)) => {
                let taken: Vec<Tensor> =
                    numbers.iter().map(|it| images.narrow(0, *it, 1)).collect::<Result<_, _>>()?;
                self.forward(&Tensor::cat(&taken, 0)?)
            }
            (Some(resident), Lying::There(pool), _) => {
                let numbers: Vec<u32> = match numbers {
                    Some(numbers) => numbers.iter().map(|it| *it as u32).collect(),
                    None => (0..count as u32).collect(),
                };
                let mut resident = resident.lock().unwrap_or_else(PoisonError::into_inner);
                let (logits, classes) = resident.forward(&self.layer, pool, &numbers)?;
                Ok(Tensor::from_vec(logits, (numbers.len(), classes), &Device::Cpu)?)
            }
            _ => {
                let text = "these images lie on another device than the network".to_owned();
                Err(candle_core::Error::Msg(text).into())
            }
        }
    }

    /// Whether a device repeats passes as they were recorded; `None` on the CPU and before the first.
    #[must_use]
    pub fn recorded(&self) -> Option<bool> {
        let resident = self.resident.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        resident.recorded()
    }

    /// Logits `[n][classes]` of images `[n][3][side][side]`.
    ///
    /// # Errors
    ///
    /// If the images are too small for this network, or not of that shape.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, VisionError> {
        if let Some(resident) = &self.resident {
            let images = self.taken(images)?;
            let (n, h, w, _) = images.dims4()?;
            let values = images.flatten_all()?.to_vec1::<f32>()?;
            let mut resident = resident.lock().unwrap_or_else(PoisonError::into_inner);
            let (logits, classes) = resident.forward_once(&self.layer, &values, n, [h, w])?;
            return Ok(Tensor::from_vec(logits, (n, classes), &Device::Cpu)?);
        }
        let images = self.taken(images)?;
        // A part's images lie near while weights that are re-read for each part do not: heavier
        // networks take more images at a time.
        let most = if self.parameters < MANY { 1 } else { 4 };
        let each = images.dim(0)?.div_ceil(rayon::current_num_threads());
        // On a thread of the pool: from outside, each parallel part would first wake one up.
        Ok(rayon::scope(|_| self.layer.forward_by_parts(&images, most.min(each.max(1))))?)
    }

    /// The images as the layers take them, `[n][h][w][c]`, if the network does.
    fn taken(&self, images: &Tensor) -> Result<Tensor, VisionError> {
        let (_, _, height, width) = images.dims4()?;
        self.architecture.takes(height, width)?;
        Ok(images.permute((0, 2, 3, 1))?.contiguous()?)
    }
}

/// Every tensor that a network asks a state dict for, with its shape, in the order of its layers.
///
/// # Errors
///
/// If there is no network of that name.
pub fn state_dict(name: &str, classes: usize) -> Result<Vec<(String, Vec<usize>)>, VisionError> {
    let mut weights = Weights::random(0);
    (Architecture::named(name)?.build)(&mut weights, classes)?;
    Ok(weights.into_asked())
}

/// Random images `[n][3][side][side]`, uniform in the range of normalized photographs.
///
/// # Errors
///
/// If the tensor library fails.
pub fn random_images(n: usize, side: usize, seed: u64) -> Result<Tensor, VisionError> {
    let values = Stream::new(seed, "images").uniform(n * 3 * side * side, 2.0);
    Ok(Tensor::from_vec(values, (n, 3, side, side), &Device::Cpu)?)
}
