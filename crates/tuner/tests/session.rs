//! Studies over JSON Lines, and their journals.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

use serde_json::{Value, json};
use units::Origin;
use wattlab_tuner::{OpenStudy, Session, Spent, TunerError, serve};

fn study(journal: Option<&Path>) -> Value {
    json!({
        "op": "study", "seed": 3, "direction": "minimize", "sampler": { "kind": "grid", "values": 3 },
        "space": [
            { "name": "rate", "kind": "float", "low": 0.0, "high": 1.0 },
            { "name": "layers", "kind": "int", "low": 1, "high": 2 },
        ],
        "journal": journal,
    })
}

fn answer(session: &mut Session, request: &Value) -> Value {
    session.answer(&request.to_string()).unwrap()
}

/// Asks for trials and tells their loss.
fn run(session: &mut Session, trials: usize) -> Vec<Value> {
    (0..trials)
        .map(|_| {
            let asked = answer(session, &json!({ "op": "ask" }));
            let loss = asked["params"]["rate"].as_f64().unwrap();
            let tell =
                json!({ "op": "tell", "trial": asked["trial"], "value": loss, "cost_j": 2.0 });
            assert_eq!(answer(session, &tell), json!({ "ok": true }));
            asked
        })
        .collect()
}

#[test]
fn a_study_continues_from_its_journal() {
    let mut whole = Session::default();
    answer(&mut whole, &study(None));
    let expected = run(&mut whole, 6);
    let exhausted = whole.answer(r#"{"op": "ask"}"#).unwrap_err().to_string();
    assert!(exhausted.contains("the grid has 6 cells"), "{exhausted}");

    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("study.jsonl");
    let mut found = Vec::new();
    for trials in [2, 3, 1] {
        let mut session = Session::default();
        assert_eq!(answer(&mut session, &study(Some(&journal))), json!({ "ok": true }));
        found.extend(run(&mut session, trials));
    }
    assert_eq!(found, expected);
    let read = OpenStudy::read(&journal).unwrap();
    assert_eq!((read.trials().count(), read.told(), read.cost_j()), (6, 6, Some(12.0)));
    assert_eq!(read.values_of(read.best().unwrap()), Some(vec![0.0]));
    // In the sign of the client, who minimizes.
    let progress = read.progress();
    let losses: Vec<f64> =
        expected.iter().map(|asked| asked["params"]["rate"].as_f64().unwrap()).collect();
    assert_eq!(progress.iter().filter_map(|point| point.value).collect::<Vec<_>>(), losses);
    assert!(progress.is_sorted_by(|a, b| a.best >= b.best && a.cost < b.cost), "{progress:?}");
    assert_eq!((progress[5].best, progress[5].cost), (Some(0.0), 12.0));
}

#[test]
fn a_trial_that_was_running_is_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("study.jsonl");
    let mut session = Session::default();
    answer(&mut session, &study(Some(&journal)));
    let asked = answer(&mut session, &json!({ "op": "ask" }));
    drop(session);
    let mut session = Session::default();
    let opened = answer(&mut session, &study(Some(&journal)));
    assert_eq!(opened["under_way"], json!([asked]));
    let tell = json!({ "op": "tell", "trial": 0, "value": null });
    assert_eq!(answer(&mut session, &tell), json!({ "ok": true }));
}

#[test]
fn another_study_does_not_continue_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("study.jsonl");
    answer(&mut Session::default(), &study(Some(&journal)));
    for (key, value) in [
        ("seed", json!(4)),
        ("direction", json!("maximize")),
        ("sampler", json!({ "kind": "grid", "values": 4 })),
        ("sampler", json!({ "kind": "gp" })),
    ] {
        let mut request = study(Some(&journal));
        request[key] = value;
        let error = Session::default().answer(&request.to_string()).unwrap_err();
        let TunerError::Replay { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains("another study"), "{source}");
    }
    // A setting that is given as its default is the same study.
    let mut request = study(Some(&journal));
    request["sampler"]["paper"] = json!(false);
    assert_eq!(answer(&mut Session::default(), &request), json!({ "ok": true }));
}

#[test]
fn a_cost_that_comes_after_the_last_value_is_paid_once_live_and_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("study.jsonl");
    let mut request = study(Some(&journal));
    request["sampler"] = json!({ "kind": "random" });
    request["pruner"] = json!({ "kind": "asha", "most": 9, "resumes": false });
    answer(&mut Session::default(), &request);
    let mut study = OpenStudy::open(&journal).unwrap();
    let segment = study.ask().unwrap();
    study.tell(segment.number, &json!(0.5), None).unwrap();
    assert!(study.should_stop(segment.number).unwrap());
    let spent = Spent {
        seconds: 2.0,
        joules: Some(5.0),
        uncertainty_j: None,
        origin: Some(Origin::Estimated),
    };
    study.add_spent(Some(segment.number), spent).unwrap();
    let costs = |study: &OpenStudy| -> Vec<Option<f64>> {
        study.trials().map(|trial| trial.cost).collect()
    };
    assert_eq!(costs(&study), [Some(5.0)]);
    drop(study);
    let study = OpenStudy::read(&journal).unwrap();
    assert_eq!(costs(&study), [Some(5.0)]);
    assert!(study.would_start());
}

