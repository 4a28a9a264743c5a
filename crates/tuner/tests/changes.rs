//! Studies that are changed from outside: queued and added trials, another space, bad reports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use serde_json::{Value, json};
use wattlab_tuner::{OpenStudy, Session, serve};

fn study(journal: Option<&Path>) -> Value {
    json!({
        "op": "study", "seed": 3, "sampler": { "kind": "random" },
        "space": [
            { "name": "batch", "kind": "categorical", "choices": [64, 128] },
            { "name": "rate", "kind": "float", "low": 1e-4, "high": 1e-1, "log": true },
        ],
        "journal": journal,
    })
}

fn open(request: &Value) -> (Session, Value) {
    let mut session = Session::default();
    let opened = session.answer(&request.to_string()).unwrap();
    (session, opened)
}

fn answer(session: &mut Session, request: &Value) -> Value {
    session.answer(&request.to_string()).unwrap()
}

fn refused(session: &mut Session, request: &Value) -> String {
    session.answer(&request.to_string()).unwrap_err().to_string()
}

/// Asks for trials and tells their rates.
fn run(session: &mut Session, trials: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for _ in 0..trials {
        let asked = answer(session, &json!({ "op": "ask" }));
        let tell =
            json!({ "op": "tell", "trial": asked["trial"], "value": asked["params"]["rate"] });
        answer(session, &tell);
        all.push(asked);
    }
    all
}

#[test]
fn queued_and_added_trials_are_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.jsonl");
    let (mut session, _) = open(&study(Some(&path)));
    let whole = json!({ "op": "enqueue", "params": { "batch": 128, "rate": 0.01 } });
    assert_eq!(answer(&mut session, &whole), json!({ "ok": true, "queued": 1 }));
    let part = json!({ "op": "enqueue", "params": { "batch": 64 } });
    assert_eq!(answer(&mut session, &part)["queued"], 2);
    let add = json!({ "op": "add", "params": { "batch": 64, "rate": 0.05 }, "value": 0.5 });
    assert_eq!(answer(&mut session, &add), json!({ "ok": true, "trial": 0 }));
    assert_eq!(answer(&mut session, &json!({ "op": "best" }))["value"], 0.5);
    assert_eq!(run(&mut session, 1)[0]["params"], json!({ "batch": 128, "rate": 0.01 }));
    drop(session);
    // The second one is still queued.
    let (mut session, _) = open(&study(Some(&path)));
    assert_eq!(run(&mut session, 1)[0]["params"]["batch"], 64);
    for (params, value, part) in [
        (
            json!({ "batch": 65, "rate": 0.01 }),
            json!(1),
            "parameter `batch` is 65, expected one of 64, 128",
        ),
        (json!({ "bach": 64 }), json!(1), "no parameter `bach`; did you mean `batch`?"),
        (json!({ "batch": 64 }), json!(1), "`params` lacks parameter `rate`"),
        (
            json!({ "batch": 64, "rate": 1.0 }),
            json!(1),
            "parameter `rate` is 1.0, expected a number from 0.0001",
        ),
        (json!({ "batch": 64, "rate": 0.01 }), json!([1, 2]), "1 objective"),
    ] {
        let request = json!({ "op": "add", "params": params, "value": value });
        let error = refused(&mut session, &request);
        assert!(error.contains(part), "{error}");
    }
    let read = OpenStudy::read(&path).unwrap();
    assert_eq!((read.trials().count(), read.started(), read.queued()), (3, 2, 0));
}

#[test]
fn a_changed_space_keeps_the_trials_that_are_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.jsonl");
    let (mut session, _) = open(&study(Some(&path)));
    let first = run(&mut session, 8);
    drop(session);
    // One choice more, in another order, and a wider range: all trials are kept.
    let mut wider = study(Some(&path));
    wider["space"][0]["choices"] = json!([256, 128, 64]);
    wider["space"][1]["high"] = json!(1.0);
    let (mut session, opened) = open(&wider);
    assert_eq!(opened, json!({ "ok": true }));
    assert_eq!(run(&mut session, 1)[0]["trial"], 8);
    drop(session);
    let kept = |path: &Path| -> Vec<Value> {
        let study = OpenStudy::read(path).unwrap();
        study.trials().map(|trial| json!(study.named(&trial.parameters))).collect()
    };
    let expected: Vec<Value> = first.iter().map(|asked| asked["params"].clone()).collect();
    assert_eq!(kept(&path)[..8], expected);
    // One choice less: the others are left out, and numbers go on.
    let mut less = study(Some(&path));
    less["space"][0]["choices"] = json!([64]);
    let (mut session, opened) = open(&less);
    let of_64 = kept(&path).iter().filter(|params| params["batch"] == 64).count();
    assert_eq!(opened["left_out"], json!(9 - of_64), "{opened}");
    assert_eq!(run(&mut session, 1)[0]["trial"], 9);
    drop(session);
    assert_eq!(OpenStudy::read(&path).unwrap().trials().count(), of_64 + 1);
    // Nothing is lost for a space that has them all.
    let (session, opened) = open(&wider);
    assert_eq!(opened, json!({ "ok": true }));
    drop(session);
    // A study of which nothing fits is another one.
    let mut other = study(Some(&path));
    other["space"][1]["name"] = json!("learning_rate");
    let error = Session::default().answer(&other.to_string()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("parameter `learning_rate` is new, parameter `rate` is gone"),
        "{cause}"
    );
}

