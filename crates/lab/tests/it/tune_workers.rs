//! `wattlab tune run --workers N`: processes that share a study through its journal.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::measure::{driven, zone};

fn describe(folder: &Path, head: &str, budget: &str) {
    let text = format!(
        "metric = \"loss\"\nseed = 1\nsampler = {{ kind = \"random\" }}\n{head}\n\
         budget = {{ {budget} }}\n\
         [[space]]\nname = \"x\"\nkind = \"float\"\nlow = 0.0\nhigh = 1.0\n"
    );
    fs::write(folder.join("space.toml"), text).unwrap();
}

fn tune(folder: &Path, journal: &Path, workers: &str, script: &str) -> Command {
    let journal = journal.to_str().unwrap();
    let args = ["tune", "run", "space.toml", "--json", "--journal", journal, "--workers", workers];
    let mut command = super::wattlab(folder, &args);
    command.args(["--", "sh", "-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Checks that the journal has as many trials as the budget, and one result of each.
fn check(journal: &Path, trials: u64) {
    let text = fs::read_to_string(journal).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut asked: BTreeMap<u64, f64> = BTreeMap::new();
    let mut told: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for event in events {
        let trial = || event["trial"].as_u64().unwrap();
        match event["event"].as_str().unwrap() {
            "asked" => {
                let before = asked.insert(trial(), event["parameters"][0].as_f64().unwrap());
                assert!(before.is_none(), "{event}");
            }
            "told" => {
                assert!(!event["values"].is_null(), "{event}");
                told.entry(trial()).or_default().push(event["values"][0].as_f64().unwrap());
            }
            _ => {}
        }
    }
    assert_eq!(asked.keys().copied().collect::<Vec<_>>(), (0..trials).collect::<Vec<_>>());
    let expected: BTreeMap<u64, Vec<f64>> =
        asked.into_iter().map(|(trial, x)| (trial, vec![x])).collect();
    assert_eq!(told, expected);
}

#[test]
fn workers_run_trials_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 9");
    // Each trial waits until three have begun.
    let script = "touch began.$WATTLAB_TRIAL; n=0
        while [ $(ls began.* | wc -l) -lt 3 ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n + 1)); done
        [ $n -lt 1200 ] && echo loss: $WATTLAB_X";
    let journal = folder.path().join("study.jsonl");
    let output = tune(folder.path(), &journal, "3", script).output().unwrap();
    assert!(output.status.success(), "{}", super::stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["ended"].as_str().unwrap().contains("9 of 9"), "{summary}");
    check(&journal, 9);
    assert!(!folder.path().join("study.jsonl.workers").exists());
    // The study may go on without workers.
    describe(folder.path(), "", "trials = 10");
    let args = ["tune", "run", "space.toml", "--journal", "study.jsonl", "--"];
    let mut command = super::wattlab(folder.path(), &args);
    let output = command.args(["sh", "-c", "echo loss: $WATTLAB_X"]).output().unwrap();
    assert!(output.status.success(), "{}", super::stderr(&output));
    check(&journal, 10);
}

#[test]
fn processes_in_several_folders_share_a_study() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let journal = folders[0].path().join("study.jsonl");
    // The first trials wait until both folders have one.
    let script = "touch ran.$WATTLAB_TRIAL \"$SHARED/$(basename \"$PWD\").began\"; n=0
        while [ $(ls -A \"$SHARED\" | grep -c began) -lt 2 ] && [ $n -lt 1200 ]; do
            sleep 0.05; n=$((n + 1)); done
        [ $n -lt 1200 ] && echo loss: $WATTLAB_X";
    let running = folders.each_ref().map(|folder| {
        describe(folder.path(), "", "trials = 20");
        let mut command = tune(folder.path(), &journal, "2", script);
        command.env("SHARED", folders[0].path()).spawn().unwrap()
    });
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", super::stderr(&output));
    }
    check(&journal, 20);
    let ran = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("ran.")).count()
    };
    let ran = folders.each_ref().map(|folder| ran(folder.path()));
    assert_eq!(ran[0] + ran[1], 20);
    assert!(ran[0] > 0 && ran[1] > 0, "{ran:?}");
}

