//! `cargo run --release -p wattlab-hpo --example budget`: a study of 2 kJ whose trials are trained in
//! legs, the search's own energy included.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use wattlab_hpo::{HpoError, Parameter, Pruner, Rungs, Sampler, Scale, Space, Staged};

/// What an epoch costs here: a price, where a real study counts what a meter tells.
const EPOCH_J: f64 = 4.0;
/// What a suggestion costs: a few milliseconds at 7 W.
const SEARCH_J: f64 = 0.05;

/// A training's accuracy: best at a rate of 1e-3 and a momentum of 0.9.
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
    let study = Staged::new(space, Sampler::Gp, Pruner::Posterior, rungs, 1);
    let mut study = study.with_budget(2000.0);
    while study.ledger().left().is_some_and(|it| it > 0.0) {
        let leg = study.ask()?;
        study.charge(SEARCH_J)?;
        let value = accuracy(&leg.parameters, leg.until);
        study.end_leg(leg.number, Some(vec![value]))?;
        study.paid(leg.number, EPOCH_J * f64::from(leg.until - leg.from))?;
    }
    let whole = study.curves().iter().filter(|it| it.epochs() == 27).count();
    println!(
        "{} trials, {whole} of them trained to the end, {:.0} J by the prices above",
        study.curves().len(),
        study.ledger().spent()
    );
    if let Some(best) = study.best() {
        println!("best: {:?} gives {:.4}", best.parameters, accuracy(&best.parameters, 27));
    }
    Ok(())
}
