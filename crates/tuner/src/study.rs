//! A running study with its journal, in the client's terms.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use hpo::{Segment, Space, Study, Trial, TrialState};
use serde_json::{Map, Value, json};
use units::Origin;

use crate::{
    change::{asked, check_cost, end, report, study},
    error::{TunerError, check, invalid},
    journal::{Event, Journal},
    spec::{Sense, StudySpec},
    spent::Spent,
};

/// A running study. It translates between its client, who minimizes or maximizes, gives parameters
/// names and knows choices by their values, and the [`Study`], which maximizes and knows numbers.
///
/// Everything that is asked and told is in the journal, if there is one, before a method returns. After
/// an error the study is unchanged.
#[derive(Debug)]
pub struct OpenStudy {
    pub(crate) spec: StudySpec,
    pub(crate) senses: Vec<Sense>,
    pub(crate) study: Study,
    pub(crate) journal: Option<Journal>,
    /// Bytes of an unfinished last line that was removed from the journal.
    torn: Option<u64>,
    /// Joules that the client told, by trial, including failed and stopped ones.
    pub(crate) told_costs: BTreeMap<u32, f64>,
    /// Costs that were measured, by trial; without a trial, those of the search.
    pub(crate) spent: BTreeMap<Option<u32>, Spent>,
    /// Costs that were measured for segments without a result yet, by trial.
    pub(crate) unpaid: BTreeMap<u32, Spent>,
    /// Number of segments whose result was told.
    pub(crate) told: u32,
    /// Trials to be run before the search goes on.
    pub(crate) queue: VecDeque<Map<String, Value>>,
    /// Number of trials that were evaluated elsewhere.
    pub(crate) added: u32,
    /// Trials of the journal that are not in the space as it is now.
    pub(crate) left_out: BTreeSet<u32>,
}

impl OpenStudy {
    /// Opens a study. If its journal exists, the study goes on where the journal ends.
    ///
    /// # Errors
    ///
    /// If the description is invalid, or the journal cannot be opened or belongs to another study.
    pub fn new(spec: StudySpec) -> Result<Self, TunerError> {
        spec.check_budget()?;
        let mut open = Self {
            senses: spec.senses(),
            study: study(&spec)?,
            journal: None,
            torn: None,
            told_costs: BTreeMap::new(),
            spent: BTreeMap::new(),
            unpaid: BTreeMap::new(),
            told: 0,
            queue: VecDeque::new(),
            added: 0,
            left_out: BTreeSet::new(),
            spec,
        };
        let Some(path) = open.spec.journal.clone() else { return Ok(open) };
        let (mut journal, events, torn) = Journal::open(&path)?;
        let is_current = open.replay(&path, events)?;
        if !is_current {
            journal.append(&Event::Study(open.spec.clone()))?;
        }
        (open.journal, open.torn) = (Some(journal), torn);
        Ok(open)
    }

