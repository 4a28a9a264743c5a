//! What the engine costs: pairs of trainings that differ in the engine alone.

use record::{ClaimId, Engine, Origin, StudyNetwork};

use super::{
    Answer, Claim, ClaimFigure, Effect, EngineRow, Observations, Question, Test, distinct,
    interval, origin_of,
    resample::{estimate, mean},
    verdict::{self, Estimate},
};
use crate::{
    document::Unit,
    number::{fixed, significant},
};

/// Largest relative difference of two losses that count as equal.
const EQUAL: f64 = 0.01;

pub(super) static ENGINE_COST: Claim = Claim {
    id: ClaimId::new("engine-cost"),
    question: Question::Engines,
    statement: "Trainings with our kernels reach the losses of trainings with plain candle and cost less energy.",
    source: "none: a question about this program",
    criterion: "Pairs of trainings from one seed, one with each engine. Supported if, for every network, the \
        95 % bootstrap interval (over pairs) of the ratio, energy with candle over energy with our kernels, is \
        above 1, and the losses of the last epoch of no pair differ by more than 1 %; contradicted if the ratio \
        is below 1 for one network, or the losses of a pair differ by more; otherwise inconclusive.",
    effect: Effect {
        name: "energy with candle over energy with our kernels, smallest of all networks",
        unit: Unit::None,
    },
    figures: &[
        ClaimFigure::ours("energy_ratio_least", "energy ratio, smallest", Unit::None),
        ClaimFigure::ours("energy_ratio_most", "energy ratio, largest", Unit::None),
        ClaimFigure::ours("time_ratio_least", "time ratio, smallest", Unit::None),
        ClaimFigure::ours("time_ratio_most", "time ratio, largest", Unit::None),
        ClaimFigure::ours("loss_difference_share", "difference of losses, largest", Unit::Share),
    ],
    test: engine_cost,
};

/// Two trainings that differ in the engine alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnginePair<'a> {
    pub(crate) fused: &'a EngineRow,
    pub(crate) candle: &'a EngineRow,
}

/// The pairs of a network on a data set.
#[derive(Clone, Debug)]
pub(crate) struct EngineComparison<'a> {
    pub(crate) data: &'a str,
    pub(crate) network: StudyNetwork,
    pub(crate) pairs: Vec<EnginePair<'a>>,
}

/// The pairs of each network and data set, in order of first appearance. Trainings without the other one of
/// their pair, or that are there twice, are left out.
pub(crate) fn engine_comparisons(rows: &[EngineRow]) -> Vec<EngineComparison<'_>> {
    let mut found: Vec<EngineComparison<'_>> = Vec::new();
    for fused in rows.iter().filter(|row| row.engine == Engine::Fused) {
        let of = |engine: Engine| {
            let mut same = rows.iter().filter(|row| {
                (row.engine, &row.data, row.network, row.repetition)
                    == (engine, &fused.data, fused.network, fused.repetition)
            });
            let only = same.next();
            only.filter(|_| same.next().is_none())
        };
        let (Some(_), Some(candle)) = (of(Engine::Fused), of(Engine::Candle)) else { continue };
        let pair = EnginePair { fused, candle };
        let known =
            found.iter_mut().find(|one| (one.data, one.network) == (&fused.data, fused.network));
        match known {
            Some(one) => one.pairs.push(pair),
            None => found.push(EngineComparison {
                data: &fused.data,
                network: fused.network,
                pairs: vec![pair],
            }),
        }
    }
    found
}

