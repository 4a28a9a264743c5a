//! A vision network: built by name, run on the CPU or on a device.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use candle_core::{Device, Tensor};
use units::limits;

use super::{
    catalog::Architecture,
    described::described,
    error::VisionError,
    info::{NetworkInfo, random_pixels},
    int8::Int8Layers,
    layers::Layer,
    on_device::{DeviceImages, DeviceNetwork},
    state_names::{check_unused, fitted, without_unused},
    weights::Weights,
};
use crate::{
    device::Precision,
    kernels::image::channels_last,
    network_file::NetworkFile,
    onnx::{Graph, GraphInput, OnnxError},
};

/// Number of classes of ImageNet-1k.
const IMAGENET: usize = 1000;
/// Side of the images that networks for ImageNet usually take, in pixels.
const USUAL_SIDE: usize = 224;
/// What only layers of this crate can do.
const DEVICE: &str = "running on a device";

/// A vision network in evaluation mode.
pub struct VisionNetwork {
    pub(super) info: NetworkInfo,
    pub(super) body: Body,
    pub(super) parameters: usize,
    /// The network's state on a device; `None` on the CPU.
    pub(super) on_device: Option<Mutex<DeviceNetwork>>,
}

/// What computes a network's logits.
pub(super) enum Body {
    /// Layers of this crate.
    Layers(Layer),
    /// The nodes of an ONNX file.
    Graph(Box<Graph>),
    /// Layers of 8-bit integers.
    Int8(Box<Int8Layers>),
}

impl Body {
    /// The layers, for what only they can do: `what` in the error says what that is.
    ///
    /// # Errors
    ///
    /// If the network does not consist of layers of this crate.
    pub(super) fn layers(&self, what: &str) -> Result<&Layer, VisionError> {
        match self {
            Self::Layers(layer) => Ok(layer),
            Self::Graph(graph) => {
                let reason = format!("{what} is not supported for ONNX files");
                Err(OnnxError::unfit(graph.path(), reason).into())
            }
            Self::Int8(layers) => Err(VisionError::Int8 {
                network: layers.name().to_owned(),
                reason: format!("{what} is not supported"),
            }),
        }
    }
}

/// Images in the memory of the device that a network runs on.
pub struct Images(ImageStorage);

enum ImageStorage {
    /// On the CPU.
    Host(Tensor),
    Device(DeviceImages),
}

impl Images {
    /// Number of images.
    ///
    /// # Errors
    ///
    /// If the tensor is not a batch.
    pub fn count(&self) -> Result<usize, VisionError> {
        match &self.0 {
            ImageStorage::Host(images) => Ok(images.dim(0)?),
            ImageStorage::Device(images) => Ok(images.count),
        }
    }
}

impl VisionNetwork {
    /// Opens a network: one of the catalog by torchvision's name, or one of a file by a path that ends in
    /// `.toml` (see [`NetworkFile`]) or `.onnx` (see [`Graph`]).
    ///
    /// `classes` are the classes of its last layer; `None` stands for those of the file or of the weights, or
    /// ImageNet's 1000. `weights` is a state dict as [`fit_state_dict`] takes it; `None` stands for random
    /// weights from `seed`, which is enough to measure time and energy: they do not depend on the weights. An
    /// ONNX file has its own classes and weights.
    ///
    /// # Errors
    ///
    /// If the name is unknown, the file is not valid, a tensor is missing or has another shape, or the state
    /// dict has tensors that the network does not have; if classes or weights are given for an ONNX file.
    pub fn open(
        arch: &str,
        classes: Option<usize>,
        weights: Option<HashMap<String, Tensor>>,
        seed: u64,
    ) -> Result<Self, VisionError> {
        if Source::of(arch) == Source::Onnx {
            if classes.is_some() || weights.is_some_and(|weights| !weights.is_empty()) {
                let reason = "it has its own classes and weights, expected no others";
                return Err(OnnxError::unfit(arch, reason).into());
            }
            return Self::from_graph(Graph::read(arch)?, arch);
        }
        if Source::of(arch) == Source::Toml {
            let file = NetworkFile::read(Path::new(arch))?;
            let file = match classes {
                Some(classes) => file.with("classes", classes as i64)?,
                None => file,
            };
            return Self::from_file(&file, arch, weights, seed);
        }
        let fitted = weights.map(|tensors| fit_state_dict(arch, tensors, false)).transpose()?;
        let (weights, found) = match fitted {
            Some(fitted) => (Some(fitted.tensors), fitted.classes),
            None => (None, None),
        };
        let weights = weights.map_or_else(|| Weights::random(seed), Weights::given);
        Self::build(arch, classes.or(found).unwrap_or(IMAGENET), weights)
    }

