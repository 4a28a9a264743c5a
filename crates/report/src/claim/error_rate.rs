//! How often a study that looks several times decides a claim whose effect is exactly at the limit: 1,000 simulated
//! studies of each claim. Both decisions are false there, and together they may be at most 5 %.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use record::{
    BatchPolicy, Energy, Experiment, InferencePrecision, Joules, NetworkKind, Origin, SamplerKind,
    StudyNetwork, TuningSpace, Verdict,
};

use super::{InferRow, LayerRow, QueueRow, Rows, TrialRow, findings};

const STUDIES: u64 = 1000;
const LOOKS: [u32; 4] = [5, 8, 12, 18];

/// Standard normal numbers of a study.
struct Noise(ChaCha8Rng);

impl Noise {
    fn next(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }
}

fn energy(joules: f64) -> Energy {
    Energy { joules: Joules(joules), uncertainty: Joules(0.0), origin: Origin::Measured }
}

/// The verdict at which a study ends: of the first look that decides, else of the last.
fn verdict(claim: &str, experiment: Experiment, repetitions: impl Fn(u32, &mut Rows)) -> Verdict {
    let mut rows = Rows::default();
    rows.looks.insert(experiment, BTreeSet::from(LOOKS));
    let mut done = 0;
    for look in LOOKS {
        (done..look).for_each(|repetition| repetitions(repetition, &mut rows));
        done = look;
        let found = findings(&rows).into_iter().find(|found| found.id.as_str() == claim);
        let verdict = found.map_or(Verdict::Inconclusive, |found| found.verdict);
        if verdict != Verdict::Inconclusive {
            return verdict;
        }
    }
    Verdict::Inconclusive
}

/// The share of studies with a false verdict, where `study` says whether that of the study with a seed is false.
fn false_verdicts(study: impl Fn(u64) -> bool + Sync) -> f64 {
    let wrong = (0..STUDIES).into_par_iter().filter(|seed| study(*seed)).count();
    wrong as f64 / STUDIES as f64
}

fn noise(seed: u64, repetition: u32) -> Noise {
    Noise(ChaCha8Rng::seed_from_u64(seed << 8 | u64::from(repetition)))
}

/// A block of the factorial with this mean energy of a cell.
fn block(seed: u64, repetition: u32, mean: impl Fn(StudyNetwork) -> f64) -> Vec<LayerRow> {
    let mut noise = noise(seed, repetition);
    let of_block = 3.0 * noise.next();
    let cells = (0..8).map(|bits| StudyNetwork {
        kind: NetworkKind::SimpleCnn,
        conv: 1 + 3 * (bits & 1),
        linear: 3 + 2 * (bits & 2),
        relu: bits & 4 > 0,
    });
    cells
        .map(|network| LayerRow {
            data: "d".into(),
            network,
            setting: "s".into(),
            repetition,
            order: 0,
            energy: energy(mean(network) + of_block + 5.0 * noise.next()),
            accuracy: 0.8 + 0.01 * noise.next(),
        })
        .collect()
}

#[test]
fn layers_of_equal_energy_dominate_by_chance_alone() {
    let share = false_verdicts(|seed| {
        let mean = |cell: StudyNetwork| {
            100.0 + 10.0 * f64::from(cell.conv - 1) / 3.0 + 10.0 * f64::from(cell.linear - 3) / 4.0
        };
        let verdict = verdict("rq2-conv-dominates", Experiment::Layers, |repetition, rows| {
            rows.layers.extend(block(seed, repetition, mean));
        });
        verdict != Verdict::Inconclusive
    });
    assert!(share <= 0.05, "{share}");
}

#[test]
fn a_saving_at_the_limit_is_decided_by_chance_alone() {
    let share = false_verdicts(|seed| {
        let mean = |cell: StudyNetwork| if cell.conv == 4 { 100.0 } else { 60.1 };
        let claim = "rq3-halved-by-smaller-network";
        let verdict = verdict(claim, Experiment::Layers, |repetition, rows| {
            rows.layers.extend(block(seed, repetition, mean));
        });
        verdict != Verdict::Inconclusive
    });
    assert!(share <= 0.05, "{share}");
}

#[test]
fn strategies_that_are_equally_good_are_told_apart_by_chance_alone() {
    let share = false_verdicts(|seed| {
        let verdict = verdict("rq1-bayesian-dominates", Experiment::Tuning, |repetition, rows| {
            let mut noise = noise(seed, repetition);
            let rivals = [noise.next(), noise.next()].map(|one| 0.8 + 0.02 * one);
            let best = rivals[0].max(rivals[1]) + 0.02 * noise.next();
            let strategies = [
                (SamplerKind::Grid, rivals[0]),
                (SamplerKind::Random, rivals[1]),
                (SamplerKind::PaperPi, best),
            ];
            for (sampler, accuracy) in strategies {
                let (network, space) = (NetworkKind::SimpleCnn, TuningSpace::Three);
                let at = [repetition, 0];
                rows.trials.push(TrialRow::new("d", network, space, sampler, at, accuracy));
            }
        });
        verdict != Verdict::Inconclusive
    });
    assert!(share <= 0.05, "{share}");
}

#[test]
fn policies_without_effect_matter_by_chance_alone() {
    for claim in ["rq4-batching-matters", "rq4-model-dependent"] {
        let share = false_verdicts(|seed| {
            let verdict = verdict(claim, Experiment::Batching, |repetition, rows| {
                let mut noise = noise(seed, repetition);
                for network in ["a", "b"] {
                    for size in [1, 16, 64] {
                        rows.queues.push(QueueRow {
                            precision: InferencePrecision::Float32,
                            network: network.into(),
                            rate: 64.0,
                            policy: BatchPolicy::Fixed(size),
                            repetition,
                            requests: 100,
                            energy: energy(100.0 * (0.2 * noise.next()).exp()),
                            mean_wait_s: 0.1,
                            mean_response_s: 0.2 * (0.2 * noise.next()).exp(),
                            p99_response_s: 0.3,
                            makespan_s: 2.0,
                            mean_batch: 8.0,
                            utilization: 0.5,
                            preparing_share: None,
                        });
                    }
                }
            });
            // A range within 5 % would rightly contradict the claim.
            verdict == Verdict::Supported
        });
        assert!(share <= 0.05, "{claim}: {share}");
    }
}

#[test]
fn a_network_at_half_the_energy_is_an_exception_by_chance_alone() {
    let share = false_verdicts(|seed| {
        let verdict =
            verdict("rq5-shufflenet-exception", Experiment::Timeline, |repetition, rows| {
                let mut noise = noise(seed, repetition);
                for (network, mean) in [("alexnet", 2.0), ("shufflenet_v2_x0_5", 1.0)] {
                    rows.infers.push(InferRow {
                        precision: InferencePrecision::Float32,
                        network: network.into(),
                        repetition,
                        quoted: None,
                        image_side: 224,
                        batch: 1,
                        joules_per_image: mean * (1.0 + 0.1 * noise.next()),
                        origin: Origin::Measured,
                        seconds_per_image: 0.1,
                    });
                }
            });
        verdict != Verdict::Inconclusive
    });
    assert!(share <= 0.05, "{share}");
}
