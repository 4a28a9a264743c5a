//! Against the kernels of the CPU, the device emulated.

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

/// The largest distance of two networks' weights and running statistics.
fn distance(a: &Network, b: &Network) -> f32 {
    let (a, b) = (a.state().unwrap(), b.state().unwrap());
    let values = |it: &candle_core::Tensor| it.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let distances = a.iter().flat_map(|(name, one)| {
        let pairs = values(one).into_iter().zip(values(&b[name]));
        pairs.map(|(one, other)| (one - other).abs()).collect::<Vec<_>>()
    });
    distances.fold(0.0, f32::max)
}

/// Losses, accuracies and weights of some epochs, there and on the CPU.
fn compare(network: &StudyNetwork, data: &Dataset, minibatch: usize, adam: &Adam) {
    let Some(device) = emulated() else { return };
    let mut there = Training::new_on(&device, network, adam, minibatch, data, 7).unwrap();
    let mut here = Training::new(network, adam, minibatch, data, 7).unwrap();
    let go_on = &mut |_| Control::Continue;
    let (ours, theirs) = (there.fit(3, go_on).unwrap(), here.fit(3, go_on).unwrap());
    for (one, other) in ours.epochs.iter().zip(&theirs.epochs) {
        let (loss, expected) = (one.loss.unwrap(), other.loss.unwrap());
        assert!((loss - expected).abs() < 2e-4 * expected.abs(), "{network:?}: {loss} {expected}");
        assert!((one.accuracy - other.accuracy).abs() < 0.03, "{network:?}");
    }
    assert_eq!(there.recorded(), Some(true));
    there.fetch().unwrap();
    let distance = distance(there.network(), here.network());
    // Adam's steps are of one size however small the gradient: rounding shows where it is tiny.
    assert!(distance < 20.0 * adam.learning_rate as f32, "{network:?}: {distance}");
    let (one, other) = (there.accuracy(&data.test).unwrap(), here.accuracy(&data.test).unwrap());
    assert!((one.unwrap() - other.unwrap()).abs() < 0.08, "{one:?} {other:?}");
}

const SLOW: Adam =
    Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-3 };

#[test]
fn convolutions_train_as_on_the_cpu() {
    // Odd sides, batches that fill no tile, a last one that is smaller.
    compare(&spec(NetworkKind::SimpleCnn, 2, 2, true), &data("shapes-28", 11), 5, &SLOW);
    compare(&spec(NetworkKind::SimpleCnn, 3, 1, false), &data("shapes-28", 9), 4, &SLOW);
}

#[test]
fn wide_convolutions_train_as_on_the_cpu() {
    compare(&spec(NetworkKind::SimpleCnn, 4, 1, true), &data("shapes-32", 3), 2, &SLOW);
}

#[test]
fn dense_networks_train_as_on_the_cpu() {
    compare(&spec(NetworkKind::DensePoly, 0, 3, true), &data("shapes-28", 11), 5, &SLOW);
    compare(&spec(NetworkKind::DenseLinear, 0, 2, true), &data("shapes-28", 7), 4, &SLOW);
}

#[test]
fn a_training_that_diverges_ends_and_one_that_is_stopped_stops() {
    let Some(device) = emulated() else { return };
    let data = data("shapes-28", 20);
    let wild = Adam { learning_rate: 1e38, ..SLOW };
    let network = spec(NetworkKind::DensePoly, 0, 2, true);
    let mut training = Training::new_on(&device, &network, &wild, 8, &data, 7).unwrap();
    let fit = training.fit(5, &mut |_| Control::Continue).unwrap();
    assert!(fit.diverged_in_epoch.is_some() && fit.epochs.len() < 5, "{fit:?}");
    let mut training = Training::new_on(&device, &network, &SLOW, 8, &data, 7).unwrap();
    let stopped = training.fit(5, &mut |_| Control::Stop);
    assert!(matches!(stopped, Err(TrainError::Stopped)));
}

#[test]
fn one_seed_gives_one_outcome() {
    let Some(device) = emulated() else { return };
    let (data, network) = (data("shapes-28", 12), spec(NetworkKind::SimpleCnn, 1, 2, true));
    let fit = || {
        let mut it = Training::new_on(&device, &network, &SLOW, 5, &data, 7).unwrap();
        it.fit(2, &mut |_| Control::Continue).unwrap()
    };
    assert_eq!(fit(), fit());
}

#[test]
fn the_whole_batch_is_one_of_each_epoch_and_a_batch_may_be_repeated() {
    let Some(device) = emulated() else { return };
    let network = || Network::new(&spec(NetworkKind::DensePoly, 0, 1, true), 1, 4, 10, 3).unwrap();
    let images: Vec<f32> = (0..5 * 16).map(|it| (it % 7) as f32 / 7.0).collect();
    let labels = [0, 1, 2, 3, 4];
    let losses = |device: &crate::Device, times| {
        let training = Training::on_one_batch_on(device, network(), &SLOW, &images, &labels, times);
        let fit = training.unwrap().fit(2, &mut |_| Control::Continue).unwrap();
        fit.epochs.iter().map(|it| it.loss.unwrap()).collect::<Vec<_>>()
    };
    let cpu = crate::Device::cpu();
    for times in [1, 3] {
        for (one, other) in losses(&device, times).into_iter().zip(losses(&cpu, times)) {
            assert!((one - other).abs() < 1e-5, "{one} {other}");
        }
    }
}
