//! A study: ask for parameters, run them, and report the values.

use std::sync::Arc;

use crate::{
    curves::{best_by_mean, hopeless},
    error::HpoError,
    ledger::{Ledger, checked},
    objectives::Objectives,
    pareto::{hypervolume, pareto_front},
    pruner::{Advance, Pruner, Rungs, advance, first_until, goes_on, next_until},
    sampler::{Sampler, Suggestion, suggest},
    search::SearchState,
    space::Space,
    trial::{Segment, Trial, TrialState},
};

/// A search for the parameters with the largest values.
///
/// It has one objective or several ([`Study::with_objectives`]) and may stop trials early
/// ([`Study::with_pruner`]). [`Study::ask`] says what to evaluate; [`Study::tell`], [`Study::report`]
/// or [`Study::fail`] take the result. A study holds nothing but its settings and its trials, so
/// replaying them ([`Study::restore`]) rebuilds it.
#[derive(Clone, Debug)]
pub struct Study {
    space: Space,
    sampler: Arc<dyn Sampler>,
    seed: u64,
    objectives: Objectives,
    pruning: Option<(Pruner, Rungs)>,
    trials: Vec<Trial>,
    ledger: Ledger,
    /// Whether a finite space may be searched again after all of it was tried.
    repeats: bool,
    /// Whether a trial that was stopped may go on later.
    resumes: bool,
    /// The last number that was left out.
    skipped: Option<u32>,
}

impl Study {
    /// A study with one objective, without trials.
    #[must_use]
    pub fn new(space: Space, sampler: impl Sampler + 'static, seed: u64) -> Self {
        Self {
            space,
            sampler: Arc::new(sampler),
            seed,
            objectives: Objectives::new(1),
            pruning: None,
            trials: Vec::new(),
            ledger: Ledger::default(),
            repeats: true,
            resumes: true,
            skipped: None,
        }
    }

    /// The same study with these objectives. [`Gp`](crate::Gp) then looks for hypervolume; samplers
    /// that look at one value see the first objective. Pruners rank by dominance.
    #[must_use]
    pub fn with_objectives(self, objectives: Objectives) -> Self {
        Self { objectives, ..self }
    }

    /// The same study with trials that are stopped early.
    #[must_use]
    pub fn with_pruner(self, pruner: Pruner, rungs: Rungs) -> Self {
        Self { pruning: Some((pruner, rungs)), ..self }
    }

    /// The same study with a budget, in the unit of the costs that will be told. While much of it is
    /// left, [`Gp`](crate::Gp) prefers cheap trials. A budget does not end the study; see
    /// [`Ledger::left`].
    #[must_use]
    pub fn with_budget(self, cost: f64) -> Self {
        Self { ledger: Ledger::with_budget(cost), ..self }
    }

    /// The same study, which ends with [`HpoError::SpaceExhausted`] when every point of a finite space
    /// was tried, instead of trying points again.
    #[must_use]
    pub fn without_repeats(self) -> Self {
        Self { repeats: false, ..self }
    }

    /// The same study, in which a trial that was stopped early never goes on: [`Study::ask`] always
    /// starts a trial. For clients that go on with a trial while [`Study::next_segment`] lets them, and
    /// cannot come back to it. Halving and Hyperband decide about a trial when others have caught up,
    /// so they stop nearly all trials then.
    #[must_use]
    pub fn without_resuming(self) -> Self {
        Self { resumes: false, ..self }
    }

    /// The search space.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What is maximized.
    #[must_use]
    pub fn objectives(&self) -> &Objectives {
        &self.objectives
    }

    /// The pruner and its rungs; `None` if every trial has a single step.
    #[must_use]
    pub fn pruner(&self) -> Option<(Pruner, Rungs)> {
        self.pruning
    }

