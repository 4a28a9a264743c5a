//! One interface to studies of one value, of several, and of trials that are stopped early.

use anyhow::{Context, ensure};
use hpo::{Frontier, HpoError, Leg, Staged, Study};

use super::request::StudySpec;

/// A study of `hpo`; more is better in every value.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    One(Study),
    Many(Frontier),
    Staged(Staged),
}

/// A trial among the best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Good {
    pub(super) trial: u32,
    pub(super) parameters: Vec<f64>,
    pub(super) values: Vec<f64>,
}

/// A trial that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) trial: u32,
    pub(super) parameters: Vec<f64>,
    /// None of one that failed, or was stopped early.
    pub(super) values: Option<Vec<f64>>,
    pub(super) cost: Option<f64>,
}

impl Seen {
    /// Of the first objective.
    pub(super) fn first(&self) -> Option<f64> {
        self.values.as_ref()?.first().copied()
    }
}

impl Engine {
    /// All trials that ended, by number.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let mut seen: Vec<Seen> = match self {
            Self::One(study) => study
                .told()
                .iter()
                .map(|it| Seen {
                    trial: it.number,
                    parameters: it.parameters.clone(),
                    values: it.value.map(|it| vec![it]),
                    cost: it.cost,
                })
                .collect(),
            Self::Many(study) => study
                .told()
                .iter()
                .map(|it| Seen {
                    trial: it.number,
                    parameters: it.parameters.clone(),
                    values: it.values.clone(),
                    cost: it.cost,
                })
                .collect(),
            Self::Staged(study) => study
                .curves()
                .iter()
                .map(|it| Seen {
                    trial: it.number,
                    parameters: it.parameters.clone(),
                    values: it.at(study.rungs().most).filter(|_| !it.failed).map(<[f64]>::to_vec),
                    cost: it.cost,
                })
                .collect(),
        };
        seen.sort_by_key(|it| it.trial);
        seen
    }

    /// Whether any trial gave a value, those that were stopped early included.
    pub(super) fn has_values(&self) -> bool {
        match self {
            Self::One(study) => study.told().iter().any(|it| it.value.is_some()),
            Self::Many(study) => study.told().iter().any(|it| it.values.is_some()),
            Self::Staged(study) => study.curves().iter().any(|it| !it.values.is_empty()),
        }
    }

    pub(super) fn new(spec: &StudySpec) -> anyhow::Result<Self> {
        let (space, sampler, seed) = (spec.space()?, spec.sampler()?, spec.seed);
        let objectives = spec.objectives()?;
        let several = objectives.at_least.len() > 1 || objectives.at_least[0].is_some();
        let budget = spec.budget_s.or(spec.budget_j);
        Ok(match spec.pruner()? {
            Some((pruner, rungs)) => {
                let study = Staged::new(space, sampler, pruner, rungs, seed);
                let study = study.with_objectives(objectives);
                Self::Staged(match budget {
                    Some(budget) => study.with_budget(budget),
                    None => study,
                })
            }
            None if several => {
                let study = Frontier::new(space, objectives, sampler, seed);
                Self::Many(match budget {
                    Some(budget) => study.with_budget(budget),
                    None => study,
                })
            }
            None => {
                let study = Study::new(space, sampler, seed);
                Self::One(match budget {
                    Some(budget) => study.with_budget(budget),
                    None => study,
                })
            }
        })
    }

    /// What the next trial is expected to gain for a unit of cost; none if that is not known.
    pub(super) fn gain_per_cost(&self) -> Result<Option<f64>, HpoError> {
        match self {
            Self::One(study) => Ok(study.prospect()?.gain_per_cost()),
            Self::Many(_) | Self::Staged(_) => Ok(None),
        }
    }

    /// What the search cost.
    pub(super) fn charge(&mut self, cost: f64) -> Result<(), HpoError> {
        match self {
            Self::One(study) => study.charge(cost),
            Self::Many(study) => study.charge(cost),
            Self::Staged(study) => study.charge(cost),
        }
    }

    /// What to train next; without a pruner from 0 to 0.
    pub(super) fn ask(&mut self) -> Result<Leg, HpoError> {
        let whole = |(number, parameters)| Leg { number, parameters, from: 0, until: 0 };
        match self {
            Self::One(study) => study.ask().map(whole),
            Self::Many(study) => study.ask().map(whole),
            Self::Staged(study) => study.ask(),
        }
    }

    /// As a journal has it.
    pub(super) fn restore(&mut self, leg: Leg) -> Result<(), HpoError> {
        match self {
            Self::One(study) => study.restore(leg.number, leg.parameters),
            Self::Many(study) => study.restore(leg.number, leg.parameters),
            Self::Staged(study) => study.restore(leg),
        }
    }

    /// Legs that were asked for and not told.
    pub(super) fn under_way(&self) -> Vec<Leg> {
        let whole = |(number, parameters): &(u32, Vec<f64>)| Leg {
            number: *number,
            parameters: parameters.clone(),
            from: 0,
            until: 0,
        };
        match self {
            Self::One(study) => study.under_way().iter().map(whole).collect(),
            Self::Many(study) => study.under_way().iter().map(whole).collect(),
            Self::Staged(study) => study.under_way(),
        }
    }

    fn staged(&mut self) -> anyhow::Result<&mut Staged> {
        match self {
            Self::Staged(study) => Ok(study),
            _ => anyhow::bail!(
                "the study has no `pruner`, and its trials no steps; open it with one, say \
                 {{\"kind\": \"posterior\", \"most\": 27}}"
            ),
        }
    }

    pub(super) fn report(
        &mut self,
        number: u32,
        step: u32,
        values: Vec<f64>,
    ) -> anyhow::Result<()> {
        Ok(self.staged()?.report(number, step, values)?)
    }

    /// Up to which step the trial goes on; none if it stops.
    pub(super) fn go_on(&mut self, number: u32) -> anyhow::Result<Option<Leg>> {
        Ok(self.staged()?.go_on(number)?)
    }

    /// What a leg cost that was reported step by step.
    pub(super) fn paid(&mut self, number: u32, cost: f64) -> anyhow::Result<()> {
        Ok(self.staged()?.paid(number, cost)?)
    }

    pub(super) fn tell(
        &mut self,
        number: u32,
        values: Option<Vec<f64>>,
        cost: Option<f64>,
    ) -> anyhow::Result<()> {
        match self {
            Self::One(study) => {
                let values = values.as_deref();
                ensure!(
                    values.is_none_or(|it| it.len() == 1),
                    "`value` has {} numbers, and the study has 1 objective",
                    values.map_or(0, <[f64]>::len)
                );
                let value = values.map(|it| it[0]);
                match cost {
                    Some(cost) => study.tell_with_cost(number, value, cost)?,
                    None => study.tell(number, value)?,
                }
            }
            Self::Many(study) => match cost {
                Some(cost) => study.tell_with_cost(number, values, cost)?,
                None => study.tell(number, values)?,
            },
            Self::Staged(study) => {
                study.end_leg(number, values)?;
                if let Some(cost) = cost {
                    study.paid(number, cost)?;
                }
            }
        }
        Ok(())
    }

    /// The best trial of one objective; the first of the front of several.
    pub(super) fn best(&self) -> anyhow::Result<Good> {
        let none = "no trial has given a value yet";
        match self {
            Self::One(study) => {
                let best = study.best().context(none)?;
                let values = vec![best.value];
                Ok(Good { trial: best.number, parameters: best.parameters, values })
            }
            Self::Staged(study) if study.objectives() == 1 => {
                let best = study.best().context("no trial has been trained to the end yet")?;
                let values = best.values.last().cloned().unwrap_or_default();
                Ok(Good { trial: best.number, parameters: best.parameters.clone(), values })
            }
            Self::Many(_) | Self::Staged(_) => self
                .pareto()
                .into_iter()
                .next()
                .context("no trial has given values within the limits yet"),
        }
    }

    /// The trials that no other beats.
    pub(super) fn pareto(&self) -> Vec<Good> {
        match self {
            Self::One(_) => self.best().into_iter().collect(),
            Self::Many(study) => study
                .pareto()
                .into_iter()
                .filter_map(|it| {
                    let parameters = it.parameters.clone();
                    Some(Good { trial: it.number, parameters, values: it.values.clone()? })
                })
                .collect(),
            Self::Staged(study) => study
                .pareto()
                .into_iter()
                .filter_map(|it| {
                    let (parameters, values) = (it.parameters.clone(), it.values.last()?.clone());
                    Some(Good { trial: it.number, parameters, values })
                })
                .collect(),
        }
    }
}