    /// Opens the study of a journal as the journal describes it, to add something to it.
    ///
    /// # Errors
    ///
    /// If the file is not the journal of a study, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, TunerError> {
        let spec = Self::read(path)?.spec;
        Self::new(StudySpec { journal: Some(path.to_owned()), ..spec })
    }

    /// The study of a journal, for reading only: nothing is written to the journal.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not the journal of a study.
    pub fn read(path: &Path) -> Result<Self, TunerError> {
        let events = Journal::read(path)?;
        let no_study = || TunerError::NotAStudy {
            path: path.to_owned(),
            damage: "the first line does not describe a study".to_owned(),
        };
        if !matches!(events.first(), Some(Event::Study(_))) {
            return Err(no_study());
        }
        let described = events.iter().rev().find_map(|event| match event {
            Event::Study(spec) => Some(spec.clone()),
            _ => None,
        });
        let mut open = Self::new(described.ok_or_else(no_study)?)?;
        open.replay(path, events)?;
        Ok(open)
    }

    /// The description of the study.
    #[must_use]
    pub fn spec(&self) -> &StudySpec {
        &self.spec
    }

    /// The search space.
    #[must_use]
    pub fn space(&self) -> &Space {
        self.study.space()
    }

    /// Whether trials may be stopped early.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        self.study.pruner().is_some()
    }

    /// Whether smaller values of the first objective are better.
    #[must_use]
    pub fn minimizes(&self) -> bool {
        self.senses.first() == Some(&Sense::Minimize)
    }

    /// Whether there is more than one objective.
    #[must_use]
    pub fn has_several_objectives(&self) -> bool {
        self.senses.len() > 1
    }

    /// Number of objectives.
    #[must_use]
    pub fn objectives(&self) -> usize {
        self.senses.len()
    }

    /// Length in bytes of an unfinished last line, left by a kill, that was removed from the journal.
    #[must_use]
    pub fn removed_line(&self) -> Option<u64> {
        self.torn
    }

    /// The trials in the order of their numbers, except those that run in a study without a pruner.
    /// Their values are maximized; [`OpenStudy::values_of`] has the client's.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        let is_running = |trial: &Trial| matches!(trial.state, TrialState::Running { .. });
        self.study.trials().iter().filter(move |trial| self.is_pruned() || !is_running(trial))
    }

    /// The final values of a trial in the client's sign; `None` if it is not completed.
    #[must_use]
    pub fn values_of(&self, trial: &Trial) -> Option<Vec<f64>> {
        let values = trial.last().filter(|_| trial.is_completed())?;
        Some(self.signed(values.to_vec()))
    }

    /// The last values that a trial gave, in the client's sign; `None` if it gave none.
    #[must_use]
    pub fn last_values(&self, trial: u32) -> Option<Vec<f64>> {
        let trial = self.study.trials().iter().find(|other| other.number == trial)?;
        Some(self.signed(trial.last()?.to_vec()))
    }

    /// Whether any trial gave a value, including trials that were stopped early.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.study.trials().iter().any(|trial| !trial.values.is_empty())
    }

    /// Number of segments whose result was told; without a pruner, of trials.
    #[must_use]
    pub fn told(&self) -> u32 {
        self.told
    }

    /// Whether costs are seconds instead of joules.
    #[must_use]
    pub fn counts_seconds(&self) -> bool {
        self.spec.budget_s.is_some()
    }

    /// Whether the joules that were measured are measurements or estimates; `None` if there are none.
    #[must_use]
    pub fn cost_origin(&self) -> Option<Origin> {
        self.spent_by_trials().origin
    }

    /// Joules of all trials as the client told them; `None` if it told none.
    #[must_use]
    pub fn cost_j(&self) -> Option<f64> {
        (!self.told_costs.is_empty()).then(|| self.told_costs.values().sum())
    }

    /// What was measured of a trial.
    #[must_use]
    pub fn spent_on(&self, trial: u32) -> Spent {
        self.spent.get(&Some(trial)).copied().unwrap_or_default()
    }

    /// What was measured of the search.
    #[must_use]
    pub fn spent_by_search(&self) -> Spent {
        self.spent.get(&None).copied().unwrap_or_default()
    }

    /// What was measured of all trials, including failed and stopped ones.
    #[must_use]
    pub fn spent_by_trials(&self) -> Spent {
        let trials = self.spent.iter().filter(|(trial, _)| trial.is_some());
        trials.map(|(_, spent)| *spent).fold(Spent::default(), Spent::plus)
    }

    /// The cost in the unit of the budget.
    fn cost(&self, spent: Spent) -> Option<f64> {
        if self.counts_seconds() { Some(spent.seconds) } else { spent.joules }
    }

    /// The cost of a segment, as the client told it or as it was measured.
    pub(crate) fn cost_of(&self, trial: u32, cost_j: Option<f64>) -> Option<f64> {
        let measured = || self.unpaid.get(&trial).and_then(|spent| self.cost(*spent));
        if self.counts_seconds() { measured() } else { cost_j.or_else(measured) }
    }

    pub(crate) fn paid(&mut self, trial: u32, cost_j: Option<f64>) {
        self.told += 1;
        self.unpaid.remove(&trial);
        if let Some(cost_j) = cost_j {
            *self.told_costs.entry(trial).or_default() += cost_j;
        }
    }

    pub(crate) fn add(&mut self, trial: Option<u32>, spent: Spent) -> Result<(), TunerError> {
        let sum = self.spent.entry(trial).or_default();
        *sum = sum.plus(spent);
        match trial {
            // It was stopped or has ended, so no result comes that would take the cost along.
            Some(trial) if self.has_ended(trial) => {
                self.cost(spent).map_or(Ok(()), |cost| self.study.pay(trial, cost))?;
            }
            Some(trial) => {
                let unpaid = self.unpaid.entry(trial).or_default();
                *unpaid = unpaid.plus(spent);
            }
            None => self.study.charge(self.cost(spent).unwrap_or(0.0))?,
        }
        Ok(())
    }

    /// Whether a trial is known, and no segment of it runs.
    fn has_ended(&self, trial: u32) -> bool {
        let mut trials = self.study.trials().iter();
        trials.any(|other| other.number == trial && other.segment().is_none())
    }

    /// Writes down what was measured of a segment of a trial or, without a trial, of the search.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written, or the cost is negative or not finite.
    pub fn add_spent(&mut self, trial: Option<u32>, spent: Spent) -> Result<(), TunerError> {
        if let Some(journal) = &mut self.journal {
            journal.append(&Event::Spent { trial, spent })?;
        }
        self.add(trial, spent)
    }

    /// The expected gain of the next trial per kilojoule, in the unit of the objective; `None` if it is
    /// not known, as with several objectives, a pruner, or a sampler that does not compute it.
    ///
    /// # Errors
    ///
    /// If the sampler has no more trials.
    pub fn gain_per_kj(&self) -> Result<Option<f64>, TunerError> {
        if self.is_pruned() || !self.study.objectives().is_single() {
            return Ok(None);
        }
        Ok(self.study.prospect()?.gain_per_cost().map(|gain| gain * 1e3))
    }

    /// Values in the client's sign; the study's own are maximized.
    #[must_use]
    pub fn signed_values(&self, values: Vec<f64>) -> Vec<f64> {
        self.signed(values)
    }

    /// Values with the sign that the study, or the client, expects: the study maximizes.
    pub(crate) fn signed(&self, values: Vec<f64>) -> Vec<f64> {
        let sign = |(objective, value): (usize, f64)| match self.senses.get(objective) {
            Some(Sense::Minimize) => -value,
            _ => value,
        };
        values.into_iter().enumerate().map(sign).collect()
    }

    /// Changes the study and writes the event down. A change that cannot be written down is undone.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Study) -> Result<T, TunerError>,
        event: impl FnOnce(&T) -> Option<Event>,
    ) -> Result<T, TunerError> {
        let before = self.study.clone();
        let outcome = change(&mut self.study).and_then(|result| {
            if let (Some(journal), Some(event)) = (&mut self.journal, event(&result)) {
                journal.append(&event)?;
            }
            Ok(result)
        });
        if outcome.is_err() {
            self.study = before;
        }
        outcome
    }

    /// The next segment to evaluate: of a queued trial, if there is one.
    ///
    /// # Errors
    ///
    /// If the sampler has no more trials, every point was tried in a study without repeats, or the
    /// journal cannot be written.
    pub fn ask(&mut self) -> Result<Segment, TunerError> {
        let is_pruned = self.is_pruned();
        let queued = self.next_queued()?;
        let is_queued = queued.is_some();
        let segment = self.change(
            |study| match queued {
                Some(point) => Ok(study.start(point)?),
                None => Ok(study.ask()?),
            },
            |segment| Some(asked(segment, is_pruned, is_queued)),
        )?;
        if is_queued {
            self.queue.pop_front();
        }
        Ok(segment)
    }

    /// Makes a running segment end at the next step at which trials are compared, for a trial that
    /// gave no value at the end of its segment. `None` if there is no such step.
    ///
    /// # Errors
    ///
    /// If the trial is not running, or the journal cannot be written.
    pub fn extend(&mut self, trial: u32) -> Result<Option<Segment>, TunerError> {
        self.change(
            |study| Ok(study.extend(trial)?),
            |segment| segment.as_ref().map(|segment| asked(segment, true, false)),
        )
    }

    /// The same study, which ends when every point of a finite space was tried, instead of trying
    /// points again.
    #[must_use]
    pub fn without_repeats(mut self) -> Self {
        self.study = self.study.without_repeats();
        self
    }

    /// Number of trials that were started here, those that run and those that failed included.
    #[must_use]
    pub fn started(&self) -> u32 {
        let here = self.study.trials().len() + self.left_out.len();
        u32::try_from(here).unwrap_or(u32::MAX).saturating_sub(self.added)
    }

    /// The study as it is now, for reading: its journal is closed, so that another process may open it,
    /// and changes are no longer written down.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.journal = None;
        self
    }

    /// Whether [`OpenStudy::ask`] would start a new trial now, rather than resume a paused one.
    #[must_use]
    pub fn would_start(&self) -> bool {
        !self.queue.is_empty() || self.study.would_start()
    }

    /// Number of trials in the journal that do not fit the space as it is now, and are left out.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }

    /// Whether an earlier trial had the same parameters, so that a segment's trial repeats it.
    #[must_use]
    pub fn is_repeated(&self, segment: &Segment) -> bool {
        let mut earlier = self.study.trials().iter();
        earlier.any(|trial| trial.number < segment.number && trial.parameters == segment.parameters)
    }

    /// Segments that were asked for and have no result yet. A client that was killed goes on with
    /// these.
    #[must_use]
    pub fn running(&self) -> Vec<Segment> {
        self.study.running()
    }

    /// The client's value as one number per objective; `None` if the trial failed.
    pub(crate) fn values(&self, value: &Value) -> Result<Option<Vec<f64>>, TunerError> {
        let list = match value {
            Value::Null => return Ok(None),
            Value::Number(_) => std::slice::from_ref(value),
            Value::Array(list) => list.as_slice(),
            other => {
                return Err(invalid(format!(
                    "`value` is {other}; give a number, a list of numbers, or null if the trial failed"
                )));
            }
        };
        let expected = self.senses.len();
        check(list.len() == expected, || {
            let plural = if expected == 1 { "" } else { "s" };
            format!(
                "`value` has {} numbers, and the study has {expected} objective{plural}",
                list.len()
            )
        })?;
        let number = |value: &Value| match value {
            // A null in the list is a value that is not finite: the trial failed.
            Value::Null => Ok(None),
            value => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| invalid(format!("`value` contains {value}; give numbers"))),
        };
        let numbers: Result<Vec<Option<f64>>, TunerError> = list.iter().map(number).collect();
        Ok(numbers?.into_iter().collect())
    }

    /// Tells the values at the end of a segment: a number, a list with one number per objective, or
    /// null if the trial failed; and the segment's cost in joules, if the client knows it.
    ///
    /// # Errors
    ///
    /// If the value or the cost is invalid, the trial is not running, or the journal cannot be written.
    pub fn tell(
        &mut self,
        trial: u32,
        value: &Value,
        cost_j: Option<f64>,
    ) -> Result<(), TunerError> {
        let values = self.values(value)?;
        check_cost(cost_j)?;
        let signed = values.clone().map(|values| self.signed(values));
        let cost = self.cost_of(trial, cost_j);
        self.change(
            |study| end(study, trial, signed.as_deref(), cost),
            |()| Some(Event::Told { trial, values, cost_j }),
        )?;
        self.paid(trial, cost_j);
        Ok(())
    }

    /// Tells the values after a step, counted from 1. Values that are not finite (null) are left out:
    /// one bad report does not end the trial, unless it is the last one.
    ///
    /// # Errors
    ///
    /// As [`OpenStudy::tell`], and if the study has no pruner or the step is not one to come.
    pub fn report(
        &mut self,
        trial: u32,
        step: u32,
        value: &Value,
        cost_j: Option<f64>,
    ) -> Result<(), TunerError> {
        let values = self.values(value)?;
        self.check_pruner()?;
        check_cost(cost_j)?;
        let signed = values.clone().map(|values| self.signed(values));
        self.change(
            |study| report(study, trial, step, signed.as_deref(), cost_j),
            |()| Some(Event::Reported { trial, step, values, cost_j }),
        )?;
        if let Some(cost_j) = cost_j {
            *self.told_costs.entry(trial).or_default() += cost_j;
        }
        Ok(())
    }

    /// Whether a trial ends here, for now. If it does not, its next segment runs.
    ///
    /// # Errors
    ///
    /// If the study has no pruner, there is no such trial, or the journal cannot be written.
    pub fn should_stop(&mut self, trial: u32) -> Result<bool, TunerError> {
        self.check_pruner()?;
        let was_running = self.running().iter().any(|segment| segment.number == trial);
        let segment = self.change(
            |study| Ok(study.next_segment(trial)?),
            // Only a segment that has just begun is written down.
            |segment| {
                let begun = segment.as_ref().filter(|_| !was_running);
                begun.map(|segment| asked(segment, true, false))
            },
        )?;
        Ok(segment.is_none())
    }

    fn check_pruner(&self) -> Result<(), TunerError> {
        check(self.is_pruned(), || {
            "the study has no `pruner`, so its trials have no steps; open it with one, such as \
             {\"kind\": \"posterior\", \"most\": 27}"
                .to_owned()
        })
    }

    /// The best trial; with several objectives or a limit, the first trial of the Pareto front.
    ///
    /// # Errors
    ///
    /// If no trial is completed, or none is within the limits.
    pub fn best(&self) -> Result<&Trial, TunerError> {
        if self.study.objectives().is_single() || (self.is_pruned() && self.senses.len() == 1) {
            return self.study.best().ok_or_else(|| {
                invalid(match self.is_pruned() {
                    true => "no trial has been trained to the end yet",
                    false => "no trial has given a value yet",
                })
            });
        }
        let first = self.pareto().into_iter().next();
        first.ok_or_else(|| invalid("no trial has given values within the limits yet"))
    }

    /// The trials within the limits that no other one dominates.
    #[must_use]
    pub fn pareto(&self) -> Vec<&Trial> {
        self.study.pareto()
    }

    /// Parameters as the client knows them: by name, choices by value, without inactive ones.
    #[must_use]
    pub fn named(&self, parameters: &[f64]) -> Map<String, Value> {
        let active = self.space().active(parameters);
        let all = self.spec.space.iter().zip(parameters).zip(active);
        all.filter(|(_, active)| *active)
            .map(|((spec, value), _)| (spec.name.clone(), spec.value(*value)))
            .collect()
    }

    /// A segment as the client knows it.
    #[must_use]
    pub fn segment_json(&self, segment: &Segment) -> Value {
        let mut json =
            json!({ "trial": segment.number, "params": self.named(&segment.parameters) });
        if self.is_pruned() {
            json["from"] = json!(segment.from);
            json["until"] = json!(segment.until);
        }
        json
    }

    /// A trial and its last values as the client knows them.
    #[must_use]
    pub fn trial_json(&self, trial: &Trial) -> Value {
        let values = self.signed(trial.values.last().cloned().unwrap_or_default());
        let value =
            if self.has_several_objectives() { json!(values) } else { json!(values.first()) };
        json!({ "trial": trial.number, "params": self.named(&trial.parameters), "value": value })
    }
}
