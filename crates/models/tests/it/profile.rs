//! Profiles: what is told of each layer, and that nothing changes.

use record::{Adam, NetworkKind, StudyNetwork};
use wattlab_models::{
    Control, Network, Training,
    profile::{LayerKind, Pass, Variant, Work},
    vision::{VisionNetwork, random_images},
};

fn works(relu: bool) -> Vec<Work> {
    let spec = StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 2, linear: 2, relu };
    let network = Network::new(&spec, 1, 12, 10, 1).unwrap();
    let adam =
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let images: Vec<f32> = (0..20 * 144).map(|it| (it % 17) as f32 / 17.0).collect();
    let labels: Vec<u32> = (0..20).map(|it| it % 10).collect();
    let mut training = Training::on_one_batch(network, &adam, &images, &labels).unwrap();
    let state = |it: &Training| -> Vec<(String, Vec<f32>)> {
        let state = it.network().state().unwrap();
        let flat = |it: &candle_core::Tensor| it.flatten_all().unwrap().to_vec1().unwrap();
        let mut all: Vec<_> = state.iter().map(|(name, it)| (name.clone(), flat(it))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let before = state(&training);
    let mut works = Vec::new();
    training
        .profile(&mut |work, run| {
            run(Variant::Whole);
            run(Variant::Without);
            works.push(work.clone());
            Control::Continue
        })
        .unwrap();
    assert_eq!(state(&training), before, "a profile changes nothing");
    // And the same training follows as without one.
    let fit = training.fit(2, &mut |_| Control::Continue).unwrap();
    let network = Network::new(&spec, 1, 12, 10, 1).unwrap();
    let mut other = Training::on_one_batch(network, &adam, &images, &labels).unwrap();
    assert_eq!(fit, other.fit(2, &mut |_| Control::Continue).unwrap());
    works
}

#[test]
fn every_layer_of_a_training_step_is_told_both_ways() {
    let works = works(true);
    let rows: Vec<String> = works
        .iter()
        .map(|it| format!("{} {} {}", it.pass.word(), it.kind.word(), it.layer))
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    forward convolution layers.0 Conv2d 3×3 1→3, 12×12
    forward norm layers.1 BatchNorm2d 3
    forward activation layers.2 ReLU
    forward pooling layers.3 MaxPool2d 2×2 with the norm's scale
    forward convolution layers.4 Conv2d 3×3 3→9, 6×6
    forward norm layers.5 BatchNorm2d 9
    forward activation layers.6 ReLU
    forward pooling layers.7 MaxPool2d 2×2 with the norm's scale
    forward other layers.8 Flatten, out of blocks of images
    forward linear layers.9 Linear 81→72
    forward linear layers.10 Linear 72→10
    backward linear layers.10 Linear 72→10
    backward linear layers.9 Linear 81→72
    backward other layers.8 Flatten, out of blocks of images
    backward norm layers.5 BatchNorm2d 9
    backward activation layers.6 ReLU
    backward pooling layers.7 MaxPool2d 2×2 with the norm's scale
    backward convolution layers.4 Conv2d 3×3 3→9, 6×6
    backward norm layers.1 BatchNorm2d 3
    backward activation layers.2 ReLU
    backward pooling layers.3 MaxPool2d 2×2 with the norm's scale
    backward convolution layers.0 Conv2d 3×3 1→3, 12×12
    ");
    let flops = |kind, pass| -> f64 {
        let of = works.iter().filter(|it| it.kind == kind && it.pass == pass);
        of.map(|it| it.flops).sum()
    };
    // 20 images: 1→3 channels of 12×12, 3→9 of 6×6; 81→72 and 72→10 by hand.
    let conv = [3.0 * 144.0 * 9.0, 9.0 * 36.0 * 27.0];
    let dense = 81.0 * 72.0 + 72.0 * 10.0;
    let linear = flops(LayerKind::Linear, Pass::Forward);
    assert_eq!(linear, 2.0 * 20.0 * dense);
    assert_eq!(flops(LayerKind::Linear, Pass::Backward), 2.0 * linear);
    assert_eq!(flops(LayerKind::Convolution, Pass::Forward), 40.0 * (conv[0] + conv[1]));
    // The images need no gradient.
    let backward = 40.0 * (conv[0] + 2.0 * conv[1]);
    assert_eq!(flops(LayerKind::Convolution, Pass::Backward), backward);
}

#[test]
fn without_relu_there_is_no_activation() {
    let kinds: Vec<LayerKind> = works(false).iter().map(|it| it.kind).collect();
    assert!(!kinds.contains(&LayerKind::Activation), "{kinds:?}");
}

#[test]
fn a_profile_can_be_stopped() {
    let network = VisionNetwork::random("squeezenet1_1", 10, 1).unwrap();
    let images = random_images(1, 64, 1).unwrap();
    let mut seen = 0;
    let all = network.profile(&images, &mut |_, _| {
        seen += 1;
        Control::Stop
    });
    assert_eq!((all.unwrap(), seen), (false, 1));
}

/// Multiply-adds of an image of 224×224, in billions, as torchvision publishes them beside its weights
/// (`_ops`, counted by its own tracer over convolutions, linear layers and attention).
#[test]
fn operations_are_torchvisions() {
    let networks: [(&str, f64); 9] = [
        ("alexnet", 0.714),
        ("resnet18", 1.814),
        ("mobilenet_v2", 0.301),
        ("shufflenet_v2_x0_5", 0.04),
        ("densenet121", 2.834),
        ("regnet_y_8gf", 8.473),
        ("vit_b_16", 17.564),
        ("swin_t", 4.491),
        ("convnext_base", 15.355),
    ];
    for (name, published) in networks {
        let network = VisionNetwork::random(name, 1000, 1).unwrap();
        let images = random_images(1, 224, 1).unwrap();
        let mut flops = 0.0;
        let all = network.profile(&images, &mut |work, _| {
            if let LayerKind::Convolution | LayerKind::Linear | LayerKind::Attention = work.kind {
                flops += work.flops;
            }
            Control::Continue
        });
        assert!(all.unwrap());
        let found = flops / 2e9;
        // Published with three decimals.
        let off = (found - published).abs();
        assert!(off < 0.01 * published + 0.0005, "{name}: {found:.4}, published {published}");
    }
}
