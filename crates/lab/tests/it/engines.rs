//! Engines and networks of the user in the studies.

use std::{fs, path::Path};

use record::{Engine, Outcome, RunRecord, Task, TrainedNetwork, read_journal};
use serde_json::Value;

use super::{TINY, run, stderr};

const ENGINES: &str = r#"
name = "engines"
seed = 3

[engines]
data        = [{ name = "shapes-28", train = 96, validation = 0, test = 32 }]
networks    = [
    { kind = "simple-cnn", conv = 2, linear = 3, relu = true },
    { kind = "dense-poly", conv = 0, linear = 3, relu = true },
]
repetitions = 2
epochs      = 2
minibatch   = 32
"#;

const OWN: &str = r#"
name = "own"
seed = 3

[own]
network     = "mine.toml"
data        = [{ name = "shapes-28", train = 96, validation = 0, test = 32 }]
settings    = 1
repetitions = 2
epochs      = 1
minibatch   = 32

[[own.factor]]
path   = "layers.0.out"
values = [4, 8]

[[own.factor]]
path   = "layers.1.kind"
values = ["relu", "silu"]

[timeline]
networks       = ["mine.toml", "squeezenet1_1", "efficientnet_lite0"]
image_side     = 32
batch          = 2
batches        = 1
warmup_batches = 1
repetitions    = 1
"#;

const MINE: &str = r#"
# A comment, which no spec holds.
name = "mine"
input = [3, 24, 24]
classes = 5

[[layers]]
kind = "conv2d"
out = 4
kernel = 3

[[layers]]
kind = "relu"

[[layers]]
kind = "global_avg_pool"

[[layers]]
kind = "linear"
out = "classes"
"#;

fn records(folder: &Path) -> Vec<RunRecord> {
    read_journal(&folder.join("out/journal.jsonl")).unwrap()
}

fn reproduce(folder: &Path, profile: &str, more: &[&str]) -> std::process::Output {
    fs::write(folder.join("p.toml"), profile).unwrap();
    let args = ["reproduce", "--profile", "p.toml", "--out", "out"];
    run(folder, &[&args[..], more].concat())
}

