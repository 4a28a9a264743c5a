//! One answer from several sets: a random-effects meta-analysis.

use record::{ClaimId, Origin};
use serde::Serialize;

use super::{EvidenceCell, Phase, Scope};
use crate::{
    document::Unit,
    stats::{self, BetweenStudies, RandomEffectsMean},
};

/// Fewest sets that are pooled.
const FEWEST: usize = 3;

/// The mean effect over sets with joules of the same scope, phase and origin.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Synthesis {
    /// The claim.
    pub claim: ClaimId,
    /// What the joules are of.
    pub scope: Scope,
    /// What the networks did.
    pub phase: Phase,
    /// Origin of the joules.
    pub origin: Origin,
    /// The sets.
    pub sets: Vec<String>,
    /// What the effect is, without the unit.
    pub effect_name: &'static str,
    /// Unit of the effect.
    pub unit: Unit,
    /// On the scale on which sets are pooled: of logarithms for a change of joules.
    pub mean: RandomEffectsMean,
}

/// A synthesis as programs read it.
#[derive(Serialize)]
struct Pooled<'a> {
    claim: &'a ClaimId,
    scope: Scope,
    phase: Phase,
    origin: Origin,
    data: &'a [String],
    effect: f64,
    effect_name: &'a str,
    unit: &'a str,
    ci95: [f64; 2],
    prediction95: [f64; 2],
    p: f64,
    tau_squared: f64,
    i_squared: f64,
    q: f64,
    q_p: f64,
}

impl Synthesis {
    /// A value on the scale of the effect.
    pub(crate) fn back(&self, value: f64) -> f64 {
        if self.unit == Unit::Share { value.exp_m1() } else { value }
    }

    /// Mean, confidence interval and prediction interval on the scale of the effect.
    #[must_use]
    pub fn effect(&self) -> (f64, [f64; 2], [f64; 2]) {
        let ends = |interval: stats::Interval| [self.back(interval.low), self.back(interval.high)];
        (self.back(self.mean.estimate), ends(self.mean.interval), ends(self.mean.prediction))
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        let (effect, ci95, prediction95) = self.effect();
        serde_json::to_value(Pooled {
            claim: &self.claim,
            scope: self.scope,
            phase: self.phase,
            origin: self.origin,
            data: &self.sets,
            effect,
            effect_name: self.effect_name,
            unit: self.unit.name(),
            ci95,
            prediction95,
            p: self.mean.p,
            tau_squared: self.mean.tau_squared,
            i_squared: self.mean.i_squared,
            q: self.mean.q,
            q_p: self.mean.q_p,
        })
    }
}

/// The syntheses of a matrix, in the order of its claims.
pub(super) fn syntheses(cells: &[EvidenceCell]) -> Vec<Synthesis> {
    let mut found: Vec<Synthesis> = Vec::new();
    let key = |cell: &EvidenceCell| (cell.claim.clone(), cell.scope, cell.phase, cell.origin);
    for cell in cells {
        let known = found
            .iter()
            .any(|one| (one.claim.clone(), one.scope, one.phase, one.origin) == key(cell));
        if known {
            continue;
        }
        let alike = cells.iter().filter(|other| key(other) == key(cell));
        let alike: Vec<_> = alike
            .filter_map(|cell| Some((cell, cell.tested()?)))
            .filter_map(|(cell, test)| Some((cell, test, test.pooled?)))
            .collect();
        let Some((_, first, _)) = alike.first().filter(|_| alike.len() >= FEWEST) else { continue };
        let effects: Vec<f64> = alike.iter().map(|(.., [effect, _])| *effect).collect();
        let variances: Vec<f64> = alike.iter().map(|(.., [_, se])| se * se).collect();
        let mean = stats::random_effects_mean(&effects, &variances, BetweenStudies::Reml, 0.95);
        let Ok(mean) = mean else { continue };
        found.push(Synthesis {
            claim: cell.claim.clone(),
            scope: cell.scope,
            phase: cell.phase,
            origin: cell.origin,
            sets: alike
                .iter()
                .map(|(cell, ..)| format!("{}, {}", cell.data, cell.device))
                .collect(),
            effect_name: first.effect_name,
            unit: first.unit,
            mean,
        });
    }
    found
}
