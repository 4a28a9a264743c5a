//! ONNX files as vision networks.

use std::{collections::HashMap, ops::ControlFlow, path::PathBuf};

use candle_core::{Device, Tensor};
use wattlab_models::{
    onnx::{Graph, GraphInput},
    profile::Variant,
    vision::{VisionNetwork, network_info},
};

/// A field of a message: its number, and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 128 {
        out.push(len as u8 | 128);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(bytes);
    out
}

/// A field of a message: its number, and a small whole number.
fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    out.extend(field(2, output.as_bytes()));
    out.extend(field(4, operator.as_bytes()));
    field(1, &out)
}

fn value(place: u8, name: &str, sizes: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = sizes.iter().flat_map(|size| field(1, &number(1, *size))).collect();
    let tensor = [number(1, 1), field(2, &dims)].concat();
    field(place, &[field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat())
}

/// A 1×1 convolution from two channels to three, and the means of its channels.
fn network(batch: u8) -> Vec<u8> {
    let weights = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].map(f32::to_le_bytes).concat();
    let dims: Vec<u8> = [3, 2, 1, 1].iter().flat_map(|size| number(1, *size)).collect();
    let tensor = [dims, number(2, 1), field(8, b"w"), field(9, &weights)].concat();
    let graph = [
        node("Conv", &["x", "w"], "c"),
        node("GlobalAveragePool", &["c"], "y"),
        field(5, &tensor),
        value(11, "x", &[batch, 2, 4, 4]),
        value(12, "y", &[]),
    ];
    [number(1, 8), field(7, &graph.concat()), field(8, &number(2, 13))].concat()
}

fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.onnx");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Images whose first channel is `first` everywhere, and whose second channel is 1.
fn images(first: &[f32]) -> Tensor {
    let values: Vec<f32> =
        first.iter().flat_map(|value| [[*value; 16], [1.0; 16]].concat()).collect();
    Tensor::from_vec(values, (first.len(), 2, 4, 4), &Device::Cpu).unwrap()
}

#[test]
fn a_file_is_a_vision_network() {
    for batch in [0, 1] {
        let (_folder, path) = saved(&network(batch));
        let name = path.to_str().unwrap();
        let network = VisionNetwork::open(name, None, None, 1).unwrap();
        assert_eq!(network.info(), &network_info(name).unwrap());
        let info = network.info();
        assert_eq!((info.channels, info.usual_side, info.fixed_side), (2, 4, true));
        assert_eq!(network.parameters(), 6);
        let logits = network.forward(&images(&[1.0, 10.0])).unwrap();
        let expected = [[3.0_f32, 7.0, 11.0], [12.0, 34.0, 56.0]];
        assert_eq!(logits.to_vec2::<f32>().unwrap(), expected);
        let uploaded = network.upload(&images(&[1.0, 10.0])).unwrap();
        let second = network.run(&uploaded, Some(&[1])).unwrap();
        assert_eq!(second.to_vec2::<f32>().unwrap(), expected[1..]);
        let mut rows = Vec::new();
        let all = network.profile(&images(&[1.0]), &mut |work, run| {
            run(Variant::Whole);
            rows.push(work.layer.clone());
            ControlFlow::Continue(())
        });
        assert!(all.unwrap());
        assert_eq!(rows, ["1 Conv c, 3×4×4", "2 GlobalAveragePool y, 3×1×1"]);
    }
}

#[test]
fn the_images_are_read_without_the_weights() {
    let (_folder, path) = saved(&network(0));
    let input = GraphInput::read(&path).unwrap();
    assert_eq!(input, Graph::read(&path).unwrap().input());
    assert_eq!((input.batch, input.height, input.width), (None, Some(4), Some(4)));
}

#[test]
fn other_weights_and_sizes_are_refused() {
    let (_folder, path) = saved(&network(0));
    let name = path.to_str().unwrap();
    let weights = HashMap::from([("w".to_owned(), images(&[1.0]))]);
    for (classes, weights) in [(Some(10), None), (None, Some(weights))] {
        let error = VisionNetwork::open(name, classes, weights, 1).err().unwrap();
        assert!(
            error
                .to_string()
                .ends_with("small.onnx`: it has its own classes and weights, expected no others")
        );
    }
    let network = VisionNetwork::open(name, None, None, 1).unwrap();
    let wide = Tensor::zeros((1, 2, 4, 5), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = network.forward(&wide).unwrap_err().to_string();
    assert!(error.contains("needs images of 4×4 pixels, got 4×5"), "{error}");
}
