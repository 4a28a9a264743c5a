//! Rebuilds a study from its journal, also if its space was changed since.

use std::path::Path;

use hpo::{Segment, Space};
use serde_json::{Map, Value};

use crate::{
    OpenStudy,
    change::{end, report},
    error::{TunerError, check, invalid},
    journal::Event,
    spec::StudySpec,
};

/// What the parameters in a journal's lines mean.
struct Encoding {
    spec: StudySpec,
    space: Space,
}

impl OpenStudy {
    /// Replays a journal. Returns whether its last description is that of this study; it is not if the
    /// journal is empty or the space was changed.
    pub(crate) fn replay(&mut self, path: &Path, events: Vec<Event>) -> Result<bool, TunerError> {
        let mut encoding = None;
        let replayed = events.into_iter().try_for_each(|event| self.play(event, &mut encoding));
        replayed.and_then(|()| self.check_some_fit(encoding.as_ref())).map_err(|source| {
            TunerError::Replay { path: path.to_owned(), source: Box::new(source) }
        })?;
        Ok(encoding.is_some_and(|encoding| {
            encoding.spec.space == self.spec.space
                && encoding.spec.constraints == self.spec.constraints
        }))
    }

    fn play(&mut self, event: Event, encoding: &mut Option<Encoding>) -> Result<(), TunerError> {
        match event {
            Event::Study(spec) => {
                self.check_same(&spec)?;
                let space = spec.space()?;
                *encoding = Some(Encoding { spec, space });
            }
            Event::Asked { trial, parameters, until, queued } => {
                if queued {
                    self.queue.pop_front();
                }
                let whole = u32::from(!self.is_pruned());
                let until = until.unwrap_or(whole);
                if let Some(parameters) = self.known(trial, parameters, encoding.as_ref()) {
                    self.study.restore(Segment { number: trial, parameters, from: 0, until })?;
                }
            }
            Event::Enqueued { params } => self.queue.push_back(params),
            Event::Added { trial, parameters, values, cost_j } => {
                self.added += 1;
                if let Some(parameters) = self.known(trial, parameters, encoding.as_ref()) {
                    let signed = values.map(|values| self.signed(values));
                    self.study.add(parameters, signed.as_deref())?;
                    cost_j.map_or(Ok(()), |cost_j| self.study.pay(trial, cost_j))?;
                }
            }
            Event::Reported { trial, step, values, cost_j } => {
                if !self.left_out.contains(&trial) {
                    let values = values.map(|values| self.signed(values));
                    report(&mut self.study, trial, step, values.as_deref(), cost_j)?;
                }
                if let Some(cost_j) = cost_j {
                    *self.told_costs.entry(trial).or_default() += cost_j;
                }
            }
            Event::Told { trial, values, cost_j } => {
                if !self.left_out.contains(&trial) {
                    let cost = self.cost_of(trial, cost_j);
                    let values = values.map(|values| self.signed(values));
                    end(&mut self.study, trial, values.as_deref(), cost)?;
                }
                self.paid(trial, cost_j);
            }
            Event::Spent { trial, spent } => self.add(trial, spent)?,
        }
        Ok(())
    }

    /// The parameters of an earlier trial, in the order of the present space. `None` if the present space does not
    /// contain them; the trial is then left out.
    fn known(
        &mut self,
        trial: u32,
        parameters: Vec<f64>,
        encoding: Option<&Encoding>,
    ) -> Option<Vec<f64>> {
        if self.left_out.contains(&trial) {
            return None;
        }
        let known = match encoding {
            Some(then) if then.spec.space != self.spec.space => self.translated(&parameters, then),
            Some(then) if then.spec.constraints != self.spec.constraints => {
                self.space().has(&parameters).then_some(parameters)
            }
            _ => Some(parameters),
        };
        if known.is_none() {
            self.left_out.insert(trial);
            self.study.skip_number();
        }
        known
    }

    /// Parameters by name, out of an earlier space into the present one. Every parameter that is
    /// active in either space must be active in the other, too.
    fn translated(&self, parameters: &[f64], then: &Encoding) -> Option<Vec<f64>> {
        if parameters.len() != then.spec.space.len() {
            return None;
        }
        let active = then.space.active(parameters);
        let named = then.spec.space.iter().zip(parameters).zip(&active);
        let named: Map<String, Value> = named
            .filter(|(_, active)| **active)
            .map(|((spec, value), _)| (spec.name.clone(), spec.value(*value)))
            .collect();
        let values: Option<Vec<f64>> = self
            .spec
            .space
            .iter()
            .zip(self.space().parameters())
            .map(|(spec, parameter)| match named.get(&spec.name) {
                Some(value) => spec.number(value),
                None => Some(parameter.at(0.5)),
            })
            .collect();
        let point = self.space().point(&values?)?;
        let same = self.named(&point).keys().eq(named.keys());
        same.then_some(point)
    }

    /// Checks that a journal's study differs from this one at most in its space.
    fn check_same(&self, then: &StudySpec) -> Result<(), TunerError> {
        let now = &self.spec;
        let differ = [
            ("seed", then.seed != now.seed),
            ("direction", then.direction != now.direction),
            ("sampler", then.sampler != now.sampler),
            ("pruner", then.pruner != now.pruner),
            ("limits", then.limits != now.limits),
        ];
        let differ: Vec<&str> =
            differ.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
        check(differ.is_empty(), || {
            format!(
                "it belongs to another study, whose `{}` {}; only `space`, `constraints` and the \
                 budget may change",
                differ.join("`, `"),
                if differ.len() == 1 { "differs" } else { "differ" }
            )
        })
    }

    /// Checks that a changed space has kept some trial, if there are any.
    fn check_some_fit(&self, then: Option<&Encoding>) -> Result<(), TunerError> {
        let (Some(then), true) = (then, self.study.trials().is_empty()) else { return Ok(()) };
        if self.left_out.is_empty() {
            return Ok(());
        }
        let (old, new) = (&then.spec.space, &self.spec.space);
        let mut differences = Vec::new();
        for spec in new {
            match old.iter().find(|other| other.name == spec.name) {
                None => differences.push(format!("parameter `{}` is new", spec.name)),
                Some(other) if other != spec => {
                    differences.push(format!("parameter `{}` differs", spec.name));
                }
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|spec| new.iter().all(|other| other.name != spec.name));
        differences.extend(gone.map(|spec| format!("parameter `{}` is gone", spec.name)));
        differences.truncate(10);
        Err(invalid(format!(
            "none of its {} trials is in the space of this study: {}",
            self.left_out.len(),
            if differences.is_empty() {
                "constraints differ".into()
            } else {
                differences.join(", ")
            }
        )))
    }
}
