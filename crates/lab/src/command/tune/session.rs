//! One client's study.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use hpo::Study;
use serde_json::{Map, Value, json};

use super::{
    journal::{Event, Journal},
    request::{Request, Sense, StudySpec},
};

/// Nothing, or an open study.
#[derive(Debug, Default)]
pub(super) struct Session(Option<Open>);

#[derive(Debug)]
struct Open {
    spec: StudySpec,
    sense: Sense,
    study: Study,
    journal: Option<Journal>,
    /// Joules that trials cost, failed ones too.
    costs: BTreeMap<u32, f64>,
}

impl Session {
    /// The answer to a request; after an error the study is as it was.
    pub(super) fn answer(&mut self, line: &str) -> anyhow::Result<Value> {
        match (Request::parse(line)?, &mut self.0) {
            (Request::Study(_), Some(_)) => {
                bail!("a study is open; start another `wattlab tune serve` for another one")
            }
            (Request::Study(spec), none) => {
                *none = Some(Open::new(spec)?);
                Ok(json!({ "ok": true }))
            }
            (_, None) => bail!(r#"no study is open; send {{"op": "study", ...}} first"#),
            (Request::Ask {}, Some(open)) => open.ask(),
            (Request::Tell { trial, value, cost_j }, Some(open)) => {
                open.tell(trial, &value, cost_j)
            }
            (Request::Best {}, Some(open)) => open.best(),
        }
    }
}

impl Open {
    fn new(spec: StudySpec) -> anyhow::Result<Self> {
        let [sense] = spec.senses()[..] else {
            bail!(
                "`direction` names {} objectives, and a study has one; combine them in the value",
                spec.senses().len()
            );
        };
        let study = Study::new(spec.space()?, spec.sampler()?, spec.seed);
        let mut open = Self { sense, study, journal: None, costs: BTreeMap::new(), spec };
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

    fn replay(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Study(spec) => {
                let spec = StudySpec { journal: self.spec.journal.clone(), ..spec };
                ensure!(
                    spec == self.spec,
                    "it is of another study (seed, direction, sampler or space)"
                );
            }
            Event::Asked { trial, parameters } => self.study.restore(trial, parameters)?,
            Event::Told { trial, values, cost_j } => {
                let value = values.and_then(|it| it.first().copied());
                self.study.tell(trial, value.map(|it| self.signed(it)))?;
                self.costs.extend(cost_j.map(|it| (trial, it)));
            }
        }
        Ok(())
    }

    /// The study maximizes.
    fn signed(&self, value: f64) -> f64 {
        if self.sense == Sense::Minimize { -value } else { value }
    }

    fn record(&mut self, event: &Event) -> anyhow::Result<()> {
        self.journal.as_mut().map_or(Ok(()), |it| it.append(event))
    }

    fn named(&self, parameters: &[f64]) -> Value {
        let pairs = self.spec.space.iter().zip(parameters);
        let pairs = pairs.map(|(it, value)| (it.name.clone(), it.value(*value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    }

    fn ask(&mut self) -> anyhow::Result<Value> {
        // A trial that cannot be written down was not asked for.
        let before = self.study.clone();
        let (trial, parameters) = self.study.ask()?;
        let answer = json!({ "trial": trial, "params": self.named(&parameters) });
        if let Err(error) = self.record(&Event::Asked { trial, parameters }) {
            self.study = before;
            return Err(error);
        }
        Ok(answer)
    }

    fn tell(&mut self, trial: u32, value: &Value, cost_j: Option<f64>) -> anyhow::Result<Value> {
        let value = match value {
            Value::Null => None,
            Value::Number(number) => number.as_f64(),
            Value::Array(list) if list.len() == 1 => list[0].as_f64(),
            Value::Array(list) => {
                bail!("`value` has {} numbers, and the study has 1 objective", list.len())
            }
            other => bail!("`value` is {other}; tell a number, or null if the trial failed"),
        };
        if let Some(cost_j) = cost_j {
            ensure!(cost_j >= 0.0, "`cost_j` is {cost_j}; a cost is at least 0 joules");
        }
        let before = self.study.clone();
        self.study.tell(trial, value.map(|it| self.signed(it)))?;
        let values = value.map(|it| vec![it]);
        if let Err(error) = self.record(&Event::Told { trial, values, cost_j }) {
            self.study = before;
            return Err(error);
        }
        self.costs.extend(cost_j.map(|it| (trial, it)));
        Ok(json!({ "ok": true }))
    }

    fn best(&self) -> anyhow::Result<Value> {
        let best = self.study.best().context("no trial has given a value yet")?;
        let mut answer = json!({
            "trial": best.number,
            "params": self.named(&best.parameters),
            "value": self.signed(best.value),
        });
        if !self.costs.is_empty() {
            answer["cost_j"] = json!(self.costs.values().sum::<f64>());
        }
        Ok(answer)
    }
}