    /// Builds a network with random weights from a seed. This is enough to measure time and energy,
    /// which do not depend on the weights.
    ///
    /// # Errors
    ///
    /// If the name is unknown.
    pub fn random(name: &str, classes: usize, seed: u64) -> Result<Self, VisionError> {
        Self::open(name, Some(classes), None, seed)
    }

    /// Builds a network with the weights of a torchvision state dict.
    ///
    /// # Errors
    ///
    /// If the name is unknown, or a tensor is missing or has another shape.
    pub fn from_tensors(
        name: &str,
        classes: usize,
        tensors: HashMap<String, Tensor>,
    ) -> Result<Self, VisionError> {
        Self::open(name, Some(classes), Some(tensors), 0)
    }

    /// Builds the network of a file, with the weights of a state dict or random ones from a seed. `name` is
    /// what [`VisionNetwork::info`] calls it. Prefixes of the state dict's names are removed, as
    /// [`fit_state_dict`] does.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or has another shape, or the state dict has tensors that the network does not have.
    pub fn from_file(
        file: &NetworkFile,
        name: &str,
        weights: Option<HashMap<String, Tensor>>,
        seed: u64,
    ) -> Result<Self, VisionError> {
        let mut weights = match weights {
            Some(tensors) => Weights::given(fit(name, &shapes_of(file)?, tensors, false)?),
            None => Weights::random(seed),
        };
        let layer = described(file.plan(), &mut weights)?;
        Ok(Self {
            info: NetworkInfo::fixed(name, file.channels(), file.side()),
            body: Body::Layers(layer),
            parameters: weights.parameters(),
            on_device: None,
        })
    }

    /// A network from an ONNX file; `name` is what [`VisionNetwork::info`] calls it.
    fn from_graph(graph: Graph, name: &str) -> Result<Self, VisionError> {
        Ok(Self {
            info: graph_info(graph.input(), name)?,
            parameters: graph.parameters(),
            body: Body::Graph(Box::new(graph)),
            on_device: None,
        })
    }

    fn build(name: &str, classes: usize, mut weights: Weights) -> Result<Self, VisionError> {
        limits::CLASSES.check(classes)?;
        let architecture = Architecture::named(name)?;
        let layer = (architecture.build)(&mut weights, classes)?;
        Ok(Self {
            info: architecture.info(),
            body: Body::Layers(layer),
            parameters: weights.parameters(),
            on_device: None,
        })
    }

    /// Its name and the images that it accepts.
    #[must_use]
    pub fn info(&self) -> &NetworkInfo {
        &self.info
    }

    /// Number of trained parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Moves the network to a device, with its values in that precision. The precision has no effect
    /// on the CPU.
    #[must_use]
    pub fn on(self, device: &crate::Device, precision: Precision) -> Self {
        let on_device = device.accelerator().cloned();
        let on_device =
            on_device.map(|accelerator| Mutex::new(DeviceNetwork::new(accelerator, precision)));
        Self { on_device, ..self }
    }

