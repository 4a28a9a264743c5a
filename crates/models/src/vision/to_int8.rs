//! Networks of 8-bit integers.

use candle_core::Tensor;

use super::{
    error::VisionError,
    int8::{Int8Layers, Int8Settings, Int8Summary},
    network::{Body, VisionNetwork},
};

impl VisionNetwork {
    /// This network with 8-bit integers, on the CPU. Weights have a scale for each output channel, activations one for
    /// each tensor, from their ranges on the first calibration images `[n][channels][side][side]`. Sums of products are
    /// exact, so that logits depend on the ranges alone: not on the number of threads or the instruction set.
    ///
    /// Supported are networks of convolutions without groups, depthwise convolutions, linear layers, pools, ReLU, ReLU6
    /// and additions, such as ResNet, MobileNetV2, VGG and AlexNet.
    ///
    /// # Errors
    ///
    /// If the network has other layers, is on a device, does not accept the images, or has weights or activations that
    /// are not finite numbers.
    pub fn to_int8(&self, settings: &Int8Settings, images: &Tensor) -> Result<Self, VisionError> {
        let name = &self.info.name;
        let unfit =
            |reason: &str| VisionError::Int8 { network: name.clone(), reason: reason.to_owned() };
        let layer = match &self.body {
            Body::Layers(layer) => layer,
            Body::Graph(_) => return Err(unfit("ONNX files are not supported in int8")),
            Body::Int8(_) => return Err(unfit("it has 8-bit integers already")),
        };
        if self.on_device.is_some() {
            return Err(unfit("it is on a device, and int8 runs on the CPU"));
        }
        let images = self.channels_last(images)?;
        let layers = rayon::scope(|_| Int8Layers::new(name, layer, &images, settings))?;
        Ok(Self {
            info: self.info.clone(),
            body: Body::Int8(Box::new(layers)),
            parameters: self.parameters,
            on_device: None,
        })
    }

    /// What it consists of, if it has 8-bit integers.
    #[must_use]
    pub fn int8_summary(&self) -> Option<&Int8Summary> {
        match &self.body {
            Body::Int8(layers) => Some(layers.summary()),
            _ => None,
        }
    }
}

/// Names of the catalog's networks that [`VisionNetwork::to_int8`] supports.
#[must_use]
pub fn int8_networks() -> &'static [&'static str] {
    &[
        "alexnet",
        "vgg11",
        "vgg16",
        "resnet18",
        "resnet50",
        "resnet152",
        "mobilenet_v2",
        "mnasnet1_0",
    ]
}
