//! The weights that torchvision publishes, with their preprocessing and accuracy.

use super::preprocess::Preprocessing;

/// The address that the weights' files are below.
pub const PUBLISHED: &str = "https://download.pytorch.org/models/";

/// Weights trained on ImageNet-1k, as torchvision publishes them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pretrained {
    /// Name of the network.
    pub architecture: &'static str,
    /// torchvision's name of the weights: `IMAGENET1K_V1` (trained by the paper's recipe) or
    /// `IMAGENET1K_V2` (by a newer one).
    pub name: &'static str,
    /// Name of the file below [`PUBLISHED`].
    pub file: &'static str,
    /// Preprocessing of images.
    pub preprocessing: Preprocessing,
    /// Top-1 accuracy on ImageNet's validation images in percent, as torchvision publishes it.
    pub top1: f64,
}

const V1: &str = "IMAGENET1K_V1";
const V2: &str = "IMAGENET1K_V2";

const USUAL: Preprocessing = Preprocessing::new(256, 224);
/// Preprocessing of the newer recipe.
const NEWER: Preprocessing = Preprocessing::new(232, 224);

const fn weights(
    architecture: &'static str,
    name: &'static str,
    file: &'static str,
    preprocessing: Preprocessing,
    top1: f64,
) -> Pretrained {
    Pretrained { architecture, name, file, preprocessing, top1 }
}

/// The metadata of torchvision 0.29. The last entry of each network is its default.
const ALL: &[Pretrained] = &[
    weights("alexnet", V1, "alexnet-owt-7be5be79.pth", USUAL, 56.522),
    weights("vgg11", V1, "vgg11-8a719046.pth", USUAL, 69.02),
    weights("vgg16", V1, "vgg16-397923af.pth", USUAL, 71.592),
    weights("resnet18", V1, "resnet18-f37072fd.pth", USUAL, 69.758),
    weights("resnet50", V1, "resnet50-0676ba61.pth", USUAL, 76.13),
    weights("resnet50", V2, "resnet50-11ad3fa6.pth", NEWER, 80.858),
    weights("resnet152", V1, "resnet152-394f9c45.pth", USUAL, 78.312),
    weights("resnet152", V2, "resnet152-f82ba261.pth", NEWER, 82.284),
    weights("squeezenet1_1", V1, "squeezenet1_1-b8a52dc0.pth", USUAL, 58.178),
    weights("densenet121", V1, "densenet121-a639ec97.pth", USUAL, 74.434),
    weights("mobilenet_v2", V1, "mobilenet_v2-b0353104.pth", USUAL, 71.878),
    weights("mobilenet_v2", V2, "mobilenet_v2-7ebf99e0.pth", NEWER, 72.154),
    weights("shufflenet_v2_x0_5", V1, "shufflenetv2_x0.5-f707e7126e.pth", USUAL, 60.552),
    weights("shufflenet_v2_x1_0", V1, "shufflenetv2_x1-5666bf0f80.pth", USUAL, 69.362),
    weights("googlenet", V1, "googlenet-1378be20.pth", USUAL.to_one(), 69.778),
    weights(
        "inception_v3",
        V1,
        "inception_v3_google-0cc3c7bd.pth",
        Preprocessing::new(342, 299).to_one(),
        77.294,
    ),
    weights("mobilenet_v3_large", V1, "mobilenet_v3_large-8738ca79.pth", USUAL, 74.042),
    weights("mobilenet_v3_large", V2, "mobilenet_v3_large-5c1a4163.pth", NEWER, 75.274),
    weights("mnasnet1_0", V1, "mnasnet1.0_top1_73.512-f206786ef8.pth", USUAL, 73.456),
    weights(
        "efficientnet_b0",
        V1,
        "efficientnet_b0_rwightman-7f5810bc.pth",
        USUAL.bicubic(),
        77.692,
    ),
    weights(
        "efficientnet_b7",
        V1,
        "efficientnet_b7_lukemelas-c5b4e57e.pth",
        Preprocessing::new(600, 600).bicubic(),
        84.122,
    ),
    weights(
        "efficientnet_v2_s",
        V1,
        "efficientnet_v2_s-dd5fe13b.pth",
        Preprocessing::new(384, 384),
        84.228,
    ),
    weights("regnet_y_8gf", V1, "regnet_y_8gf-d0d0e4a8.pth", USUAL, 80.032),
    weights("regnet_y_8gf", V2, "regnet_y_8gf-dc2b1b54.pth", NEWER, 82.828),
    weights("vit_b_16", V1, "vit_b_16-c867db91.pth", USUAL, 81.072),
    weights("swin_t", V1, "swin_t-704ceda3.pth", NEWER.bicubic(), 81.474),
    weights("convnext_base", V1, "convnext_base-6075fbad.pth", NEWER, 84.062),
];

impl Pretrained {
    /// All published weights.
    #[must_use]
    pub fn all() -> &'static [Self] {
        ALL
    }

    /// torchvision's default weights of a network; `None` if there are none.
    #[must_use]
    pub fn default_of(architecture: &str) -> Option<&'static Self> {
        ALL.iter().rfind(|weights| weights.architecture == architecture)
    }

    /// The weights of a network by their name, for example `IMAGENET1K_V1`.
    #[must_use]
    pub fn named(architecture: &str, name: &str) -> Option<&'static Self> {
        ALL.iter().find(|weights| (weights.architecture, weights.name) == (architecture, name))
    }

    /// The weights of a network by their file's name.
    #[must_use]
    pub fn of_file(architecture: &str, file: &str) -> Option<&'static Self> {
        ALL.iter().find(|weights| (weights.architecture, weights.file) == (architecture, file))
    }

    /// The first hexadecimal digits of the file's SHA-256, which are part of its name. PyTorch checks the
    /// same digits.
    #[must_use]
    pub fn sha256_start(&self) -> &'static str {
        let stem = self.file.strip_suffix(".pth").unwrap_or(self.file);
        stem.rsplit_once('-').map_or("", |(_, digits)| digits)
    }
}

/// torchvision's name for a class of ImageNet-1k; `None` from 1000 on.
#[must_use]
pub fn imagenet_class(index: usize) -> Option<&'static str> {
    include_str!("imagenet.txt").lines().nth(index)
}
