//! Vision networks on the emulated device, compared with the CPU's kernels.

use std::collections::BTreeSet;

use candle_core::Tensor;

use crate::{
    Precision,
    device::{KERNELS, emulated, emulated_with_backend},
    kernels::image::{Activation, AveragePool, Conv, MaxPool},
    random::Stream,
    vision::{
        catalog::Architecture,
        densenet::densenet,
        layers::Layer,
        network::{Body, VisionNetwork, random_images},
        swin::swin,
        transformer::transformer,
        weights::{Shape, Weights},
    },
};

/// Random images, a tenth as bright as usual. With random weights, efficientnet_v2_s amplifies large values so
/// much that a relative change of 10⁻⁶ of the usual images changes its logits by some percent, which would
/// say nothing about the kernels.
fn dim_images(count: usize, side: usize, seed: u64) -> Tensor {
    (random_images(count, side, seed).unwrap() * 0.1).unwrap()
}

/// The larger of two differences; NaN is the largest.
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// The largest difference between logits and expected ones, relative to the largest expected one.
fn difference(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let values = |logits: &Tensor| logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, expected) = (values(found), values(expected));
    let top = expected.iter().fold(0.0_f32, |top, logit| top.max(logit.abs()));
    found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / top).fold(0.0, larger)
}

/// The largest relative difference between two networks' logits: in a first pass, in a replayed one, and
/// with images given for one pass only.
fn compare(on_device: &VisionNetwork, on_cpu: &VisionNetwork, side: usize) -> f32 {
    let images = dim_images(3, side, 5);
    let (ours, theirs) = (on_device.upload(&images).unwrap(), on_cpu.upload(&images).unwrap());
    let mut worst = 0.0;
    for indices in [[2, 0], [1, 2]] {
        let found = on_device.run(&ours, Some(&indices)).unwrap();
        let expected = on_cpu.run(&theirs, Some(&indices)).unwrap();
        worst = larger(worst, difference(&found, &expected));
    }
    assert_eq!(on_device.recorded(), Some(true));
    let images = dim_images(2, side, 6);
    let (found, expected) = (on_device.forward(&images).unwrap(), on_cpu.forward(&images).unwrap());
    larger(worst, difference(&found, &expected))
}

#[test]
fn networks_compute_as_on_the_cpu() {
    let Some(device) = emulated() else { return };
    for name in [
        "squeezenet1_1",
        "shufflenet_v2_x0_5",
        "mobilenet_v3_large",
        "efficientnet_b0",
        "googlenet",
    ] {
        let on_device = VisionNetwork::random(name, 10, 3).unwrap();
        let on_device = on_device.on(&device, Precision::Single);
        let on_cpu = VisionNetwork::random(name, 10, 3).unwrap();
        let side = Architecture::named(name).unwrap().least_side.max(20);
        let difference = compare(&on_device, &on_cpu, side);
        assert!(difference < 1e-3, "{name}: {difference}");
    }
}

#[test]
fn grouped_convolutions_compute_as_on_the_cpu() {
    let Some(device) = emulated() else { return };
    let shape = Shape { groups: 4, ..Shape::same(24, 40, 3, 2) };
    let numbers = |count: usize, seed| Stream::new(seed, "numbers").uniform(count, 0.5);
    let grouped = |seed: u64| {
        Conv::new(shape, &numbers(40 * 6 * 9, seed), &numbers(40, seed + 1), Activation::Silu)
    };
    let network = |device: &crate::Device| {
        let layer = Layer::Sequence(vec![
            Layer::Conv(Conv::new(
                Shape::same(3, 24, 1, 1),
                &numbers(72, 1),
                &numbers(24, 2),
                Activation::Relu,
            )),
            Layer::Conv(grouped(3)),
            Layer::GlobalAvgPool,
        ]);
        unnamed(layer).on(device, Precision::Single)
    };
    let images = random_images(2, 9, 4).unwrap();
    let run = |device: &crate::Device| {
        network(device).forward(&images).unwrap().to_vec2::<f32>().unwrap().concat()
    };
    for (a, b) in run(&device).iter().zip(run(&crate::Device::cpu())) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

/// Small networks that together launch every kernel, with the side of their images.
fn small_networks() -> Vec<(&'static str, usize, Layer)> {
    let mut w = Weights::random(3);
    let w = &mut w;
    let pool = MaxPool { kernel: 3, stride: 2, padding: 1, ceil: false };
    let plain = Layer::Sequence(vec![
        w.conv("plain.0", Shape::same(3, 12, 3, 1), Activation::Relu6).unwrap(),
        Layer::MaxPool(pool),
        Layer::AveragePool(AveragePool::Adaptive(4)),
        Layer::Flatten,
        w.linear("plain.1", 12 * 16, 10, Activation::None).unwrap(),
    ]);
    let vit = transformer(w, 10, [1, 48, 4]).unwrap();
    // 60 pixels are 15 tokens: windows are padded and shifted, and an odd number of tokens is merged.
    let swin = swin(w, 10, 24, &[(2, 3), (1, 6)]).unwrap();
    let densenet = densenet(w, 10, [1, 2, 1, 1]).unwrap();
    let gate = [Activation::Silu, Activation::Sigmoid];
    let mobile = Layer::Sequence(vec![
        w.conv("mobile.0", Shape::same(3, 24, 3, 2), Activation::HardSwish).unwrap(),
        w.conv("mobile.1", Shape::depthwise(24, 5, 1), Activation::Gelu).unwrap(),
        w.squeeze_excitation("mobile.2", 24, 8, gate).unwrap(),
        Layer::HalfAndShuffle(Box::new(
            w.conv("mobile.3", Shape::same(12, 12, 1, 1), Activation::HardSigmoid).unwrap(),
        )),
        w.conv("mobile.4", Shape::same(24, 16, 3, 2), Activation::None).unwrap(),
        Layer::GlobalAvgPool,
    ]);
    vec![
        ("plain", 23, plain),
        ("transformer", 224, vit),
        ("swin", 60, swin),
        ("densenet", 33, densenet),
        ("mobile", 21, mobile),
    ]
}

/// A network of a layer under the name of one that accepts any image.
fn unnamed(layer: Layer) -> VisionNetwork {
    let info = Architecture::named("resnet18").unwrap().info();
    VisionNetwork { info, body: Body::Layers(layer), parameters: 0, on_device: None }
}

#[test]
fn every_kernel_computes_as_on_the_cpu() {
    let mut launched = BTreeSet::new();
    for (precision, close) in [(Precision::Single, 1e-4), (Precision::Bf16, 0.05)] {
        let Some((device, backend)) = emulated_with_backend() else { return };
        // Equal seeds give equal weights.
        for ((name, side, ours), (.., theirs)) in small_networks().into_iter().zip(small_networks())
        {
            let (ours, theirs) = (unnamed(ours).on(&device, precision), unnamed(theirs));
            let difference = compare(&ours, &theirs, side);
            assert!(difference < close, "{name}, {precision:?}: {difference}");
            if precision == Precision::Bf16 {
                assert!(difference > 1e-6, "{name}: nothing was rounded to bfloat16");
            }
        }
        launched.extend(backend.launched());
    }
    let vision = |name: &&str| name.ends_with("_f32") || name.ends_with("_bf16");
    let all: BTreeSet<&str> = KERNELS.iter().copied().filter(vision).collect();
    assert_eq!(launched, all);
}
