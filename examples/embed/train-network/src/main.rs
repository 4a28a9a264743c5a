//! Trains a small network on an embedded data set, and runs a vision network on a random image.

use std::{error::Error, ops::ControlFlow};

use wattlab_models::{
    Adam, DataSpec, NetworkKind, StudyNetwork, TrainEvent, Training, load_dataset,
    vision::{VisionNetwork, random_images},
};

fn main() -> Result<(), Box<dyn Error>> {
    let spec = DataSpec { name: "shapes-28".into(), train: 512, validation: 0, test: 256 };
    let data = load_dataset(&spec, None, 1)?;
    let network = StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 2, linear: 2, relu: true };
    let mut training = Training::new(&network, &Adam::default(), 64, &data, 7)?;
    let mut steps = 0;
    let history = training.fit(6, &mut |event| {
        if event == TrainEvent::Step {
            steps += 1;
        }
        ControlFlow::Continue(())
    })?;
    let accuracy = training.accuracy(&data.test)?.ok_or("there are no test images")?;
    let losses: Vec<f64> = history.epochs.iter().filter_map(|epoch| epoch.loss).collect();
    println!("{} parameters, {steps} steps", training.network().parameters());
    println!("loss of each epoch: {losses:.3?}");
    println!("test accuracy: {:.1} %", 100.0 * accuracy);

    let vision = VisionNetwork::random("shufflenet_v2_x0_5", 10, 1)?;
    let logits = vision.forward(&random_images(1, 64, 1)?)?;
    println!("logits of {}: {:?}", vision.info().name, logits.dims());

    // Ten classes: guessing would give 10 %.
    if steps != 6 * 8 || losses.len() != 6 || accuracy < 0.3 || logits.dims() != [1, 10] {
        return Err("the results are wrong".into());
    }
    Ok(())
}
