//! Trials that the client chooses: to be run next, or evaluated elsewhere.

use hpo::RandomStream;
use serde_json::{Map, Value};
use units::limits;

use crate::{
    OpenStudy,
    change::check_cost,
    error::{TunerError, invalid},
    journal::Event,
    unknown_key,
};

/// Random points that are tried to complete a queued trial.
const DRAWS: usize = 256;

impl OpenStudy {
    /// Queues a trial, which runs before the search goes on. The search chooses the parameters that
    /// are left out.
    ///
    /// # Errors
    ///
    /// If a parameter is unknown or never has its value, the parameters break a constraint, too many
    /// trials are queued, or the journal cannot be written.
    pub fn enqueue(&mut self, params: Map<String, Value>) -> Result<usize, TunerError> {
        let length = self.queue.len() + 1;
        limits::QUEUED_TRIALS.check(length as u64)?;
        self.completed(&params, None)?;
        if let Some(journal) = &mut self.journal {
            journal.append(&Event::Enqueued { params: params.clone() })?;
        }
        self.queue.push_back(params);
        Ok(length)
    }

    /// Adds a trial that was evaluated elsewhere: its parameters, and its value, list of values, or
    /// null if it failed. Returns its number. It does not count as a trial of the budget.
    ///
    /// # Errors
    ///
    /// As [`OpenStudy::enqueue`], and if an active parameter is missing, or the value or the cost
    /// cannot be used.
    pub fn add_trial(
        &mut self,
        params: &Map<String, Value>,
        value: &Value,
        cost_j: Option<f64>,
    ) -> Result<u32, TunerError> {
        let values = self.values(value)?;
        check_cost(cost_j)?;
        let point = self.completed(params, None)?;
        let missing = self.named(&point).into_iter().find(|(name, _)| !params.contains_key(name));
        if let Some((name, _)) = missing {
            return Err(invalid(format!("`params` lacks parameter `{name}`; give its value")));
        }
        let signed = values.clone().map(|values| self.signed(values));
        let parameters = point.clone();
        let number = self.change(
            |study| {
                let number = study.add(point, signed.as_deref())?;
                cost_j.map_or(Ok(()), |cost_j| study.pay(number, cost_j))?;
                Ok(number)
            },
            |trial| Some(Event::Added { trial: *trial, parameters, values, cost_j }),
        )?;
        self.added += 1;
        Ok(number)
    }

    /// Number of queued trials.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The point of the first queued trial; `None` if none is queued.
    pub(crate) fn next_queued(&self) -> Result<Option<Vec<f64>>, TunerError> {
        let Some(params) = self.queue.front() else { return Ok(None) };
        let is_whole = params.len() >= self.spec.space.len();
        let chosen = if is_whole { None } else { Some(self.study.prospect()?.parameters) };
        self.completed(params, chosen.as_deref()).map(Some)
    }

    /// The point with these parameters, and others from `chosen` or, where that is not allowed with
    /// them, at random.
    fn completed(
        &self,
        params: &Map<String, Value>,
        chosen: Option<&[f64]>,
    ) -> Result<Vec<f64>, TunerError> {
        let space = self.space();
        let given = self.given(params)?;
        let with = |others: &[f64]| {
            let values = given.iter().zip(others).map(|(given, other)| given.unwrap_or(*other));
            space.point(&values.collect::<Vec<f64>>())
        };
        let middle = space.at(&vec![0.5; space.dimensions()]);
        if let Some(point) = with(chosen.unwrap_or(&middle)) {
            return Ok(point);
        }
        let mut random = RandomStream::new(self.spec.seed, self.started(), "queued");
        let mut drawn = (0..DRAWS).map(|_| space.draw(&mut random));
        drawn.find_map(|point| with(&point)).ok_or_else(|| {
            let given = Value::Object(params.clone());
            invalid(format!("no point of the space that keeps its constraints has {given}"))
        })
    }

    /// The numbers of the given parameters, in the order of the space.
    fn given(&self, params: &Map<String, Value>) -> Result<Vec<Option<f64>>, TunerError> {
        let specs = &self.spec.space;
        let names = || specs.iter().map(|spec| spec.name.as_str());
        if let Some(name) = params.keys().find(|name| names().all(|known| known != *name)) {
            let near = unknown_key::nearest(name, names());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(invalid(format!("the space has no parameter `{name}`{near}")));
        }
        let number = |(spec, parameter): (&crate::ParameterSpec, &hpo::Parameter)| {
            let Some(value) = params.get(&spec.name) else { return Ok(None) };
            let found = spec.number(value).filter(|number| {
                let alone = hpo::Parameter { conditions: Vec::new(), ..parameter.clone() };
                hpo::Space::new(vec![alone]).is_ok_and(|space| space.point(&[*number]).is_some())
            });
            found.map(Some).ok_or_else(|| {
                let (name, expected) = (&spec.name, spec.expected());
                invalid(format!("parameter `{name}` is {value}, expected {expected}"))
            })
        };
        specs.iter().zip(self.space().parameters()).map(number).collect()
    }
}
