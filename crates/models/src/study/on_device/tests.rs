//! Training on the emulated device, compared with the CPU's kernels.

use record::{DataSpec, NetworkKind, StudyNetwork};

use crate::{Dataset, Network, Training, device::emulated, load_dataset};

use super::*;

fn spec(kind: NetworkKind, conv: u32, linear: u32, relu: bool) -> StudyNetwork {
    StudyNetwork { kind, conv, linear, relu }
}

fn data(name: &str, train: usize) -> Dataset {
    let spec = DataSpec { name: name.to_owned(), train, validation: 0, test: 40 };
    load_dataset(&spec, None, 1).unwrap()
}

/// The largest absolute difference between two networks' weights and running statistics.
fn distance(a: &Network, b: &Network) -> f32 {
    let (a, b) = (a.state().unwrap(), b.state().unwrap());
    let values =
        |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let distances = a.iter().flat_map(|(name, one)| {
        let pairs = values(one).into_iter().zip(values(&b[name]));
        pairs.map(|(one, other)| (one - other).abs()).collect::<Vec<_>>()
    });
    distances.fold(0.0, f32::max)
}

/// Compares losses, accuracies and weights of three epochs on the device and on the CPU.
fn compare(network: &StudyNetwork, data: &Dataset, minibatch: usize, adam: &Adam) {
    let Some(device) = emulated() else { return };
    let mut on_device = Training::new_on(&device, network, adam, minibatch, data, 7).unwrap();
    let mut on_cpu = Training::new(network, adam, minibatch, data, 7).unwrap();
    let go_on = &mut |_| ControlFlow::Continue(());
    let (ours, expected) = (on_device.fit(3, go_on).unwrap(), on_cpu.fit(3, go_on).unwrap());
    for (one, other) in ours.epochs.iter().zip(&expected.epochs) {
        let (loss, expected) = (one.loss.unwrap(), other.loss.unwrap());
        assert!((loss - expected).abs() < 2e-4 * expected.abs(), "{network:?}: {loss} {expected}");
        assert!((one.accuracy - other.accuracy).abs() < 0.03, "{network:?}");
    }
    assert_eq!(on_device.recorded(), Some(true));
    on_device.fetch().unwrap();
    let distance = distance(on_device.network(), on_cpu.network());
    // Adam's steps have about the same size however small the gradient is, so rounding is visible
    // where a gradient is tiny.
    assert!(distance < 20.0 * adam.learning_rate as f32, "{network:?}: {distance}");
    let one = on_device.accuracy(&data.test).unwrap();
    let other = on_cpu.accuracy(&data.test).unwrap();
    assert!((one.unwrap() - other.unwrap()).abs() < 0.08, "{one:?} {other:?}");
}

const SMALL_STEPS: Adam =
    Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-3 };

#[test]
fn convolutions_train_as_on_the_cpu() {
    // Odd sides, batches that fill no tile, and a smaller last batch.
    compare(&spec(NetworkKind::SimpleCnn, 2, 2, true), &data("shapes-28", 11), 5, &SMALL_STEPS);
    compare(&spec(NetworkKind::SimpleCnn, 3, 1, false), &data("shapes-28", 9), 4, &SMALL_STEPS);
}

#[test]
fn wide_convolutions_train_as_on_the_cpu() {
    compare(&spec(NetworkKind::SimpleCnn, 4, 1, true), &data("shapes-32", 3), 2, &SMALL_STEPS);
}

#[test]
fn dense_networks_train_as_on_the_cpu() {
    compare(&spec(NetworkKind::DensePoly, 0, 3, true), &data("shapes-28", 11), 5, &SMALL_STEPS);
    compare(&spec(NetworkKind::DenseLinear, 0, 2, true), &data("shapes-28", 7), 4, &SMALL_STEPS);
}

#[test]
fn a_diverging_training_ends_and_a_stopped_one_returns_an_error() {
    let Some(device) = emulated() else { return };
    let data = data("shapes-28", 20);
    let wild = Adam { learning_rate: 1e38, ..SMALL_STEPS };
    let network = spec(NetworkKind::DensePoly, 0, 2, true);
    let mut training = Training::new_on(&device, &network, &wild, 8, &data, 7).unwrap();
    let history = training.fit(5, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(history.diverged_in_epoch.is_some() && history.epochs.len() < 5, "{history:?}");
    let mut training = Training::new_on(&device, &network, &SMALL_STEPS, 8, &data, 7).unwrap();
    let stopped = training.fit(5, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(TrainError::Stopped)));
}

#[test]
fn equal_seeds_give_equal_histories() {
    let Some(device) = emulated() else { return };
    let (data, network) = (data("shapes-28", 12), spec(NetworkKind::SimpleCnn, 1, 2, true));
    let fit = || {
        let mut training = Training::new_on(&device, &network, &SMALL_STEPS, 5, &data, 7).unwrap();
        training.fit(2, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    assert_eq!(fit(), fit());
}

#[test]
fn a_single_batch_can_be_used_once_or_several_times_in_an_epoch() {
    let Some(device) = emulated() else { return };
    let network = || Network::new(&spec(NetworkKind::DensePoly, 0, 1, true), 1, 4, 10, 3).unwrap();
    let images: Vec<f32> = (0..5 * 16).map(|i| (i % 7) as f32 / 7.0).collect();
    let labels = [0, 1, 2, 3, 4];
    let losses = |device: &crate::Device, times| {
        let training =
            Training::on_one_batch_on(device, network(), &SMALL_STEPS, &images, &labels, times);
        let history = training.unwrap().fit(2, &mut |_| ControlFlow::Continue(())).unwrap();
        history.epochs.iter().map(|epoch| epoch.loss.unwrap()).collect::<Vec<_>>()
    };
    let cpu = crate::Device::cpu();
    for times in [1, 3] {
        for (one, other) in losses(&device, times).into_iter().zip(losses(&cpu, times)) {
            assert!((one - other).abs() < 1e-5, "{one} {other}");
        }
    }
}
