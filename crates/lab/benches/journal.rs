//! Measures how journal, plans and report scale: opens, resumes, analyzes and renders journals of 10⁴, 10⁵
//! and 10⁶ records, each step in a separate process, and prints its time and its peak memory.
//!
//! `cargo xtask bench journal` runs this and writes the table into `docs/scale.md`. The journals are
//! created in the folder of temporary files (`TMPDIR`).
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use record::{
    BatchTimes, Code, DataUse, Domain, DomainEnergy, Energy, EnergyReport, Environment,
    EpochOutcome, Inferred, Joules, Journal, Machine, Method, NewJournal, Origin, Outcome,
    ProbeUse, RECORD_SCHEMA, RunRecord, RunSpec, Seconds, Served, Serving, SpanEnergy, Task,
    Timing, Trained, Warning, WarningKind, Watts, last_record, scan_journal, summarize_journal,
};
use report::{Formats, RECORDS_AT_ONCE, RecordSource, RunDigest, Runs, Target};
use wattlab::{
    config::Profile,
    experiment::{Plan, RecordDigest, Records, plans},
    seed::{derive, unit},
};

/// A profile with the experiments of the paper profile in the same proportions: 59 % trials of searches,
/// 40 % factorial, 0.7 % timeline, 0.3 % served queues. The number of repetitions depends on `records`.
fn study(records: usize) -> String {
    let of = |share: f64, each: f64| ((records as f64 * share / each).ceil() as u32).max(1);
    format!(
        r#"
name = "scale"
seed = 1

[tuning]
data        = [{{ name = "shapes-28", train = 2048, validation = 512, test = 1024 }}, {{ name = "shapes-32", train = 2048, validation = 512, test = 1024 }}]
networks    = ["simple-cnn", "dense-poly", "dense-linear"]
spaces      = ["three"]
samplers    = ["grid", "random", "paper-pi"]
trials      = 64
repetitions = {}
epochs      = 4
minibatch   = 128

[layers]
data        = [{{ name = "shapes-28", train = 2048, validation = 0, test = 1024 }}, {{ name = "shapes-32", train = 2048, validation = 0, test = 1024 }}]
conv        = [1, 4]
linear      = [3, 7]
relu        = [false, true]
settings    = 16
repetitions = {}
epochs      = 4
minibatch   = 128

[batching]
networks       = ["alexnet", "densenet121", "shufflenet_v2_x0_5"]
image_side     = 64
rates_per_s    = [16.0]
jitter         = 0.2
requests       = 1024
policies       = [{{ fixed = 16 }}, {{ fixed = 32 }}, {{ fixed = 64 }}, {{ fixed = 128 }}, {{ greedy = 128 }}]
warmup_batches = 1
repetitions    = {}

[timeline]
networks       = ["alexnet", "vgg11", "vgg16", "resnet18", "resnet50", "resnet152", "squeezenet1_1", "densenet121", "mobilenet_v2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0"]
image_side     = 64
batch          = 32
batches        = 32
warmup_batches = 4
repetitions    = {}
"#,
        of(0.594, 1152.0),
        of(0.396, 256.0),
        of(0.003, 15.0),
        of(0.007, 11.0),
    )
}

/// A pseudo-random number in [0, 1) that is determined by the run and a purpose.
fn noise(spec: &RunSpec, what: &str) -> f64 {
    unit(derive(spec.seed, &format!("{} {what}", spec.id())))
}

/// All trials of a search, given its first one, with random parameters; any other run unchanged.
fn every_trial(spec: RunSpec, trials: u32) -> Vec<RunSpec> {
    let Task::Train(task) = &spec.task else { return vec![spec] };
    let Some(trial) = task.trial else { return vec![spec] };
    let of = |number: u32| {
        let mut task = task.clone();
        let draw = |what: &str| unit(derive(trial.search_seed, &format!("{number} {what}")));
        task.optimizer.learning_rate = 0.1_f64.powf(1.0 + 4.0 * draw("rate"));
        task.optimizer.beta1 = 0.1 + 0.9 * draw("beta1");
        task.optimizer.beta2 = 0.8 + 0.2 * draw("beta2");
        task.trial = Some(record::TrialId { number, ..trial });
        RunSpec { task: Task::Train(task), ..spec.clone() }
    };
    (0..trials).map(of).collect()
}

