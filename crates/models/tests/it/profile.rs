//! Profiles: the work of each layer, and that profiling changes nothing.

use std::ops::ControlFlow;

use wattlab_models::{
    Adam, Network, NetworkKind, StudyNetwork, Training,
    profile::{LayerKind, LayerWork, Pass, Variant},
    vision::{VisionNetwork, random_images},
};

/// The work of every pass that a profile reports for a small network.
fn works(relu: bool) -> Vec<LayerWork> {
    let spec = StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 2, linear: 2, relu };
    let network = Network::new(&spec, 1, 12, 10, 1).unwrap();
    let adam =
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let images: Vec<f32> = (0..20 * 144).map(|i| (i % 17) as f32 / 17.0).collect();
    let labels: Vec<u32> = (0..20).map(|i| i % 10).collect();
    let mut training = Training::on_one_batch(network, &adam, &images, &labels).unwrap();
    let state = |training: &Training| -> Vec<(String, Vec<f32>)> {
        let state = training.network().state().unwrap();
        let values =
            |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        let mut all: Vec<_> =
            state.iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect();
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
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(state(&training), before, "a profile changes nothing");
    // Training continues as without a profile.
    let history = training.fit(2, &mut |_| ControlFlow::Continue(())).unwrap();
    let network = Network::new(&spec, 1, 12, 10, 1).unwrap();
    let mut other = Training::on_one_batch(network, &adam, &images, &labels).unwrap();
    assert_eq!(history, other.fit(2, &mut |_| ControlFlow::Continue(())).unwrap());
    works
}

#[test]
fn a_profile_reports_the_forward_and_backward_pass_of_every_layer() {
    let works = works(true);
    let rows: Vec<String> = works
        .iter()
        .map(|work| format!("{} {} {}", work.pass.word(), work.kind.word(), work.layer))
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    forward convolution layers.0 Conv2d 3×3 1→3, 12×12
    forward norm layers.1 BatchNorm2d 3
    forward activation layers.2 ReLU
    forward pooling layers.3 MaxPool2d 2×2 with batch norm's scale
    forward convolution layers.4 Conv2d 3×3 3→9, 6×6
    forward norm layers.5 BatchNorm2d 9
    forward activation layers.6 ReLU
    forward pooling layers.7 MaxPool2d 2×2 with batch norm's scale
    forward other layers.8 Flatten, from blocks of 16 images
    forward linear layers.9 Linear 81→72
    forward linear layers.10 Linear 72→10
    backward linear layers.10 Linear 72→10
    backward linear layers.9 Linear 81→72
    backward other layers.8 Flatten, from blocks of 16 images
    backward norm layers.5 BatchNorm2d 9
    backward activation layers.6 ReLU
    backward pooling layers.7 MaxPool2d 2×2 with batch norm's scale
    backward convolution layers.4 Conv2d 3×3 3→9, 6×6
    backward norm layers.1 BatchNorm2d 3
    backward activation layers.2 ReLU
    backward pooling layers.3 MaxPool2d 2×2 with batch norm's scale
    backward convolution layers.0 Conv2d 3×3 1→3, 12×12
    ");
    let flops = |kind, pass| -> f64 {
        let chosen = works.iter().filter(|work| work.kind == kind && work.pass == pass);
        chosen.map(|work| work.flops).sum()
    };
    // 20 images: 1→3 channels of 12×12, 3→9 of 6×6; 81→72 and 72→10 by hand.
    let conv = [3.0 * 144.0 * 9.0, 9.0 * 36.0 * 27.0];
    let dense = 81.0 * 72.0 + 72.0 * 10.0;
    let linear = flops(LayerKind::Linear, Pass::Forward);
    assert_eq!(linear, 2.0 * 20.0 * dense);
    assert_eq!(flops(LayerKind::Linear, Pass::Backward), 2.0 * linear);
    assert_eq!(flops(LayerKind::Convolution, Pass::Forward), 40.0 * (conv[0] + conv[1]));
    // The images themselves need no gradient.
    let backward = 40.0 * (conv[0] + 2.0 * conv[1]);
    assert_eq!(flops(LayerKind::Convolution, Pass::Backward), backward);
}

#[test]
fn without_relu_there_is_no_activation() {
    let kinds: Vec<LayerKind> = works(false).iter().map(|work| work.kind).collect();
    assert!(!kinds.contains(&LayerKind::Activation), "{kinds:?}");
}

#[test]
fn a_profile_can_be_stopped() {
    let network = VisionNetwork::random("squeezenet1_1", 10, 1).unwrap();
    let images = random_images(1, 64, 1).unwrap();
    let mut seen = 0;
    let all = network.profile(&images, &mut |_, _| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((all.unwrap(), seen), (false, 1));
}

/// Billions of multiply-adds for an image of 224×224, as torchvision publishes them with its weights (`_ops`,
/// counted by its tracer over convolutions, linear layers and attention).
#[test]
fn operations_are_counted_as_torchvision_publishes_them() {
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
            ControlFlow::Continue(())
        });
        assert!(all.unwrap());
        let found = flops / 2e9;
        // The published numbers have three decimals.
        let off = (found - published).abs();
        assert!(off < 0.01 * published + 0.0005, "{name}: {found:.4}, published {published}");
    }
}
