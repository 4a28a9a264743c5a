//! What parallel workers cost: the regret of eight workers beside that of one, after as many trials.

use std::{collections::VecDeque, fmt::Write as _, sync::Arc};

use wattlab_hpo::{Gp, Sampler, Segment, Study, Tpe};

use crate::{
    functions::{self, Function},
    parallel, quartiles, space_of,
};

/// Trials that run at the same time.
const WORKERS: usize = 8;
const TRIALS: usize = 64;
const PEERS: &str = include_str!("workers.tsv");

/// The regret of the best trial of a study with some workers. Trials take equally long, so that they
/// end in the order in which they began; each new one knows of the others that run.
fn regret(function: &Function, sampler: Arc<dyn Sampler>, seed: u64, workers: usize) -> f64 {
    let mut study = Study::new(space_of(function), sampler, seed);
    let mut best = (f64::INFINITY, f64::INFINITY);
    let mut running: VecDeque<Segment> = VecDeque::new();
    for asked in 0..TRIALS + workers {
        if running.len() == workers || asked >= TRIALS {
            let Some(Segment { number, parameters, .. }) = running.pop_front() else { break };
            let (observed, truth) = function.observe(&parameters, seed, u64::from(number));
            study.tell(number, &[-observed]).expect("asked before");
            if observed < best.0 {
                best = (observed, truth);
            }
        }
        if asked < TRIALS {
            running.push_back(study.ask().expect("no grid"));
        }
    }
    best.1 - function.minimum
}

/// A table with the regrets of one worker and of eight, and their ratio.
pub(crate) fn report(seeds: u64) -> String {
    let mut text = format!(
        "\n## Parallel workers\n\nMedian regret after {TRIALS} trials (quartiles in brackets) of one \
         worker and of {WORKERS}, over {seeds} seeds. The ratio is that of the medians. \
         Trials take equally long. Optuna's figures are stored in `benches/targets/workers.tsv`.\n\n\
         | function | strategy | 1 worker | {WORKERS} workers | ratio |\n|---|---|---|---|---|\n"
    );
    let samplers: [(&str, Arc<dyn Sampler>); 2] = [("GP", Arc::new(Gp)), ("TPE", Arc::new(Tpe))];
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); samplers.len()];
    for function in functions::baselines().iter().chain(&functions::others()) {
        for ((name, sampler), ratios) in samplers.iter().zip(&mut all) {
            let [one, many] = [1, WORKERS].map(|workers| {
                let runs =
                    parallel(seeds, |seed| regret(function, Arc::clone(sampler), seed, workers));
                quartiles(runs.into_iter())
            });
            let cell =
                |found: [f64; 3]| format!("{:.2e} [{:.1e}, {:.1e}]", found[1], found[0], found[2]);
            let ratio = many[1] / one[1];
            ratios.push(ratio);
            eprintln!("{} {name}: {:.3e} {:.3e} {ratio:.2}", function.name, one[1], many[1]);
            _ = writeln!(
                text,
                "| {} | **wattlab {name}** | {} | {} | {ratio:.2} |",
                function.name,
                cell(one),
                cell(many)
            );
        }
        for peer in PEERS.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = peer.split('\t').collect();
            let [peer_function, peer, one, many, ratio] = cells[..] else { continue };
            if peer_function == function.name {
                _ = writeln!(text, "| {peer_function} | {peer} | {one} | {many} | {ratio} |");
            }
        }
    }
    for ((name, _), ratios) in samplers.iter().zip(&all) {
        let logs: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        let mean = (logs / ratios.len() as f64).exp();
        let median = quartiles(ratios.iter().copied())[1];
        eprintln!("{name}: geometric mean {mean:.2}, median {median:.2}");
        _ = writeln!(
            text,
            "\nRatio of {name} over all functions: geometric mean {mean:.2}, median {median:.2}."
        );
    }
    text
}
