//! The pruners and the steps at which they compare trials.

/// The numbers of steps after which trials are compared: `least`, `least · factor`, and so on up to
/// `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rungs {
    /// Steps of the shortest evaluation, at least 1. A step is an epoch or any other unit of work.
    pub least: u32,
    /// Steps of a completed trial.
    pub most: u32,
    /// How many times longer each rung is than the one before, at least 2.
    pub factor: u32,
}

impl Rungs {
    /// The numbers of steps, rising; the last one is `most`.
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

/// The rule by which trials are stopped early.
///
/// All rules but `Never` and `Posterior` rank trials against each other at a rung, and therefore lose
/// where learning curves cross. They are guarded: the first eight trials and later one in eight are
/// trained to the end; a rung whose ranks say too little about the final ranks stops no trial; and if
/// the sampler [models curves](crate::Sampler::models_curves), no trial is stopped that its process
/// gives a chance of being the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pruner {
    /// Every trial is trained to the end.
    Never,
    /// Successive halving in rounds (Jamieson and Talwalkar 2016).
    Halving,
    /// Rounds of halving that stop more or less aggressively, in turn (Li et al. 2018).
    Hyperband,
    /// Halving without rounds: a trial goes on as soon as it is among the best at its rung (Li et
    /// al. 2020).
    Asha,
    /// A trial goes on while it is no worse than the median at the same step (Golovin et al. 2017).
    Median,
    /// A trial goes on while a Gaussian process over parameters and steps gives it a chance of being
    /// the best at the end. It does not go by ranks, so it has no guards: it saves the most, and loses
    /// where the process is wrong about curves unlike those it has seen.
    Posterior,
}
