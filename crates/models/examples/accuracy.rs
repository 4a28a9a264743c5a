//! The difficulty of an embedded data set: test accuracy and training time of the study's networks at
//! several learning rates.
//!
//! `cargo run --release -p wattlab-models --example accuracy -- [set] [train] [epochs] [minibatch]`
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::{ops::ControlFlow, time::Instant};

use wattlab_models::{Adam, DataSpec, NetworkKind, StudyNetwork, Training, load_dataset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| match args.get(at) {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let name = args.first().cloned().unwrap_or_else(|| "shapes-28".to_owned());
    let spec = DataSpec { name, train: number(1, 2048)?, validation: 0, test: 1024 };
    let (epochs, minibatch) = (number(2, 4)? as u32, number(3, 128)?);
    let started = Instant::now();
    let data = load_dataset(&spec, None, 1)?;
    println!("{} generated in {:.2?}", spec.name, started.elapsed());
    let networks = [
        ("linear model", NetworkKind::DensePoly, 0, 1),
        ("DensePolyNN", NetworkKind::DensePoly, 0, 3),
        ("DenseLinearNN", NetworkKind::DenseLinear, 0, 3),
        ("SimpleCNN 1 conv", NetworkKind::SimpleCnn, 1, 3),
        ("SimpleCNN 2 conv", NetworkKind::SimpleCnn, 2, 3),
        ("SimpleCNN 4 conv", NetworkKind::SimpleCnn, 4, 3),
    ];
    for (title, kind, conv, linear) in networks {
        print!("{title:<18}");
        for learning_rate in [1e-4, 1e-3, 3e-3, 1e-2, 5e-2] {
            let network = StudyNetwork { kind, conv, linear, relu: true };
            let adam = Adam { learning_rate, ..Adam::default() };
            let mut training = Training::new(&network, &adam, minibatch, &data, 7)?;
            let started = Instant::now();
            training.fit(epochs, &mut |_| ControlFlow::Continue(()))?;
            let seconds = started.elapsed().as_secs_f64();
            let accuracy = training.accuracy(&data.test)?.unwrap_or(0.0);
            print!("  {learning_rate:e}: {:5.1} % {seconds:.2} s", accuracy * 100.0);
        }
        println!();
    }
    Ok(())
}