/// Processes whose parent is this one.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |process: &u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    processes.filter(|process| parent_of(process) == Some(parent)).collect()
}

fn kill(process: u32) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::KILL);
}

/// Kills workers and their host at random until the study ends; then every trial has one result.
#[test]
fn nothing_is_lost_when_workers_and_hosts_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 80");
    let journal = folder.path().join("study.jsonl");
    let script = "sleep 0.1; echo loss: $WATTLAB_X";
    let start = || -> Child {
        let mut command = tune(folder.path(), &journal, "4", script);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut random = 7_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    let told = || fs::read_to_string(&journal).unwrap_or_default().matches("\"told\"").count();
    let (mut host, mut kills, mut hosts, mut seen) = (start(), 0, 1, 0);
    let end = Instant::now() + Duration::from_secs(240);
    loop {
        assert!(Instant::now() < end, "{} results after {kills} kills", told());
        if host.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        // Some progress between two kills: a trial that three workers died of would be given up.
        if told() >= seen + 6 && kills < 12 {
            seen = told();
            std::thread::sleep(Duration::from_millis(draw(120)));
            let workers = children(host.id());
            if draw(4) == 0 || workers.is_empty() {
                kill(host.id());
                host.wait().unwrap();
                (host, hosts) = (start(), hosts + 1);
            } else {
                kill(workers[draw(workers.len() as u64) as usize]);
            }
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(kills >= 8 && hosts >= 2, "{kills} kills, {hosts} hosts");
    check(&journal, 80);
}

#[test]
fn a_trial_that_kills_its_workers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 4");
    let journal = folder.path().join("study.jsonl");
    // The parent of the shell is the worker.
    let script = "[ $WATTLAB_TRIAL = 1 ] && kill -9 $PPID; echo loss: 0.5";
    let output = tune(folder.path(), &journal, "2", script).output().unwrap();
    let shown = super::stderr(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("trial 1: 3 workers died while they ran it"), "{shown}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["legs"], 4, "{summary}");
}

#[test]
fn an_error_of_a_worker_ends_the_study_with_its_message() {
    let folder = tempfile::tempdir().unwrap();
    describe(folder.path(), "", "trials = 4");
    let args = ["tune", "run", "space.toml", "--journal", "j", "--workers", "2", "--", "./missing"];
    let output = super::run(folder.path(), &args);
    let shown = super::stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("failed to run `./missing`"), "{shown}");
    assert!(shown.contains("2 of 2 workers ended with an error"), "{shown}");
    let output =
        super::run(folder.path(), &["tune", "run", "space.toml", "--workers", "2", "--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(super::stderr(&output).contains("--journal"), "{}", super::stderr(&output));
}

/// A package's sensor sees all workers, so no trial may take its energy for its own, nor call it measured.
#[test]
fn workers_divide_what_a_sensor_sees_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = folder.path().join("sys");
    zone(&sysfs, "intel-rapl:0", "package-0", 1_000_000);
    describe(folder.path(), "", "trials = 6");
    // Some CPU time for each trial.
    let script = "n=0; while [ $n -lt 60000 ]; do n=$((n + 1)); done; echo loss: $WATTLAB_X";
    let journal = folder.path().join("study.jsonl");
    let began = Instant::now();
    let watts = 50.0;
    let (output, _) = driven(&sysfs, &[("intel-rapl:0", 1_000_000, watts)], || {
        let args = ["tune", "run", "space.toml", "--journal", "study.jsonl", "--sysfs", "sys"];
        let workers = ["--workers", "2", "--", "sh", "-c", script];
        super::run(folder.path(), &[&args[..], &workers].concat())
    });
    let seen = watts * began.elapsed().as_secs_f64();
    let shown = super::stderr(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("sensors see the work of all workers"), "{shown}");
    let text = fs::read_to_string(&journal).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let spent: Vec<Value> = events.filter(|event| event["event"] == "spent").collect();
    assert!(spent.len() >= 6, "{text}");
    assert!(spent.iter().all(|spent| spent["joules"].is_null() || spent["origin"] == "estimated"));
    let joules: f64 = spent.iter().filter_map(|spent| spent["joules"].as_f64()).sum();
    assert!(joules > 0.0 && joules <= seen, "{joules} J of {seen} J");
}
