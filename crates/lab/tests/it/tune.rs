//! `wattlab tune`: studies over a pipe and of commands.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

struct Server {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = super::wattlab(folder, &["tune", "serve"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, requests, answers }
    }

    fn line(&mut self, line: &str) -> Value {
        writeln!(self.requests, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.line(&request.to_string())
    }

    /// Ends the server by closing its standard input.
    fn end(self) {
        let Self { mut child, requests, answers } = self;
        drop((requests, answers));
        assert!(child.wait().unwrap().success());
    }
}

fn study(journal: Option<&str>) -> Value {
    json!({
        "op": "study", "seed": 4, "direction": "minimize", "sampler": { "kind": "gp" },
        "space": [
            { "name": "rate", "kind": "float", "low": 1e-5, "high": 0.1, "log": true },
            { "name": "layers", "kind": "int", "low": 1, "high": 6 },
            { "name": "optimizer", "kind": "categorical", "choices": ["adam", "sgd"] },
        ],
        "journal": journal,
    })
}

/// Smallest at a rate of 1e-3 with four layers and Adam; two layers fail.
fn loss(params: &Value) -> Option<f64> {
    let layers = params["layers"].as_i64().unwrap();
    let worse = if params["optimizer"] == "adam" { 0.0 } else { 0.5 };
    let rate = params["rate"].as_f64().unwrap();
    (layers != 2).then(|| (rate.log10() + 3.0).powi(2) + (layers - 4).abs() as f64 + worse)
}

fn trials(server: &mut Server, count: usize) -> Vec<Value> {
    (0..count)
        .map(|_| {
            let asked = server.ask(&json!({ "op": "ask" }));
            let value = loss(&asked["params"]);
            let tell =
                json!({ "op": "tell", "trial": asked["trial"], "value": value, "cost_j": 2.5 });
            assert_eq!(server.ask(&tell), json!({ "ok": true }));
            asked
        })
        .collect()
}

#[test]
fn a_served_study_continues_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = Server::start(folder.path());
    assert_eq!(whole.ask(&study(None)), json!({ "ok": true }));
    let expected = trials(&mut whole, 20);
    let best = whole.ask(&json!({ "op": "best" }));
    assert!(best["value"].as_f64().unwrap() < 0.1, "{best}");
    assert_eq!(best["params"]["layers"], 4);
    assert_eq!(best["params"]["optimizer"], "adam");
    assert_eq!(best["cost_j"], 50.0);
    whole.end();

