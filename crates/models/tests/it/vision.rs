//! The vision networks: torchvision's logits and sizes.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use wattlab_models::vision::{VisionError, VisionNetwork, architectures, random_images};

use crate::formula::{fill, json, shared, uniform};

/// Trained numbers as torchvision publishes them.
const PARAMETERS: &[(&str, usize)] = &[
    ("alexnet", 61_100_840),
    ("vgg11", 132_863_336),
    ("resnet18", 11_689_512),
    ("resnet50", 25_557_032),
    ("squeezenet1_1", 1_235_496),
    ("densenet121", 7_978_856),
    ("mobilenet_v2", 3_504_872),
    ("shufflenet_v2_x0_5", 1_366_792),
    ("shufflenet_v2_x1_0", 2_278_604),
];

#[test]
fn sizes_are_torchvisions() {
    for (name, expected) in PARAMETERS {
        let network = VisionNetwork::random(name, 1000, 0).unwrap();
        assert_eq!(network.parameters(), *expected, "{name}");
    }
}

/// Every name and shape that a network asks for, found by giving it nothing.
fn formula_weights(name: &str, classes: usize) -> VisionNetwork {
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    loop {
        match VisionNetwork::from_tensors(name, classes, tensors.clone()) {
            Ok(network) => return network,
            Err(VisionError::State { name, expected, .. }) => {
                let values = fill(&name, &expected);
                tensors.insert(name, Tensor::from_vec(values, expected, &Device::Cpu).unwrap());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn logits_are_torchvisions() {
    for name in [
        "shufflenet_v2_x0_5",
        "squeezenet1_1",
        "resnet18",
        "mobilenet_v2",
        "densenet121",
        "alexnet",
    ] {
        let Some(path) = shared(&format!("parity/goldens/{name}.json")) else { return };
        let golden = json(path);
        let input = |axis: usize| golden["input_shape"][axis].as_u64().unwrap() as usize;
        let (batch, side) = (input(0), input(2));
        let classes = golden["classes"].as_u64().unwrap() as usize;
        let network = formula_weights(name, classes);
        let images = uniform("input", batch * 3 * side * side);
        let images = Tensor::from_vec(images, (batch, 3, side, side), &Device::Cpu).unwrap();
        let found: Vec<f32> =
            network.forward(&images).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let expected: Vec<f64> =
            golden["logits"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0_f64, |top, it| top.max(it.abs()));
        let worst =
            found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-4 * largest, "{name}: {:e}", worst / largest);
    }
}

#[test]
fn every_network_takes_its_smallest_image() {
    for architecture in architectures() {
        if ["vgg16", "resnet152", "vgg11", "resnet50"].contains(&architecture.name) {
            // Seconds each; vgg and bottlenecks are covered by their sizes.
            continue;
        }
        let network = VisionNetwork::random(architecture.name, 10, 1).unwrap();
        let logits =
            network.forward(&random_images(2, architecture.least_side, 1).unwrap()).unwrap();
        assert_eq!(logits.dims(), [2, 10], "{}", architecture.name);
        let small = random_images(1, architecture.least_side - 1, 1).unwrap();
        assert!(matches!(network.forward(&small), Err(VisionError::TooSmall { .. })));
    }
}

#[test]
fn unknown_networks_are_named() {
    let error = VisionNetwork::random("alexnte", 10, 1).err().unwrap().to_string();
    assert!(error.contains("`alexnte`") && error.contains("alexnet"), "{error}");
}
