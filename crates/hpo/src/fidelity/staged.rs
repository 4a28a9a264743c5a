//! A study whose trials are trained in parts.

use super::{Advance, Curve, Pruner, Rungs, advance, history};
use crate::{
    pareto::dominated,
    sampler::{Sampler, best_staged, hopeless, suggest, suggest_staged},
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
///
/// Its state is its curves: [`Staged::restore`] goes on from them.
#[derive(Clone, Debug)]
pub struct Staged {
    space: Space,
    sampler: Sampler,
    pruner: Pruner,
    rungs: Rungs,
    seed: u64,
    curves: Vec<Curve>,
}

impl Staged {
    /// An empty study.
    #[must_use]
    pub fn new(space: Space, sampler: Sampler, pruner: Pruner, rungs: Rungs, seed: u64) -> Self {
        Self { space, sampler, pruner, rungs, seed, curves: Vec::new() }
    }

    /// The same study after these curves. A leg that was under way is asked for again.
    #[must_use]
    pub fn restore(self, mut curves: Vec<Curve>) -> Self {
        curves.sort_by_key(|it| it.number);
        // A trial that gave nothing yet is suggested again, the same.
        curves.retain(|it| it.failed || !it.values.is_empty());
        curves.iter_mut().for_each(|it| it.until = None);
        Self { curves, ..self }
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
        let hopeless = if self.pruner == Pruner::Posterior {
            hopeless(&self.space, &self.rungs.lengths(), &self.curves)
        } else {
            Vec::new()
        };
        match advance(self.pruner, self.rungs, &self.curves, &hopeless) {
            Advance::Resume { number, until } => {
                let it = self.curves.iter_mut().find(|it| it.number == number);
                let it = it.ok_or(HpoError::NotPending { number })?;
                it.until = Some(until);
                let parameters = it.parameters.clone();
                Ok(Leg { number, parameters, from: it.epochs(), until })
            }
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

    fn suggest(&self, number: u32) -> Result<Vec<f64>, HpoError> {
        if self.sampler == Sampler::Gp {
            let rungs = self.rungs.lengths();
            let (space, curves) = (&self.space, self.curves.as_slice());
            return Ok(suggest_staged(space, self.seed, number, &rungs, curves));
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
        suggest(&self.space, self.sampler, self.seed, number, &history(&curves))
    }

    /// What a leg gave: the value after each of its epochs, one number an objective. `None`, or a
    /// value that is not a number, if the trial failed.
    ///
    /// # Errors
    ///
    /// If the trial is not under way, or there are more values than the leg has epochs. The study is
    /// then as it was.
    pub fn tell(&mut self, number: u32, values: Option<&[Vec<f64>]>) -> Result<(), HpoError> {
        let it = self.curves.iter_mut().find(|it| it.number == number && it.until.is_some());
        let it = it.ok_or(HpoError::NotPending { number })?;
        let expected = it.until.unwrap_or(0).saturating_sub(it.epochs()) as usize;
        let finite = |it: &Vec<f64>| !it.is_empty() && it.iter().all(|it| it.is_finite());
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

    /// The best of the trials that were trained to the end, by the first objective: with
    /// [`Sampler::Gp`] by its posterior mean, else as observed.
    #[must_use]
    pub fn best(&self) -> Option<&Curve> {
        if self.sampler == Sampler::Gp {
            return best_staged(&self.space, &self.rungs.lengths(), &self.curves);
        }
        let most = self.rungs.most.max(1);
        let whole = self.curves.iter().filter(|it| !it.failed && it.at(most).is_some());
        whole.reduce(|best, it| {
            let first = |it: &Curve| it.at(most).and_then(|it| it.first().copied());
            if first(it) > first(best) { it } else { best }
        })
    }

    /// The trials trained to the end that none of the others dominates.
    #[must_use]
    pub fn pareto(&self) -> Vec<&Curve> {
        let most = self.rungs.most.max(1);
        let whole: Vec<(&Curve, &[f64])> = self
            .curves
            .iter()
            .filter(|it| !it.failed)
            .filter_map(|it| Some((it, it.at(most)?)))
            .collect();
        let free = |it: &&(&Curve, &[f64])| !whole.iter().any(|other| dominated(it.1, other.1));
        whole.iter().filter(free).map(|it| it.0).collect()
    }
}
