//! Hundreds of trials: the samplers that take the least time for a suggestion, beside Optuna's.

use std::{fmt::Write as _, sync::Arc};

use wattlab_hpo::{CmaEs, NsgaTwo, Random, Sampler, Segment, Study, Tpe};

use crate::{
    fronts,
    functions::{self, Function},
    parallel, processor, quartiles, space_of,
};

/// Numbers of trials after which regrets are compared.
const TRIALS: [u32; 3] = [64, 100, 300];
const PEERS: &str = include_str!("hundreds.tsv");

/// The functions: one that any method must solve, and four of the other benchmarks.
fn problems() -> Vec<Function> {
    let names = ["branin2", "rosenbrock4", "ackley5", "rastrigin3"];
    let all = functions::baselines().into_iter().chain(functions::others());
    let known = all.filter(|function| names.contains(&function.name));
    known.chain([functions::sphere()]).collect()
}

/// The regrets of the best trial after each of [`TRIALS`].
fn regrets(function: &Function, sampler: Arc<dyn Sampler>, seed: u64) -> [f64; 3] {
    let mut study = Study::new(space_of(function), sampler, seed);
    let (mut best, mut found) = (f64::INFINITY, [f64::NAN; 3]);
    for index in 1..=TRIALS[2] {
        let Segment { number, parameters, .. } = study.ask().expect("no grid");
        let value = (function.value)(&parameters);
        study.tell(number, &[-value]).expect("asked just now");
        best = best.min(value - function.minimum);
        if let Some(place) = TRIALS.iter().position(|trials| *trials == index) {
            found[place] = best;
        }
    }
    found
}

/// Tables of regrets, and of hypervolumes with two objectives.
pub(crate) fn report(seeds: u64) -> String {
    let mut text = format!(
        "\n## Hundreds of trials\n\nMedian regret over {seeds} seeds; lower is better. Optuna's figures \
         are stored in `benches/targets/hundreds.tsv`. Processor: {}.\n\n| function | strategy | at 64 | \
         at 100 | at 300 |\n|---|---|---|---|---|\n",
        processor()
    );
    let single: [(&str, Arc<dyn Sampler>); 3] =
        [("TPE", Arc::new(Tpe)), ("CMA-ES", Arc::new(CmaEs)), ("random", Arc::new(Random))];
    for function in problems() {
        for (name, sampler) in &single {
            let runs = parallel(seeds, |seed| regrets(&function, Arc::clone(sampler), seed));
            let [a, b, c] = [0, 1, 2].map(|place| quartiles(runs.iter().map(|run| run[place]))[1]);
            let line =
                format!("| {} | **wattlab {name}** | {a:.2e} | {b:.2e} | {c:.2e} |", function.name);
            eprintln!("{line}");
            _ = writeln!(text, "{line}");
        }
        peers(&mut text, function.name);
    }
    text += "\nMedian hypervolume of two objectives, after as many trials; more is better.\n\n\
             | problem | strategy | at 64 | at 100 | at 300 |\n|---|---|---|---|---|\n";
    let several: [(&str, Arc<dyn Sampler>); 3] = [
        ("NSGA-II", Arc::new(NsgaTwo::default())),
        ("TPE", Arc::new(Tpe)),
        ("random", Arc::new(Random)),
    ];
    for problem in fronts::problems() {
        for (name, sampler) in &several {
            let [a, b, c] = TRIALS.map(|trials| {
                let run = |seed| fronts::run(&problem, Arc::clone(sampler), seed, trials).0;
                quartiles(parallel(seeds, run).into_iter())[1]
            });
            let line =
                format!("| {} | **wattlab {name}** | {a:.4} | {b:.4} | {c:.4} |", problem.name);
            eprintln!("{line}");
            _ = writeln!(text, "{line}");
        }
        peers(&mut text, problem.name);
    }
    text
}

/// The lines of the other optimizers for a problem.
fn peers(text: &mut String, problem: &str) {
    for peer in PEERS.lines().filter(|line| line.split('\t').next() == Some(problem)) {
        _ = writeln!(text, "| {} |", peer.replace('\t', " | "));
    }
}