    /// Copies images `[n][channels][side][side]` to the device that the network runs on, to be used by
    /// [`VisionNetwork::run`] any number of times.
    ///
    /// # Errors
    ///
    /// If the network does not accept images of that size, or the device fails.
    pub fn upload(&self, images: &Tensor) -> Result<Images, VisionError> {
        let Some(on_device) = &self.on_device else {
            self.check(images)?;
            return Ok(Images(ImageStorage::Host(images.clone())));
        };
        let images = self.channels_last(images)?;
        let (n, h, w, c) = images.dims4()?;
        let values = images.flatten_all()?.to_vec1::<f32>()?;
        let on_device = on_device.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Images(ImageStorage::Device(on_device.upload(&values, n, [h, w, c])?)))
    }

    /// Logits `[n][classes]` of uploaded images, on the CPU: of the images at `indices`, or of all if
    /// `None`.
    ///
    /// # Errors
    ///
    /// If an index is out of range, the images were uploaded for another device, or the device fails.
    pub fn run(&self, images: &Images, indices: Option<&[usize]>) -> Result<Tensor, VisionError> {
        let count = images.count()?;
        if let Some(index) = indices.into_iter().flatten().find(|index| **index >= count) {
            let text = format!("image {index} is out of range: there are {count}, counted from 0");
            return Err(VisionError::shape(text));
        }
        match (&self.on_device, &images.0, indices) {
            (None, ImageStorage::Host(images), None) => self.forward(images),
            (None, ImageStorage::Host(images), Some(indices)) => {
                let taken: Vec<Tensor> = indices
                    .iter()
                    .map(|index| images.narrow(0, *index, 1))
                    .collect::<Result<_, _>>()?;
                self.forward(&Tensor::cat(&taken, 0)?)
            }
            (Some(on_device), ImageStorage::Device(images), _) => {
                let indices: Vec<u32> = match indices {
                    Some(indices) => indices.iter().map(|index| *index as u32).collect(),
                    None => (0..count as u32).collect(),
                };
                let mut on_device = on_device.lock().unwrap_or_else(PoisonError::into_inner);
                let (logits, classes) =
                    on_device.forward(self.body.layers(DEVICE)?, images, &indices)?;
                Ok(Tensor::from_vec(logits, (indices.len(), classes), &Device::Cpu)?)
            }
            _ => {
                let text = "the images are on another device than the network".to_owned();
                Err(VisionError::shape(text))
            }
        }
    }

    /// Whether the device replays recorded forward passes instead of being sent each kernel anew, which
    /// is faster. `None` on the CPU and before the first pass.
    #[must_use]
    pub fn recorded(&self) -> Option<bool> {
        let on_device = self.on_device.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        on_device.recorded()
    }

    /// Logits `[n][classes]` of images `[n][channels][side][side]`.
    ///
    /// # Errors
    ///
    /// If the network does not accept images of that size, or the device fails.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, VisionError> {
        if let Some(on_device) = &self.on_device {
            let images = self.channels_last(images)?;
            let (n, h, w, c) = images.dims4()?;
            let values = images.flatten_all()?.to_vec1::<f32>()?;
            let mut on_device = on_device.lock().unwrap_or_else(PoisonError::into_inner);
            let (logits, classes) =
                on_device.forward_once(self.body.layers(DEVICE)?, &values, n, [h, w, c])?;
            return Ok(Tensor::from_vec(logits, (n, classes), &Device::Cpu)?);
        }
        let layer = match &self.body {
            Body::Layers(layer) => layer,
            Body::Graph(graph) => {
                self.check(images)?;
                let logits = graph.forward(images)?;
                return Ok(if logits.rank() > 2 { logits.flatten_from(1)? } else { logits });
            }
            Body::Int8(layers) => {
                self.check(images)?;
                return rayon::scope(|_| layers.forward(images));
            }
        };
        let images = self.channels_last(images)?;
        // Run on a thread of the pool. From outside the pool, each parallel loop would first have to
        // wake up a thread.
        Ok(rayon::scope(|_| layer.forward_by_parts(&images))?)
    }

    /// The images as the layers read them, `[n][h][w][c]`, if the network accepts their size.
    pub(super) fn channels_last(&self, images: &Tensor) -> Result<Tensor, VisionError> {
        self.check(images)?;
        Ok(channels_last(images)?)
    }

    /// An error if the network does not accept images of that size.
    pub(super) fn check(&self, images: &Tensor) -> Result<(), VisionError> {
        let &[count, channels, height, width] = images.dims() else {
            let (name, dims) = (&self.info.name, images.dims());
            let text = format!(
                "network `{name}` needs images of shape [n, channels, height, width], got {dims:?}"
            );
            return Err(VisionError::shape(text));
        };
        if count == 0 {
            let name = &self.info.name;
            return Err(VisionError::shape(format!("network `{name}` needs at least one image")));
        }
        if channels != self.info.channels {
            let (name, expected) = (&self.info.name, self.info.channels);
            let text =
                format!("network `{name}` needs images of {expected} channels, got {channels}");
            return Err(VisionError::shape(text));
        }
        self.info.check_size(height, width)
    }
}

/// The images that the network of an ONNX file accepts: those of the size in the file, or those of any size, and
/// usually of 224 pixels.
fn graph_info(input: GraphInput, name: &str) -> Result<NetworkInfo, VisionError> {
    let GraphInput { channels, height, width, .. } = input;
    match (height, width) {
        (Some(height), Some(width)) if height != width => {
            let reason = format!(
                "it needs images of {height}×{width} pixels, expected a network for square images"
            );
            Err(OnnxError::unfit(name, reason).into())
        }
        (Some(side), _) | (_, Some(side)) => Ok(NetworkInfo::fixed(name, channels, side)),
        (None, None) => Ok(NetworkInfo {
            fixed_side: false,
            least_side: 1,
            ..NetworkInfo::fixed(name, channels, USUAL_SIDE)
        }),
    }
}

