//! Trials that are stopped early: which one to train next, and up to which epoch.

mod bracket;
mod staged;
mod trust;

pub use self::staged::{Leg, Staged};
use crate::{
    history::{History, Trial},
    pareto::dominated,
};

/// The lengths after which trials are compared: `least`, times `factor` each, up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rungs {
    /// Shortest training, in epochs (or steps, or images: any unit of work).
    pub least: u32,
    /// Longest.
    pub most: u32,
    /// How many times longer each rung is than the one before, at least 2.
    pub factor: u32,
}

impl Rungs {
    /// Rising; the last one is `most`.
    #[must_use]
    pub fn lengths(&self) -> Vec<u32> {
        let factor = self.factor.max(2);
        let mut rungs = vec![self.most.max(1)];
        while rungs[0] / factor >= self.least.max(1) {
            rungs.insert(0, rungs[0] / factor);
        }
        rungs
    }
}

/// Which trials go on.
///
/// All but the last rank trials among each other at a rung, and therefore lose where curves cross.
/// They are guarded: the first trials, and one in eight later, are trained to the end; a rung whose
/// ranks say too little about the last one's stops nobody; and with [`crate::Sampler::Gp`] nobody is
/// stopped whom its process gives a chance to be the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruner {
    /// Every trial is trained to the end.
    Never,
    /// Successive halving in rounds (Jamieson and Talwalkar 2016).
    Halving,
    /// Rounds of all aggressivities in turn (Li et al. 2018).
    Hyperband,
    /// Halving without rounds: a trial goes on as soon as it is among the best at its rung (Li et
    /// al. 2020).
    Asha,
    /// A trial goes on while it is no worse than the median at the same epoch (Golovin et al. 2017).
    Median,
    /// A trial goes on while a Gaussian process over parameters and length gives it a chance to be
    /// the best at the end. Not a matter of ranks, so nothing is guarded: it saves the most, and loses
    /// where the process is wrong about curves unlike those it has seen.
    Posterior,
}

/// What a trial gave so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Its trial's number.
    pub number: u32,
    /// Its trial's parameters, in the space's order.
    pub parameters: Vec<f64>,
    /// After each epoch: a number an objective; more is better.
    pub values: Vec<Vec<f64>>,
    /// Up to where it is being trained now.
    pub until: Option<u32>,
    /// What all its epochs cost, if somebody counted.
    pub cost: Option<f64>,
    /// Whether it failed: it never goes on.
    pub failed: bool,
}

impl Curve {
    /// What it gave after so many epochs.
    #[must_use]
    pub fn at(&self, epochs: u32) -> Option<&[f64]> {
        self.values.get(epochs.checked_sub(1)? as usize).map(Vec::as_slice)
    }

    /// How many epochs it was trained for.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.values.len() as u32
    }
}

/// What to train next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// A new trial.
    Start {
        /// Up to this epoch.
        until: u32,
    },
    /// A trial that paused.
    Resume {
        /// Its number.
        number: u32,
        /// Up to this epoch.
        until: u32,
    },
}

/// Trials that run to the end whatever they give: the first so many, and later one in so many.
const PROBES: u32 = 8;
const PROBE_EVERY: u32 = 8;
/// The median needs some trials and a few epochs to mean something.
const MEDIAN_TRIALS: usize = 5;
const MEDIAN_EPOCHS: u32 = 3;

/// What to train next: a pure function of the curves so far, in the order of their numbers.
/// `hopeless` are the paused trials that a Gaussian process gives up; none where there is no process.
pub(crate) fn advance(
    pruner: Pruner,
    rungs: Rungs,
    curves: &[Curve],
    hopeless: Option<&[u32]>,
) -> Advance {
    // The longest first, so that results come early.
    let mut waiting: Vec<&Curve> = curves.iter().collect();
    waiting.sort_by_key(|it| (std::cmp::Reverse(it.epochs()), it.number));
    for it in waiting {
        if let Some(until) = goes_on(pruner, rungs, curves, it, hopeless) {
            return Advance::Resume { number: it.number, until };
        }
    }
    let next = curves.iter().map(|it| it.number + 1).max().unwrap_or(0);
    let lengths = rungs.lengths();
    let until = match pruner {
        _ if is_probe(pruner, next) => rungs.most.max(1),
        Pruner::Median => 1,
        Pruner::Halving | Pruner::Hyperband => {
            bracket::of(&lengths, rungs.factor.max(2) as usize, pruner, next).first
        }
        _ => lengths[0],
    };
    Advance::Start { until }
}

