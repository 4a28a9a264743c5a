//! Studies of several objectives.

use crate::{
    cost::{Ledger, checked},
    history::{History, Trial},
    pareto::{hypervolume, pareto_front},
    sampler::{Sampler, ehvi, suggest, untried},
    space::Space,
    study::HpoError,
};

/// What is wanted: more of each. Turn the sign of what is to be small, say joules.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives {
    /// For each objective the least that counts (accuracy at least 0.9, energy at most 50 kJ); none
    /// where anything does. These bounds are also the hypervolume's reference point.
    pub at_least: Vec<Option<f64>>,
}

impl Objectives {
    /// So many objectives without bounds.
    #[must_use]
    pub fn new(objectives: usize) -> Self {
        Self { at_least: vec![None; objectives] }
    }

    /// Whether values lie within the bounds.
    #[must_use]
    pub fn allow(&self, values: &[f64]) -> bool {
        let mut pairs = values.iter().zip(&self.at_least);
        pairs.all(|(it, bound)| bound.is_none_or(|bound| *it >= bound))
    }

    /// The reference point: the bounds, and where there is none a tenth of the front's range below
    /// its worst value.
    #[must_use]
    pub fn floor(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let front = pareto_front(values);
        let floor = |(k, bound): (usize, &Option<f64>)| {
            bound.unwrap_or_else(|| {
                let on_front = || front.iter().map(|it| values[*it][k]);
                let low = on_front().fold(f64::INFINITY, f64::min);
                let high = on_front().fold(f64::NEG_INFINITY, f64::max);
                if front.is_empty() { 0.0 } else { low - 0.1 * (high - low).max(1e-12) }
            })
        };
        self.at_least.iter().enumerate().map(floor).collect()
    }
}

/// A trial with several values.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its number, from 0.
    pub number: u32,
    /// Its parameters, in the space's order.
    pub parameters: Vec<f64>,
    /// What it gave, a number an objective; none if it failed.
    pub values: Option<Vec<f64>>,
    /// What it cost, if somebody counted.
    pub cost: Option<f64>,
}

/// A search for the parameters that no others beat in everything.
#[derive(Clone, Debug)]
pub struct Frontier {
    space: Space,
    objectives: Objectives,
    sampler: Sampler,
    seed: u64,
    told: Vec<Outcome>,
    pending: Vec<(u32, Vec<f64>)>,
    next: u32,
    ledger: Ledger,
}

impl Frontier {
    /// An empty study. [`Sampler::Gp`] maximizes the expected hypervolume improvement; strategies
    /// that look at values see the first objective's.
    #[must_use]
    pub fn new(space: Space, objectives: Objectives, sampler: Sampler, seed: u64) -> Self {
        Self {
            space,
            objectives,
            sampler,
            seed,
            told: Vec::new(),
            pending: Vec::new(),
            next: 0,
            ledger: Ledger::default(),
        }
    }

    /// The same with a budget, in the unit of the costs that will be told. While much of it is left,
    /// [`Sampler::Gp`] prefers what is cheap.
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

    /// The next trial: its number and its parameters, in the space's order.
    ///
    /// # Errors
    ///
    /// If a grid has no more cells.
    pub fn ask(&mut self) -> Result<(u32, Vec<f64>), HpoError> {
        let number = self.next;
        let pending: Vec<Vec<f64>> = self.pending.iter().map(|it| it.1.clone()).collect();
        // The order in which results arrived is of no importance.
        let mut told = self.told.clone();
        told.sort_by_key(|it| it.number);
        let first = |it: &Outcome| Trial {
            number: it.number,
            parameters: it.parameters.clone(),
            value: it.values.as_ref().and_then(|it| it.first().copied()),
            cost: it.cost,
        };
        let history = History::new(told.iter().map(first).collect(), pending.clone());
        let history = history.cooled(self.ledger.share_left());
        let (space, seed) = (&self.space, self.seed);
        let cooling = self.ledger.share_left();
        let parameters = if self.sampler == Sampler::Gp {
            let point =
                ehvi::suggest(space, &self.objectives, seed, number, (&told, &pending), cooling);
            untried(space, seed, number, &history, point)
        } else {
            suggest(space, self.sampler, seed, number, &history)?
        };
        self.pending.push((number, parameters.clone()));
        self.next += 1;
        Ok((number, parameters))
    }

    /// Trials that were asked for and not told: numbers and parameters.
    #[must_use]
    pub fn under_way(&self) -> &[(u32, Vec<f64>)] {
        &self.pending
    }

    /// Puts a trial under way as a journal has it.
    ///
    /// # Errors
    ///
    /// If it is not the next trial, or its parameters are not the space's.
    pub fn restore(&mut self, number: u32, parameters: Vec<f64>) -> Result<(), HpoError> {
        if number != self.next || !self.space.has(&parameters) {
            return Err(HpoError::Foreign { number, next: self.next });
        }
        self.pending.push((number, parameters));
        self.next += 1;
        Ok(())
    }

    /// What a trial gave; `None`, or values that are not numbers, if it failed.
    ///
    /// # Errors
    ///
    /// If the trial is not under way, or the values are not one an objective. The study is then as it
    /// was.
    pub fn tell(&mut self, number: u32, values: Option<Vec<f64>>) -> Result<(), HpoError> {
        self.finish(number, values, None)
    }

    /// The same, with what the trial cost: a failed one costs too.
    ///
    /// # Errors
    ///
    /// As [`Frontier::tell`]'s, or if the cost is negative or not a number.
    pub fn tell_with_cost(
        &mut self,
        number: u32,
        values: Option<Vec<f64>>,
        cost: f64,
    ) -> Result<(), HpoError> {
        self.finish(number, values, Some(checked(cost)?))
    }

    fn finish(
        &mut self,
        number: u32,
        values: Option<Vec<f64>>,
        cost: Option<f64>,
    ) -> Result<(), HpoError> {
        let expected = self.objectives.at_least.len();
        if let Some(given) = values.as_ref().map(Vec::len).filter(|it| *it != expected) {
            return Err(HpoError::Objectives { number, given, expected });
        }
        let at = self.pending.iter().position(|(it, _)| *it == number);
        let at = at.ok_or(HpoError::NotPending { number })?;
        let (_, parameters) = self.pending.remove(at);
        let values = values.filter(|it| it.iter().all(|it| it.is_finite()));
        self.told.push(Outcome { number, parameters, values, cost });
        self.ledger.trial(cost.unwrap_or(0.0))
    }

    /// Trials that were told, in the order of their arrival.
    #[must_use]
    pub fn told(&self) -> &[Outcome] {
        &self.told
    }

    /// The trials within the bounds that no other beats, by number.
    #[must_use]
    pub fn pareto(&self) -> Vec<&Outcome> {
        let within = |it: &&Outcome| it.values.as_ref().is_some_and(|it| self.objectives.allow(it));
        let mut whole: Vec<&Outcome> = self.told.iter().filter(within).collect();
        whole.sort_by_key(|it| it.number);
        let values: Vec<Vec<f64>> = whole.iter().filter_map(|it| it.values.clone()).collect();
        pareto_front(&values).into_iter().map(|it| whole[it]).collect()
    }

    /// How much they cover above the bounds (see [`Objectives::floor`]).
    #[must_use]
    pub fn hypervolume(&self) -> f64 {
        let values: Vec<Vec<f64>> = self.told.iter().filter_map(|it| it.values.clone()).collect();
        hypervolume(&values, &self.objectives.floor(&values))
    }
}
