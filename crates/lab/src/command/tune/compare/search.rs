//! The two searches that are compared.

use std::collections::BTreeMap;

use hpo::{Gp, PaperPi, Parameter, Pruner, Rungs, Scale, Segment, Space, Study};
use models::Training;
use record::Origin;
use tuner::Spent;

use super::{
    super::spent::spent,
    comparison::Taken,
    training::{Part, Trainer},
};
use crate::Failure;

/// Learning rate, β1 and β2 in the bounds of the published study. Both β end just below 1, where Adam
/// would divide by 0.
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

/// The search as published: full trainings, and the learning rate on a linear scale.
pub(super) fn paper_pi(
    trainer: &Trainer<'_>,
    trials: u32,
    seed: u64,
) -> Result<(Taken, Option<Origin>), Failure> {
    let mut study = Study::new(space(Scale::Linear), PaperPi, seed);
    let (mut taken, mut origin) = (Taken::default(), None);
    let epochs = trainer.setting.epochs;
    for _ in 0..trials {
        let span = trainer.meter.span("search");
        let segment = study.ask().map_err(Failure::run_time)?;
        taken.search(spent(&span.end()));
        let mut training = trainer.start(&segment.parameters)?;
        let part = trainer.go_on(&mut training, epochs)?;
        taken.trials += 1;
        taken.train(&part, trainer, &mut training)?;
        origin = part.spent.origin;
        // The published searches were told an accuracy even if the loss diverged.
        study.tell(segment.number, &[part.accuracy]).map_err(Failure::run_time)?;
    }
    Ok((taken, origin))
}

/// Our search, in the same bounds with the learning rate on a log scale. It stops trials early, and its
/// budget is a fifth of the other search's joules: while much of it is left, cheap trials are
/// preferred. It ends when a network is as good as the other's best, or it has spent as many joules as
/// the other.
pub(super) fn until_as_good(
    trainer: &Trainer<'_>,
    other: &Taken,
    seed: u64,
) -> Result<Taken, Failure> {
    let most = trainer.setting.epochs;
    let rungs = Rungs { least: 1, most, factor: 3 };
    let mut study = Study::new(space(Scale::Log), Gp, seed)
        .with_pruner(Pruner::Posterior, rungs)
        .with_budget(other.joules() / 5.0);
    let mut paused: BTreeMap<u32, Training> = BTreeMap::new();
    let mut taken = Taken::default();
    while taken.best < other.best && taken.joules() < other.joules() {
        let span = trainer.meter.span("search");
        let Segment { number, parameters, from, until } = study.ask().map_err(Failure::run_time)?;
        let spent = spent(&span.end());
        taken.search(spent);
        study.charge(spent.joules.unwrap_or(0.0)).map_err(Failure::run_time)?;
        let mut training = match paused.remove(&number) {
            Some(training) => training,
            None => {
                taken.trials += 1;
                trainer.start(&parameters)?
            }
        };
        let part = trainer.go_on(&mut training, until - from)?;
        taken.train(&part, trainer, &mut training)?;
        crate::progress::line(&format!(
            "  trial {number} with learning rate {:.2e}, beta1 {:.3}, beta2 {:.3}: accuracy {:.4} after \
             {until} epochs; {:.1} J so far",
            parameters[0],
            parameters[1],
            parameters[2],
            part.accuracy,
            taken.joules()
        ));
        if part.diverged {
            study.fail(number).map_err(Failure::run_time)?;
        } else {
            study.tell(number, &[part.accuracy]).map_err(Failure::run_time)?;
            if until < most {
                paused.insert(number, training);
            }
        }
        study.pay(number, part.spent.joules.unwrap_or(0.0)).map_err(Failure::run_time)?;
    }
    Ok(taken)
}
