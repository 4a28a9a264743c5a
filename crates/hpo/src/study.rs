//! A study: ask for parameters, tell what they gave.

use crate::{
    cost::{Ledger, checked},
    history::{History, Trial},
    sampler::{Sampler, Suggestion, propose},
    space::Space,
};

/// Why a study cannot be asked or told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HpoError {
    /// Nothing may vary.
    #[error("the search space has no parameter")]
    EmptySpace,
    /// A parameter makes no sense.
    #[error("parameter `{name}` of range {low} to {high} {problem}")]
    Parameter {
        /// Its name.
        name: String,
        /// Its lower bound.
        low: f64,
        /// Its upper bound.
        high: f64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A parameter depends on something that is not there.
    #[error("parameter `{name}` matters only for some values of `{parent}`, {problem}")]
    Condition {
        /// Its name.
        name: String,
        /// The parameter it depends on.
        parent: String,
        /// What is wrong.
        problem: String,
    },
    /// A constraint cannot be read.
    #[error("constraint `{text}`: {problem}")]
    Constraint {
        /// As it was written.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing keeps the constraints.
    #[error(
        "no point was found that keeps {constraints}; loosen them, and instead of an equality of \
         real parameters compute one from the others"
    )]
    Infeasible {
        /// As they were written.
        constraints: String,
    },
    /// The grid has no more cells.
    #[error(
        "the grid has {cells} cells, and trial {number} would be one more; ask for fewer trials"
    )]
    GridExhausted {
        /// How many it has.
        cells: u64,
        /// The trial.
        number: u32,
    },
    /// A trial of a journal that this study cannot have asked for.
    #[error(
        "trial {number} of the journal is not of this study: trial {next} comes next, with \
         parameters of its space"
    )]
    Foreign {
        /// The trial.
        number: u32,
        /// The one that comes next.
        next: u32,
    },
    /// Told more epochs than were asked for.
    #[error(
        "trial {number} was to be trained for {expected} more epochs, not {given}; tell one value an epoch"
    )]
    Epochs {
        /// The trial.
        number: u32,
        /// Values told.
        given: usize,
        /// Epochs asked for.
        expected: usize,
    },
    /// Told of an epoch that is not to come.
    #[error(
        "trial {number} is to be trained from epoch {from} to {until}, and {epoch} is none of \
         those; report each once, in order"
    )]
    Epoch {
        /// The trial.
        number: u32,
        /// The epoch.
        epoch: u32,
        /// Epochs that were told.
        from: u32,
        /// The leg's last one.
        until: u32,
    },
    /// Told another number of values than there are objectives.
    #[error(
        "trial {number} has {given} values, and the study {expected} objectives; tell one each"
    )]
    Objectives {
        /// The trial.
        number: u32,
        /// Values told.
        given: usize,
        /// Objectives of the study.
        expected: usize,
    },
    /// A cost that is none.
    #[error("a cost of {cost} is none; tell a number that is at least 0")]
    Cost {
        /// The cost.
        cost: f64,
    },
    /// Told about a trial that was never asked for, or twice.
    #[error("trial {number} is not under way; ask for it first, and tell it once")]
    NotPending {
        /// The trial.
        number: u32,
    },
}

/// The best trial of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Its number.
    pub number: u32,
    /// Its parameters.
    pub parameters: Vec<f64>,
    /// What it gave.
    pub value: f64,
}

/// A search for the parameters of the largest value.
#[derive(Clone, Debug)]
pub struct Study {
    space: Space,
    sampler: Sampler,
    seed: u64,
    told: Vec<Trial>,
    pending: Vec<(u32, Vec<f64>)>,
    next: u32,
    ledger: Ledger,
}

impl Study {
    /// An empty study.
    #[must_use]
    pub fn new(space: Space, sampler: Sampler, seed: u64) -> Self {
        Self {
            space,
            sampler,
            seed,
            told: Vec::new(),
            pending: Vec::new(),
            next: 0,
            ledger: Ledger::default(),
        }
    }

