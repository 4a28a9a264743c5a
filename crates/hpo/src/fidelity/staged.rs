//! A study whose trials are trained in parts.

use super::{Advance, Curve, Pruner, Rungs, advance, goes_on, history};
use crate::{
    cost::{Ledger, checked},
    history::History,
    objectives::{Objectives, Outcome},
    pareto::dominated,
    sampler::{Sampler, best_staged, ehvi, hopeless, suggest, suggest_staged, untried},
    space::Space,
    study::HpoError,
};

/// A part of a trial's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// The trial's number.
    pub number: u32,
    /// Its parameters, in the space's order.
    pub parameters: Vec<f64>,
    /// Epochs it has already been trained for.
    pub from: u32,
    /// Up to which it is to be trained.
    pub until: u32,
}

/// A study with a [`Pruner`]: ask for a leg, tell the value after each of its epochs.
#[derive(Clone, Debug)]
pub struct Staged {
    space: Space,
    sampler: Sampler,
    pruner: Pruner,
    rungs: Rungs,
    seed: u64,
    objectives: Objectives,
    curves: Vec<Curve>,
    ledger: Ledger,
}

impl Staged {
    /// An empty study.
    #[must_use]
    pub fn new(space: Space, sampler: Sampler, pruner: Pruner, rungs: Rungs, seed: u64) -> Self {
        let objectives = Objectives::new(1);
        Self {
            space,
            sampler,
            pruner,
            rungs,
            seed,
            objectives,
            curves: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// The same with a budget, in the unit of the costs that will be told. While much of it is left,
    /// [`Sampler::Gp`] with one objective prefers what is cheap an epoch (EI-cool).
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

    /// Counts what a leg of a trial cost, also after it ended.
    ///
    /// # Errors
    ///
    /// If there is no such trial, or the cost is negative or not a number. The study is then as it
    /// was.
    pub fn paid(&mut self, number: u32, cost: f64) -> Result<(), HpoError> {
        let cost = checked(cost)?;
        let it = self.curves.iter_mut().find(|it| it.number == number);
        let it = it.ok_or(HpoError::NotPending { number })?;
        it.cost = Some(it.cost.unwrap_or(0.0) + cost);
        self.ledger.trial(cost)
    }

    /// The same study of several objectives: ranks are those of dominance, and [`Sampler::Gp`]
    /// looks for hypervolume.
    #[must_use]
    pub fn with_objectives(self, objectives: Objectives) -> Self {
        Self { objectives, ..self }
    }

    /// How many values an epoch gives.
    #[must_use]
    pub fn objectives(&self) -> usize {
        self.objectives.at_least.len()
    }

    /// Puts a leg under way as a journal has it, whatever would be asked for now; where it starts
    /// is known from what was told.
    ///
    /// # Errors
    ///
    /// If it is neither the next trial nor a paused one, or its parameters are not the space's. The
    /// study is then as it was.
    pub fn restore(&mut self, leg: Leg) -> Result<(), HpoError> {
        let (number, most) = (leg.number, self.rungs.most.max(1));
        let next = self.curves.last().map_or(0, |it| it.number + 1);
        let foreign = HpoError::Foreign { number, next };
        if leg.until > most || !self.space.has(&leg.parameters) {
            return Err(foreign);
        }
        if number == next && leg.until > 0 {
            let until = Some(leg.until);
            self.curves.push(Curve {
                number,
                parameters: leg.parameters,
                until,
                ..Curve::default()
            });
            return Ok(());
        }
        let paused = self.curves.iter_mut().find(|it| {
            it.number == number
                && it.until.is_none()
                && !it.failed
                && it.epochs() < leg.until
                && it.parameters == leg.parameters
        });
        paused.ok_or(foreign)?.until = Some(leg.until);
        Ok(())
    }

    /// Legs that were asked for and not told.
    #[must_use]
    pub fn under_way(&self) -> Vec<Leg> {
        let leg = |it: &Curve| {
            let (number, parameters) = (it.number, it.parameters.clone());
            Some(Leg { number, parameters, from: it.epochs(), until: it.until? })
        };
        self.curves.iter().filter_map(leg).collect()
    }

    /// The lengths after which trials are compared.
    #[must_use]
    pub fn rungs(&self) -> Rungs {
        self.rungs
    }

    /// What was told so far.
    #[must_use]
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// Epochs trained so far, those of stopped and failed trials included.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.curves.iter().map(|it| u64::from(it.epochs())).sum()
    }

    /// What to train next.
    ///
    /// # Errors
    ///
    /// If a grid has no more cells.
    pub fn ask(&mut self) -> Result<Leg, HpoError> {
        let hopeless = self.hopeless();
        match advance(self.pruner, self.rungs, &self.curves, hopeless.as_deref()) {
            Advance::Resume { number, until } => self.resume(number, until),
            Advance::Start { until } => {
                let number = self.curves.last().map_or(0, |it| it.number + 1);
                let parameters = self.suggest(number)?;
                let curve = Curve {
                    number,
                    parameters: parameters.clone(),
                    until: Some(until),
                    ..Curve::default()
                };
                self.curves.push(curve);
                Ok(Leg { number, parameters, from: 0, until })
            }
        }
    }

    /// What the process gives up; none where no process is asked.
    fn hopeless(&self) -> Option<Vec<u32>> {
        let asked = match self.pruner {
            Pruner::Never => false,
            Pruner::Posterior => true,
            _ => self.sampler == Sampler::Gp,
        };
        asked.then(|| hopeless(&self.space, &self.rungs.lengths(), &self.curves))
    }

    fn resume(&mut self, number: u32, until: u32) -> Result<Leg, HpoError> {
        let it = self.curves.iter_mut().find(|it| it.number == number);
        let it = it.ok_or(HpoError::NotPending { number })?;
        it.until = Some(until);
        let parameters = it.parameters.clone();
        Ok(Leg { number, parameters, from: it.epochs(), until })
    }

    /// The trial's leg, or its next one, which is then under way; none if it pauses or has ended.
    ///
    /// For a client that trains on while it can instead of asking for the next leg. A paused trial
    /// may still be asked for later.
    ///
    /// # Errors
    ///
    /// If there is no such trial.
    pub fn go_on(&mut self, number: u32) -> Result<Option<Leg>, HpoError> {
        let it = self.curves.iter().find(|it| it.number == number);
        let it = it.ok_or(HpoError::NotPending { number })?;
        if let Some(until) = it.until {
            let parameters = it.parameters.clone();
            return Ok(Some(Leg { number, parameters, from: it.epochs(), until }));
        }
        let hopeless = self.hopeless();
        let until = goes_on(self.pruner, self.rungs, &self.curves, it, hopeless.as_deref());
        until.map(|until| self.resume(number, until)).transpose()
    }

    fn suggest(&self, number: u32) -> Result<Vec<f64>, HpoError> {
        if self.sampler == Sampler::Gp && self.objectives() == 1 {
            let rungs = self.rungs.lengths();
            let (space, curves) = (&self.space, self.curves.as_slice());
            let cooling = self.ledger.share_left();
            let point = suggest_staged(space, self.seed, number, &rungs, curves, cooling);
            return Ok(untried(space, self.seed, number, &history(curves), point));
        }
        // The longest rung that says enough (Falkner et al. 2018, BOHB).
        let enough = self.space.dimensions() + 2;
        let rungs = self.rungs.lengths();
        let reached = |rung: &u32| self.curves.iter().filter(|it| it.epochs() >= *rung).count();
        let rung = rungs.iter().rev().copied().find(|it| reached(it) >= enough);
        let cut = |it: &Curve| {
            let mut it = it.clone();
            it.values.truncate(rung.unwrap_or(rungs[0]) as usize);
            it
        };
        let curves: Vec<Curve> = self
            .curves
            .iter()
            .filter(|it| {
                it.failed || it.values.is_empty() || rung.is_some_and(|rung| it.epochs() >= rung)
            })
            .map(cut)
            .collect();
        let history = history(&curves);
        if self.sampler != Sampler::Gp {
            return suggest(&self.space, self.sampler, self.seed, number, &history);
        }
        let told = |it: &Curve| Outcome {
            number: it.number,
            parameters: it.parameters.clone(),
            values: it.values.last().filter(|_| !it.failed).cloned(),
            cost: None,
        };
        let outcomes: Vec<Outcome> =
            curves.iter().filter(|it| it.failed || !it.values.is_empty()).map(told).collect();
        // Those that were stopped before that rung are not to be tried again either.
        let others: Vec<Vec<f64>> = self
            .curves
            .iter()
            .filter(|it| !outcomes.iter().any(|other| other.number == it.number))
            .map(|it| it.parameters.clone())
            .collect();
        let (space, seed) = (&self.space, self.seed);
        let point = ehvi::suggest(space, &self.objectives, seed, number, (&outcomes, &others), 0.0);
        let tried = History::new(history.trials().to_vec(), others);
        Ok(untried(space, seed, number, &tried, point))
    }

    fn leg(&mut self, number: u32) -> Result<(&mut Curve, usize), HpoError> {
        let it = self.curves.iter_mut().find(|it| it.number == number && it.until.is_some());
        let it = it.ok_or(HpoError::NotPending { number })?;
        let left = it.until.unwrap_or(0).saturating_sub(it.epochs()) as usize;
        Ok((it, left))
    }

    fn is_one_each(&self, number: u32, values: &[f64]) -> Result<(), HpoError> {
        let (given, expected) = (values.len(), self.objectives());
        if given == expected {
            return Ok(());
        }
        Err(HpoError::Objectives { number, given, expected })
    }

    /// What a trial gave after an epoch, counted from 1; epochs that were left out count as having
    /// given the same. At the leg's last one it pauses. A value that is not a number is a failure.
    ///
    /// # Errors
    ///
    /// If the trial is not under way, the epoch is not one of its leg that is still to come, or the
    /// values are not one an objective. The study is then as it was.
    pub fn report(&mut self, number: u32, epoch: u32, values: Vec<f64>) -> Result<(), HpoError> {
        self.is_one_each(number, &values)?;
        let (it, left) = self.leg(number)?;
        let steps = epoch.saturating_sub(it.epochs()) as usize;
        if steps == 0 || steps > left {
            let (from, until) = (it.epochs(), it.until.unwrap_or(0));
            return Err(HpoError::Epoch { number, epoch, from, until });
        }
        let count = if values.iter().all(|it| it.is_finite()) { steps } else { left + 1 };
        if count > left {
            return self.tell(number, None);
        }
        it.values.extend(std::iter::repeat_n(values, steps));
        if steps == left {
            it.until = None;
        }
        Ok(())
    }

    /// What a trial gave at the end of its leg; none if it failed.
    ///
    /// # Errors
    ///
    /// As [`Staged::report`]'s.
    pub fn end_leg(&mut self, number: u32, values: Option<Vec<f64>>) -> Result<(), HpoError> {
        let Some(values) = values else { return self.tell(number, None) };
        let (it, _) = self.leg(number)?;
        let until = it.until.unwrap_or(0);
        self.report(number, until, values)
    }

    /// What a leg gave: the value after each of its epochs, one number an objective. `None`, or a
    /// value that is not a number, if the trial failed.
    ///
    /// # Errors
    ///
    /// If the trial is not under way, or there are more values than the leg has epochs. The study is
    /// then as it was.
    pub fn tell(&mut self, number: u32, values: Option<&[Vec<f64>]>) -> Result<(), HpoError> {
        for values in values.unwrap_or_default() {
            self.is_one_each(number, values)?;
        }
        let (it, expected) = self.leg(number)?;
        let finite = |it: &Vec<f64>| it.iter().all(|it| it.is_finite());
        match values {
            Some(values) if values.len() == expected && values.iter().all(finite) => {
                it.values.extend_from_slice(values);
            }
            Some(values) if values.len() > expected => {
                return Err(HpoError::Epochs { number, given: values.len(), expected });
            }
            other => {
                // Its epochs were paid for, as far as they went.
                let good = other.unwrap_or_default().iter().take_while(|it| finite(it));
                it.values.extend(good.cloned());
                it.failed = true;
            }
        }
        it.until = None;
        Ok(())
    }

    /// The best of the trials that were trained to the end, by the first objective: of one, with
    /// [`Sampler::Gp`] by its posterior mean, else as observed.
    #[must_use]
    pub fn best(&self) -> Option<&Curve> {
        if self.sampler == Sampler::Gp && self.objectives() == 1 {
            return best_staged(&self.space, &self.rungs.lengths(), &self.curves);
        }
        let most = self.rungs.most.max(1);
        let whole = self.curves.iter().filter(|it| !it.failed && it.at(most).is_some());
        whole.reduce(|best, it| {
            let first = |it: &Curve| it.at(most).and_then(|it| it.first().copied());
            if first(it) > first(best) { it } else { best }
        })
    }

    /// The trials trained to the end, within the bounds, that none of the others dominates.
    #[must_use]
    pub fn pareto(&self) -> Vec<&Curve> {
        let most = self.rungs.most.max(1);
        let whole: Vec<(&Curve, &[f64])> = self
            .curves
            .iter()
            .filter(|it| !it.failed)
            .filter_map(|it| Some((it, it.at(most)?)))
            .filter(|it| self.objectives.allow(it.1))
            .collect();
        let free = |it: &&(&Curve, &[f64])| !whole.iter().any(|other| dominated(it.1, other.1));
        whole.iter().filter(free).map(|it| it.0).collect()
    }
}
