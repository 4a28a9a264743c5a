//! Networks of 8-bit integers beside those of single precision.

use candle_core::Tensor;
use wattlab_models::vision::{Clip, Int8Settings, VisionNetwork, network_info, random_images};

fn values(logits: &Tensor) -> Vec<f32> {
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// The length of the difference, as a share of that of the expected logits around their mean.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    let mean = expected.iter().sum::<f32>() / expected.len() as f32;
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>();
    let away = square(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (away / square(&mut expected.iter().map(|x| x - mean))).sqrt()
}

#[test]
fn logits_are_near_those_of_single_precision() {
    for (name, side, most) in [
        ("resnet18", 64, 0.1),
        ("resnet50", 64, 0.25),
        ("mobilenet_v2", 64, 0.25),
        ("alexnet", 64, 0.1),
        ("vgg11", 32, 0.1),
    ] {
        let network = VisionNetwork::random(name, 20, 5).unwrap();
        let images = random_images(6, side, 2).unwrap();
        let expected = values(&network.forward(&images).unwrap());
        for clip in [Clip::MinMax, Clip::SquaredError] {
            let int8 = network.to_int8(&Int8Settings { images: 4, clip }, &images).unwrap();
            assert_eq!(int8.int8_summary().unwrap().images, 4);
            assert_eq!(int8.parameters(), network.parameters());
            let found = values(&int8.forward(&images).unwrap());
            let away = distance(&found, &expected);
            eprintln!("{name}, {clip:?}: {away:.3}");
            assert!(away > 0.0 && away < most, "{name}, {clip:?}: {away}");
        }
    }
}

#[test]
fn logits_of_an_image_do_not_depend_on_the_batch() {
    let network = VisionNetwork::random("mobilenet_v2", 7, 5).unwrap();
    let images = random_images(9, 40, 2).unwrap();
    let int8 = network.to_int8(&Int8Settings::default(), &images).unwrap();
    assert_eq!(int8.int8_summary().unwrap().images, 9);
    let all = values(&int8.forward(&images).unwrap());
    for image in 0..9 {
        let one = values(&int8.forward(&images.narrow(0, image, 1).unwrap()).unwrap());
        assert_eq!(one, all[image * 7..(image + 1) * 7], "{image}");
    }
    let uploaded = int8.upload(&images).unwrap();
    assert_eq!(values(&int8.run(&uploaded, None).unwrap()), all);
    let some = values(&int8.run(&uploaded, Some(&[8, 0])).unwrap());
    assert_eq!(some[..7], all[8 * 7..]);
    assert_eq!(some[7..], all[..7]);
}

#[test]
fn other_networks_are_refused_with_what_is_missing() {
    for (name, missing) in [
        ("densenet121", "concatenation of channels"),
        ("googlenet", "concatenation of channels"),
        ("shufflenet_v2_x0_5", "channel shuffle"),
        ("efficientnet_b0", "Silu"),
        ("mobilenet_v3_large", "HardSwish"),
        ("vit_b_16", "not support"),
        ("convnext_base", "layer norm"),
    ] {
        let network = VisionNetwork::random(name, 5, 1).unwrap();
        let side = network_info(name).unwrap().least_side.max(32);
        let images = random_images(1, side, 2).unwrap();
        let error = network.to_int8(&Int8Settings::default(), &images).err().unwrap().to_string();
        assert!(error.contains(&format!("network `{name}` cannot run in int8")), "{error}");
        assert!(error.contains(missing), "{name}: {error}");
    }
}

#[test]
fn wrong_images_and_a_second_conversion_are_refused() {
    let network = VisionNetwork::random("resnet18", 5, 1).unwrap();
    let settings = Int8Settings::default();
    let error = network.to_int8(&settings, &random_images(0, 32, 2).unwrap()).err().unwrap();
    assert!(format!("{error:?}").contains("at least one image"), "{error:?}");
    let images = random_images(1, 32, 2).unwrap();
    let bad = (&images * f64::NAN).unwrap();
    let error = network.to_int8(&settings, &bad).err().unwrap();
    assert!(error.to_string().contains("not finite"), "{error}");
    let int8 = network.to_int8(&settings, &images).unwrap();
    let error = int8.to_int8(&settings, &images).err().unwrap();
    assert!(error.to_string().contains("8-bit integers already"), "{error}");
    let gray = Tensor::zeros((1, 1, 32, 32), candle_core::DType::F32, &candle_core::Device::Cpu);
    assert!(int8.forward(&gray.unwrap()).is_err());
    let error = int8.profile(&images, &mut |_, _| std::ops::ControlFlow::Continue(()));
    assert!(error.unwrap_err().to_string().contains("a profile of its layers"));
}
