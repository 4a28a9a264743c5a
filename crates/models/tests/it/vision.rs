//! The vision networks, compared with torchvision's numbers of parameters and logits.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use wattlab_models::vision::{
    VisionError, VisionNetwork, architectures, random_images, state_dict,
};

use crate::{
    formula::{fill, json, shared, uniform},
    goldens::ODD,
};

/// Numbers of parameters as torchvision publishes them; for `inception_v3` without the auxiliary classifier,
/// which is used in training only.
const PARAMETERS: &[(&str, usize)] = &[
    ("alexnet", 61_100_840),
    ("vgg11", 132_863_336),
    ("vgg16", 138_357_544),
    ("googlenet", 6_624_904),
    ("inception_v3", 27_161_264 - 3_326_696),
    ("resnet18", 11_689_512),
    ("resnet50", 25_557_032),
    ("resnet152", 60_192_808),
    ("squeezenet1_1", 1_235_496),
    ("densenet121", 7_978_856),
    ("mobilenet_v2", 3_504_872),
    ("shufflenet_v2_x0_5", 1_366_792),
    ("shufflenet_v2_x1_0", 2_278_604),
    ("mnasnet1_0", 4_383_312),
    ("mobilenet_v3_large", 5_483_032),
    ("efficientnet_b0", 5_288_548),
    ("efficientnet_b7", 66_347_960),
    ("regnet_y_8gf", 39_381_472),
    ("vit_b_16", 86_567_656),
    ("swin_t", 28_288_354),
    ("efficientnet_v2_s", 21_458_488),
    ("convnext_base", 88_591_464),
];

#[test]
fn networks_have_as_many_parameters_as_in_torchvision() {
    let names: Vec<&str> = architectures().iter().map(|network| network.name).collect();
    assert_eq!(names, PARAMETERS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, expected) in PARAMETERS {
        let trained = state_dict(name, 1000).unwrap();
        let trained = trained.iter().filter(|(name, _)| !name.contains(".running_"));
        let found: usize = trained.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(found, *expected, "{name}");
    }
    let network = VisionNetwork::random("shufflenet_v2_x0_5", 1000, 0).unwrap();
    assert_eq!(network.parameters(), 1_366_792);
}

/// Logits with weights and images by formula. The state dict also contains tensors that torchvision has in
/// addition: counts of batches, and auxiliary classifiers.
fn logits(name: &str, classes: usize, [n, h, w]: [usize; 3]) -> Vec<f32> {
    let mut tensors: HashMap<String, Tensor> = state_dict(name, classes)
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let values = fill(&name, &shape);
            (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect();
    for extra in ["bn1.num_batches_tracked", "aux1.fc2.bias", "AuxLogits.fc.bias"] {
        tensors.insert(
            extra.to_owned(),
            Tensor::zeros(1, candle_core::DType::I64, &Device::Cpu).unwrap(),
        );
    }
    let network = VisionNetwork::from_tensors(name, classes, tensors).unwrap();
    let images = uniform("input", n * 3 * h * w);
    let images = Tensor::from_vec(images, (n, 3, h, w), &Device::Cpu).unwrap();
    network.forward(&images).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest allowed difference, relative to the largest logit.
const CLOSE: f64 = 1e-4;

fn check(name: &str, found: &[f32], expected: &[f64], close: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0_f64, |top, logit| top.max(logit.abs()));
    let worst =
        found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    assert!(worst <= close * largest, "{name}: {:e}", worst / largest);
}

/// One image of the usual size for each network.
#[test]
fn logits_agree_with_torchvision() {
    for architecture in architectures() {
        let name = architecture.name;
        if ["vgg16", "resnet50", "resnet152", "efficientnet_b7", "shufflenet_v2_x1_0"]
            .contains(&name)
        {
            // They consist of the same blocks as their smaller variants.
            continue;
        }
        let Some(path) = shared(&format!("parity/goldens/{name}.json")) else { continue };
        let golden = json(path);
        let input = |axis: usize| golden["input_shape"][axis].as_u64().unwrap() as usize;
        let classes = golden["classes"].as_u64().unwrap() as usize;
        let found = logits(name, classes, [input(0), input(2), input(3)]);
        let expected: Vec<f64> = golden["logits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|logit| logit.as_f64().unwrap())
            .collect();
        // With these weights and this image, EfficientNetV2's last stage amplifies rounding errors a thousand
        // times: torchvision's own logits change by 0.7 % without oneDNN and by 0.6 % in double precision.
        let close = if name == "efficientnet_v2_s" { 2e-2 } else { CLOSE };
        check(name, &found, &expected, close);
    }
}

/// Every network, on two small images that are not square.
#[test]
fn logits_of_odd_sizes_agree_with_torchvision() {
    assert_eq!(ODD.len(), architectures().len());
    for (name, [h, w], expected) in ODD {
        check(name, &logits(name, expected.len() / 2, [2, *h, *w]), expected, CLOSE);
    }
}

#[test]
fn every_network_accepts_its_smallest_image_and_no_smaller_one() {
    for architecture in architectures() {
        let (name, least) = (architecture.name, architecture.least_side);
        let refused = architecture.check_size(least.saturating_sub(1), 300);
        match refused {
            Err(VisionError::TooSmall { .. }) => assert!(!architecture.fixed_side, "{name}"),
            Err(VisionError::Side { side, .. }) => assert!(side == 224 && name == "vit_b_16"),
            other => panic!("{name}: {other:?}"),
        }
        if ["vgg16", "resnet50", "resnet152", "vgg11", "efficientnet_b7"].contains(&name) {
            // They take seconds each and consist of the same blocks as their smaller variants.
            continue;
        }
        let network = VisionNetwork::random(name, 10, 1).unwrap();
        let images = random_images(2, least, 1).unwrap();
        let rows: Vec<Vec<f32>> = network.forward(&images).unwrap().to_vec2().unwrap();
        let finite = rows.iter().flatten().all(|logit| logit.is_finite());
        assert!(rows.len() == 2 && rows[0].len() == 10 && finite, "{name}: {rows:?}");
        // The limit is exact: one pixel less leaves a layer without pixels.
        if least > 1 && !architecture.fixed_side {
            let small = random_images(1, least - 1, 1).unwrap();
            assert!(matches!(network.forward(&small), Err(VisionError::TooSmall { .. })));
        }
    }
}

#[test]
fn an_unknown_network_is_refused_with_the_available_names() {
    let error = VisionNetwork::random("alexnte", 10, 1).err().unwrap().to_string();
    assert!(error.contains("`alexnte`") && error.contains("alexnet"), "{error}");
}
