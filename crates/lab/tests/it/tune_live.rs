//! `wattlab tune run` with a command that keeps running and reads whether it goes on.

use std::{
    fs,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;

const HEAD: &str = "stays_running = true\ntrial_timeout_s = 20.0\n\
    pruner = { kind = \"median\", most = 6 }\nsampler = { kind = \"random\" }";

/// A description with a parameter `x` from 0 to 1; `head` comes before the tables.
fn describe(folder: &Path, head: &str, trials: u32) {
    let text = format!(
        "metric = \"loss\"\nseed = 1\n{head}\nbudget = {{ trials = {trials} }}\n\
         [[space]]\nname = \"x\"\nkind = \"float\"\nlow = 0.1\nhigh = 1.0\n"
    );
    fs::write(folder.join("space.toml"), text).unwrap();
}

fn tune(folder: &Path, script: &str) -> Output {
    let journal = ["--journal", "study.jsonl"];
    let args =
        [&["tune", "run", "space.toml", "--json"][..], &journal, &["--", "sh", "-c", script]];
    super::wattlab(folder, &args.concat()).output().unwrap()
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", super::stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The events of a kind and a trial in the journal.
fn events(folder: &Path, kind: &str, trial: u32) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("study.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|event| event["event"] == kind && event["trial"] == trial).collect()
}

/// Trains for six steps; the loss is `x` after each, so that the order of trials never changes.
const TRAINING: &str = r#"echo $WATTLAB_TRIAL >> started
    for e in 1 2 3 4 5 6; do
        echo "loss: $WATTLAB_X"; read answer || exit 3
        echo "$e $answer" >> answers$WATTLAB_TRIAL
        [ $answer = stop ] && exit 0
    done; echo "never stopped" >> answers$WATTLAB_TRIAL"#;

fn answers(folder: &Path, trial: u32) -> Vec<String> {
    let text = fs::read_to_string(folder.join(format!("answers{trial}"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_command_is_asked_to_stop_and_never_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    describe(folder, HEAD, 24);
    let found = summary(&tune(folder, TRAINING));
    assert!(found["ended"].as_str().unwrap().contains("24 of 24"), "{found}");
    let started = fs::read_to_string(folder.join("started")).unwrap();
    let expected: Vec<String> = (0..24).map(|trial| trial.to_string()).collect();
    assert_eq!(started.lines().collect::<Vec<_>>(), expected);
    let mut stopped = 0;
    for trial in 0..24 {
        let answers = answers(folder, trial);
        let (last, before) = answers.split_last().unwrap();
        assert_eq!(*last, format!("{} stop", answers.len()), "trial {trial}");
        assert!(before.iter().all(|line| line.ends_with(" continue")), "trial {trial}: {before:?}");
        stopped += u32::from(answers.len() < 6);
        // What the whole run cost was paid once.
        assert_eq!(events(folder, "spent", trial).len(), 1);
    }
    assert!(stopped >= 4, "{stopped}");
    // The first trials run to the end, and so does the best one.
    assert!((0..8).all(|trial| answers(folder, trial).len() == 6));
    let losses = found["best"][0]["value"].as_f64().unwrap();
    assert!((0.1..0.4).contains(&losses), "{found}");
    // The journal can be read again, with the costs that came after the last value.
    let output = super::run(folder, &["tune", "show", "study.jsonl", "--json"]);
    assert!(output.status.success(), "{}", super::stderr(&output));
}

#[test]
fn commands_that_die_hang_or_do_not_read_do_not_block_a_study() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    describe(folder, &HEAD.replace("20.0", "3.0"), 6);
    let began = Instant::now();
    let script = r#"case $WATTLAB_TRIAL in
        0) echo "loss: 0.5"; exit 7;;
        1) echo "val loss: 0.5"; read answer;;
        2) exec <&-; for e in 1 2 3 4 5 6; do echo "loss: 0.$e"; done;;
        3) for e in 1 2 3 4 5 6; do echo "loss: 0.$e"; done; sleep 600;;
        4) echo "loss: 0.4"; read answer; echo "loss: nan"; read answer; echo "loss: 0.3";;
        *) for e in 1 2 3 4 5 6; do echo "loss: 0.2"; read answer; done;;
    esac"#;
    let output = tune(folder, script);
    let found = summary(&output);
    let shown = super::stderr(&output);
    assert!(found["ended"].as_str().unwrap().contains("6 of 6"), "{found}");
    assert!(began.elapsed() < Duration::from_secs(60));
    let last = |trial| events(folder, "told", trial).last().unwrap()["values"].clone();
    assert!(last(0).is_null() && last(1).is_null());
    assert!(
        shown.contains("trial 0: the command ended with exit status: 7 after step 1 of 6"),
        "{shown}"
    );
    assert!(shown.contains("trial 1: the command was ended in step 1"), "{shown}");
    let value = |trial| last(trial)[0].as_f64();
    assert_eq!([2, 3, 4, 5].map(value), [0.6, 0.6, 0.3, 0.2].map(Some), "{shown}");
}