/// Whether a run is the first trial of a search, or not a trial.
fn is_first(spec: &RunSpec) -> bool {
    match &spec.task {
        Task::Train(task) => task.trial.is_none_or(|trial| trial.number == 0),
        _ => true,
    }
}

/// A record as long as that of a run of the quick profile.
fn record_of(spec: &RunSpec, order: u64) -> RunRecord {
    let scale = match &spec.task {
        Task::Train(task) => {
            let network = task.network.study().expect("the profile has the study's networks");
            f64::from(1 + network.conv) * (1.0 + 0.02 * f64::from(network.linear))
        }
        Task::Serve(_) => 40.0,
        Task::Infer(task) => 1.0 + task.network.len() as f64,
        Task::Evaluate(_) => unreachable!("the study has no evaluations"),
    };
    let joules = scale * (1.0 + 0.1 * noise(spec, "joules"));
    let main = Seconds(joules / 10.599_534_949_220_859);
    let energy = |share: f64| Energy {
        joules: Joules(joules * share),
        uncertainty: Joules(joules * share * 0.5),
        origin: Origin::Estimated,
    };
    let (outcome, serving) = outcome_of(spec);
    let name = spec.task.main_span();
    let mut spans = vec![("plan".to_owned(), 0.001), ("load".to_owned(), 0.01)];
    spans.push((name.to_owned(), 1.0));
    if let Outcome::Trained(trained) = &outcome {
        let epochs = 0..trained.epochs.len();
        spans.extend(epochs.map(|epoch| (format!("fit/epoch-{epoch}"), 0.251_371)));
    }
    spans.push(("evaluate".to_owned(), 0.063_213));
    let model = "CPU time of this process × 6.8 W per busy core (±50 %), family `Xeon` (as `Platinum \
                 8380`) for processor `Intel(R) Xeon(R) Processor`; idle power, memory and \
                 everything else of the machine are left out";
    RunRecord {
        schema: RECORD_SCHEMA.to_owned(),
        id: spec.id(),
        outcome,
        energy: EnergyReport {
            span: name.to_owned(),
            total: Some(energy(1.0)),
            domains: vec![DomainEnergy {
                domain: Domain::CpuProcess,
                device: "process".to_owned(),
                probe: "cpu-time".to_owned(),
                origin: Origin::Estimated,
                method: Method::Model,
                joules: Joules(joules),
                mean_power: Some(Watts(10.599_534_949_220_859)),
                peak_power: Some(Watts(10.977_421_995_971_538)),
                uncertainty: Joules(joules * 0.5),
                samples: 10,
                gap: Seconds(0.0),
                in_total: true,
            }],
            spans: spans
                .into_iter()
                .map(|(name, share)| SpanEnergy {
                    name,
                    start: Seconds(0.003_101_961_999_999_680_6),
                    duration: main * share,
                    energy: Some(energy(share)),
                })
                .collect(),
        },
        timing: Timing {
            started_unix_s: 1_795_257_069.039_73 + order as f64,
            duration: main * 1.1,
            main,
            main_cpu: Some(main * 1.57),
            order,
            serving,
            preparing: None,
            surroundings: None,
        },
        environment: Environment {
            code: Code {
                version: "0.1.0".to_owned(),
                revision: Some("10b08068973fab7d644d649e599ef047099ebf97".to_owned()),
                modified: false,
                build: "release".to_owned(),
            },
            machine: Machine {
                os: "Linux 6.18".to_owned(),
                arch: "x86_64".to_owned(),
                cpu: "Intel(R) Xeon(R) Processor".to_owned(),
                cpus: 2,
                memory_bytes: Some(25_276_502_016),
                device: "cpu".to_owned(),
                instructions: Some("avx512".to_owned()),
            },
            probes: vec![ProbeUse {
                probe: "cpu-time".to_owned(),
                domain: Domain::CpuProcess,
                device: "process".to_owned(),
                method: Method::Model,
                model: Some(model.to_owned()),
            }],
            threads: 2,
        },
        warnings: vec![Warning::new(
            WarningKind::EstimatedEnergy,
            format!("no sensor of the processor: its joules are estimated: {model}"),
        )],
        looks: Vec::new(),
        spec: spec.clone(),
    }
}

