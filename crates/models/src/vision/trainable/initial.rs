//! The initial values that torchvision gives to the variables of each network.
//!
//! Normal distributions replace torchvision's truncated ones. Its bounds are at least 20 standard deviations
//! away, so that no value is ever cut off.

use candle_nn::Init;

/// The initial value of a variable, given the network's name, the variable's name and shape, and the inputs of
/// the layer's weight. Factors and summands of normalizations are not among these variables.
pub(in super::super) fn initial(
    network: &str,
    name: &str,
    shape: &[usize],
    inputs: usize,
    bias: bool,
) -> Init {
    let normal = |stdev: f64| Init::Randn { mean: 0.0, stdev };
    let uniform = |bound: f64| Init::Uniform { lo: -bound, up: bound };
    let inputs = inputs.max(1) as f64;
    // PyTorch's default of linear layers and convolutions, for weights and biases.
    let usual = uniform(1.0 / inputs.sqrt());
    let outputs = shape.first().copied().unwrap_or(1) as f64;
    let taps = shape.iter().skip(2).product::<usize>() as f64;
    let image = shape.len() == 4;
    // He et al. 2015, in the direction of the gradients.
    let he = normal((2.0 / (outputs * taps)).sqrt());
    let family = network.split('_').next().unwrap_or(network);
    let zero = Init::Const(0.0);
    match (family, bias) {
        ("googlenet" | "inception", true) => usual,
        ("googlenet", _) => normal(0.01),
        ("inception", _) => normal(0.1),
        ("resnet18" | "resnet50" | "resnet152", false) if image => he,
        ("densenet121", false) if image => normal((2.0 / inputs).sqrt()),
        ("squeezenet1", false) if name.starts_with("classifier.") => normal(0.01),
        ("squeezenet1", false) => uniform((6.0 / inputs).sqrt()),
        ("mnasnet1", false) if !image => uniform((3.0 / outputs).sqrt()),
        ("efficientnet", false) if !image => uniform(1.0 / outputs.sqrt()),
        ("regnet", true) if name != "fc.bias" => usual,
        ("vgg11" | "vgg16" | "mobilenet" | "regnet", false) if !image => normal(0.01),
        ("vgg11" | "vgg16" | "mobilenet" | "mnasnet1" | "efficientnet" | "regnet", false) => he,
        ("vit", bias) => transformer(name, bias, [outputs, inputs], usual),
        // The convolution to patches keeps PyTorch's default.
        ("swin", _) if name.starts_with("features.0.0.") => usual,
        ("swin", false) => normal(0.02),
        ("convnext", false) if name.ends_with("layer_scale") => Init::Const(1e-6),
        ("convnext", false) => normal(0.02),
        (
            "vgg11" | "vgg16" | "densenet121" | "squeezenet1" | "mobilenet" | "mnasnet1"
            | "efficientnet" | "regnet" | "swin" | "convnext",
            true,
        ) => zero,
        _ => usual,
    }
}

/// As [`initial`], for the Vision Transformer.
fn transformer(name: &str, bias: bool, [outputs, inputs]: [f64; 2], usual: Init) -> Init {
    let zero = Init::Const(0.0);
    if bias {
        let tiny = Init::Randn { mean: 0.0, stdev: 1e-6 };
        return if name.contains(".mlp.") { tiny } else { zero };
    }
    if name == "class_token" || name.starts_with("heads.") {
        zero
    } else if name == "encoder.pos_embedding" {
        Init::Randn { mean: 0.0, stdev: 0.02 }
    } else if name.starts_with("conv_proj.") {
        Init::Randn { mean: 0.0, stdev: (1.0 / inputs).sqrt() }
    } else if name.contains(".mlp.") || name.ends_with("in_proj_weight") {
        let bound = (6.0 / (inputs + outputs)).sqrt();
        Init::Uniform { lo: -bound, up: bound }
    } else {
        usual
    }
}
