//! Network files with padding as TensorFlow's, and the EfficientNet-Lite networks, which have it.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde_json::Value;
use wattlab_models::{Layers, NetworkFile, vision::VisionNetwork};

use crate::formula::{fill, uniform};

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn state(file: &NetworkFile) -> HashMap<String, Tensor> {
    let tensors = file.state_dict().into_iter();
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let values = fill(&name, &shape);
        (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    tensors.map(tensor).collect()
}

/// The logits of our kernels and those of modules for training, with our layers and with candle's.
fn logits(file: &NetworkFile, images: &Tensor) -> [Vec<f32>; 3] {
    let state = state(file);
    let ours = VisionNetwork::from_file(file, "file", Some(state.clone()), 0).unwrap();
    let variables = file.variables(&state, 0).unwrap();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let module = |layers: Layers| {
        let module = file.trainable(&builder, layers).unwrap();
        numbers(&module.forward_t(images, false).unwrap())
    };
    [numbers(&ours.forward(images).unwrap()), module(Layers::Fused), module(Layers::Candle)]
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * largest, "{found} instead of {expected}");
    }
}

/// A convolution of every kind beside candle's of an image that was padded before: ⌈side / stride⌉ pixels of each
/// side, and an odd zero at the end.
#[test]
fn same_padding_is_tensorflows() {
    for (side, kernel, stride, groups) in [
        (10, 3, 2, 1),
        (11, 3, 2, 1),
        (10, 5, 2, 8),
        (11, 5, 2, 8),
        (10, 2, 2, 1),
        (11, 2, 1, 1),
        (9, 4, 3, 1),
        (10, 4, 3, 8),
        (7, 3, 1, 8),
        (10, 1, 2, 1),
    ] {
        let text = format!(
            "name = \"same\"\ninput = [8, {side}, {side}]\nclasses = 8\n\
             [[layers]]\nkind = \"conv2d\"\nname = \"c\"\nout = 8\nkernel = {kernel}\nstride = {stride}\n\
             groups = {groups}\npadding = \"same\"\n[[layers]]\nkind = \"relu6\"\n\
             [[layers]]\nkind = \"global_avg_pool\"\n"
        );
        let file = NetworkFile::parse(&text, "same.toml").unwrap();
        let images = uniform("image", 2 * 8 * side * side).into_iter().map(|pixel| 9.0 * pixel);
        let images =
            Tensor::from_vec(images.collect::<Vec<_>>(), (2, 8, side, side), &Device::Cpu).unwrap();
        let out = side.div_ceil(stride);
        let zeros = ((out - 1) * stride + kernel).saturating_sub(side);
        let (before, after) = (zeros / 2, zeros - zeros / 2);
        let padded = images.pad_with_zeros(2, before, after).unwrap();
        let padded = padded.pad_with_zeros(3, before, after).unwrap();
        let state = state(&file);
        let expected = padded.conv2d(&state["c.weight"], 0, stride, 1, groups).unwrap();
        assert_eq!(expected.dims(), [2, 8, out, out]);
        let bias = state["c.bias"].reshape((1, 8, 1, 1)).unwrap();
        let expected = expected.broadcast_add(&bias).unwrap().clamp(0_f32, 6_f32).unwrap();
        let expected = numbers(&expected.mean((2, 3)).unwrap());
        for found in logits(&file, &images) {
            close(&found, &expected, 1e-5);
        }
    }
}

/// The expected logits are those of PyTorch, see `efficientnet_lite.py`.
#[test]
fn efficientnet_lite_gives_the_logits_of_pytorch() {
    let expected: Value =
        serde_json::from_str(include_str!("../data/efficientnet-lite.json")).unwrap();
    for (number, top1) in [(0, 75.1), (1, 76.7), (2, 77.6)] {
        let name = format!("efficientnet_lite{number}");
        let file = NetworkFile::read(Path::new(&name)).unwrap();
        let golden = &expected[&name];
        assert_eq!(file.parameters() as u64, golden["parameters"].as_u64().unwrap());
        let published = file.published().unwrap();
        assert_eq!((published.year, published.top1), (2020, top1));
        let side = file.side();
        let image = uniform("image", 3 * side * side);
        let image = Tensor::from_vec(image, (1, 3, side, side), &Device::Cpu).unwrap();
        let network = VisionNetwork::from_file(&file, &name, Some(state(&file)), 0).unwrap();
        let found = numbers(&network.forward(&image).unwrap());
        let largest = golden["largest"].as_f64().unwrap();
        let logits = golden["logits"].as_array().unwrap();
        assert_eq!(logits.len(), 20);
        for (found, expected) in found.iter().step_by(50).zip(logits) {
            let difference = (f64::from(*found) - expected.as_f64().unwrap()).abs();
            assert!(difference < 1e-4 * largest, "{name}: {found} instead of {expected}");
        }
    }
}

#[test]
fn quoted_figures_that_are_impossible_are_refused() {
    let error = |quoted: &str| {
        let text = format!(
            "name = \"x\"\ninput = [1, 4, 4]\nclasses = 1\n[published]\n{quoted}\n\
             [[layers]]\nkind = \"global_avg_pool\"\n"
        );
        NetworkFile::parse(&text, "x.toml").unwrap_err().to_string()
    };
    let figures =
        |year, top1, more| format!("year = {year}\ntop1 = {top1}\ngiga_multiply_adds = {more}");
    assert!(error(&figures("1900", "50.0", "1.0")).contains("`published.year` is 1900"));
    assert!(error(&figures("2020", "0.751e3", "1.0")).contains("`published.top1` is 751"));
    assert!(error(&figures("2020", "nan", "1.0")).contains("`published.top1` is NaN"));
    assert!(error(&figures("2020", "75.1", "-1.0")).contains("`published.giga_multiply_adds`"));
    assert!(error("year = 2020").contains("top1"));
}