fn outcome_of(spec: &RunSpec) -> (Outcome, Option<Serving>) {
    let sha256 = "f6a49908d6a05b4e95a4abcf07ac33e7fc11af39b88689b99380533faa4cdd5c".to_owned();
    match &spec.task {
        Task::Train(task) => {
            let distance = (task.optimizer.learning_rate.log10() + 3.0).abs();
            let accuracy = 0.9 / (1.0 + 0.2 * distance) - 0.1 * noise(spec, "accuracy");
            let epoch = |epoch: u32| EpochOutcome {
                loss: Some(2.317_383_602_261_543_3 / f64::from(1 + epoch) + accuracy),
                accuracy: accuracy * f64::from(1 + epoch) / f64::from(task.epochs),
            };
            let outcome = Trained {
                data: DataUse {
                    name: task.data.name.clone(),
                    sha256,
                    train: task.data.train,
                    validation: task.data.validation,
                    test: task.data.test,
                },
                parameters: 252_568,
                epochs: (0..task.epochs).map(epoch).collect(),
                validation_accuracy: (task.data.validation > 0).then_some(accuracy),
                test_accuracy: accuracy * 0.99,
                diverged_in_epoch: None,
            };
            (Outcome::Trained(outcome), None)
        }
        Task::Serve(task) => {
            let requests = task.arrivals.requests;
            let gap = 1.0 / task.arrivals.rate + 1e-9 * noise(spec, "gap");
            let size = match task.policy {
                record::BatchPolicy::Fixed(size) | record::BatchPolicy::Greedy(size) => size,
            };
            let batch = |first: usize| {
                let size = size.min(requests - first);
                let start_s = (first + size) as f64 * gap + 0.001_234_567_89;
                BatchTimes { size, start_s, end_s: start_s + gap * 0.3 * size as f64 }
            };
            let serving = Serving {
                arrivals_s: (0..requests).map(|i| i as f64 * gap).collect(),
                batches: (0..requests).step_by(size).map(batch).collect(),
            };
            let outcome = Served {
                requests,
                parameters: 61_100_840,
                arrivals_sha256: sha256,
                photographs_sha256: None,
            };
            (Outcome::Served(outcome), Some(serving))
        }
        Task::Infer(task) => {
            let outcome = Inferred {
                images: task.batch * task.batches as usize,
                parameters: 61_100_840,
                mean_logit: noise(spec, "logit"),
            };
            (Outcome::Inferred(outcome), None)
        }
        Task::Evaluate(_) => unreachable!("the study has no evaluations"),
    }
}

/// The plans of the study in a folder.
fn plans_of(folder: &Path) -> Vec<Box<dyn Plan>> {
    plans(&Profile::load(&folder.join("study.toml").to_string_lossy()).unwrap())
}

/// Writes a journal with all runs of the study except the last one of every experiment.
fn generate(folder: &Path, records: usize) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("study.toml"), study(records)).unwrap();
    let mut journal = NewJournal::create(&folder.join("journal.jsonl")).unwrap();
    let mut order = 0;
    for plan in plans_of(folder) {
        let specs = plan.next(&Records::default(), &[], usize::MAX).unwrap();
        // Searches that do not learn propose all their trials at once.
        let first = specs.into_iter().filter(is_first);
        let mut specs: Vec<RunSpec> = first.flat_map(|spec| every_trial(spec, 64)).collect();
        specs.pop();
        for spec in specs {
            journal.push(&record_of(&spec, order)).unwrap();
            order += 1;
        }
    }
    journal.finish().unwrap();
}

/// Reads the records of a journal, some at a time.
struct Source(PathBuf);

