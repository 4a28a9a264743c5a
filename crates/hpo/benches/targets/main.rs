//! Compares the samplers with other optimizers on functions with known minima, with twenty seeds each.
//! Prints a table and writes it to `BENCHMARKS.md`.
//!
//! `cargo bench -p wattlab-hpo --bench targets -- [FUNCTION | curves | fronts | hundreds | workers]... [--seeds N] [--from N] [--others] [--no-file]`
//!
//! `curves` may be followed by families of curves (`benign`) and strategies (`posterior`); `--from` is
//! the first seed.
//!
//! With `--study --reference DIR` it replays the trials of the published study instead, and writes
//! `STUDY.md`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to people")]

mod curves;
mod fronts;
mod functions;
mod hundreds;
mod study;
mod workers;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use functions::Function;
use wattlab_hpo::{
    Gp, Parameter, Sampler, Scale, SearchState, Segment, Sobol, Space, Study, Trial, suggest,
};

/// Targets: function, regret after 64 trials and after 32.
const TARGETS: [(&str, f64, f64); 7] = [
    ("branin2", 1e-5, 0.25),
    ("hartmann6", 5e-4, 0.74),
    ("ackley5", 4.0, 15.0),
    ("levy4", 0.13, 2.6),
    ("rosenbrock4", 6.0, 315.0),
    ("styblinski4", 11.0, 40.0),
    ("adamcliff3", 0.004, 0.0063),
];
const TRIALS: u32 = 64;
const PEERS: &str = include_str!("peers.tsv");

/// The result of one study.
struct Run {
    /// Regret of the best observed trial after 32 and 64 trials.
    regrets: [f64; 2],
    /// Seconds per suggestion at trials 57 to 64.
    latency_s: f64,
}

/// The space of a function.
fn space_of(function: &Function) -> Space {
    let parameters = function.space.iter().enumerate().map(|(axis, (low, high, log))| {
        let scale = if *log { Scale::Log } else { Scale::Linear };
        Parameter::new(&format!("x{axis}"), *low, *high, scale)
    });
    Space::new(parameters.collect()).expect("the functions' boxes are valid")
}

fn run(function: &Function, sampler: impl Sampler + 'static, seed: u64) -> Run {
    let mut study = Study::new(space_of(function), sampler, seed);
    let mut best = (f64::INFINITY, f64::INFINITY);
    let (mut regrets, mut latency_s) = ([f64::NAN; 2], 0.0);
    for index in 0..TRIALS {
        let started = Instant::now();
        let Segment { number, parameters: point, .. } = study.ask().expect("no grid");
        if index >= TRIALS - 8 {
            latency_s += started.elapsed().as_secs_f64() / 8.0;
        }
        let (observed, truth) = function.observe(&point, seed, u64::from(index));
        study.tell(number, &[-observed]).expect("asked just now");
        if observed < best.0 {
            best = (observed, truth);
        }
        if index + 1 == TRIALS / 2 {
            regrets[0] = best.1 - function.minimum;
        }
    }
    regrets[1] = best.1 - function.minimum;
    Run { regrets, latency_s }
}

/// Runs a study for each seed, on all cores. Returns the results in the order of the seeds.
fn parallel<T: Send>(seeds: u64, study: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let result = study(seed);
                    done.lock().expect("no study panicked").push((seed, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no study panicked");
    done.sort_by_key(|entry| entry.0);
    done.into_iter().map(|entry| entry.1).collect()
}

/// Seconds of one suggestion after some trials of Hartmann-6: the shortest of 21, so that other work on
/// the machine does not count.
fn alone_s(function: &Function, trials: u32) -> f64 {
    let parameters = (0..function.space.len())
        .map(|axis| Parameter::new(&format!("x{axis}"), 0.0, 1.0, Scale::Linear));
    let space = Space::new(parameters.collect()).expect("a unit cube");
    // The trials themselves are from a Sobol sequence; asking the process for each would take longer.
    let told = (0..trials).map(|number| {
        let point = suggest(&Sobol, &SearchState::new(&space, 1, number, &[]));
        let parameters = point.expect("no grid").parameters;
        let value = -(function.value)(&parameters);
        Trial::completed(number, parameters, &[value])
    });
    let told: Vec<Trial> = told.collect();
    let time = |number| {
        let search = SearchState::new(&space, 1, number, &told);
        let started = Instant::now();
        std::hint::black_box(suggest(&Gp, &search)).expect("no grid");
        started.elapsed().as_secs_f64()
    };
    (0..21).map(|index| time(trials + index)).fold(f64::INFINITY, f64::min)
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| {
        let place = share * (values.len() - 1) as f64;
        let (low, part) = (place as usize, place.fract());
        let high = (low + 1).min(values.len() - 1);
        values[low] * (1.0 - part) + values[high] * part
    })
}

fn main() {
    functions::verify();
    let (mut seeds, mut from) = (20, 0);
    let (mut chosen, mut with_others, mut file) = (Vec::new(), false, true);
    let (mut replay, mut reference) = (false, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {}
            "--seeds" => seeds = args.next().and_then(|value| value.parse().ok()).unwrap_or(seeds),
            "--from" => from = args.next().and_then(|value| value.parse().ok()).unwrap_or(from),
            "--others" => with_others = true,
            "--no-file" => file = false,
            "--study" => replay = true,
            "--reference" => reference = args.next().map(PathBuf::from),
            _ => chosen.push(arg),
        }
    }
    if replay {
        let folder = reference.unwrap_or_else(|| {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference")
        });
        match study::report(&folder) {
            Ok(text) => {
                println!("{text}");
                keep("STUDY.md", &text, file);
            }
            Err(error) => {
                eprintln!("error: {error}");
                std::process::exit(2);
            }
        }
        return;
    }
    let mut all = functions::baselines();
    if with_others || chosen.is_empty() {
        all.extend(functions::others());
    }
    let asked = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    all.retain(|function| asked(function.name));
    let mut report = report(&all, seeds);
    if asked("curves") {
        report += &curves::report(seeds, from, &chosen);
    }
    if asked("fronts") {
        report += &fronts::report(seeds);
    }
    if asked("hundreds") {
        report += &hundreds::report(seeds);
    }
    if asked("workers") {
        report += &workers::report(seeds);
    }
    println!("{report}");
    // A part of the functions or of the seeds is not written.
    let report = report + &tables();
    keep("BENCHMARKS.md", &report, file && chosen.is_empty() && seeds >= 20 && from == 0);
}