/// Whether a trial runs to the end whatever it gives.
fn is_probe(pruner: Pruner, number: u32) -> bool {
    match pruner {
        Pruner::Never => true,
        // Until something was trained to the end, nothing is hopeless.
        Pruner::Posterior => false,
        _ => number < PROBES || number % PROBE_EVERY == PROBE_EVERY - 1,
    }
}

/// Up to which epoch a trial goes on now; none if it waits, or has ended.
pub(crate) fn goes_on(
    pruner: Pruner,
    rungs: Rungs,
    curves: &[Curve],
    it: &Curve,
    hopeless: Option<&[u32]>,
) -> Option<u32> {
    let (lengths, most) = (rungs.lengths(), rungs.most.max(1));
    let factor = rungs.factor.max(2) as usize;
    if it.until.is_some() || it.failed || it.epochs() >= most {
        return None;
    }
    let probe = |number| is_probe(pruner, number);
    let until = match pruner {
        _ if probe(it.number) => return Some(most),
        // Each epoch is judged.
        Pruner::Median => it.epochs() + 1,
        _ => lengths.iter().copied().find(|rung| *rung > it.epochs()).unwrap_or(most),
    };
    let between = pruner != Pruner::Median && !lengths.contains(&it.epochs());
    let guarded = || pruner != Pruner::Posterior && !trust::trusted(curves, it.epochs(), most);
    let good = || match pruner {
        Pruner::Never => true,
        Pruner::Posterior => false,
        Pruner::Asha => among_best(curves.iter(), it, factor),
        Pruner::Median => above_median(curves, it),
        Pruner::Halving | Pruner::Hyperband => {
            bracket::promoted(&lengths, factor, pruner, curves, it, probe)
        }
    };
    // Whom ranks would stop, the process may keep.
    let hoped = || hopeless.is_some_and(|all| !all.contains(&it.number));
    (between || guarded() || good() || hoped()).then_some(until)
}

/// Whether fewer than 1/factor of those that came as far are better.
fn among_best<'a>(others: impl Iterator<Item = &'a Curve>, curve: &Curve, factor: usize) -> bool {
    let epochs = curve.epochs();
    let Some(own) = curve.at(epochs) else { return false };
    let (mut all, mut better) = (0, 0);
    for it in others {
        let Some(value) = it.at(epochs) else { continue };
        all += 1;
        better += usize::from(precedes(value, it.number, own, curve.number));
    }
    better < all / factor
}

/// Whether one result goes before another: it dominates it, or ties in one objective go by number.
fn precedes(a: &[f64], a_number: u32, b: &[f64], b_number: u32) -> bool {
    dominated(b, a) || (a == b && a_number < b_number)
}

fn above_median(curves: &[Curve], curve: &Curve) -> bool {
    let epochs = curve.epochs();
    let Some(own) = curve.at(epochs) else { return true };
    let others: Vec<&[f64]> = curves
        .iter()
        .filter(|it| it.number != curve.number)
        .filter_map(|it| it.at(epochs))
        .collect();
    let better = others.iter().filter(|it| dominated(own, it)).count();
    epochs < MEDIAN_EPOCHS || others.len() < MEDIAN_TRIALS || 2 * better <= others.len()
}

/// The trials as a history of what each gave last; those not yet told count as under way.
pub(crate) fn history(curves: &[Curve]) -> History {
    let trial = |it: &Curve| Trial {
        number: it.number,
        parameters: it.parameters.clone(),
        value: it.values.last().filter(|_| !it.failed).and_then(|it| it.first().copied()),
        cost: it.cost,
    };
    let (told, pending): (Vec<&Curve>, Vec<&Curve>) =
        curves.iter().partition(|it| it.failed || !it.values.is_empty());
    History::new(
        told.into_iter().map(trial).collect(),
        pending.into_iter().map(|it| it.parameters.clone()).collect(),
    )
}