#[test]
fn both_engines_are_compared_in_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let done = reproduce(folder.path(), ENGINES, &["--json"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let records = records(folder.path());
    assert_eq!(records.len(), 8);
    for (at, pair) in records.chunks(2).enumerate() {
        let of = |record: &RunRecord| match (&record.spec.task, &record.outcome) {
            (Task::Train(task), Outcome::Trained(trained)) => {
                (task.engine, task.network.clone(), trained.epochs[1].loss.unwrap())
            }
            _ => unreachable!(),
        };
        let (first, second) = (of(&pair[0]), of(&pair[1]));
        // Our kernels begin in the first repetition, candle in the second.
        let begins = if at < 2 { Engine::Fused } else { Engine::Candle };
        assert_eq!(first.0, begins);
        assert_ne!(first.0, second.0);
        assert_eq!((&first.1, pair[0].spec.seed), (&second.1, pair[1].spec.seed));
        assert!((first.2 - second.2).abs() < 1e-3 * first.2, "{first:?} {second:?}");
    }
    let results: Value = serde_json::from_slice(&done.stdout).unwrap();
    let claims = results["claims"].as_array().unwrap();
    let finding = claims.iter().find(|claim| claim["id"] == "engine-cost").unwrap();
    assert!(finding["measured"]["energy_ratio_least"].as_f64().unwrap() > 0.0, "{finding}");
    assert!(finding["measured"]["loss_difference_share"].as_f64().unwrap() < 1e-3, "{finding}");
    let report = fs::read_to_string(folder.path().join("out/report/report.md")).unwrap();
    assert!(report.contains("What does the engine cost?"));
    let checked = run(folder.path(), &["check", "out"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
}

#[test]
fn values_of_a_network_file_are_factors_and_files_are_on_the_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.toml");
    fs::write(&mine, MINE).unwrap();
    let done = reproduce(folder.path(), OWN, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let first = records(folder.path());
    assert_eq!(first.len(), 8 + 3);
    let mut parameters = Vec::new();
    for record in &first {
        match (&record.spec.task, &record.outcome) {
            (Task::Train(task), Outcome::Trained(trained)) => {
                let TrainedNetwork::Own(own) = &task.network else { unreachable!() };
                assert!(own.text.contains("conv2d") && !own.text.contains("comment"), "{own:?}");
                assert_eq!(own.levels.len(), 2);
                parameters.push(trained.parameters);
            }
            (Task::Infer(task), Outcome::Inferred(_)) => {
                let side = if task.network == "mine.toml" { 24 } else { 32 };
                let in_file = task.network != "squeezenet1_1";
                assert_eq!((task.image_side, task.text.is_some()), (side, in_file));
                // The file that comes with the program quotes an accuracy, so it is compared with the others.
                let quoted = task.published.map(|figures| figures.top1);
                assert_eq!(quoted, (task.network == "efficientnet_lite0").then_some(75.1));
            }
            _ => unreachable!(),
        }
    }
    parameters.sort_unstable();
    // A gray image, 4 or 8 channels, 10 classes.
    let of = |width: usize| 9 * width + width + 10 * width + 10;
    assert_eq!(parameters, [of(4), of(4), of(4), of(4), of(8), of(8), of(8), of(8)]);
    let report = fs::read_to_string(folder.path().join("out/report/report.md")).unwrap();
    assert!(report.contains("| efficientnet_lite0 | 2020 | 75.1"), "{report}");
    assert!(report.contains("layers.0.out = 8, layers.1.kind = silu"), "{report}");
    assert!(report.contains("Type III ANOVA of training energy of `mine.toml`"), "{report}");
    assert!(report.contains("Networks without published accuracy"), "{report}");

    // Another comment makes no new runs; another value does.
    fs::write(&mine, format!("# {MINE}")).unwrap();
    let again = reproduce(folder.path(), OWN, &[]);
    assert!(stderr(&again).contains("nothing was measured"), "{}", stderr(&again));
    fs::write(&mine, MINE.replace("kernel = 3", "kernel = 5")).unwrap();
    let other = reproduce(folder.path(), OWN, &[]);
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
}

#[test]
fn what_is_wrong_with_a_network_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), MINE).unwrap();
    for (from, to, expected) in [
        (
            "network     = \"mine.toml\"",
            "network = \"yours.toml\"",
            "key `own.network` is `yours.toml`",
        ),
        ("path   = \"layers.0.out\"", "path = \"layers.7.out\"", "no `layers.7.out` to change"),
        (
            "path   = \"layers.0.out\"",
            "path = \"input.0\"",
            "key `own.factor[0].path` is `input.0`",
        ),
        ("values = [4, 8]", "values = [4]", "key `own.factor[0].values`"),
        ("values = [4, 8]", "values = [4, 0]", "layer 0 (`conv2d`)"),
        ("values = [\"relu\", \"silu\"]", "values = [\"relu\", \"tanh\"]", "tanh"),
        ("name = \"own\"", "name = \"own\"\nengine = \"candel\"", "candel"),
        (
            "networks       = [\"mine.toml\"",
            "networks = [\"no.toml\"",
            "key `timeline.networks` is `no.toml`",
        ),
    ] {
        assert!(OWN.contains(from), "{from}");
        let refused = reproduce(folder.path(), &OWN.replacen(from, to, 1), &[]);
        let message = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{to}: {message}");
        assert!(message.contains(expected), "{to}: {message}");
        assert!(!folder.path().join("out").exists(), "{to}");
    }
}

#[test]
fn the_flag_chooses_the_engine_of_the_studies() {
    let folder = tempfile::tempdir().unwrap();
    let done = reproduce(folder.path(), TINY, &["--rq", "2", "--engine", "candle"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let records = records(folder.path());
    assert_eq!(records.len(), 16);
    for record in &records {
        let Task::Train(task) = &record.spec.task else { unreachable!() };
        assert_eq!(task.engine, Engine::Candle);
    }
    // Without runs of the other engine there is nothing to compare.
    let results = fs::read_to_string(folder.path().join("out/results.json")).unwrap();
    assert!(!results.contains("engine-cost"));
    let shown = run(folder.path(), &["journal", "show", "out"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("engine candle"));
    // The journal belongs to that engine.
    let other = reproduce(folder.path(), TINY, &["--rq", "2"]);
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
}
