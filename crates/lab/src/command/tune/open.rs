//! A study with its journal, in its client's words.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail, ensure};
use hpo::{Leg, Space};
use record::Origin;
use serde_json::{Map, Value, json};

use super::{
    engine::{Engine, Good, Seen},
    journal::{Event, Journal},
    request::{Sense, StudySpec},
    spent::Spent,
};

/// An open study. After an error it is as it was.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) spec: StudySpec,
    senses: Vec<Sense>,
    engine: Engine,
    space: Space,
    journal: Option<Journal>,
    /// Joules that trials cost, failed and stopped ones too.
    costs: BTreeMap<u32, f64>,
    /// What we saw ourselves; without a number, the search.
    spent: BTreeMap<Option<u32>, Spent>,
    /// Of legs that were not told yet.
    unpaid: BTreeMap<u32, Spent>,
    told: u32,
}

impl Open {
    pub(super) fn new(spec: StudySpec) -> anyhow::Result<Self> {
        spec.check_budget()?;
        let (senses, engine) = (spec.senses(), Engine::new(&spec)?);
        let (costs, spent, unpaid) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let space = spec.space()?;
        let mut open =
            Self { senses, engine, space, journal: None, costs, spent, unpaid, told: 0, spec };
        let Some(path) = open.spec.journal.clone() else { return Ok(open) };
        let (mut journal, events) = Journal::open(&path)?;
        if events.is_empty() {
            journal.append(&Event::Study(open.spec.clone()))?;
        }
        for event in events {
            open.replay(event).with_context(|| {
                format!("journal `{}` cannot be replayed; name another file", path.display())
            })?;
        }
        open.journal = Some(journal);
        Ok(open)
    }

    /// The study of a journal, which is not written to.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut events = Journal::read(path)?.into_iter();
        let Some(Event::Study(spec)) = events.next() else {
            bail!("`{}` does not begin with a study; name another file", path.display());
        };
        let mut open = Self::new(spec)?;
        for event in events {
            open.replay(event)
                .with_context(|| format!("journal `{}` cannot be replayed", path.display()))?;
        }
        Ok(open)
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Whether less of the first objective is better.
    pub(super) fn minimizes(&self) -> bool {
        self.senses.first() == Some(&Sense::Minimize)
    }