#[test]
fn a_command_that_goes_on_after_stop_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    describe(folder, &HEAD.replace("20.0", "120.0"), 9);
    let script = r#"for e in 1 2 3 4 5 6; do
            echo "loss: 0.$WATTLAB_TRIAL"; read answer
            if [ $WATTLAB_TRIAL = 8 ] && [ $answer = stop ]; then
                echo $answer > told; trap '' TERM; sleep 600; fi
        done"#;
    let output = tune(folder, script);
    assert!(summary(&output)["ended"].as_str().unwrap().contains("9 of 9"));
    assert_eq!(fs::read_to_string(folder.join("told")).unwrap(), "stop\n");
    assert!(
        super::stderr(&output).contains("trial 8: the command was ended, because it did not end")
    );
}

#[test]
fn a_trial_that_was_interrupted_starts_again_and_keeps_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    describe(folder, HEAD, 3);
    // The first run of trial 1 kills the study in its third step.
    let script = r#"for e in 1 2 3 4 5 6; do
            if [ $e = 3 ] && [ $WATTLAB_TRIAL = 1 ] && [ ! -e killed ]; then touch killed; kill -9 $PPID; fi
            echo "loss: 0.$e$WATTLAB_TRIAL"; read answer || exit 3
        done"#;
    assert!(!tune(folder, script).status.success());
    let found = summary(&tune(folder, script));
    assert!(found["ended"].as_str().unwrap().contains("3 of 3"), "{found}");
    let steps: Vec<Value> =
        events(folder, "reported", 1).iter().map(|event| event["step"].clone()).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5].map(Value::from));
    assert_eq!(events(folder, "told", 1).len(), 1);
}

#[test]
fn workers_share_a_study_of_commands_that_keep_running() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    describe(folder, HEAD, 12);
    let args =
        ["tune", "run", "space.toml", "--json", "--journal", "study.jsonl", "--workers", "2"];
    let args = [&args[..], &["--", "sh", "-c", TRAINING]].concat();
    let found = summary(&super::wattlab(folder, &args).output().unwrap());
    assert!(found["ended"].as_str().unwrap().contains("12 of 12"), "{found}");
    assert_eq!(fs::read_to_string(folder.join("started")).unwrap().lines().count(), 12);
}

#[test]
fn what_such_a_command_needs_is_said() {
    let pruner = "pruner = { kind = \"median\", most = 6 }";
    for (head, part) in [
        ("stays_running = true\ntrial_timeout_s = 1.0".to_owned(), "needs a pruner"),
        (format!("stays_running = true\n{pruner}"), "needs `trial_timeout_s`"),
        (HEAD.replace("median", "hyperband"), "take `posterior`, `asha` or `median`"),
        (HEAD.replace("true", "\"yes\""), "`stays_running`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        describe(folder.path(), &head, 3);
        let output = tune(folder.path(), "true");
        let shown = super::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains(part) && shown.contains("space.toml"), "{shown}");
    }
}