/// The section of `BENCHMARKS.md` that `cargo xtask bench hpo --tables` wrote, which stays.
fn tables() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("BENCHMARKS.md");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.find("\n## Tables of real trainings").map_or_else(String::new, |at| text[at..].to_owned())
}

/// The name of the processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    line.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Writes a page next to the crate's README, if it is wanted.
fn keep(name: &str, text: &str, wanted: bool) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    match wanted.then(|| std::fs::write(&path, text)) {
        None => {}
        Some(Ok(())) => eprintln!("written to {}", path.display()),
        Some(Err(error)) => {
            eprintln!("error: failed to write `{}`: {error}", path.display());
            std::process::exit(1);
        }
    }
}

fn report(functions: &[Function], seeds: u64) -> String {
    let mut text = format!(
        "# Benchmarks of `wattlab-hpo`\n\nWritten by `cargo xtask bench hpo`. Median regret \
         (quartiles in brackets) of the best observed trial, over {seeds} seeds; lower is \
         better. The figures of the other optimizers are stored in `benches/targets/peers.tsv`, \
         which names versions and date.\n\n"
    );
    text +=
        "| function | strategy | seeds | at 32 | at 64 | target 32 / 64 | ms per suggestion |\n";
    text += "|---|---|---|---|---|---|---|\n";
    for (index, function) in functions.iter().enumerate() {
        let started = Instant::now();
        eprint!("{}/{} {}: ", index + 1, functions.len(), function.name);
        let runs = parallel(seeds, |seed| run(function, Gp, seed));
        let at = |place: usize| quartiles(runs.iter().map(|run| run.regrets[place]));
        let (early, late) = (at(0), at(1));
        let latency_ms = 1e3 * quartiles(runs.iter().map(|run| run.latency_s))[1];
        eprintln!(
            "{:.3e} {:.3e} {latency_ms:.1} ms, {:.0} s",
            early[1],
            late[1],
            started.elapsed().as_secs_f64()
        );
        let target = TARGETS.iter().find(|target| target.0 == function.name).map_or_else(
            || "none".to_owned(),
            |(_, at_64, at_32)| {
                let mark = |met| if met { "✓" } else { "✗" };
                let (met_32, met_64) = (mark(early[1] <= *at_32), mark(late[1] <= *at_64));
                format!("{at_32:.2e} {met_32} / {at_64:.2e} {met_64}")
            },
        );
        let cell = |quartiles: [f64; 3]| {
            format!("**{:.2e}** [{:.1e}, {:.1e}]", quartiles[1], quartiles[0], quartiles[2])
        };
        let name = function.name;
        _ = writeln!(
            text,
            "| {name} | **wattlab GP** | {seeds} | {} | {} | {target} | {latency_ms:.1} |",
            cell(early),
            cell(late)
        );
        for peer in PEERS.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = peer.split('\t').collect();
            let [peer_function, peer, peer_seeds, early, late] = cells[..] else { continue };
            if peer_function == name {
                _ = writeln!(text, "| {name} | {peer} | {peer_seeds} | {early} | {late} | | |");
            }
        }
    }
    if let Some(hartmann) = functions.iter().find(|function| function.name == "hartmann6") {
        let [few, many] = [64, 1000].map(|trials| 1e3 * alone_s(hartmann, trials));
        _ = writeln!(
            text,
            "\nOne suggestion on one core, six dimensions, shortest of 21: {few:.1} ms after 64 trials (target: at \
             most 10; uncontended, Optuna GP 130, SMAC 250), {many:.0} ms after 1,000 (target: below \
             1,000). The column in the table was measured with a study on every core."
        );
    }
    text
}