impl RecordSource for Source {
    fn each(
        &self,
        sink: &mut dyn FnMut(&[RunRecord]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut records = Vec::new();
        let mut result = Ok(());
        scan_journal(
            &self.0,
            |record| record,
            |_, record| {
                records.push(record);
                if records.len() == RECORDS_AT_ONCE && result.is_ok() {
                    result = sink(&std::mem::take(&mut records));
                }
            },
        )
        .unwrap();
        result?;
        sink(&records)
    }
}

fn runs(path: &Path) -> Runs {
    let mut runs = Runs::default();
    summarize_journal(path, RunDigest::from, |_, run| runs.push(run))
        .unwrap()
        .undamaged(path)
        .unwrap();
    runs.environment = last_record(path).unwrap().map(|record| record.environment);
    runs
}

/// Does a step; returns what to print besides its time and memory.
fn step(name: &str, folder: &Path) -> String {
    let path = folder.join("journal.jsonl");
    match name {
        "open" => {
            let (_, records, _) = Journal::open_with(&path, RecordDigest::from).unwrap();
            let bytes = fs::metadata(&path).unwrap().len();
            format!("{} {bytes}", records.len())
        }
        "resume" => {
            let (_journal, records, _) = Journal::open_with(&path, RecordDigest::from).unwrap();
            let records = Records::new(records);
            let plans = plans_of(folder);
            let foreign =
                |record: &&RecordDigest| !plans.iter().any(|plan| plan.owns_record(record));
            assert_eq!(records.all().iter().filter(foreign).count(), 0);
            let begun = Instant::now();
            for plan in &plans {
                assert_eq!(plan.total(), plan.done(&records) + 1);
                assert_eq!(plan.next(&records, &[], 2).unwrap().len(), 1);
            }
            let first = begun.elapsed();
            let begun = Instant::now();
            for plan in &plans {
                plan.next(&records, &[], 2).unwrap();
            }
            format!("{:.3} {:.4}", first.as_secs_f64(), begun.elapsed().as_secs_f64())
        }
        "analyze" => {
            let results = report::results(&runs(&path));
            results.claims.iter().map(|claim| claim.verdict.word()).collect::<Vec<_>>().join(",")
        }
        "render" => {
            let runs = runs(&path);
            let results = report::results(&runs);
            let begun = Instant::now();
            let insights = wattlab::insight::of_searches(&runs.rows.trials);
            let insight = begun.elapsed().as_secs_f64();
            let document = report::document(&runs, &results, Target::default(), &insights);
            let folder = folder.join("report");
            let files = report::write(&document, &folder, &Formats::all()).unwrap();
            report::write_records(&Source(path), &runs, &files, &folder).unwrap();
            let page = fs::metadata(folder.join("index.html")).unwrap().len();
            format!(
                "{page} bytes, of which {insight:.2} s for the analysis of the searches' parameters"
            )
        }
        other => panic!("no step `{other}`"),
    }
}

/// Peak memory of this process, in MiB.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["step", "generate", folder, records] => {
            generate(Path::new(folder), records.parse().unwrap());
        }
        ["step", name, folder] => {
            let begun = Instant::now();
            let text = step(name, Path::new(folder));
            println!("{:.3} {:.0} {text}", begun.elapsed().as_secs_f64(), peak());
        }
        _ => table(&args),
    }
}

/// Does a step in a separate process; returns its seconds, its MiB and the text it printed.
fn in_a_process(args: &[&str]) -> (f64, f64, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg("step").args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut words = text.trim().splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let (seconds, memory) = (number(), number());
    (seconds, memory, words.next().unwrap_or_default().to_owned())
}

fn table(args: &[&str]) {
    let sizes = if args.is_empty() { vec!["10000", "100000", "1000000"] } else { args.to_vec() };
    let scratch = tempfile::tempdir().unwrap();
    println!("| records | journal | open | resume | of that, the next specs | analyze | render |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for size in sizes {
        let folder = scratch.path().join(size);
        let at = folder.to_str().unwrap();
        in_a_process(&["generate", at, size]);
        let cell = |name: &str| {
            let (seconds, memory, text) = in_a_process(&[name, at]);
            eprint_progress(name, size, seconds, memory, &text);
            (format!("{seconds:.2} s, {memory:.0} MiB"), text)
        };
        let (open, counts) = cell("open");
        let (count, bytes) = counts.split_once(' ').unwrap();
        let (resume, next) = cell("resume");
        let (analyze, _) = cell("analyze");
        let (render, _) = cell("render");
        let next = next.split_once(' ').unwrap();
        println!(
            "| {count} | {:.0} MB | {open} | {resume} | {} s, then {} s | {analyze} | {render} |",
            bytes.parse::<f64>().unwrap() / 1e6,
            next.0,
            next.1
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[expect(clippy::print_stderr, reason = "a benchmark that takes minutes prints its progress")]
fn eprint_progress(name: &str, size: &str, seconds: f64, memory: f64, text: &str) {
    eprintln!("{size} {name}: {seconds:.2} s, {memory:.0} MiB ({text})");
}
