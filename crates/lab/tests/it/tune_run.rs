//! `wattlab tune run`: what is read of a command's output, time limits, and how a study ends.

use std::{
    fs,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A description with a parameter `x` from 0 to 1; `head` comes before the tables.
fn describe(folder: &Path, head: &str, budget: &str) {
    let text = format!(
        "metric = \"loss\"\nseed = 1\n{head}\nbudget = {{ {budget} }}\n\
         [[space]]\nname = \"x\"\nkind = \"float\"\nlow = 0.0\nhigh = 1.0\n"
    );
    fs::write(folder.join("space.toml"), text).unwrap();
}

const PRUNER: &str = "pruner = { kind = \"median\", most = 9 }";

fn tune(folder: &Path, script: &str) -> Output {
    let args = [
        "tune",
        "run",
        "space.toml",
        "--json",
        "--journal",
        "study.jsonl",
        "--",
        "sh",
        "-c",
        script,
    ];
    super::wattlab(folder, &args).output().unwrap()
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", super::stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The events of a kind in the journal.
fn events(folder: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("study.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|event| event["event"] == kind).collect()
}

/// The value of the only trial of a study whose command prints a text.
fn value_of(printed: &str, metric: &str) -> Option<f64> {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    let text = fs::read_to_string(folder.path().join("space.toml")).unwrap();
    let text = text.replace("\"loss\"", &format!("{metric:?}"));
    fs::write(folder.path().join("space.toml"), text).unwrap();
    fs::write(folder.path().join("printed"), printed).unwrap();
    let output = tune(folder.path(), "cat printed");
    match output.status.code() {
        Some(0) => summary(&output)["best"][0]["value"].as_f64(),
        code => {
            assert_eq!(code, Some(1), "{}", super::stderr(&output));
            None
        }
    }
}

#[test]
fn a_printed_number_is_read_whole_or_not_at_all() {
    for (printed, metric, expected) in [
        ("loss: tensor(0.2500)\n", "loss", Some(0.25)),
        ("loss: 0.3 - val_loss: 0.4\n", "loss", Some(0.3)),
        ("{'eval_loss': np.float64(0.42), 'epoch': 3.0}\n", "eval_loss", Some(0.42)),
        (
            "  0%| | 0/10 [00:01<00:00, loss=0.9]\r100%|#| 10/10 [00:01<00:00, loss=0.31]\n",
            "loss",
            Some(0.31),
        ),
        ("val/loss: 0.5 train/loss: 0.1\n", "val/loss", Some(0.5)),
        ("\u{1b}[32mloss: 5.0e-01\u{1b}[0m ± 0.1", "loss", Some(0.5)),
        ("loss: 0.7\nloss: 1,234.5\n", "loss", None),
        ("loss: 1_000\n", "loss", None),
        ("loss: 0,25\n", "loss", None),
        ("train/loss: 0.1\nval/loss: 0.5\n", "loss", None),
        ("train loss: 0.1\nval loss: 0.5\n", "loss", None),
        ("train loss: 0.1\nval loss: 0.5\n", "val loss", Some(0.5)),
    ] {
        assert_eq!(value_of(printed, metric), expected, "{printed}");
    }
}

#[test]
fn one_nan_epoch_does_not_end_the_study() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), &PRUNER.replace("median", "asha"), "trials = 10");
    let script = r#"for e in $(seq $((WATTLAB_FROM + 1)) $WATTLAB_UNTIL); do
        if [ $WATTLAB_TRIAL = 2 ] && [ $e = $((WATTLAB_FROM + 1)) ]; then echo "loss: nan"
        else echo "epoch $e loss: 0.$((9 - e))$WATTLAB_TRIAL"; fi; done"#;
    let ended = &summary(&tune(folder.path(), script))["ended"];
    assert!(ended.as_str().unwrap().contains("10 of 10"), "{ended}");
    // The epochs beside the bad one are kept.
    let reported = events(folder.path(), "reported");
    let of_two: Vec<&Value> = reported.iter().filter(|event| event["trial"] == 2).collect();
    assert_eq!((of_two.len(), &of_two[0]["step"]), (7, &Value::from(2)), "{of_two:?}");
}

#[test]
fn values_of_some_epochs_are_taken_for_their_epochs() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), PRUNER, "trials = 11");
    // Every third epoch, under a pruner that judges each epoch after the first trials.
    let script = r#"for e in $(seq $((WATTLAB_FROM + 1)) $WATTLAB_UNTIL); do
        if [ $((e % 3)) = 0 ]; then echo "epoch $e: loss 0.$((9 - e))$WATTLAB_TRIAL"; fi; done
        echo "best loss: 0.001""#;
    let output = tune(folder.path(), script);
    let found = summary(&output);
    assert!(found["ended"].as_str().unwrap().contains("11 of 11"), "{found}");
    let told = events(folder.path(), "told");
    assert!(told.iter().all(|event| !event["values"].is_null()), "{told:?}");
    let reported = events(folder.path(), "reported");
    let first: Vec<u64> = reported
        .iter()
        .filter(|event| event["trial"] == 0)
        .map(|event| event["step"].as_u64().unwrap())
        .collect();
    assert_eq!(first, [3, 6]);
    assert!((found["best"][0]["value"].as_f64().unwrap() - 0.0).abs() < 0.1, "{found}");
}