impl EngineComparison<'_> {
    /// Mean of a value of the trainings with an engine, per epoch.
    pub(crate) fn per_epoch(
        &self,
        engine: Engine,
        value: impl Fn(&EngineRow) -> f64,
    ) -> Option<Estimate> {
        estimate(self.pairs.len(), |units| {
            mean(units.iter().map(|unit| {
                let row = self.pairs[*unit].of(engine);
                value(row) / row.epochs as f64
            }))
        })
    }

    /// The sum with candle over the sum with our kernels.
    pub(crate) fn ratio(&self, value: impl Fn(&EngineRow) -> f64) -> Option<Estimate> {
        estimate(self.pairs.len(), |units| {
            let sum = |engine| units.iter().map(|unit| value(self.pairs[*unit].of(engine))).sum();
            let (candle, fused): (f64, f64) = (sum(Engine::Candle), sum(Engine::Fused));
            (fused > 0.0).then(|| candle / fused)
        })
    }

    /// The largest difference between the losses of the last epochs of a pair, relative to the larger of the
    /// two; `None` if a training diverged.
    pub(crate) fn loss_difference(&self) -> Option<f64> {
        self.pairs.iter().try_fold(0.0, |largest: f64, pair| {
            let (a, b) = (pair.fused.loss?, pair.candle.loss?);
            let scale = a.abs().max(b.abs());
            Some(if scale > 0.0 { largest.max((a - b).abs() / scale) } else { largest })
        })
    }

    /// Origin of the joules of an engine's trainings.
    pub(crate) fn origin(&self, engine: Engine) -> Option<Origin> {
        origin_of(self.pairs.iter().map(|pair| pair.of(engine).energy.origin))
    }

    /// The network in words: `SimpleCNN, 2 conv, 3 linear, ReLU`.
    pub(crate) fn title(&self) -> String {
        let StudyNetwork { kind, conv, linear, relu } = self.network;
        let blocks = match (conv, relu) {
            (0, _) => String::new(),
            (conv, true) => format!("{conv} conv with ReLU, "),
            (conv, false) => format!("{conv} conv without ReLU, "),
        };
        format!("{}, {blocks}{linear} linear", kind.paper_name())
    }
}

impl<'a> EnginePair<'a> {
    pub(crate) fn of(self, engine: Engine) -> &'a EngineRow {
        match engine {
            Engine::Candle => self.candle,
            _ => self.fused,
        }
    }
}

fn joules(row: &EngineRow) -> f64 {
    row.energy.joules.0
}

fn engine_cost(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.engines;
    let comparisons = engine_comparisons(rows);
    let ratios = |value: fn(&EngineRow) -> f64| -> Vec<Estimate> {
        comparisons.iter().filter_map(|one| one.ratio(value)).collect()
    };
    let (energy, time) = (ratios(joules), ratios(|row| row.seconds));
    let least = |of: &[Estimate]| of.iter().copied().min_by(|a, b| a.value.total_cmp(&b.value));
    let most = |of: &[Estimate]| of.iter().map(|one| one.value).max_by(f64::total_cmp);
    let Some(smallest) = least(&energy).filter(|_| energy.len() == comparisons.len()) else {
        return Answer::too_little(rows.len(), "no pair of trainings with energy was run");
    };
    let difference = comparisons
        .iter()
        .try_fold(0.0, |largest: f64, one| Some(largest.max(one.loss_difference()?)));
    let equal = match difference {
        Some(difference) if difference <= EQUAL => record::Verdict::Supported,
        Some(_) => record::Verdict::Contradicted,
        None => record::Verdict::Inconclusive,
    };
    let reason = comparisons.iter().zip(&energy).map(|(one, ratio)| {
        format!(
            "{}, {}: candle needs {} times the energy ({})",
            one.data,
            one.title(),
            fixed(ratio.value, 2),
            interval(ratio.ci95, 2, "too few pairs for an interval")
        )
    });
    let losses = match difference {
        Some(difference) => {
            format!("the losses differ by at most {} %", significant(difference * 100.0, 2))
        }
        None => "a training diverged, so its losses cannot be compared".to_owned(),
    };
    let pairs = comparisons.iter().map(|one| one.pairs.len()).sum();
    let origin = origin_of(rows.iter().map(|row| row.energy.origin));
    let mut caveats = vec![
        "Both engines use all processors. Where other processes use them, too, candle's products lose more time \
         than our kernels, because their threads wait for one another."
            .to_owned(),
    ];
    if origin != Some(Origin::Measured) {
        let text = "The joules are estimated from CPU time: engines that load the processor differently differ in \
                    more than that.";
        caveats.push(text.to_owned());
    }
    Answer {
        measured: vec![
            ("energy_ratio_least", Some(smallest.value)),
            ("energy_ratio_most", most(&energy)),
            ("time_ratio_least", least(&time).map(|one| one.value)),
            ("time_ratio_most", most(&time)),
            ("loss_difference_share", difference),
        ],
        verdict: verdict::all(energy.iter().map(|ratio| ratio.above(1.0)).chain([equal])),
        reason: reason.chain([losses]).collect::<Vec<_>>().join("; "),
        test: Test {
            name: "bootstrap of the energy ratio over pairs",
            statistic: None,
            p: None,
            effect: Some(smallest.value),
            ci95: smallest.ci95,
            n: pairs,
        },
        origin,
        data: distinct(rows.iter().map(|row| row.data.as_str())).join(", "),
        caveats,
        margins: Vec::new(),
    }
}
