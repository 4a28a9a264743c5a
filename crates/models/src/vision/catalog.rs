//! The catalog of networks.

use super::{
    convnext::convnext_base,
    convolutional::{alexnet, squeezenet1_1, vgg},
    densenet::densenet121,
    efficient::{efficientnet, efficientnet_b7, efficientnet_v2_s, mobilenet_v3_large},
    error::VisionError,
    inception::{googlenet, inception_v3},
    info::NetworkInfo,
    layers::Layer,
    mobile::{mnasnet1_0, mobilenet_v2, shufflenet_v2},
    regnet::regnet_y_8gf,
    residual::{resnet18, resnet50, resnet152},
    swin::swin_t,
    transformer::{self, vit_b_16},
    weights::Weights,
};

/// A network of the catalog.
#[non_exhaustive]
pub struct Architecture {
    /// torchvision's name of it.
    pub name: &'static str,
    /// The smallest side of images that it accepts, in pixels.
    pub least_side: usize,
    /// Whether it accepts images of exactly that side only, because it has a weight for each position.
    pub fixed_side: bool,
    pub(super) build: Build,
}

impl Architecture {
    /// Finds a network by its name.
    ///
    /// # Errors
    ///
    /// If the name is unknown.
    pub fn named(name: &str) -> Result<&'static Self, VisionError> {
        architectures().iter().find(|network| network.name == name).ok_or_else(|| {
            let known: Vec<String> =
                architectures().iter().map(|network| format!("`{}`", network.name)).collect();
            VisionError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Its name and the images that it accepts.
    #[must_use]
    pub fn info(&self) -> NetworkInfo {
        NetworkInfo {
            name: self.name.to_owned(),
            channels: CHANNELS,
            least_side: self.least_side,
            fixed_side: self.fixed_side,
            usual_side: transformer::SIDE,
        }
    }

    /// Checks that it accepts images of that size, in pixels.
    ///
    /// # Errors
    ///
    /// If they are too small, or the network accepts one side only and they have another.
    pub fn check_size(&self, height: usize, width: usize) -> Result<(), VisionError> {
        self.info().check_size(height, width)
    }
}

/// Channels of the catalog's images: red, green and blue.
const CHANNELS: usize = 3;

type Build = fn(&mut Weights, usize) -> Result<Layer, VisionError>;

const fn network(name: &'static str, least_side: usize, build: Build) -> Architecture {
    Architecture { name, least_side, fixed_side: false, build }
}

/// All networks, in the order of their papers.
#[must_use]
pub fn architectures() -> &'static [Architecture] {
    const ALL: &[Architecture] = &[
        network("alexnet", 63, alexnet),
        network("vgg11", 32, |w, n| vgg(w, n, &[1, 1, 2, 2, 2])),
        network("vgg16", 32, |w, n| vgg(w, n, &[2, 2, 3, 3, 3])),
        network("googlenet", 15, googlenet),
        network("inception_v3", 75, inception_v3),
        network("resnet18", 1, resnet18),
        network("resnet50", 1, resnet50),
        network("resnet152", 1, resnet152),
        network("squeezenet1_1", 17, squeezenet1_1),
        network("densenet121", 29, densenet121),
        network("mobilenet_v2", 1, mobilenet_v2),
        network("shufflenet_v2_x0_5", 1, |w, n| shufflenet_v2(w, n, [24, 48, 96, 192, 1024])),
        network("shufflenet_v2_x1_0", 1, |w, n| shufflenet_v2(w, n, [24, 116, 232, 464, 1024])),
        network("mnasnet1_0", 1, mnasnet1_0),
        network("mobilenet_v3_large", 1, mobilenet_v3_large),
        network("efficientnet_b0", 1, |w, n| efficientnet(w, n, 1.0, 1.0)),
        network("efficientnet_b7", 1, efficientnet_b7),
        network("regnet_y_8gf", 1, regnet_y_8gf),
        Architecture {
            name: "vit_b_16",
            least_side: transformer::SIDE,
            fixed_side: true,
            build: vit_b_16,
        },
        network("swin_t", 4, swin_t),
        network("efficientnet_v2_s", 1, efficientnet_v2_s),
        network("convnext_base", 32, convnext_base),
    ];
    ALL
}