/// As this program wrote them before lines had seals.
#[test]
fn an_old_journal_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("study.jsonl");
    let lines = [
        r#"{"event":"study","seed":1,"sampler":{"kind":"grid","values":5,"paper":false},"space":[{"name":"x","kind":"float","low":0.0,"high":1.0,"log":false,"choices":null}]}"#,
        r#"{"event":"asked","trial":0,"parameters":[0.25]}"#,
        r#"{"event":"spent","trial":0,"seconds":2.0,"joules":5.0,"origin":"estimated"}"#,
        r#"{"event":"told","trial":0,"values":[0.5],"cost_j":null}"#,
        r#"{"event":"asked","trial":1,"parameters":[0.5]}"#,
        r#"{"event":"told","trial":1,"values":null,"cost_j":7.0}"#,
        "",
    ];
    fs::write(&journal, lines.join("\n")).unwrap();
    let study = OpenStudy::read(&journal).unwrap();
    let costs: Vec<Option<f64>> = study.trials().map(|trial| trial.cost).collect();
    assert_eq!(costs, [Some(5.0), Some(7.0)]);
    assert_eq!(study.trial_json(study.best().unwrap())["value"], 0.5);
    assert_eq!(study.spent_by_trials().joules, Some(5.0));

    let pruned = [
        r#"{"event":"study","seed":1,"sampler":{"kind":"gp"},"space":[{"name":"x","kind":"float","low":0.0,"high":1.0}],"pruner":{"kind":"asha","least":1,"most":9,"factor":3}}"#,
        r#"{"event":"asked","trial":0,"parameters":[0.25],"until":3}"#,
        r#"{"event":"reported","trial":0,"step":1,"values":[0.9]}"#,
        r#"{"event":"told","trial":0,"values":[0.5],"cost_j":1.0}"#,
        r#"{"event":"asked","trial":0,"parameters":[0.25],"until":9}"#,
        "",
    ];
    fs::write(&journal, pruned.join("\n")).unwrap();
    let study = OpenStudy::read(&journal).unwrap();
    let segment = &study.running()[0];
    assert_eq!((segment.number, segment.from, segment.until), (0, 3, 9));
    assert!(study.has_values() && study.best().is_err());
}

#[test]
fn an_error_is_an_answer_and_the_session_goes_on() {
    let requests = [
        "ask".to_owned(),
        r#"{"op": "ask"}"#.to_owned(),
        study(None).to_string(),
        r#"{"op": "tell", "trial": 5, "value": 1.0}"#.to_owned(),
        r#"{"op": "report", "trial": 0, "step": 1, "value": 1.0}"#.to_owned(),
        String::new(),
        r#"{"op": "ask"}"#.to_owned(),
        r#"{"op": "tell", "trial": 0, "value": 1.0, "cost_j": -2.0}"#.to_owned(),
        r#"{"op": "tell", "trial": 0, "value": NaN}"#.to_owned(),
        r#"{"op": "best"}"#.to_owned(),
    ];
    let mut answers = Vec::new();
    serve(requests.join("\n").as_bytes(), &mut answers).unwrap();
    let text = String::from_utf8(answers).unwrap();
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 9, "an empty line has no answer");
    for (index, part) in [
        (0, "one JSON object a line"),
        (1, "no study is open"),
        (3, "trial 5 is not running"),
        (4, "the study has no `pruner`"),
        (6, "`cost_j` is -2"),
        (8, "no trial has given a value yet"),
    ] {
        let error = answers[index]["error"].as_str().unwrap_or_default();
        assert!(error.contains(part), "`{error}` lacks `{part}`");
    }
    assert_eq!((&answers[2], &answers[7]), (&json!({ "ok": true }), &json!({ "ok": true })));
    assert_eq!(answers[5]["trial"], 0);
}

#[test]
fn numbers_outside_their_limits_are_errors_that_name_the_key() {
    for (key, value, part) in [
        ("budget_j", json!(-1.0), "`budget_j` is -1"),
        ("pruner", json!({ "most": 0 }), "`most` 0"),
        ("pruner", json!({ "most": 4_000_000_000_u32 }), "`pruner.most` is 4000000000"),
        ("pruner", json!({ "most": 9, "factor": 1 }), "`factor` 1, expected at least 2"),
        ("direction", json!([]), "`direction` is empty"),
        ("limits", json!([0.5, null]), "`limits` has 2 entries, expected 1"),
        ("sampler", json!({ "kind": "grid", "values": 0 }), "`values` is 0"),
        ("sampler", json!({ "kind": "gird" }), "unknown sampler `gird`; available samplers: `gp`"),
    ] {
        let mut request = study(None);
        request[key] = value;
        let error = Session::default().answer(&request.to_string()).unwrap_err().to_string();
        assert!(error.contains(part), "`{error}` lacks `{part}`");
    }
}