    /// All trials, in the order of their numbers.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// What was spent and what is left.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Steps of all trials so far, including stopped and failed ones.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.trials.iter().map(|trial| u64::from(trial.steps())).sum()
    }

    /// Segments that were asked for and have no result yet, in the order of the trials' numbers.
    #[must_use]
    pub fn running(&self) -> Vec<Segment> {
        self.trials.iter().filter_map(Trial::segment).collect()
    }

    /// What to evaluate next: a new trial or, with a pruner, a paused one.
    ///
    /// # Errors
    ///
    /// If the sampler has no more trials, or suggests something that is not a point of the space. The
    /// study is then unchanged.
    pub fn ask(&mut self) -> Result<Segment, HpoError> {
        let until = match self.pruning {
            None => 1,
            Some((pruner, rungs)) if !self.resumes => {
                first_until(pruner, rungs, self.next_number())
            }
            Some((pruner, rungs)) => {
                match advance(pruner, rungs, &self.trials, self.hopeless().as_deref()) {
                    Advance::Resume { number, until } => return self.resume(number, until),
                    Advance::Start { until } => until,
                }
            }
        };
        let prospect = self.prospect()?;
        if prospect.repeats && !self.repeats {
            return Err(HpoError::SpaceExhausted { trials: self.trials.len() });
        }
        Ok(self.push(prospect.parameters, until))
    }

    /// Whether [`Study::ask`] would start a new trial now, rather than resume a paused one.
    #[must_use]
    pub fn would_start(&self) -> bool {
        !self.resumes
            || self.pruning.is_none_or(|(pruner, rungs)| {
                let hopeless = self.hopeless();
                matches!(
                    advance(pruner, rungs, &self.trials, hopeless.as_deref()),
                    Advance::Start { .. }
                )
            })
    }

    /// Starts a trial with given parameters instead of those that the sampler would choose.
    ///
    /// # Errors
    ///
    /// If the parameters are not a point of the space. The study is then unchanged.
    pub fn start(&mut self, parameters: Vec<f64>) -> Result<Segment, HpoError> {
        if !self.space.has(&parameters) {
            return Err(HpoError::NotAPoint { parameters });
        }
        let number = self.next_number();
        let until = self.pruning.map_or(1, |(pruner, rungs)| first_until(pruner, rungs, number));
        Ok(self.push(parameters, until))
    }

    /// Adds a trial that was evaluated elsewhere, with its values at the end, or as a failure.
    ///
    /// # Errors
    ///
    /// If the parameters are not a point of the space, or there is not one value per objective. The
    /// study is then unchanged.
    pub fn add(&mut self, parameters: Vec<f64>, values: Option<&[f64]>) -> Result<u32, HpoError> {
        if let Some(values) = values {
            self.check_count(self.next_number(), values)?;
        }
        if !self.space.has(&parameters) {
            return Err(HpoError::NotAPoint { parameters });
        }
        let number = self.push(parameters, self.last_step()).number;
        match values {
            Some(values) => self.tell(number, values)?,
            None => self.fail(number)?,
        }
        Ok(number)
    }

    /// Makes a running segment end at the next step at which trials are compared, for a trial that
    /// has given no value at the end of its segment. `None` if there is no such step, or no pruner.
    ///
    /// # Errors
    ///
    /// If the trial is not running. The study is then unchanged.
    pub fn extend(&mut self, number: u32) -> Result<Option<Segment>, HpoError> {
        let segment = self.segment(number)?;
        let next =
            self.pruning.and_then(|(pruner, rungs)| next_until(pruner, rungs, segment.until));
        let Some(until) = next else { return Ok(None) };
        self.trial_mut(number)?.state = TrialState::Running { until };
        Ok(Some(Segment { until, ..segment }))
    }

    fn push(&mut self, parameters: Vec<f64>, until: u32) -> Segment {
        let number = self.next_number();
        self.trials.push(Trial::running(number, parameters.clone(), until));
        Segment { number, parameters, from: 0, until }
    }

    /// The next new trial as [`Study::ask`] would start it, with its expected gain and cost. Use it to
    /// decide whether the trial is worth its cost.
    ///
    /// # Errors
    ///
    /// As [`Study::ask`].
    pub fn prospect(&self) -> Result<Suggestion, HpoError> {
        let search = SearchState {
            space: &self.space,
            objectives: self.objectives.clone(),
            seed: self.seed,
            number: self.next_number(),
            trials: &self.trials,
            rungs: self.pruning.map_or_else(Vec::new, |(_, rungs)| rungs.lengths()),
            budget_left: self.ledger.share_left(),
        };
        suggest(&self.sampler, &search)
    }

    /// The running segment of a trial or, if it is paused and its pruner lets it go on, its next
    /// segment, which then runs. `None` if the trial stays paused or has ended.
    ///
    /// For clients that go on with a trial while they may, instead of asking for each segment. A
    /// paused trial may still be resumed by a later [`Study::ask`].
    ///
    /// # Errors
    ///
    /// If there is no such trial.
    pub fn next_segment(&mut self, number: u32) -> Result<Option<Segment>, HpoError> {
        let trial = self.trials.iter().find(|trial| trial.number == number);
        let trial = trial.ok_or(HpoError::NotRunning { number })?;
        if let Some(segment) = trial.segment() {
            return Ok(Some(segment));
        }
        let Some((pruner, rungs)) = self.pruning else { return Ok(None) };
        let hopeless = self.hopeless();
        let until = goes_on(pruner, rungs, &self.trials, trial, hopeless.as_deref());
        until.map(|until| self.resume(number, until)).transpose()
    }

    /// The values of a trial at the end of its segment, one per objective. Values that are not finite
    /// count as a failure.
    ///
    /// # Errors
    ///
    /// If the trial is not running, or there is not one value per objective. The study is then
    /// unchanged.
    pub fn tell(&mut self, number: u32, values: &[f64]) -> Result<(), HpoError> {
        self.check_count(number, values)?;
        let until = self.segment(number)?.until;
        self.report(number, until, values)
    }

    /// The values of a trial after a step, counted from 1, one per objective. Steps that are left out
    /// count as having given the same values. The trial pauses or completes at the last step of its
    /// segment. Values that are not finite count as a failure.
    ///
    /// # Errors
    ///
    /// If the trial is not running, the step is not one to come in its segment, or there is not one
    /// value per objective. The study is then unchanged.
    pub fn report(&mut self, number: u32, step: u32, values: &[f64]) -> Result<(), HpoError> {
        self.check_count(number, values)?;
        let Segment { from, until, .. } = self.segment(number)?;
        if step <= from || step > until {
            return Err(HpoError::Step { number, step, from, until });
        }
        if !values.iter().all(|value| value.is_finite()) {
            return self.fail(number);
        }
        let last_step = self.last_step();
        let trial = self.trial_mut(number)?;
        trial.values.extend(std::iter::repeat_n(values.to_vec(), (step - from) as usize));
        if step == until {
            let is_last = step >= last_step;
            trial.state = if is_last { TrialState::Completed } else { TrialState::Paused };
        }
        Ok(())
    }

    /// Says that a running trial failed. It never goes on.
    ///
    /// # Errors
    ///
    /// If the trial is not running. The study is then unchanged.
    pub fn fail(&mut self, number: u32) -> Result<(), HpoError> {
        self.segment(number)?;
        self.trial_mut(number)?.state = TrialState::Failed;
        Ok(())
    }

    /// Adds to the cost of a trial, running or ended. Failed trials cost something too.
    ///
    /// # Errors
    ///
    /// If there is no such trial, or the cost is negative or not finite. The study is then unchanged.
    pub fn pay(&mut self, number: u32, cost: f64) -> Result<(), HpoError> {
        let cost = checked(cost)?;
        let trial = self.trial_mut(number)?;
        trial.cost = Some(trial.cost.unwrap_or(0.0) + cost);
        self.ledger.add_trial(cost)
    }

    /// Adds to the cost of the search itself.
    ///
    /// # Errors
    ///
    /// If the cost is negative or not finite. The study is then unchanged.
    pub fn charge(&mut self, cost: f64) -> Result<(), HpoError> {
        self.ledger.add_search(cost)
    }

    /// Starts a segment as a journal has it, whatever [`Study::ask`] would give now. Where the segment
    /// begins follows from what was reported.
    ///
    /// # Errors
    ///
    /// If the trial is neither a new one nor a paused one, nor a running one whose segment becomes
    /// longer, its parameters are not a point of the space, or the segment ends beyond the last step.
    /// The study is then unchanged.
    pub fn restore(&mut self, segment: Segment) -> Result<(), HpoError> {
        let Segment { number, parameters, until, .. } = segment;
        let next = self.next_number();
        let foreign = HpoError::ForeignTrial { number, next };
        if until == 0 || until > self.last_step() || !self.space.has(&parameters) {
            return Err(foreign);
        }
        if number == next {
            self.trials.push(Trial::running(number, parameters, until));
            return Ok(());
        }
        let paused = self.trials.iter_mut().find(|trial| {
            let may_go_on = match trial.state {
                TrialState::Paused => true,
                TrialState::Running { until: now } => now < until,
                _ => false,
            };
            trial.number == number
                && may_go_on
                && trial.steps() < until
                && trial.parameters == parameters
        });
        paused.ok_or(foreign)?.state = TrialState::Running { until };
        Ok(())
    }

    /// Leaves out the number of the next trial, as of one in a journal whose parameters are not in
    /// this study's space.
    pub fn skip_number(&mut self) {
        self.skipped = Some(self.next_number());
    }

    /// The completed trial with the largest first objective, the first of equal ones; `None` if no
    /// trial is completed.
    ///
    /// With a pruner, one objective and a sampler that [models curves](Sampler::models_curves), it is
    /// the one with the largest posterior mean.
    #[must_use]
    pub fn best(&self) -> Option<&Trial> {
        if let Some((_, rungs)) = self.pruning
            && self.sampler.models_curves()
            && self.objectives.count() == 1
        {
            return best_by_mean(&self.space, &rungs.lengths(), &self.trials);
        }
        self.completed().reduce(
            |best, trial| {
                if trial.value() > best.value() { trial } else { best }
            },
        )
    }

    /// The completed trials within the objectives' bounds that no other one dominates, by number; of
    /// equal ones the first.
    #[must_use]
    pub fn pareto(&self) -> Vec<&Trial> {
        let allowed =
            |trial: &&Trial| trial.last().is_some_and(|values| self.objectives.allow(values));
        let allowed: Vec<&Trial> = self.completed().filter(allowed).collect();
        let values: Vec<Vec<f64>> =
            allowed.iter().filter_map(|trial| Some(trial.last()?.to_vec())).collect();
        pareto_front(&values).into_iter().map(|index| allowed[index]).collect()
    }

    /// The hypervolume of the completed trials above the reference point; see
    /// [`Objectives::reference`].
    #[must_use]
    pub fn hypervolume(&self) -> f64 {
        let values: Vec<Vec<f64>> =
            self.completed().filter_map(|trial| Some(trial.last()?.to_vec())).collect();
        hypervolume(&values, &self.objectives.reference(&values))
    }

    fn completed(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.is_completed())
    }

    fn next_number(&self) -> u32 {
        let last = self.trials.last().map(|trial| trial.number);
        last.max(self.skipped).map_or(0, |last| last + 1)
    }

    /// The step at which a trial is completed.
    fn last_step(&self) -> u32 {
        self.pruning.map_or(1, |(_, rungs)| rungs.most.max(1))
    }

    /// Numbers of the paused trials that a Gaussian process gives up; `None` if no process is used.
    fn hopeless(&self) -> Option<Vec<u32>> {
        let (pruner, rungs) = self.pruning?;
        let uses_process = match pruner {
            Pruner::Never => false,
            Pruner::Posterior => true,
            _ => self.sampler.models_curves(),
        };
        uses_process.then(|| hopeless(&self.space, &rungs.lengths(), &self.trials))
    }

    fn resume(&mut self, number: u32, until: u32) -> Result<Segment, HpoError> {
        self.trial_mut(number)?.state = TrialState::Running { until };
        self.segment(number)
    }

    fn segment(&self, number: u32) -> Result<Segment, HpoError> {
        let trial = self.trials.iter().find(|trial| trial.number == number);
        trial.and_then(Trial::segment).ok_or(HpoError::NotRunning { number })
    }

    fn trial_mut(&mut self, number: u32) -> Result<&mut Trial, HpoError> {
        let trial = self.trials.iter_mut().find(|trial| trial.number == number);
        trial.ok_or(HpoError::NotRunning { number })
    }

    fn check_count(&self, number: u32, values: &[f64]) -> Result<(), HpoError> {
        let (given, expected) = (values.len(), self.objectives.count());
        if given == expected {
            return Ok(());
        }
        Err(HpoError::Objectives { number, given, expected })
    }
}
