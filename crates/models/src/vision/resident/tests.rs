//! Against the kernels of the CPU, the device emulated.

use candle_core::Tensor;

use crate::{
    Precision,
    device::emulated,
    kernels::image::{Activation, Conv},
    study::Stream,
    vision::{
        Architecture, VisionNetwork, architectures, layers::Layer, random_images, weights::Shape,
    },
};

/// So many images, a tenth as bright as those that are served: with random weights efficientnet_v2_s
/// multiplies what is large, until a millionth more light changes its logits by some percent, and
/// says nothing about who computes it.
fn dim_images(count: usize, side: usize, seed: u64) -> Tensor {
    (random_images(count, side, seed).unwrap() * 0.1).unwrap()
}

/// The largest distance of logits there from those on the CPU, over the largest logit, of a first pass
/// and of one that is repeated; nothing without a compiler.
fn distance(name: &str, side: usize, precision: Precision) -> Option<f32> {
    let device = emulated()?;
    let there = VisionNetwork::random(name, 10, 3).unwrap().on(&device, precision);
    let here = VisionNetwork::random(name, 10, 3).unwrap();
    let images = dim_images(3, side, 5);
    let (kept, images) = (there.keep(&images).unwrap(), here.keep(&images).unwrap());
    let mut worst = 0.0_f32;
    for numbers in [[2, 0], [1, 2]] {
        let ours = there.run(&kept, Some(&numbers)).unwrap().to_vec2::<f32>().unwrap().concat();
        let theirs = here.run(&images, Some(&numbers)).unwrap().to_vec2::<f32>().unwrap().concat();
        assert_eq!(ours.len(), theirs.len());
        let top = theirs.iter().fold(0.0_f32, |top, it| top.max(it.abs()));
        let far = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / top);
        worst = far.fold(worst, |worst, it| if it > worst || it.is_nan() { it } else { worst });
    }
    assert_eq!(there.recorded(), Some(true));
    // Images that come for one pass.
    let images = dim_images(2, side, 6);
    let logits = |it: &VisionNetwork| it.forward(&images).unwrap().to_vec2::<f32>().unwrap();
    let (ours, theirs) = (logits(&there), logits(&here));
    let top = theirs.concat().iter().fold(0.0_f32, |top, it| top.max(it.abs()));
    for (a, b) in ours.concat().iter().zip(theirs.concat()) {
        worst = if (a - b).abs() / top > worst { (a - b).abs() / top } else { worst };
    }
    Some(worst)
}

/// The smallest side that it takes, and some pixels.
fn side(name: &str) -> usize {
    Architecture::named(name).unwrap().least_side.max(20)
}

#[test]
fn every_kind_of_layer_computes_as_on_the_cpu() {
    for name in [
        "squeezenet1_1",
        "shufflenet_v2_x0_5",
        "mobilenet_v3_large",
        "efficientnet_b0",
        "googlenet",
    ] {
        let Some(distance) = distance(name, side(name), Precision::Single) else { return };
        assert!(distance < 1e-3, "{name}: {distance}");
    }
}

#[test]
fn groups_of_channels_compute_as_on_the_cpu() {
    let Some(device) = emulated() else { return };
    let shape = Shape { groups: 4, ..Shape::same(24, 40, 3, 2) };
    let numbers = |count: usize, seed| Stream::new(seed, "numbers").uniform(count, 0.5);
    let of = |at: u64| {
        Conv::new(shape, &numbers(40 * 6 * 9, at), &numbers(40, at + 1), Activation::Silu)
    };
    let network = |device: &crate::Device| {
        let layer = Layer::Sequence(vec![
            Layer::Conv(Conv::new(
                Shape::same(3, 24, 1, 1),
                &numbers(72, 1),
                &numbers(24, 2),
                Activation::Relu,
            )),
            Layer::Conv(of(3)),
            Layer::GlobalAvgPool,
        ]);
        let architecture = Architecture::named("resnet18").unwrap();
        VisionNetwork { architecture, layer, parameters: 0, resident: None }
            .on(device, Precision::Single)
    };
    let images = random_images(2, 9, 4).unwrap();
    let run = |device: &crate::Device| {
        network(device).forward(&images).unwrap().to_vec2::<f32>().unwrap().concat()
    };
    for (a, b) in run(&device).iter().zip(run(&crate::Device::cpu())) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn windows_of_attention_shift_as_on_the_cpu() {
    // 60 pixels are 15 tokens: padded, shifted, merged from an odd number.
    let Some(distance) = distance("swin_t", 60, Precision::Single) else { return };
    assert!(distance < 1e-3, "{distance}");
}

#[test]
fn halves_are_close() {
    for name in ["shufflenet_v2_x0_5", "squeezenet1_1"] {
        let Some(distance) = distance(name, side(name), Precision::Bf16) else { return };
        assert!(distance > 1e-6 && distance < 0.05, "{name}: {distance}");
    }
}

#[test]
#[ignore = "minutes: all networks at their smallest size"]
fn all_networks_compute_as_on_the_cpu() {
    for it in architectures() {
        let Some(distance) = distance(it.name, side(it.name), Precision::Single) else {
            return;
        };
        assert!(distance < 1e-3, "{}: {distance}", it.name);
    }
}
