//! Training of the study's networks: PyTorch's losses, determinism, divergence.

use std::{collections::HashMap, ops::ControlFlow};

use candle_core::{Device, Tensor};
use wattlab_models::{
    Adam, DataSpec, Network, NetworkKind, StudyNetwork, TrainError, Training, load_dataset,
};

use crate::formula::{fill, json, shared, uniform};

fn spec(kind: NetworkKind, conv: u32, linear: u32, relu: bool) -> StudyNetwork {
    StudyNetwork { kind, conv, linear, relu }
}

/// The state dict of a network, with every tensor by formula except the running statistics.
fn formula_state(network: &Network) -> HashMap<String, Tensor> {
    let state = network.state().unwrap();
    state
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.dims();
            let values = if name.ends_with("running_mean") {
                vec![0.0; tensor.elem_count()]
            } else if name.ends_with("running_var") {
                vec![1.0; tensor.elem_count()]
            } else {
                fill(name, shape)
            };
            (name.clone(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect()
}

fn losses(
    spec: &StudyNetwork,
    adam: &Adam,
    (channels, side, batch): (usize, usize, usize),
    steps: u32,
) -> Vec<f64> {
    let mut network = Network::new(spec, channels, side, 10, 0).unwrap();
    network.load(&formula_state(&network)).unwrap();
    let pixels = uniform("input", batch * channels * side * side);
    let images: Vec<f32> =
        pixels.iter().map(|pixel| ((f64::from(*pixel) + 1.0) / 2.0) as f32).collect();
    let labels: Vec<u32> = uniform("label", batch)
        .iter()
        .map(|value| (10.0 * (f64::from(*value) + 1.0) / 2.0).floor() as u32)
        .collect();
    let mut training = Training::on_one_batch(network, adam, &images, &labels).unwrap();
    let history = training.fit(steps, &mut |_| ControlFlow::Continue(())).unwrap();
    history.epochs.iter().map(|epoch| epoch.loss.unwrap()).collect()
}

#[test]
fn losses_agree_with_pytorch() {
    let rows = [
        ("study-simple_cnn-28", spec(NetworkKind::SimpleCnn, 2, 3, true), 1, 28),
        ("study-simple_cnn-28-norelu", spec(NetworkKind::SimpleCnn, 0, 0, false), 1, 28),
        ("study-simple_cnn-32-deep", spec(NetworkKind::SimpleCnn, 0, 0, true), 3, 32),
        ("study-dense_poly-28", spec(NetworkKind::DensePoly, 0, 3, true), 1, 28),
        ("study-dense_linear-32", spec(NetworkKind::DenseLinear, 0, 3, true), 3, 32),
    ];
    for (name, mut network, channels, side) in rows {
        let Some(path) = shared(&format!("parity/goldens/{name}.json")) else { return };
        let golden = json(path);
        let number = |key: &str| golden[key].as_u64().unwrap();
        network.linear = number("linear") as u32;
        if network.kind == NetworkKind::SimpleCnn {
            network.conv = number("conv") as u32;
        }
        assert_eq!((number("channels"), number("side")), (channels as u64, side as u64));
        let expected: Vec<f64> = golden["losses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|loss| loss.as_f64().unwrap())
            .collect();
        let batch = number("batch") as usize;
        let real = |key: &str| golden[key].as_f64().unwrap();
        let adam = Adam {
            learning_rate: real("lr"),
            beta1: real("beta1"),
            beta2: real("beta2"),
            epsilon: real("epsilon"),
            weight_decay: real("weight_decay"),
        };
        let found = losses(&network, &adam, (channels, side, batch), expected.len() as u32);
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b).fold(0.0, f64::max);
        assert!(worst < 1e-3, "{name}: {worst:e}\n{found:?}\n{expected:?}");
    }
}

/// The expected losses are the first five of PyTorch 2.15 for SimpleCNN 1×28×28 (2 conv, 3 linear), batch 64,
/// with weights and images by formula. This test needs no files.
#[test]
fn the_first_losses_agree_with_pytorch() {
    let expected = [
        2.908_667_802_810_669,
        3.860_731_601_715_088,
        3.636_256_217_956_543,
        3.580_496_549_606_323,
        3.193_253_040_313_72,
    ];
    let found = losses(&spec(NetworkKind::SimpleCnn, 2, 3, true), &Adam::default(), (1, 28, 64), 5);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() / expected < 1e-3, "{found} {expected}");
    }
}

fn data(train: usize) -> wattlab_models::Dataset {
    let spec = DataSpec { name: "shapes-28".into(), train, validation: 0, test: 64 };
    load_dataset(&spec, None, 1).unwrap()
}

#[test]
fn the_number_of_threads_changes_no_bit_of_the_result() {
    let data = data(150);
    let run = |threads: usize, kind, conv| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let network = spec(kind, conv, 3, true);
            // 150 images in batches of 40: the last batch has 30, and some blocks are not full.
            let mut training = Training::new(&network, &Adam::default(), 40, &data, 5).unwrap();
            let history = training.fit(2, &mut |_| ControlFlow::Continue(())).unwrap();
            (history, training.accuracy(&data.test).unwrap())
        })
    };
    for (kind, conv) in [(NetworkKind::SimpleCnn, 4), (NetworkKind::DensePoly, 0)] {
        assert_eq!(run(1, kind, conv), run(2, kind, conv));
        assert_eq!(run(2, kind, conv), run(2, kind, conv));
    }
}

#[test]
fn a_training_that_diverges_reports_the_epoch() {
    let data = data(128);
    let adam = Adam { learning_rate: 1e30, ..Adam::default() };
    let network = spec(NetworkKind::DensePoly, 0, 3, true);
    let mut training = Training::new(&network, &adam, 32, &data, 5).unwrap();
    let history = training.fit(3, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(history.diverged_in_epoch, Some(0));
    assert_eq!(history.epochs.len(), 1);
    assert_eq!(history.epochs[0].loss, None);
    assert!(training.accuracy(&data.test).unwrap().unwrap() <= 0.2);
}

#[test]
fn impossible_trainings_are_refused() {
    let data = data(32);
    let network = spec(NetworkKind::SimpleCnn, 2, 3, true);
    let new = |minibatch| Training::new(&network, &Adam::default(), minibatch, &data, 5);
    assert!(matches!(new(0).err().unwrap(), TrainError::EmptyMinibatch));
    let empty = DataSpec { name: "shapes-28".into(), train: 0, validation: 0, test: 8 };
    let empty = load_dataset(&empty, None, 1).unwrap();
    let none = Training::new(&network, &Adam::default(), 8, &empty, 5).err().unwrap();
    assert!(matches!(none, TrainError::NoImages { .. }));
    let mut stopped = new(8).unwrap();
    let stopped = stopped.fit(1, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(TrainError::Stopped)));
}