#[test]
fn standard_error_is_read_and_a_message_says_where_was_looked() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    let found = summary(&tune(folder.path(), "echo INFO:root:val loss: 0.25 >&2"));
    assert_eq!(found["best"][0]["value"], 0.25);
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    let output = tune(folder.path(), "echo accuracy: 0.25");
    let shown = super::stderr(&output);
    assert!(shown.contains("neither on standard output nor on standard error"), "{shown}");
}

#[test]
fn a_trial_that_hangs_ends_at_its_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "trial_timeout_s = 0.5", "trials = 3");
    let began = Instant::now();
    // It ignores the first signal, and has a child that also hangs.
    let script = r#"if [ $WATTLAB_TRIAL = 1 ]; then sleep 600 & wait; fi; echo loss: $WATTLAB_X"#;
    let output = tune(folder.path(), script);
    let found = summary(&output);
    assert!(found["ended"].as_str().unwrap().contains("3 of 3"), "{found}");
    assert!(super::stderr(&output).contains("trial 1: the command was ended after 0.5 s"));
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(events(folder.path(), "told")[1]["values"].is_null());
}

#[test]
fn a_budget_of_seconds_ends_a_trial_that_hangs_and_it_runs_again_later() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "seconds = 1.0");
    let script = "if [ $WATTLAB_TRIAL = 1 ] && [ ! -e again ]; then touch again; sleep 600; fi; echo loss: 1";
    let found = summary(&tune(folder.path(), script));
    assert!(found["ended"].as_str().unwrap().contains("trial 1 was ended"), "{found}");
    assert_eq!(found["legs"], 1);
    describe(folder.path(), "", "trials = 2");
    let found = summary(&tune(folder.path(), script));
    assert_eq!(found["legs"], 2, "{found}");
}

#[test]
fn a_process_left_behind_and_an_endless_line_do_not_stop_a_study() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    let began = Instant::now();
    let script = "sleep 20 & echo loss: 0.5";
    assert_eq!(summary(&tune(folder.path(), script))["best"][0]["value"], 0.5);
    assert!(began.elapsed() < Duration::from_secs(15));

    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    let output = tune(folder.path(), "head -c 300000000 /dev/zero; echo; echo loss: 0.5");
    assert_eq!(summary(&output)["best"][0]["value"], 0.5);
    assert!(super::stderr(&output).contains("a line of more than 1 MiB was passed over"));
}

#[test]
fn a_command_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "retries = 2", "trials = 1");
    let script = "echo x >> tries; [ $(wc -l < tries) -gt 2 ] && echo loss: 0.5";
    assert_eq!(summary(&tune(folder.path(), script))["best"][0]["value"], 0.5);
    assert_eq!(events(folder.path(), "told").len(), 1);
    assert_eq!(
        events(folder.path(), "spent").iter().filter(|event| event["trial"] == 0).count(),
        3
    );
}

#[test]
fn a_small_space_is_tried_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "metric = \"loss\"\nbudget = { trials = 20 }\n\
        [[space]]\nname = \"kernel\"\nkind = \"categorical\"\nchoices = [\"linear\", \"rbf\"]\n\
        [[space]]\nname = \"shrinking\"\nkind = \"categorical\"\nchoices = [true, false]\n";
    fs::write(folder.path().join("space.toml"), text).unwrap();
    let script = "echo $WATTLAB_KERNEL $WATTLAB_SHRINKING >> log; echo loss: 0.${#WATTLAB_KERNEL}";
    let found = summary(&tune(folder.path(), script));
    let ended = found["ended"].as_str().unwrap();
    assert!(ended.contains("every configuration of the space was tried, in 4 trials"), "{ended}");
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap().lines().count(), 4);
}

#[test]
fn a_study_ends_at_its_target_or_without_progress() {
    for (budget, script, part) in [
        ("trials = 50, target = 0.5", "echo loss: 0.$((9 - WATTLAB_TRIAL))", "trial 4 gave 0.5"),
        ("trials = 50, patience = 3", "echo loss: 0.$((5 + WATTLAB_TRIAL))", "the last 3 trials"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        describe(folder.path(), "", budget);
        let found = summary(&tune(folder.path(), script));
        assert!(found["ended"].as_str().unwrap().contains(part), "{found}");
    }
}

#[test]
fn the_final_output_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 2");
    let args = ["tune", "run", "space.toml", "--", "echo", "loss: 0.5"];
    let output = super::wattlab(folder.path(), &args).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "the best trial:", "{shown}");
    assert!(lines[1].starts_with("  trial  loss      seconds"), "{shown}");
    assert!(lines[2].starts_with("  0      0.500000  "), "{shown}");
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 1");
    for args in [
        &["tune", "show", "/dev/zero"][..],
        &["tune", "compare", "--out", "/dev/zero"],
        &["tune", "run", "/dev/zero", "--", "true"],
        &["tune", "run", "space.toml", "--journal", "/dev/zero", "--", "true"],
        &["tune", "import", "study.jsonl", "/dev/zero", "--space", "space.toml"],
    ] {
        let output = super::wattlab(folder.path(), args).output().unwrap();
        let shown = super::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {shown}");
        assert!(shown.contains("not a regular file"), "{args:?}: {shown}");
    }
}
