//! Both engines make the same training of the study's networks.

use std::ops::ControlFlow;

use wattlab_models::{
    Adam, AutogradTraining, DataSpec, Dataset, Engine, NetworkFile, NetworkKind, StudyNetwork,
    TrainError, Training, TrainingHistory, load_dataset,
};

fn data(train: usize) -> Dataset {
    let spec = DataSpec { name: "shapes-28".into(), train, validation: 0, test: 64 };
    load_dataset(&spec, None, 1).unwrap()
}

fn both(
    network: StudyNetwork,
    adam: &Adam,
    data: &Dataset,
    epochs: u32,
) -> [(TrainingHistory, f64); 2] {
    let go_on = &mut |_| ControlFlow::Continue(());
    let mut fused = Training::new(&network, adam, 64, data, 5).unwrap();
    let of_fused = fused.fit(epochs, go_on).unwrap();
    let mut candle = AutogradTraining::of_study(&network, adam, 64, data, 5).unwrap();
    assert_eq!(candle.parameters(), fused.network().parameters());
    let of_candle = candle.fit(epochs, go_on).unwrap();
    let test = fused.accuracy(&data.test).unwrap().unwrap();
    [(of_fused, test), (of_candle, candle.accuracy(&data.test).unwrap().unwrap())]
}

/// 320 images make five steps of each epoch.
#[test]
fn losses_of_both_engines_are_equal() {
    let data = data(320);
    let decayed = Adam { weight_decay: 1e-3, learning_rate: 2e-3, ..Adam::default() };
    for (network, adam) in [
        (
            StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 2, linear: 3, relu: true },
            Adam::default(),
        ),
        (
            StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 3, linear: 2, relu: false },
            Adam::default(),
        ),
        (StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 1, linear: 2, relu: true }, decayed),
        (
            StudyNetwork { kind: NetworkKind::DensePoly, conv: 0, linear: 3, relu: true },
            Adam::default(),
        ),
        (StudyNetwork { kind: NetworkKind::DenseLinear, conv: 0, linear: 3, relu: true }, decayed),
    ] {
        let [(fused, test), (candle, candle_test)] = both(network, &adam, &data, 3);
        let mut largest = 0.0_f64;
        for (a, b) in fused.epochs.iter().zip(&candle.epochs) {
            let (a, b) = (a.loss.unwrap(), b.loss.unwrap());
            largest = largest.max((a - b).abs() / a);
        }
        eprintln!("{network:?}: losses differ by {largest:.1e}, {test} and {candle_test}");
        assert_eq!(fused.epochs.len(), candle.epochs.len());
        assert!(largest < 1e-3, "{network:?}: {fused:?} {candle:?}");
        assert!(fused.epochs[2].loss < fused.epochs[0].loss, "{network:?}: {fused:?}");
        assert!((test - candle_test).abs() <= 0.02, "{network:?}: {test} {candle_test}");
    }
}

#[test]
fn a_network_in_a_file_trains_equally_with_both_engines_and_again() {
    let data = data(128);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/networks/simple-cnn.toml");
    let file = NetworkFile::read(path.as_ref()).unwrap();
    let file = file
        .with_all([("layers.0.layers.0.kernel", 5.into()), ("layers.0.layers.0.padding", 2.into())])
        .unwrap();
    let losses = |engine| {
        let mut training =
            AutogradTraining::of_file(engine, &file, &Adam::default(), 32, &data, 3).unwrap();
        let history = training.fit(2, &mut |_| ControlFlow::Continue(())).unwrap();
        history.epochs.iter().map(|epoch| epoch.loss.unwrap()).collect::<Vec<_>>()
    };
    let candle = losses(Engine::Candle);
    assert_eq!(losses(Engine::Candle), candle, "the same seed, the same losses");
    let fused = losses(Engine::Fused);
    for (a, b) in candle.iter().zip(&fused) {
        assert!((a - b).abs() < 1e-3 * a, "{candle:?} {fused:?}");
    }
}

#[test]
fn bad_input_is_an_error_with_both_engines() {
    let data = data(64);
    let network = StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 9, linear: 1, relu: true };
    let adam = Adam::default();
    let fused = Training::new(&network, &adam, 16, &data, 1).err().unwrap();
    let candle = AutogradTraining::of_study(&network, &adam, 16, &data, 1).err().unwrap();
    assert_eq!(fused.to_string(), candle.to_string());
    let network = StudyNetwork { conv: 1, ..network };
    let none = AutogradTraining::of_study(&network, &adam, 0, &data, 1).err().unwrap();
    assert!(matches!(none, TrainError::EmptyMinibatch));
    let mut stopped = AutogradTraining::of_study(&network, &adam, 16, &data, 1).unwrap();
    let found = stopped.fit(1, &mut |_| ControlFlow::Break(()));
    assert!(matches!(found, Err(TrainError::Stopped)));
}
