//! The training loop: learning, determinism, resuming, a new classifier, divergence.

use std::{collections::HashMap, ops::ControlFlow};

use candle_core::{Device, Tensor};
use candle_nn::{ModuleT, VarMap};
use wattlab_models::{
    DataSpec, Dataset, Layers, Masks, TrainEvent, TrainingHistory,
    fit::{self, Fit, FitError, FitInput, FitSettings, RateSchedule},
    load_dataset,
    vision::{
        TrainableNetwork, VisionNetwork, head_variables, random_images, read_weights, trainable,
    },
};

fn shapes(train: usize, classes: u32) -> Dataset {
    let spec = DataSpec { name: "shapes-32".into(), train, validation: 0, test: 8 };
    let mut data = load_dataset(&spec, None, 1).unwrap();
    data.train.labels.iter_mut().for_each(|label| *label %= classes);
    data
}

fn settings(epochs: u32, batch: usize) -> FitSettings {
    FitSettings::new(epochs, batch, 3)
}

fn network(
    name: &str,
    classes: usize,
    masks: &Masks,
    layers: Layers,
) -> (TrainableNetwork, VarMap) {
    let variables = VarMap::new();
    let builder = fit::variables(&variables, 1, &Device::Cpu);
    (trainable(name, classes, &builder, masks, layers).unwrap(), variables)
}

fn values(variables: &VarMap) -> HashMap<String, Vec<f32>> {
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    let data = variables.data().lock().unwrap();
    data.iter().map(|(name, variable)| (name.clone(), values(variable))).collect()
}

fn go_on(_: TrainEvent) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Disks and rings, at a smaller size.
#[test]
fn resnet18_learns_two_classes() {
    let data = shapes(40, 10);
    let mut two = data.clone();
    let features = data.channels * data.side * data.side;
    let rows = (0..40).filter(|row| data.train.labels[*row] < 2);
    two.train.images = rows
        .clone()
        .flat_map(|row| &data.train.images[row * features..][..features])
        .copied()
        .collect();
    two.train.labels = rows.map(|row| data.train.labels[row]).collect();
    assert_eq!(two.train.labels.len(), 8);
    let (mut network, variables) = network("resnet18", 2, &Masks::new(1), Layers::Fused);
    let mut fit = Fit::new(&mut network, &variables, settings(5, 4)).unwrap();
    let mut events = Vec::new();
    let observe = &mut |event| {
        events.push(event);
        ControlFlow::Continue(())
    };
    let history = fit.run(&two, &FitInput::plain(3, 24), observe).unwrap().clone();
    let loss = |epoch: usize| history.epochs[epoch].loss.unwrap();
    assert!(loss(4) < 0.35 && loss(4) < 0.6 * loss(0), "{history:?}");
    assert!(history.epochs[4].accuracy > 0.85, "{history:?}");
    assert_eq!(events.iter().filter(|event| **event == TrainEvent::Step).count(), 10);
    assert_eq!(events[0], TrainEvent::EpochStarted(0));
    assert_eq!(events.last(), Some(&TrainEvent::EpochEnded(history.epochs[4])));
}

/// SqueezeNet has dropout, whose masks must continue as well.
#[test]
fn a_training_is_repeated_and_continued_to_the_bit() {
    let data = shapes(11, 10);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.safetensors");
    let train = |first: u32,
                 saved: bool,
                 masks_seed: u64|
     -> (TrainingHistory, HashMap<String, Vec<f32>>) {
        let masks = Masks::new(masks_seed);
        let (mut network, variables) = network("squeezenet1_1", 10, &masks, Layers::Candle);
        let mut settings = settings(3, 5);
        settings.schedule = RateSchedule::Cosine;
        let mut fit = Fit::new(&mut network, &variables, settings).unwrap().with_masks(&masks);
        if saved {
            fit.load_state(&state, &data).unwrap();
            assert_eq!(fit.history().epochs.len(), 1);
        }
        for _ in 0..first {
            fit.epoch(&data, &FitInput::plain(3, 17), &mut go_on).unwrap();
        }
        if first == 1 {
            fit.save_state(&state, &data).unwrap();
        }
        assert_eq!(fit.finished(), first != 1);
        let history = fit.history().clone();
        (history, values(&variables))
    };
    let whole = train(3, false, 1);
    assert_ne!(train(3, false, 2), whole);
    train(1, false, 1);
    assert_eq!(train(2, true, 1), whole);
    // Eleven images in batches of five: the last one is left out, because batch norm needs two.
    assert_eq!(whole.0.epochs.len(), 3);

    let (mut network, variables) = network("squeezenet1_1", 10, &Masks::new(1), Layers::Candle);
    let mut other = Fit::new(&mut network, &variables, settings(3, 5)).unwrap();
    let error = other.load_state(&state, &data).err().unwrap();
    assert!(matches!(error, FitError::State { .. }), "{error}");
    let error = other.load_state(&folder.path().join("none"), &data).err().unwrap();
    assert!(matches!(error, FitError::File { action: "read", .. }), "{error}");
    std::fs::write(&state, b"half a file").unwrap();
    let error = other.load_state(&state, &data).err().unwrap();
    assert!(error.to_string().contains("no complete safetensors"), "{error}");
}

