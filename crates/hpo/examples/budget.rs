//! `cargo run --release -p wattlab-hpo --example budget`: a study with a budget of 2 kJ that stops
//! trials early and counts the energy of the search itself.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use wattlab_hpo::{Gp, HpoError, Parameter, Pruner, Rungs, Scale, Space, Study};

/// The price of an epoch; a real study measures it.
const EPOCH_J: f64 = 4.0;
/// The price of a suggestion: a few milliseconds at 7 W.
const SEARCH_J: f64 = 0.05;

/// The accuracy of a training: best at a rate of 1e-3 and a momentum of 0.9.
fn accuracy(parameters: &[f64], epochs: u32) -> f64 {
    let off = (parameters[0].log10() + 3.0).powi(2) + (parameters[1] - 0.9).powi(2);
    0.9 * (-0.3 * off).exp() * (1.0 - (-f64::from(epochs) / 5.0).exp())
}

fn main() -> Result<(), HpoError> {
    let space = Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("momentum", 0.0, 1.0, Scale::Linear),
    ])?;
    let rungs = Rungs { least: 1, most: 27, factor: 3 };
    let mut study =
        Study::new(space, Gp, 1).with_pruner(Pruner::Posterior, rungs).with_budget(2000.0);
    while study.ledger().left().is_some_and(|left| left > 0.0) {
        let segment = study.ask()?;
        study.charge(SEARCH_J)?;
        study.tell(segment.number, &[accuracy(&segment.parameters, segment.until)])?;
        study.pay(segment.number, EPOCH_J * f64::from(segment.until - segment.from))?;
    }
    let completed = study.trials().iter().filter(|trial| trial.is_completed()).count();
    println!(
        "{} trials, {completed} of them completed, {:.0} J by the prices above",
        study.trials().len(),
        study.ledger().spent()
    );
    if let Some(best) = study.best() {
        println!("best: {:?} gives {:.4}", best.parameters, accuracy(&best.parameters, 27));
    }
    Ok(())
}
