//! Two objectives: the hypervolume after 64 trials.

use std::{f64::consts::PI, fmt::Write as _, time::Instant};

use wattlab_hpo::{Gp, Objectives, Parameter, Sampler, Scale, Segment, Space, Study, hypervolume};

use crate::{parallel, quartiles};

const TRIALS: u32 = 64;

/// Two functions to minimize on a box.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    value: fn(&[f64]) -> [f64; 2],
    space: Vec<(f64, f64, bool)>,
    reference: [f64; 2],
    target: f64,
}

/// The problems of the other optimizers' baselines.
pub(crate) fn problems() -> [Problem; 3] {
    let cube = |dimensions| vec![(0.0, 1.0, false); dimensions];
    [
        Problem {
            name: "zdt1_4",
            value: zdt1,
            space: cube(4),
            reference: [1.1, 1.1],
            target: 0.85,
        },
        Problem {
            name: "dtlz2_6",
            value: dtlz2,
            space: cube(6),
            reference: [1.1, 1.1],
            target: 0.35,
        },
        Problem {
            name: "accenergy3",
            value: accuracy_energy,
            space: vec![(1e-5, 1e-1, true), (16.0, 1024.0, true), (1.0, 50.0, true)],
            reference: [0.9, 1.0],
            target: 0.66,
        },
    ]
}

fn zdt1(x: &[f64]) -> [f64; 2] {
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    [x[0], g * (1.0 - (x[0] / g).sqrt())]
}

fn dtlz2(x: &[f64]) -> [f64; 2] {
    let g: f64 = x[1..].iter().map(|value| (value - 0.5).powi(2)).sum();
    [(1.0 + g) * (x[0] * PI / 2.0).cos(), (1.0 + g) * (x[0] * PI / 2.0).sin()]
}

/// The error of a network of some width after some epochs, and the logarithm of its joules. The
/// parameters are learning rate, width and epochs.
fn accuracy_energy(x: &[f64]) -> [f64; 2] {
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let (width, epochs, u) = (x[1].round_ties_even(), x[2].round_ties_even(), x[0].log10());
    let time = 3.0 * 10_f64.powf(-0.8 * (u + 3.0)) * (width / 128.0).powf(0.25);
    let cliff = -1.3 - 0.3 * (width / 16.0).log10();
    let accuracy = 0.1
        + 0.82
            * sigmoid(-12.0 * (u - cliff))
            * (1.0 - 0.05 * (u + 3.2).powi(2)).max(0.0)
            * (1.0 - 0.35 * (width / 16.0).powf(-0.5))
            * (1.0 - (-epochs / time).exp());
    let energy = |epochs: f64, width: f64| epochs * (20.0 + 0.6 * width);
    let (low, high) = (energy(1.0, 16.0), energy(50.0, 1024.0));
    [1.0 - accuracy, (energy(epochs, width) / low).ln() / (high / low).ln()]
}

/// Hypervolume after some trials, and seconds per suggestion at the last eight.
pub(crate) fn run(
    problem: &Problem,
    sampler: impl Sampler + 'static,
    seed: u64,
    trials: u32,
) -> (f64, f64) {
    let parameters = problem.space.iter().enumerate().map(|(axis, (low, high, log))| {
        let scale = if *log { Scale::Log } else { Scale::Linear };
        Parameter::new(&format!("x{axis}"), *low, *high, scale)
    });
    let space = Space::new(parameters.collect()).expect("a valid box");
    let reference = problem.reference.map(|value| -value);
    let objectives = Objectives { at_least: reference.iter().map(|value| Some(*value)).collect() };
    let mut study = Study::new(space, sampler, seed).with_objectives(objectives);
    let (mut values, mut latency_s) = (Vec::new(), 0.0);
    for index in 0..trials {
        let started = Instant::now();
        let Segment { number, parameters: point, .. } = study.ask().expect("no grid");
        if index >= trials - 8 {
            latency_s += started.elapsed().as_secs_f64() / 8.0;
        }
        let value = (problem.value)(&point).map(|value| -value).to_vec();
        study.tell(number, &value).expect("asked just now");
        values.push(value);
    }
    (hypervolume(&values, &reference), latency_s)
}

/// The quartiles of other optimizers after 64 trials.
const PEERS: &str = include_str!("fronts.tsv");

pub(crate) fn report(seeds: u64) -> String {
    let mut text = format!(
        "\n## Two objectives\n\nHypervolume after {TRIALS} trials, quartiles over {seeds} seeds; more \
         is better. All optimizers know the reference point.\n\n| problem | strategy | seeds | first quartile | \
         median | third quartile | target | ms per suggestion |\n|---|---|---|---|---|---|---|---|\n"
    );
    for problem in problems() {
        let runs = parallel(seeds, |seed| run(&problem, Gp, seed, TRIALS));
        let [low, median, high] = quartiles(runs.iter().map(|run| run.0));
        let latency_ms = 1e3 * quartiles(runs.iter().map(|run| run.1))[1];
        let mark = if median >= problem.target { "✓" } else { "✗" };
        let line = format!(
            "| {} | **wattlab GP** | {seeds} | {low:.4} | **{median:.4}** | {high:.4} | {} {mark} | \
             {latency_ms:.1} |",
            problem.name, problem.target
        );
        eprintln!("{line}");
        _ = writeln!(text, "{line}");
        for peer in PEERS.lines().filter(|line| line.starts_with(problem.name)) {
            _ = writeln!(text, "| {} | | |", peer.replace('\t', " | "));
        }
    }
    text
}