#[test]
fn a_new_classifier_is_trained_and_the_rest_stays_and_the_file_loads_for_inference() {
    let data = shapes(8, 4);
    let name = "shufflenet_v2_x0_5";
    let masks = Masks::new(1);
    let (network, variables) = network(name, 4, &masks, Layers::Candle);
    let mut network = network.frozen();
    let before = values(&variables);
    let head = head_variables(name).unwrap();
    let mut fit = Fit::new(&mut network, &variables, settings(2, 4)).unwrap().only(&head).unwrap();
    fit.run(&data, &FitInput::plain(3, 32), &mut go_on).unwrap();
    let after = values(&variables);
    for (variable, values) in &before {
        assert_eq!(after[variable] != *values, head.contains(variable), "{variable}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    fit::save_variables(&variables, &file).unwrap();
    let fused = VisionNetwork::from_tensors(name, 4, read_weights(&file).unwrap()).unwrap();
    let images = random_images(2, 32, 1).unwrap();
    let of = |logits: Tensor| -> Vec<f32> { logits.flatten_all().unwrap().to_vec1().unwrap() };
    let expected =
        of(fit::with_large_stack(|| network.forward_t(&images, false).unwrap()).unwrap());
    let found = of(fused.forward(&images).unwrap());
    let largest = expected.iter().fold(0.0_f32, |top, logit| top.max(logit.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-4 * largest, "{found} {expected}");
    }
    let names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["weights.safetensors"]);
}

/// A network without layers that have side effects: one matrix over the pixels.
struct Pixels(Tensor);

impl ModuleT for Pixels {
    fn forward_t(&self, images: &Tensor, _: bool) -> candle_core::Result<Tensor> {
        images.flatten_from(1)?.matmul(&self.0)
    }
}

fn pixels(classes: usize, channels: usize) -> (Pixels, VarMap) {
    let variables = VarMap::new();
    let builder = fit::variables(&variables, 1, &Device::Cpu);
    let init = candle_nn::Init::Randn { mean: 0.0, stdev: 0.01 };
    (Pixels(builder.get_with_hints((channels * 64, classes), "pixels", init).unwrap()), variables)
}

#[test]
fn any_network_is_trained_and_its_accuracy_computed() {
    let data = shapes(20, 10);
    let (mut network, variables) = pixels(10, 3);
    let mut fit = Fit::new(&mut network, &variables, settings(40, 10)).unwrap();
    let input = FitInput::normalized(8, vec![0.5; 3], vec![0.25; 3]);
    let before = fit.accuracy(&data, &data.train, &input).unwrap().unwrap();
    let history = fit.run(&data, &input, &mut go_on).unwrap().clone();
    let after = fit.accuracy(&data, &data.train, &input).unwrap().unwrap();
    assert!(after > 0.8 && before < 0.5, "{before} {after}");
    assert!(history.epochs[39].loss.unwrap() < history.epochs[0].loss.unwrap());
    // The largest logit of an untrained network is right for at most all of eight test images.
    let test = fit.accuracy(&data, &data.test, &input).unwrap().unwrap();
    assert!((test * 8.0).fract() == 0.0);
}

#[test]
fn a_training_that_diverges_ends() {
    let data = shapes(20, 10);
    let (mut network, variables) = pixels(10, 3);
    // The sum of the products is larger than the largest float.
    let large = Tensor::full(3e38_f32, (192, 10), &Device::Cpu).unwrap();
    variables.data().lock().unwrap()["pixels"].set(&large).unwrap();
    let mut fit = Fit::new(&mut network, &variables, settings(5, 10)).unwrap();
    let history = fit.run(&data, &FitInput::plain(3, 8), &mut go_on).unwrap();
    assert_eq!(history.diverged_in_epoch, Some(0));
    assert_eq!((history.epochs.len(), history.epochs[0].loss), (1, None));
    assert!(fit.finished());
}

#[test]
fn impossible_trainings_are_refused() {
    let data = shapes(8, 10);
    let input = FitInput::plain(3, 8);
    let run = |classes, settings: FitSettings, data: &Dataset, input: &FitInput| {
        let (mut network, variables) = pixels(classes, input.mean.len());
        Fit::new(&mut network, &variables, settings).unwrap().run(data, input, &mut go_on).err()
    };
    assert!(matches!(run(10, settings(1, 0), &data, &input), Some(FitError::EmptyBatch)));
    assert!(matches!(
        run(5, settings(1, 8), &data, &input),
        Some(FitError::Label { label: 5.., classes: 5, .. })
    ));
    assert!(matches!(
        run(10, settings(1, 8), &data, &FitInput::plain(2, 8)),
        Some(FitError::Channels { found: 3, expected: 2, .. })
    ));
    let mut empty = data.clone();
    empty.train = wattlab_models::Split::default();
    assert!(matches!(run(10, settings(1, 8), &empty, &input), Some(FitError::NoImages { .. })));
    let mut short = data.clone();
    short.train.images.pop();
    assert!(matches!(run(10, settings(1, 8), &short, &input), Some(FitError::Misfit { .. })));
    assert!(matches!(
        run(10, settings(1, 8), &data, &FitInput::plain(3, 1 << 20)),
        Some(FitError::Size(_))
    ));
    let (mut network, variables) = pixels(10, 3);
    let fit = Fit::new(&mut network, &variables, settings(1, 8)).unwrap();
    let none = fit.only(&["fc.weight".to_owned()]).err();
    assert!(matches!(none, Some(FitError::NothingToTrain)));
    let (mut network, variables) = pixels(10, 3);
    let mut fit = Fit::new(&mut network, &variables, settings(1, 8)).unwrap();
    let stopped = fit.run(&data, &input, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(FitError::Stopped)));
}
