//! `wattlab tune show`: fronts, curves, failed trials and the page.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const X: &str = "[[space]]\nname = \"x\"\nkind = \"float\"\nlow = 0.0\nhigh = 1.0\n\
    [[space]]\nname = \"kind\"\nkind = \"categorical\"\nchoices = [\"a\", \"b\"]\n";

/// Runs a study of which one trial fails.
fn study(folder: &Path, head: &str, script: &str) {
    fs::write(folder.join("space.toml"), format!("seed = 1\n{head}\n{X}")).unwrap();
    let args = ["tune", "run", "space.toml", "--journal", "study.jsonl", "--"];
    let mut command = super::wattlab(folder, &args);
    let output = command.args(["sh", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", super::stderr(&output));
}

fn two_objectives(folder: &Path) {
    let head = "metric = [\"loss\", \"size\"]\ndirection = [\"minimize\", \"minimize\"]\n\
        budget = { trials = 8 }\nsampler = { kind = \"random\" }";
    // Every trial is on the front but the fourth, which is worse than all, and the second, which fails.
    let script =
        "[ $WATTLAB_TRIAL = 1 ] && exit 1; [ $WATTLAB_TRIAL = 3 ] && echo loss: 90 size: 90 ||
        echo loss: $WATTLAB_TRIAL size: $((20 - WATTLAB_TRIAL))";
    study(folder, head, script);
}

fn shown(folder: &Path, args: &[&str]) -> String {
    let output = super::run(folder, &[&["tune", "show", "study.jsonl"], args].concat());
    assert!(output.status.success(), "{}", super::stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_trials_of_a_pareto_front_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    two_objectives(folder.path());
    let text = shown(folder.path(), &[]);
    assert!(text.contains("trials: 7 completed, 1 failed"), "{text}");
    assert!(text.contains("the Pareto front, 6 of 7 trials:"), "{text}");
    assert!(!text.contains("best:"), "{text}");
    let data: Value = serde_json::from_str(&shown(
        folder.path(),
        &["--json", "--svg", "svg", "--html", "page.html"],
    ))
    .unwrap();
    let front: Vec<u64> = data["pareto"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| trial["trial"].as_u64().unwrap())
        .collect();
    assert_eq!(front.len(), 6, "{data}");
    assert!(!front.contains(&1) && !front.contains(&3), "{data}");
    assert_eq!(data["trials"][1]["state"], "failed", "{data}");
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(!page.contains("http-equiv=\"refresh\""));
    for part in ["Pareto front", "Trials along x", "Trials along kind", "7 completed, 1 failed"] {
        assert!(page.contains(part), "the page lacks {part}");
    }
    // It loads nothing.
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
    for figure in ["pareto", "slice-0", "slice-1", "history"] {
        let svg = fs::read_to_string(folder.path().join(format!("svg/{figure}.svg"))).unwrap();
        assert!(svg.contains("</svg>"));
    }
}

#[test]
fn learning_curves_and_stopped_trials_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let head = "metric = \"loss\"\nbudget = { trials = 16 }\nsampler = { kind = \"random\" }\n\
        pruner = { kind = \"asha\", most = 9 }";
    let script = "for e in $(seq $((WATTLAB_FROM + 1)) $WATTLAB_UNTIL); do
        echo epoch $e loss: $WATTLAB_TRIAL.$((9 - e)); done";
    study(folder.path(), head, script);
    let data: Value =
        serde_json::from_str(&shown(folder.path(), &["--json", "--svg", "svg"])).unwrap();
    let trials = data["trials"].as_array().unwrap();
    let stopped: Vec<&Value> =
        trials.iter().filter(|trial| trial["state"] == "stopped early").collect();
    assert!(!stopped.is_empty(), "{data}");
    // In the client's sign.
    assert_eq!(trials[0]["curve"].as_array().unwrap().len(), 9, "{data}");
    assert_eq!(trials[0]["curve"][0], 0.8, "{data}");
    let text = shown(folder.path(), &[]);
    assert!(text.contains(&format!("{} stopped early", stopped.len())), "{text}");
    let svg = fs::read_to_string(folder.path().join("svg/curves.svg")).unwrap();
    assert!(svg.contains("median"), "{svg}");
}

#[test]
fn a_watched_page_follows_the_study() {
    let folder = tempfile::tempdir().unwrap();
    two_objectives(folder.path());
    let args = ["tune", "show", "study.jsonl", "--html", "page.html", "--watch"];
    let mut watching = super::wattlab(folder.path(), &args).stderr(Stdio::null()).spawn().unwrap();
    let page = folder.path().join("page.html");
    let wait_for = |part: &str| {
        let end = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(&page).unwrap_or_default().contains(part) {
            assert!(Instant::now() < end, "the page never had {part}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for("7 completed, 1 failed");
    wait_for("http-equiv=\"refresh\"");
    let text = fs::read_to_string(folder.path().join("space.toml")).unwrap();
    fs::write(folder.path().join("space.toml"), text.replace("trials = 8", "trials = 9")).unwrap();
    let args =
        ["tune", "run", "space.toml", "--journal", "study.jsonl", "--", "echo", "loss: 1 size: 1"];
    assert!(super::run(folder.path(), &args).status.success());
    wait_for("8 completed, 1 failed");
    kill_process(Pid::from_child(&watching), Signal::INT).unwrap();
    assert!(watching.wait().unwrap().success());
}