    let mut first = Server::start(folder.path());
    first.ask(&study(Some("study.jsonl")));
    let mut found = trials(&mut first, 9);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    // The kill left an unfinished line.
    let journal = folder.path().join("study.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(br#"{"event":"asked","tri"#).unwrap();
    let mut second = Server::start(folder.path());
    assert_eq!(second.ask(&study(Some("study.jsonl"))), json!({ "ok": true }));
    found.extend(trials(&mut second, 11));
    assert_eq!(found, expected);
    second.end();

    let mut other = Server::start(folder.path());
    let mut request = study(Some("study.jsonl"));
    request["seed"] = json!(5);
    assert!(other.ask(&request)["error"].as_str().unwrap().contains("another study"));
    other.end();
}

#[test]
fn a_study_stays_open_after_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let check = |answer: Value, words: &str| {
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("no error: {answer}"));
        assert!(error.contains(words), "`{error}` lacks `{words}`");
    };
    check(server.line(r#"{"op": "ask"}"#), "no study is open");
    check(server.line("ask"), "one JSON object a line");
    for (space, words) in [
        (json!([]), "no parameter"),
        (
            json!([{ "name": "x", "kind": "float", "low": 0.0, "high": 1.0, "log": true }]),
            "above 0",
        ),
        (json!([{ "name": "x", "kind": "float", "low": 1.0, "high": 1.0 }]), "`x`"),
        (json!([{ "name": "x", "kind": "float", "low": 1.0 }]), "`high`"),
        (json!([{ "name": "x", "kind": "int", "low": 0.5, "high": 2.0 }]), "whole"),
        (json!([{ "name": "x", "kind": "categorical", "choices": [] }]), "at least one choice"),
        (
            json!([{ "name": "x", "kind": "categorical", "choices": ["a", "b", "a"] }]),
            "\"a\" twice",
        ),
        (json!([{ "name": "", "kind": "float", "low": 0.0, "high": 1.0 }]), "have a name"),
        (json!([{ "name": "x", "kind": "float", "low": -1e308, "high": 1e308 }]), "narrow it"),
        (json!([{ "name": "x", "kind": "float", "low": 0.0, "hihg": 1.0 }]), "did you mean `high`"),
    ] {
        check(server.ask(&json!({ "op": "study", "space": space })), words);
    }
    for (key, value, words) in [
        (
            "direction",
            json!("minimise"),
            "`direction` must be \"minimize\", \"maximize\", or a list",
        ),
        ("budget_j", json!(-1.0), "`budget_j` is -1"),
        ("sampler", json!({ "kind": "pt" }), "the request `study` cannot be read"),
    ] {
        let mut request = study(None);
        request[key] = value;
        check(server.ask(&request), words);
    }
    server.ask(&study(None));
    check(server.ask(&json!({ "op": "best" })), "no trial");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": 1}"#), "not running");
    server.line(r#"{"op": "ask"}"#);
    check(server.line(r#"{"op": "tell", "trial": 0}"#), "value");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": "low"}"#), "null if the trial failed");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": [1, 2]}"#), "1 objective");
    // Python's `json.dumps(float("nan"))`: a failed trial.
    assert_eq!(server.line(r#"{"op": "tell", "trial": 0, "value": NaN}"#), json!({ "ok": true }));
    check(server.line(r#"{"op": "tell", "trial": 0, "value": 1}"#), "not running");
    assert_eq!(server.line(r#"{"op": "ask"}"#)["trial"], 1);
    server.end();
}

/// `examples/tune_serve.py`, run by the Python of this machine.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_python_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tune_serve.py");
    let output = std::process::Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_wattlab"))
        .current_dir(folder.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: python3 cannot be started: {error}");
            return;
        }
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("best: trial"), "{shown}");
}

/// `examples/tune_pytorch.py`, in two calls with the same journal.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_pytorch_example_runs() {
    let python = std::env::var("WATTLAB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = std::process::Command::new(&python).args(["-c", "import torch"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: `{python}` has no PyTorch; name another by WATTLAB_PYTHON");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let call = |legs: &str| {
        let output = std::process::Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tune_pytorch.py"))
            .args(["--wattlab", env!("CARGO_BIN_EXE_wattlab"), "--legs", legs])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = call("2");
    assert!(first.contains("trial 0, epochs 1 to 1: ") && first.contains("best: "), "{first}");
    call("1");
    let args = ["tune", "show", "tune-pytorch/study.jsonl", "--json"];
    let shown: Value = serde_json::from_slice(&run(folder.path(), &args).stdout).unwrap();
    let history = shown["history"].as_array().unwrap();
    assert!(
        !history.is_empty() && shown["silence"].as_str().unwrap().contains("need at least"),
        "{shown}"
    );
    // Without a probe there are no costs.
    assert!(
        history.iter().all(|trial| trial["cost"].as_f64().is_none_or(|cost| cost >= 0.0)),
        "{shown}"
    );
}

#[test]
fn a_served_study_keeps_conditions_steps_and_constraints() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let study = json!({
        "op": "study", "seed": 3, "budget_j": 500.0, "constraints": ["layers * width <= 128"],
        "space": [
            { "name": "optimizer", "kind": "categorical", "choices": ["adam", "sgd"] },
            { "name": "momentum", "kind": "float", "low": 0.0, "high": 0.9, "step": 0.3, "only_if": { "optimizer": "sgd" } },
            { "name": "layers", "kind": "int", "low": 1, "high": 8 },
            { "name": "width", "kind": "int", "low": 16, "high": 64, "step": 16 },
        ],
    });
    assert_eq!(server.ask(&study), json!({ "ok": true }));
    let mut momenta = Vec::new();
    for _ in 0..20 {
        let asked = server.ask(&json!({ "op": "ask" }));
        let params = &asked["params"];
        assert_eq!(params["momentum"].is_null(), params["optimizer"] == "adam", "{asked}");
        momenta.extend(params["momentum"].as_f64());
        let (layers, width) =
            (params["layers"].as_i64().unwrap(), params["width"].as_i64().unwrap());
        assert!(layers * width <= 128 && width % 16 == 0, "{asked}");
        let tell = json!({ "op": "tell", "trial": asked["trial"], "value": layers - width, "cost_j": width });
        assert_eq!(server.ask(&tell), json!({ "ok": true }));
    }
    assert!(
        !momenta.is_empty()
            && momenta.iter().all(|momentum| [0.0, 0.3, 0.6, 0.9].contains(momentum))
    );
    server.end();

    for (change, words) in [
        (json!({ "constraints": ["layers +"] }), "expected a number"),
        (
            json!({ "constraints": ["depth < 3"] }),
            "unknown parameter `depth`; available parameters: optimizer",
        ),
        (json!({ "constraints": ["layers > 9"] }), "no point was found"),
        (
            json!({ "space": [{ "name": "x", "kind": "float", "low": 0.0, "high": 1.0, "step": -1.0 }] }),
            "step",
        ),
        (
            json!({ "space": [{ "name": "x", "kind": "int", "low": 0, "high": 1, "only_if": { "y": 1 } }] }),
            "not a parameter before it",
        ),
    ] {
        let mut server = Server::start(folder.path());
        let mut request = study.clone();
        request.as_object_mut().unwrap().remove("constraints");
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = server.ask(&request);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{answer}");
        server.end();
    }
}

fn run(folder: &Path, args: &[&str]) -> std::process::Output {
    super::wattlab(folder, args).output().unwrap()
}

/// A command that fails at large rates, and prints its loss otherwise.
const SCRIPT: &str = r#"awk -v rate="$WATTLAB_RATE" -v layers="{layers}" 'BEGIN {
    if (rate > 0.05) exit 3
    value = log(rate) / log(10) + 3
    print "loss: " value * value + (layers - 4) * (layers - 4)
}'"#;

fn description(folder: &Path, budget: &str) -> String {
    let text = format!(
        r#"
        metric = "loss"
        seed = 4
        budget = {{ {budget} }}
        [[space]]
        name = "rate"
        kind = "float"
        low = 1e-5
        high = 0.1
        log = true
        [[space]]
        name = "layers"
        kind = "int"
        low = 1
        high = 6
        "#
    );
    let path = folder.join("space.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Trials and parameters in a journal, in the order of asking.
fn asked(folder: &Path, journal: &str) -> Vec<(Value, Value)> {
    let text = std::fs::read_to_string(folder.join(journal)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let asked = lines.filter(|event| event["event"] == "asked");
    asked.map(|event| (event["trial"].clone(), event["parameters"].clone())).collect()
}

#[test]
fn a_command_is_tuned_and_its_study_continues_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let whole = description(folder.path(), "trials = 14");
    let args =
        ["tune", "run", &whole, "--json", "--journal", "whole.jsonl", "--", "sh", "-c", SCRIPT];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["schema"], &summary["legs"]), (&json!("wattlab.tune/1"), &json!(14)));
    let best = &summary["best"][0];
    assert_eq!(best["params"]["layers"], 4, "{summary}");
    assert!(best["value"].as_f64().unwrap() < 0.3, "{summary}");
    assert!(summary["trials"]["seconds"].as_f64().unwrap() > 0.0);
    assert!(summary["trials"]["joules"].is_null() == summary["trials"]["origin"].is_null());
    assert!(summary["ended"].as_str().unwrap().contains("trials are used up"), "{summary}");

    // In two parts, with the same journal.
    for trials in ["trials = 5", "trials = 14"] {
        let part = description(folder.path(), trials);
        let args = ["tune", "run", &part, "--journal", "parts.jsonl", "--", "sh", "-c", SCRIPT];
        assert!(run(folder.path(), &args).status.success());
    }
    assert_eq!(asked(folder.path(), "parts.jsonl"), asked(folder.path(), "whole.jsonl"));

    // What the study has learned.
    let args = ["tune", "show", "whole.jsonl", "--json", "--svg", "figures"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["history"].as_array().unwrap().len(), 14);
    let shares: f64 = ["importance", "interactions"]
        .iter()
        .flat_map(|key| shown[key].as_array().unwrap())
        .map(|entry| entry["share"].as_f64().unwrap())
        .sum();
    assert!((0.5..=1.0 + 1e-9).contains(&shares), "{shown}");
    for figure in ["history", "importance", "dependence-0", "parallel-coordinates"] {
        let svg = std::fs::read_to_string(folder.path().join(format!("figures/{figure}.svg")));
        assert!(svg.unwrap().contains("</svg>"));
    }
}

#[test]
fn an_invalid_description_is_refused_before_the_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |toml: &str, command: &[&str], words: &str| {
        std::fs::write(folder.path().join("bad.toml"), toml).unwrap();
        let args = [&["tune", "run", "bad.toml", "--"], command].concat();
        let output = run(folder.path(), &args);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains(words), "`{shown}` lacks `{words}`");
    };
    let x = "[[space]]\nname = \"x\"\nkind = \"float\"\nlow = 0.0\nhigh = 1.0\n";
    let full = format!("metric = \"loss\"\nbudget = {{ trials = 3 }}\n{x}");
    refused(x, &["true"], "`metric` is missing");
    refused(&format!("metric = \"loss\"\n{x}"), &["true"], "`budget` is missing");
    refused(&full.replace("trials", "trails"), &["true"], "did you mean `trials`");
    refused(&full.replace("trials = 3", "joules = -1.0"), &["true"], "`budget.joules` is -1");
    refused(&full.replace("trials = 3", "grams = 1.0"), &["true"], "grams_per_kwh");
    refused(&full.replace("low", "lo"), &["true"], "low");
    refused(&full.replace("trials = 3", "trials = 0"), &["true"], "`budget.trials` is 0");
    refused(&format!("budget_j = 9.0\n{full}"), &["true"], "`budget = { joules");
    refused(&format!("direction = \"up\"\n{full}"), &["true"], "`direction` must be \"minimize\"");
    refused(&format!("sampler = \"gp\"\n{full}"), &["true"], "{ kind = \"gp\" }");
    // Every error names the file.
    refused(&full.replace("high = 1.0", "high = 0.0"), &["true"], "`bad.toml`: parameter `x`");
    refused(&format!("{full}log = true\n"), &["true"], "`bad.toml`: parameter `x`");
    refused(&full, &["echo", "{y}"], "`{y}`");
    refused(&full, &["no-such-command-anywhere"], "failed to run `no-such-command-anywhere`");
    let output = run(folder.path(), &["tune", "show", "absent.jsonl"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_budget_of_seconds_ends_a_study_whose_trials_all_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = description(folder.path(), "seconds = 0.3, trials = 1000");
    let args = ["tune", "run", &path, "--json", "--", "sh", "-c", "exit 3"];
    let output = run(folder.path(), &args);
    // Nothing was learned, and the exit code says so.
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(shown.contains("trials gave `loss`: run the command by hand"), "{shown}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["legs"].as_u64().unwrap() < 1000, "{summary}");
    assert_eq!(summary["best"], json!([]));
    let spent = |of: &str| summary[of]["seconds"].as_f64().unwrap();
    assert!(spent("trials") + spent("search") >= 0.3, "{summary}");
}

#[test]
fn a_study_whose_trials_were_all_stopped_early_has_not_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = description(folder.path(), "trials = 2");
    let text = std::fs::read_to_string(&path).unwrap();
    let pruner = "[pruner]\nkind = \"posterior\"\nleast = 1\nmost = 9\nfactor = 3\n";
    std::fs::write(&path, format!("{text}\n{pruner}")).unwrap();
    // Each trial gives a value and fails later on.
    let script = "[ $WATTLAB_FROM = 0 ] && echo loss: 0.5";
    let args = ["tune", "run", &path, "--json", "--", "sh", "-c", script];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["best"], json!([]), "{summary}");
    assert!(summary["ended"].as_str().unwrap().contains("2 of 2"), "{summary}");
}

#[test]
fn a_finished_comparison_is_not_repeated_and_its_published_half_is_reused() {
    let folder = tempfile::tempdir().unwrap();
    let compare = |out: &str, more: &[&str]| -> Value {
        let sizes = "--images 64 --validation 64 --test 32 --minibatch 32 --epochs 2 --trials 2";
        let mut args = vec!["tune", "compare", "--network", "dense-poly", "--out", out, "--json"];
        args.extend(sizes.split(' '));
        args.extend(["--first-seed", "7", "--seeds", "1"]);
        args.extend(more);
        let output = super::run(folder.path(), &args);
        assert!(output.status.success(), "{}", super::stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let first = compare("a.jsonl", &[]);
    let one = &first["comparisons"][0];
    assert_eq!(one["seed"], 7);
    assert_eq!(one["paper_pi"]["trials"], 2);
    let joules = |of: &str, what: &str| one[of][what].as_f64().unwrap();
    for of in ["paper_pi", "ours"] {
        assert!(joules(of, "training_j") > 0.0);
        assert!(joules(of, "search_uncertainty_j") > 0.0);
        assert!((0.0..=1.0).contains(&joules(of, "test")));
    }
    // Equal to the last digit of a joule, so nothing was trained again.
    assert_eq!(compare("a.jsonl", &[])["comparisons"], first["comparisons"]);
    let beside = compare("b.jsonl", &["--beside", "a.jsonl"]);
    assert_eq!(beside["comparisons"][0]["paper_pi"], one["paper_pi"]);
    let missing = super::run(folder.path(), &["tune", "compare", "--out", "c", "--beside", "no"]);
    assert_eq!(missing.status.code(), Some(2));
}
