//! Which networks there are.

use super::{
    VisionError,
    convolutional::{alexnet, squeezenet1_1, vgg},
    densenet::densenet121,
    layers::Layer,
    mobile::{mobilenet_v2, shufflenet_v2},
    residual::{resnet18, resnet50, resnet152},
    weights::Weights,
};

/// A network of the catalog.
pub struct Architecture {
    /// torchvision's name.
    pub name: &'static str,
    /// The smallest side of an image that leaves a pixel everywhere.
    pub least_side: usize,
    pub(super) build: fn(&mut Weights, usize) -> Result<Layer, VisionError>,
}

/// Every network, in the order of their papers.
#[must_use]
pub fn architectures() -> &'static [Architecture] {
    const ALL: &[Architecture] = &[
        Architecture { name: "alexnet", least_side: 63, build: alexnet },
        Architecture { name: "vgg11", least_side: 32, build: |w, n| vgg(w, n, &[1, 1, 2, 2, 2]) },
        Architecture { name: "vgg16", least_side: 32, build: |w, n| vgg(w, n, &[2, 2, 3, 3, 3]) },
        Architecture { name: "resnet18", least_side: 32, build: resnet18 },
        Architecture { name: "resnet50", least_side: 32, build: resnet50 },
        Architecture { name: "resnet152", least_side: 32, build: resnet152 },
        Architecture { name: "squeezenet1_1", least_side: 32, build: squeezenet1_1 },
        Architecture { name: "densenet121", least_side: 32, build: densenet121 },
        Architecture { name: "mobilenet_v2", least_side: 32, build: mobilenet_v2 },
        Architecture {
            name: "shufflenet_v2_x0_5",
            least_side: 32,
            build: |w, n| shufflenet_v2(w, n, [24, 48, 96, 192, 1024]),
        },
        Architecture {
            name: "shufflenet_v2_x1_0",
            least_side: 32,
            build: |w, n| shufflenet_v2(w, n, [24, 116, 232, 464, 1024]),
        },
    ];
    ALL
}
