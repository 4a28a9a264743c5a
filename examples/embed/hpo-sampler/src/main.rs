//! A sampler that is not part of `wattlab-hpo`: a (1 + 1) evolution strategy.

use std::process::ExitCode;

use wattlab_hpo::{
    HpoError, Parameter, Pruner, Rungs, Sampler, Scale, SearchState, Segment, Space, Study,
    Suggestion,
};

/// Moves the best point so far by a random step, which becomes smaller from trial to trial.
#[derive(Debug)]
struct Evolution {
    /// Trials at random points before the first step.
    initial: usize,
}

impl Sampler for Evolution {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        let history = search.history();
        let best = history.values().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((best, _)) = best.filter(|_| history.results().len() >= self.initial) else {
            return Ok(search.uniform().into());
        };
        // Random numbers come from the seed and the number of the trial, so that the same seed gives
        // the same trials.
        let mut random = search.random("mutation");
        let width = 0.3 / (1.0 + f64::from(search.number) / 10.0);
        let place = |place: &f64| (place + width * random.normal()).clamp(0.0, 1.0);
        let places: Vec<f64> = search.space.places(best).iter().map(place).collect();
        Ok(search.space.at(&places).into())
    }
}

/// Epochs of a whole training.
const EPOCHS: u32 = 27;

/// The accuracy of an imaginary training after some epochs: best at a rate of 1e-3 and a momentum of
/// 0.9.
fn accuracy(parameters: &[f64], epochs: u32) -> f64 {
    let [rate, momentum] = parameters else { unreachable!("the space has two parameters") };
    let distance = (rate.log10() + 3.0).powi(2) + 4.0 * (momentum - 0.9).powi(2);
    0.95 * (-0.3 * distance).exp() * (1.0 - (-f64::from(epochs) / 4.0).exp())
}

fn space() -> Result<Space, HpoError> {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("momentum", 0.0, 1.0, Scale::Linear),
    ])
}

/// Runs a study for some steps and returns the final accuracy of its best trial. Without a pruner a step
/// is a whole training, with one it is an epoch.
fn run(mut study: Study, steps: u64) -> Result<f64, HpoError> {
    while study.steps() < steps {
        let Segment { number, parameters, until, .. } = study.ask()?;
        let epochs = if study.pruner().is_some() { until } else { EPOCHS };
        study.tell(number, &[accuracy(&parameters, epochs)])?;
    }
    let best = study.best().map_or_else(Vec::new, |trial| trial.parameters.clone());
    println!("{} trials, best: {best:?}", study.trials().len());
    Ok(if best.is_empty() { 0.0 } else { accuracy(&best, EPOCHS) })
}

fn main() -> Result<ExitCode, HpoError> {
    let sampler = || Evolution { initial: 8 };
    let plain = run(Study::new(space()?, sampler(), 1), 60)?;
    let rungs = Rungs { least: 1, most: EPOCHS, factor: 3 };
    let pruned = Study::new(space()?, sampler(), 1).with_pruner(Pruner::Asha, rungs);
    // A third of the epochs of 60 whole trainings.
    let pruned = run(pruned, 60 * u64::from(EPOCHS) / 3)?;
    println!("final accuracy: {plain:.4} without a pruner, {pruned:.4} with one");
    let is_good = plain > 0.9 && pruned > 0.9;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
