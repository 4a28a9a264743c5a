//! `wattlab tune serve`: a study over a pipe.

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

    /// Ends it by closing its standard input.
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

/// Least at a rate of 1e-3, four layers and Adam; two layers fail.
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
fn a_study_is_served_and_goes_on_after_a_kill() {
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
    // A line that the kill cut off.
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
fn errors_leave_the_study_open() {
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
    ] {
        check(server.ask(&json!({ "op": "study", "space": space })), words);
    }
    server.ask(&study(None));
    check(server.ask(&json!({ "op": "best" })), "no trial");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": 1}"#), "not under way");
    server.line(r#"{"op": "ask"}"#);
    check(server.line(r#"{"op": "tell", "trial": 0}"#), "value");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": "low"}"#), "null if the trial failed");
    check(server.line(r#"{"op": "tell", "trial": 0, "value": [1, 2]}"#), "1 objective");
    // Python's `json.dumps(float("nan"))`: a failed trial.
    assert_eq!(server.line(r#"{"op": "tell", "trial": 0, "value": NaN}"#), json!({ "ok": true }));
    check(server.line(r#"{"op": "tell", "trial": 0, "value": 1}"#), "not under way");
    assert_eq!(server.line(r#"{"op": "ask"}"#)["trial"], 1);
    server.end();
}

/// The example, driven by the Python of this machine.
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
