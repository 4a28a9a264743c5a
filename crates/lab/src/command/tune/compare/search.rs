//! The two searches.

use std::collections::BTreeMap;

use hpo::{Parameter, Pruner, Rungs, Sampler, Scale, Space, Staged, Study};
use models::Training;
use record::Origin;

use super::{
    super::spent::Spent,
    Taken,
    training::{Part, Trainer},
};
use crate::Failure;

/// Learning rate, β1 and β2 in the study's bounds; both β end just below 1, where Adam divides by 0.
fn space(rate: Scale) -> Space {
    let below_one = 1.0 - f64::EPSILON;
    Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, rate),
        Parameter::new("beta1", 0.1, below_one, Scale::Linear),
        Parameter::new("beta2", 0.8, below_one, Scale::Linear),
    ])
    .expect("constant, valid bounds")
}

impl Taken {
    fn train(
        &mut self,
        part: &Part,
        trainer: &Trainer<'_>,
        training: &mut Training,
    ) -> Result<(), Failure> {
        self.epochs += u64::from(part.epochs);
        self.training_j += part.spent.joules.unwrap_or(0.0);
        self.training_uncertainty_j += part.spent.uncertainty_j.unwrap_or(0.0);
        self.seconds += part.spent.seconds;
        if part.accuracy > self.best {
            (self.best, self.test) = (part.accuracy, trainer.test(training)?);
        }
        Ok(())
    }

    fn search(&mut self, spent: Spent) {
        self.search_j += spent.joules.unwrap_or(0.0);
        self.search_uncertainty_j += spent.uncertainty_j.unwrap_or(0.0);
        self.seconds += spent.seconds;
    }
}

/// The study's strategy as published: full trainings, the learning rate on a linear scale.
pub(super) fn paper_pi(
    trainer: &Trainer<'_>,
    trials: u32,
    seed: u64,
) -> Result<(Taken, Option<Origin>), Failure> {
    let mut study = Study::new(space(Scale::Linear), Sampler::PaperPi, seed);
    let (mut taken, mut origin) = (Taken::default(), None);
    let epochs = trainer.setting.epochs;
    for _ in 0..trials {
        let span = trainer.meter.span("search");
        let (number, point) = study.ask().map_err(Failure::run_time)?;
        taken.search(Spent::of(&span.end()));
        let mut training = trainer.start(&point)?;
        let part = trainer.go_on(&mut training, epochs)?;
        taken.trials += 1;
        taken.train(&part, trainer, &mut training)?;
        origin = part.spent.origin;
        // The study's searches were told an accuracy whatever came of the loss.
        study.tell(number, Some(part.accuracy)).map_err(Failure::run_time)?;
    }
    Ok((taken, origin))
}

/// Ours, in the same bounds with the learning rate on a log scale: trials are stopped early, cheap
/// ones preferred while much of a fifth of the other's joules is left. Ends when a network is as
/// good as the other's best, or all the other's joules are spent.
pub(super) fn until_as_good(
    trainer: &Trainer<'_>,
    other: &Taken,
    seed: u64,
) -> Result<Taken, Failure> {
    let most = trainer.setting.epochs;
    let rungs = Rungs { least: 1, most, factor: 3 };
    let study = Staged::new(space(Scale::Log), Sampler::Gp, Pruner::Posterior, rungs, seed);
    let mut study = study.with_budget(other.joules() / 5.0);
    let mut paused: BTreeMap<u32, Training> = BTreeMap::new();
    let mut taken = Taken::default();
    while taken.best < other.best && taken.joules() < other.joules() {
        let span = trainer.meter.span("search");
        let leg = study.ask().map_err(Failure::run_time)?;
        let spent = Spent::of(&span.end());
        taken.search(spent);
        study.charge(spent.joules.unwrap_or(0.0)).map_err(Failure::run_time)?;
        let mut training = match paused.remove(&leg.number) {
            Some(training) => training,
            None => {
                taken.trials += 1;
                trainer.start(&leg.parameters)?
            }
        };
        let part = trainer.go_on(&mut training, leg.until - leg.from)?;
        taken.train(&part, trainer, &mut training)?;
        crate::progress::line(&format!(
            "  trial {} of learning rate {:.2e}, beta1 {:.3}, beta2 {:.3}: {:.4} after {} epochs; {:.1} J so far",
            leg.number,
            leg.parameters[0],
            leg.parameters[1],
            leg.parameters[2],
            part.accuracy,
            leg.until,
            taken.joules()
        ));
        if part.diverged {
            study.tell(leg.number, None).map_err(Failure::run_time)?;
        } else {
            let values = Some(vec![part.accuracy]);
            study.end_leg(leg.number, values).map_err(Failure::run_time)?;
            if leg.until < most {
                paused.insert(leg.number, training);
            }
        }
        study.paid(leg.number, part.spent.joules.unwrap_or(0.0)).map_err(Failure::run_time)?;
    }
    Ok(taken)
}