    /// The same with a budget, in the unit of the costs that will be told. While much of it is left,
    /// [`Sampler::Gp`] prefers what is cheap (EI-cool).
    #[must_use]
    pub fn with_budget(self, cost: f64) -> Self {
        Self { ledger: Ledger::of(cost), ..self }
    }

    /// What was spent, and what is left.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts what the search itself cost.
    ///
    /// # Errors
    ///
    /// If that is negative or not a number. The study is then as it was.
    pub fn charge(&mut self, cost: f64) -> Result<(), HpoError> {
        self.ledger.search(cost)
    }

    /// What [`Study::ask`] would give, with what is expected of it: whether it is worth its cost.
    ///
    /// # Errors
    ///
    /// As [`Study::ask`]'s.
    pub fn prospect(&self) -> Result<Suggestion, HpoError> {
        let pending = self.pending.iter().map(|(_, parameters)| parameters.clone()).collect();
        let history = History::new(self.told.clone(), pending);
        let history = history.cooled(self.ledger.share_left());
        propose(&self.space, self.sampler, self.seed, self.next, &history)
    }

    /// The next trial: its number and its parameters, in the space's order.
    ///
    /// # Errors
    ///
    /// If a grid has no more cells.
    pub fn ask(&mut self) -> Result<(u32, Vec<f64>), HpoError> {
        let number = self.next;
        let parameters = self.prospect()?.parameters;
        self.pending.push((number, parameters.clone()));
        self.next += 1;
        Ok((number, parameters))
    }

    /// Trials that were asked for and not told: numbers and parameters.
    #[must_use]
    pub fn under_way(&self) -> &[(u32, Vec<f64>)] {
        &self.pending
    }

    /// Puts a trial under way as a journal has it, whatever would be asked for now.
    ///
    /// # Errors
    ///
    /// If it is not the next trial, or its parameters are not the space's. The study is then as it
    /// was.
    pub fn restore(&mut self, number: u32, parameters: Vec<f64>) -> Result<(), HpoError> {
        if number != self.next || !self.space.has(&parameters) {
            return Err(HpoError::Foreign { number, next: self.next });
        }
        self.pending.push((number, parameters));
        self.next += 1;
        Ok(())
    }

    /// What a trial gave; `None`, or a value that is not a number, if it failed.
    ///
    /// # Errors
    ///
    /// If the trial is not under way. The study is then as it was.
    pub fn tell(&mut self, number: u32, value: Option<f64>) -> Result<(), HpoError> {
        self.finish(number, value, None)
    }

    /// The same, with what the trial cost: a failed one costs too.
    ///
    /// # Errors
    ///
    /// As [`Study::tell`]'s, or if the cost is negative or not a number.
    pub fn tell_with_cost(
        &mut self,
        number: u32,
        value: Option<f64>,
        cost: f64,
    ) -> Result<(), HpoError> {
        self.finish(number, value, Some(checked(cost)?))
    }

    fn finish(
        &mut self,
        number: u32,
        value: Option<f64>,
        cost: Option<f64>,
    ) -> Result<(), HpoError> {
        let at = self.pending.iter().position(|(it, _)| *it == number);
        let at = at.ok_or(HpoError::NotPending { number })?;
        let (_, parameters) = self.pending.remove(at);
        let value = value.filter(|it| it.is_finite());
        self.told.push(Trial { number, parameters, value, cost });
        self.ledger.trial(cost.unwrap_or(0.0))
    }

    /// Trials that were told, in the order of their arrival.
    #[must_use]
    pub fn told(&self) -> &[Trial] {
        &self.told
    }

    /// The trial with the largest value, the first of equals; `None` before any gave one.
    #[must_use]
    pub fn best(&self) -> Option<Best> {
        let mut best: Option<Best> = None;
        for trial in &self.told {
            let Some(value) = trial.value else { continue };
            let better = best.as_ref().is_none_or(|it| {
                value > it.value || (value == it.value && trial.number < it.number)
            });
            if better {
                let parameters = trial.parameters.clone();
                best = Some(Best { number: trial.number, parameters, value });
            }
        }
        best
    }
}