/// The state dict of a network: names and shapes of its tensors, in the order of the layers.
///
/// # Errors
///
/// If the name is unknown.
pub fn state_dict(name: &str, classes: usize) -> Result<Vec<(String, Vec<usize>)>, VisionError> {
    let mut weights = Weights::zero();
    (Architecture::named(name)?.build)(&mut weights, classes)?;
    Ok(weights.into_requested())
}

/// A state dict with the names of a network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FittedState {
    /// The tensors by the network's names.
    pub tensors: HashMap<String, Tensor>,
    /// Number of outputs of the last layer in these tensors; `None` if it has no weight there.
    pub classes: Option<usize>,
}

/// Fits the names of a state dict to a network: older names of torchvision become the current ones, and
/// prefixes such as `module.`, `_orig_mod.` and `model.` are removed.
///
/// # Errors
///
/// If the network is unknown, or the state dict has tensors that the network does not have, as in PyTorch's
/// strict loading; with `allow_unused` these are left out.
pub fn fit_state_dict(
    arch: &str,
    tensors: HashMap<String, Tensor>,
    allow_unused: bool,
) -> Result<FittedState, VisionError> {
    let shapes = match Source::of(arch) {
        Source::Toml => shapes_of(&NetworkFile::read(Path::new(arch))?)?,
        _ => state_dict(arch, IMAGENET)?,
    };
    let tensors = fit(arch, &shapes, tensors, allow_unused)?;
    let last = shapes.iter().rfind(|(_, shape)| shape.first() == Some(&IMAGENET));
    let classes = last.and_then(|(name, _)| tensors.get(name)?.dims().first().copied());
    Ok(FittedState { tensors, classes })
}

/// Names and shapes of the tensors of a network in a file.
fn shapes_of(file: &NetworkFile) -> Result<Vec<(String, Vec<usize>)>, VisionError> {
    let mut weights = Weights::zero();
    described(file.plan(), &mut weights)?;
    Ok(weights.into_requested())
}

/// Fits the names of a state dict to a network's tensors.
fn fit(
    arch: &str,
    shapes: &[(String, Vec<usize>)],
    tensors: HashMap<String, Tensor>,
    allow_unused: bool,
) -> Result<HashMap<String, Tensor>, VisionError> {
    let required = shapes.iter().map(|(name, _)| name.as_str()).collect();
    let mut tensors = fitted(tensors, &required);
    if allow_unused {
        without_unused(&mut tensors, &required);
    }
    check_unused(arch, &tensors, &required)?;
    Ok(tensors)
}

/// Whether a network is given as a file: its name ends in `.toml` or `.onnx`, or it is one of
/// [`NetworkFile::built_in_names`].
#[must_use]
pub fn is_file(arch: &str) -> bool {
    Source::of(arch) != Source::Catalog
}

/// Whether a network is given as a file that contains its weights: its name ends in `.onnx`.
#[must_use]
pub fn has_own_weights(arch: &str) -> bool {
    Source::of(arch) == Source::Onnx
}

/// Where a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The catalog, by torchvision's name.
    Catalog,
    /// A file of layers.
    Toml,
    /// A file of another program.
    Onnx,
}

impl Source {
    /// By the ending of a name.
    fn of(arch: &str) -> Self {
        if NetworkFile::is_built_in(arch) {
            return Self::Toml;
        }
        let ending = Path::new(arch).extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("toml") => Self::Toml,
            Some("onnx") => Self::Onnx,
            _ => Self::Catalog,
        }
    }
}

/// A network's name and the images that it accepts, without its weights.
///
/// # Errors
///
/// If the name is unknown, or the file is not valid.
pub fn network_info(arch: &str) -> Result<NetworkInfo, VisionError> {
    if Source::of(arch) == Source::Toml {
        let file = NetworkFile::read(Path::new(arch))?;
        return Ok(NetworkInfo::fixed(arch, file.channels(), file.side()));
    }
    if Source::of(arch) == Source::Onnx {
        return graph_info(GraphInput::read(arch)?, arch);
    }
    Ok(Architecture::named(arch)?.info())
}

/// Random images `[n][3][side][side]`, uniform in [−2, 2), about the range of normalized photographs. See
/// [`NetworkInfo::random_images`] for a network that reads other channels.
///
/// # Errors
///
/// If there would be too many values.
pub fn random_images(n: usize, side: usize, seed: u64) -> Result<Tensor, VisionError> {
    random_pixels([n, 3, side, side], seed)
}