    /// All trials that ended, in the order of their numbers, in the client's sign.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let signed = |it: Seen| Seen { values: it.values.map(|it| self.signed(it)), ..it };
        self.engine.seen().into_iter().map(signed).collect()
    }

    /// Whether any trial gave a value, those that were stopped early included.
    pub(super) fn has_values(&self) -> bool {
        self.engine.has_values()
    }

    /// Where the joules that we saw ourselves are from.
    pub(super) fn cost_origin(&self) -> Option<Origin> {
        self.spent_by_trials().origin
    }

    /// Whether costs are seconds.
    pub(super) fn counts_seconds(&self) -> bool {
        self.spec.budget_s.is_some()
    }

    fn replay(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Study(spec) => {
                // What may be spent, and where that is written down, may change.
                let journal = self.spec.journal.clone();
                let (budget_j, budget_s) = (self.spec.budget_j, self.spec.budget_s);
                let spec = StudySpec { journal, budget_j, budget_s, ..spec };
                ensure!(
                    spec == self.spec,
                    "it is of another study (seed, direction, sampler or space)"
                );
            }
            Event::Asked { trial, parameters, until } => {
                let until = until.unwrap_or(0);
                self.engine.restore(Leg { number: trial, parameters, from: 0, until })?;
            }
            Event::Reported { trial, step, values, cost_j } => {
                self.engine.report(trial, step, self.signed(values))?;
                if let Some(cost_j) = cost_j {
                    self.engine.paid(trial, cost_j)?;
                    *self.costs.entry(trial).or_default() += cost_j;
                }
            }
            Event::Told { trial, values, cost_j } => {
                let cost = self.cost_of(trial, cost_j);
                self.engine.tell(trial, values.map(|it| self.signed(it)), cost)?;
                self.paid(trial, cost_j);
            }
            Event::Spent { trial, spent } => self.add(trial, spent)?,
        }
        Ok(())
    }

    /// In the budget's unit.
    fn cost(&self, spent: Spent) -> Option<f64> {
        if self.spec.budget_s.is_some() { Some(spent.seconds) } else { spent.joules }
    }

    /// What a leg cost, as the client says or as we measured.
    fn cost_of(&self, trial: u32, cost_j: Option<f64>) -> Option<f64> {
        let measured = || self.unpaid.get(&trial).and_then(|it| self.cost(*it));
        if self.spec.budget_s.is_some() { measured() } else { cost_j.or_else(measured) }
    }

    fn paid(&mut self, trial: u32, cost_j: Option<f64>) {
        self.told += 1;
        self.unpaid.remove(&trial);
        if let Some(cost_j) = cost_j {
            *self.costs.entry(trial).or_default() += cost_j;
        }
    }

    fn add(&mut self, trial: Option<u32>, spent: Spent) -> anyhow::Result<()> {
        let sum = self.spent.entry(trial).or_default();
        *sum = sum.plus(spent);
        match trial {
            Some(trial) => {
                let unpaid = self.unpaid.entry(trial).or_default();
                *unpaid = unpaid.plus(spent);
            }
            None => self.engine.charge(self.cost(spent).unwrap_or(0.0))?,
        }
        Ok(())
    }

    /// What the next trial is expected to gain for a kilojoule; none if that is not known.
    pub(super) fn gain_per_kj(&self) -> anyhow::Result<Option<f64>> {
        Ok(self.engine.gain_per_cost()?.map(|it| it * 1e3))
    }

    /// Writes down what a leg of a trial, or the search, took.
    pub(super) fn spent(&mut self, trial: Option<u32>, spent: Spent) -> anyhow::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&Event::Spent { trial, spent })?;
        }
        self.add(trial, spent)
    }

    pub(super) fn spent_on(&self, trial: u32) -> Spent {
        self.spent.get(&Some(trial)).copied().unwrap_or_default()
    }

    pub(super) fn spent_by_search(&self) -> Spent {
        self.spent.get(&None).copied().unwrap_or_default()
    }

    /// By all trials, those that failed or were stopped included.
    pub(super) fn spent_by_trials(&self) -> Spent {
        let trials = self.spent.iter().filter(|it| it.0.is_some()).map(|it| *it.1);
        trials.fold(Spent::default(), Spent::plus)
    }

    /// The engine maximizes.
    fn signed(&self, values: Vec<f64>) -> Vec<f64> {
        let sign = |(at, it): (usize, f64)| match self.senses.get(at) {
            Some(Sense::Minimize) => -it,
            _ => it,
        };
        values.into_iter().enumerate().map(sign).collect()
    }

    /// Changes the study and writes it down; what cannot be written down did not happen.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Engine) -> anyhow::Result<T>,
        event: impl FnOnce(&T) -> Option<Event>,
    ) -> anyhow::Result<T> {
        let before = self.engine.clone();
        let outcome = change(&mut self.engine).and_then(|it| {
            if let (Some(journal), Some(event)) = (&mut self.journal, event(&it)) {
                journal.append(&event)?;
            }
            Ok(it)
        });
        if outcome.is_err() {
            self.engine = before;
        }
        outcome
    }

    pub(super) fn ask(&mut self) -> anyhow::Result<Leg> {
        self.change(|it| Ok(it.ask()?), |leg| Some(asked(leg)))
    }

    /// What was asked for and not told: a client that was killed goes on with these.
    pub(super) fn under_way(&self) -> Vec<Leg> {
        self.engine.under_way()
    }

    /// The client's value as numbers, one an objective; none of a failed trial.
    fn values(&self, value: &Value) -> anyhow::Result<Option<Vec<f64>>> {
        let list = match value {
            Value::Null => return Ok(None),
            Value::Number(_) => std::slice::from_ref(value),
            Value::Array(list) => list.as_slice(),
            other => {
                bail!("`value` is {other}; tell a number, a list, or null if the trial failed")
            }
        };
        let expected = self.senses.len();
        ensure!(
            list.len() == expected,
            "`value` has {} numbers, and the study has {expected} objective{}",
            list.len(),
            if expected == 1 { "" } else { "s" }
        );
        // A null among them is a value that is not a number.
        let each = list.iter().map(|it| match it {
            Value::Null => Ok(None),
            it => it.as_f64().map(Some).with_context(|| format!("`value` has {it}; tell numbers")),
        });
        Ok(each.collect::<anyhow::Result<Vec<Option<f64>>>>()?.into_iter().collect())
    }

    pub(super) fn tell(
        &mut self,
        trial: u32,
        value: &Value,
        cost_j: Option<f64>,
    ) -> anyhow::Result<()> {
        let values = self.values(value)?;
        is_cost(cost_j)?;
        let signed = values.clone().map(|it| self.signed(it));
        let cost = self.cost_of(trial, cost_j);
        self.change(
            |it| it.tell(trial, signed, cost),
            |()| Some(Event::Told { trial, values, cost_j }),
        )?;
        self.paid(trial, cost_j);
        Ok(())
    }

    pub(super) fn report(
        &mut self,
        trial: u32,
        step: u32,
        value: &Value,
        cost_j: Option<f64>,
    ) -> anyhow::Result<()> {
        let Some(values) = self.values(value)? else {
            return self.tell(trial, &Value::Null, cost_j);
        };
        is_cost(cost_j)?;
        let signed = self.signed(values.clone());
        self.change(
            |it| {
                it.report(trial, step, signed)?;
                cost_j.map_or(Ok(()), |cost_j| it.paid(trial, cost_j))
            },
            |()| Some(Event::Reported { trial, step, values, cost_j }),
        )?;
        if let Some(cost_j) = cost_j {
            *self.costs.entry(trial).or_default() += cost_j;
        }
        Ok(())
    }

    /// Whether a trial ends here, for now.
    pub(super) fn should_stop(&mut self, trial: u32) -> anyhow::Result<bool> {
        let known = self.under_way().iter().any(|it| it.number == trial);
        let leg = self.change(
            |it| it.go_on(trial),
            // Only a new leg is news.
            |leg| leg.as_ref().filter(|_| !known).map(asked),
        )?;
        Ok(leg.is_none())
    }

    pub(super) fn best(&self) -> anyhow::Result<Good> {
        self.engine.best().map(|it| Good { values: self.signed(it.values), ..it })
    }

    pub(super) fn pareto(&self) -> Vec<Good> {
        let signed = |it: Good| Good { values: self.signed(it.values), ..it };
        self.engine.pareto().into_iter().map(signed).collect()
    }

    /// How many trials (or legs) were told.
    pub(super) fn told(&self) -> u32 {
        self.told
    }

    pub(super) fn several(&self) -> bool {
        self.senses.len() > 1
    }

    /// Joules of all trials; none if nobody told any.
    pub(super) fn cost_j(&self) -> Option<f64> {
        (!self.costs.is_empty()).then(|| self.costs.values().sum())
    }

    /// A trial's parameters as its client knows them, without those that do not matter.
    pub(super) fn named(&self, parameters: &[f64]) -> Map<String, Value> {
        let active = self.space.active(parameters);
        let pairs = self.spec.space.iter().zip(parameters).zip(active);
        let pairs = pairs.filter(|it| it.1).map(|it| it.0);
        pairs.map(|(it, value)| (it.name.clone(), it.value(*value))).collect()
    }

    /// A leg as its client knows it.
    pub(super) fn shown(&self, leg: &Leg) -> Value {
        let mut shown = json!({ "trial": leg.number, "params": self.named(&leg.parameters) });
        if leg.until > 0 {
            shown["from"] = json!(leg.from);
            shown["until"] = json!(leg.until);
        }
        shown
    }

    /// A trial as its client knows it.
    pub(super) fn shown_good(&self, it: &Good) -> Value {
        let value = if self.several() { json!(it.values) } else { json!(it.values.first()) };
        json!({ "trial": it.trial, "params": self.named(&it.parameters), "value": value })
    }
}

fn is_cost(cost_j: Option<f64>) -> anyhow::Result<()> {
    let cost_j = cost_j.unwrap_or(0.0);
    ensure!(
        cost_j >= 0.0 && cost_j.is_finite(),
        "`cost_j` is {cost_j}; a cost is at least 0 joules"
    );
    Ok(())
}

fn asked(leg: &Leg) -> Event {
    let until = (leg.until > 0).then_some(leg.until);
    Event::Asked { trial: leg.number, parameters: leg.parameters.clone(), until }
}
