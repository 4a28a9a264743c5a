//! RQ1 on measured trainings: searches that look up each network's joules and accuracy in a table.

use std::{collections::HashMap, sync::Arc};

use hpo::{Gp, Grid, HpoError, PaperPi, Parameter, Random, Sampler, Scale, Space, Study};
use rayon::prelude::*;
use report::{EvidenceBundle, EvidenceRow, Replay, ReplayedSearch, ReplayedTrial};

use super::graph::Canonical;

/// Trainings of a search.
const TRAININGS: usize = 25;
/// Searches of a strategy.
const SEEDS: u64 = 10;
/// A search asks for at most this many networks, invalid and repeated ones included.
const MOST_ASKED: usize = 10 * TRAININGS;
/// The target, as a share of the best validation accuracy in the table.
const OF_BEST: f64 = 0.9;
/// Inner vertices of the search space.
const INNER: usize = 3;

/// A strategy: its name, whether the claim is about it, and whether the claim compares with it.
struct Strategy {
    name: &'static str,
    is_of_claim: bool,
    is_simple: bool,
    sampler: fn() -> Arc<dyn Sampler>,
}

const STRATEGIES: &[Strategy] = &[
    Strategy {
        name: "random search",
        is_of_claim: false,
        is_simple: true,
        sampler: || Arc::new(Random),
    },
    Strategy {
        name: "grid search",
        is_of_claim: false,
        is_simple: true,
        sampler: || Arc::new(Grid { values: 5, upper_bound: true }),
    },
    Strategy {
        name: "Bayesian search as published",
        is_of_claim: true,
        is_simple: false,
        sampler: || Arc::new(PaperPi),
    },
    Strategy {
        name: "our Gaussian process",
        is_of_claim: false,
        is_simple: false,
        sampler: || Arc::new(Gp),
    },
];

/// Every strategy with every seed on the first data set that can be searched; `None` without one.
pub(super) fn replay(bundle: &EvidenceBundle) -> Option<Replay> {
    let found = bundle.sets.iter().find_map(|set| Some((set, table(&set.rows)?)));
    let (set, table) = found?;
    let best = table.values().map(|trial| trial.validation).max_by(f64::total_cmp)?;
    let words = format!("{OF_BEST} of the best in the table");
    let mut replay = Replay::new(&set.adapter.name, OF_BEST * best, words);
    let all: Vec<(&Strategy, u64)> =
        (0..SEEDS).flat_map(|seed| STRATEGIES.iter().map(move |one| (one, seed))).collect();
    // A strategy that cannot search this space is a mistake of the program, which the test of this file finds.
    replay.searches = all
        .par_iter()
        .filter_map(|(strategy, seed)| search(strategy, *seed, &table).ok())
        .collect();
    Some(replay)
}

/// The measured training of each network; `None` if the rows have no graphs.
fn table(rows: &[EvidenceRow]) -> Option<HashMap<Canonical, ReplayedTrial>> {
    let mut table = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let Some(graph) = &row.graph else { continue };
        let edges: Vec<bool> = graph.matrix.chars().map(|digit| digit == '1').collect();
        let mut operations = Vec::new();
        for name in graph.operations.split('-').filter(|name| !name.is_empty()) {
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            operations.push(u8::try_from(at).ok()?);
        }
        let validation = f64::from(graph.validation_ppm) / 1e6;
        let trial = ReplayedTrial::new(row.joules, validation, row.accuracy?);
        table.insert(Canonical::of(&edges, &operations)?, trial);
    }
    (!table.is_empty()).then_some(table)
}

/// Three operations of three kinds and ten edges.
fn space() -> Result<Space, HpoError> {
    let operations = (0..INNER).map(|at| Parameter::categorical(&format!("operation_{at}"), 3));
    let edges = (0..(INNER + 2) * (INNER + 1) / 2)
        .map(|at| Parameter::integer(&format!("edge_{at}"), 0, 1, Scale::Linear));
    Space::new(operations.chain(edges).collect())
}

fn search(
    strategy: &Strategy,
    seed: u64,
    table: &HashMap<Canonical, ReplayedTrial>,
) -> Result<ReplayedSearch, HpoError> {
    let mut found = ReplayedSearch::new(strategy.name, seed);
    found.is_of_claim = strategy.is_of_claim;
    found.is_simple = strategy.is_simple;
    let mut study = Study::new(space()?, (strategy.sampler)(), seed);
    let mut trained: HashMap<Canonical, f64> = HashMap::new();
    for _ in 0..MOST_ASKED {
        if found.trials.len() == TRAININGS {
            break;
        }
        let segment = study.ask()?;
        let operations: Vec<u8> =
            segment.parameters[..INNER].iter().map(|kind| *kind as u8).collect();
        let edges: Vec<bool> = segment.parameters[INNER..].iter().map(|edge| *edge > 0.5).collect();
        let network = Canonical::of(&edges, &operations);
        // A description that is no network of the table costs nothing, nor does a network trained before.
        let Some((network, trial)) = network.and_then(|one| Some((one.clone(), table.get(&one)?)))
        else {
            study.fail(segment.number)?;
            continue;
        };
        if trained.insert(network, trial.validation).is_none() {
            found.trials.push(*trial);
        }
        study.tell(segment.number, &[trial.validation])?;
    }
    Ok(found)
}