#[test]
fn a_report_that_is_not_finite_is_one_bad_report() {
    let mut request = study(None);
    request["pruner"] = json!({ "kind": "median", "most": 4 });
    let (mut session, _) = open(&request);
    let report = |session: &mut Session, step: u32, value: &str| {
        session
            .answer(&format!(r#"{{"op": "report", "trial": 0, "step": {step}, "value": {value}}}"#))
    };
    answer(&mut session, &json!({ "op": "ask" }));
    for (step, value) in [(1, "NaN"), (2, "0.5"), (3, "Infinity"), (4, "0.25")] {
        assert_eq!(report(&mut session, step, value).unwrap(), json!({ "ok": true }));
    }
    assert_eq!(answer(&mut session, &json!({ "op": "best" }))["value"], 0.25);
    // At the very end there is no later report.
    answer(&mut session, &json!({ "op": "ask" }));
    let last = r#"{"op": "report", "trial": 1, "step": 4, "value": NaN}"#;
    assert_eq!(session.answer(last).unwrap(), json!({ "ok": true }));
    let stop = answer(&mut session, &json!({ "op": "should_stop", "trial": 1 }));
    assert_eq!(stop, json!({ "stop": true }));
}

#[test]
fn a_parameter_may_depend_on_two_others() {
    let mut request = study(None);
    let more = json!([
        { "name": "solver", "kind": "categorical", "choices": ["a", "b"] },
        { "name": "dual", "kind": "float", "low": 0.0, "high": 1.0, "only_if": { "batch": 64, "solver": ["b"] } },
    ]);
    request["space"].as_array_mut().unwrap().extend(more.as_array().unwrap().clone());
    let (mut session, _) = open(&request);
    let asked = run(&mut session, 40);
    let is_active =
        |asked: &Value| asked["params"]["batch"] == 64 && asked["params"]["solver"] == "b";
    assert!(asked.iter().all(|asked| asked["params"]["dual"].is_null() != is_active(asked)));
    assert!(asked.iter().any(is_active));
}

#[test]
fn a_repeated_point_is_said_to_be_one() {
    let mut request = study(None);
    request["space"] = json!([{ "name": "n", "kind": "int", "low": 1, "high": 2 }]);
    let (mut session, _) = open(&request);
    let repeated: Vec<bool> =
        (0..3).map(|_| answer(&mut session, &json!({ "op": "ask" }))["repeated"] == true).collect();
    assert_eq!(repeated, [false, false, true]);
}

#[test]
fn hostile_requests_are_errors() {
    let deep = "(".repeat(100_000);
    for (key, value, part) in [
        ("constraints", json!([format!("{deep}rate < 1")]), "depth of nesting is 129"),
        ("constraints", json!(vec!["rate < 1"; 1001]), "number of constraints is 1001"),
        ("sampler", json!({ "kind": "grid", "values": 1_000_000_000 }), "`values` is 1000000000"),
        ("pruner", json!({ "kind": "halving", "most": 4_294_967_295_u32 }), "`pruner.most`"),
    ] {
        let mut request = study(None);
        request[key] = value;
        let error = Session::default().answer(&request.to_string()).unwrap_err().to_string();
        assert!(error.contains(part) && error.len() < 2000, "{error}");
    }
    // A line that is too long is one error, and the next is answered.
    let mut requests = vec![b'x'; 40 << 20];
    requests.extend(b"\n{\"op\": \"ask\"}\n");
    let mut answers = Vec::new();
    serve(requests.as_slice(), &mut answers).unwrap();
    let answers = String::from_utf8(answers).unwrap();
    let lines: Vec<&str> = answers.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].contains("length of a line") && lines[1].contains("no study")
    );
}

#[test]
fn ten_thousand_parameters_are_asked_for_in_time() {
    let space: Vec<Value> = (0..10_000)
        .map(|index| json!({ "name": format!("x{index}"), "kind": "float", "low": 0.0, "high": 1.0 }))
        .collect();
    for kind in ["sobol", "random", "grid"] {
        let request = json!({ "op": "study", "sampler": { "kind": kind }, "space": space });
        let (mut session, _) = open(&request);
        for _ in 0..3 {
            let asked = answer(&mut session, &json!({ "op": "ask" }));
            assert_eq!(asked["params"].as_object().unwrap().len(), 10_000);
        }
    }
    let more = json!({ "op": "study", "space": vec![space[0].clone(); 30_000] });
    assert!(
        Session::default().answer(&more.to_string()).unwrap_err().to_string().contains("30000")
    );
}
