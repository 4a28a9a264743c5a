//! `reproduce --workers N`: worker processes that are killed, interrupted or left alone.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use record::{Outcome, RunId, RunRecord, read_journal};

use super::{TINY, run, stderr, wattlab};

/// A small study: two searches, the layer factorial, and the small runs of RQ4 and RQ5.
fn profile(folder: &Path) -> String {
    let path = folder.join("spread.toml");
    let searches = r#"samplers    = ["random", "gp"]"#;
    let text = TINY
        .replace(r#"samplers    = ["grid", "random", "paper-pi", "gp"]"#, searches)
        .replace("trials      = 8", "trials      = 4")
        .replace(
            r#"networks    = ["dense-poly", "simple-cnn"]"#,
            r#"networks    = ["dense-poly"]"#,
        );
    fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn processors() -> usize {
    thread::available_parallelism().unwrap().get()
}

/// Whether there are enough processors for two workers. If not, prints that the test is skipped.
fn two_workers_fit() -> bool {
    if processors() < 2 {
        println!("skipped: two workers need two processors");
    }
    processors() >= 2
}

fn records(folder: &Path, out: &str) -> Vec<RunRecord> {
    read_journal(&folder.join(out).join("journal.jsonl")).unwrap()
}

fn outcomes(folder: &Path, out: &str) -> BTreeMap<RunId, Outcome> {
    let records = records(folder, out);
    let count = records.len();
    let outcomes: BTreeMap<_, _> =
        records.into_iter().map(|record| (record.id, record.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

/// The outcomes of the study in one process, computed once for all tests.
fn outcomes_of_one_process() -> &'static BTreeMap<RunId, Outcome> {
    static OUTCOMES: OnceLock<BTreeMap<RunId, Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let profile = profile(folder);
        let alone = run(folder, &["reproduce", "--profile", &profile, "--out", "alone"]);
        assert!(alone.status.success(), "{}", stderr(&alone));
        outcomes(folder, "alone")
    })
}

fn start(folder: &Path, profile: &str, out: &str) -> Child {
    let mut command: Command =
        wattlab(folder, &["reproduce", "--profile", profile, "--out", out, "--workers", "2"]);
    let log = fs::File::create(folder.join(format!("{out}.log"))).unwrap();
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Waits until a condition holds; `what` names it in the failure.
fn wait(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn lines(journal: &Path) -> usize {
    fs::read(journal).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
}

/// The process ids of a study's workers, found by their command lines.
fn workers(out: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ours = out.join("work").to_string_lossy().into_owned();
    entries
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.get(1) == Some(&&b"worker"[..]) && words.get(2) == Some(&ours.as_bytes())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn signal(name: &str, pid: &str) {
    drop(Command::new("kill").args([name, pid]).status());
}

#[test]
fn two_workers_give_the_same_outcomes_as_one_process() {
    if !two_workers_fit() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = profile(folder);
    // Two workers, with metrics.
    let args = ["reproduce", "--profile", &profile, "--out", "two", "--workers", "2"];
    let two = run(folder, &[&args[..], &["--metrics", "two.prom"]].concat());
    assert!(two.status.success(), "{}", stderr(&two));
    assert_eq!(*outcomes_of_one_process(), outcomes(folder, "two"));
    let found = records(folder, "two");
    let mut cpus = Vec::new();
    for record in &found {
        let surroundings = record.timing.surroundings.as_ref().unwrap();
        assert!(surroundings.worker.as_ref().unwrap().starts_with("local-"));
        let own = surroundings.cpus.clone().unwrap();
        assert_eq!(record.environment.threads, own.len());
        cpus.push(own);
        assert!(record.energy.span_named("plan").is_some());
    }
    cpus.sort();
    cpus.dedup();
    assert_eq!(cpus.len(), 2, "{cpus:?}");
    assert!(cpus[0].iter().all(|cpu| !cpus[1].contains(cpu)));
    // The work folder is empty at the end.
    for part in ["todo", "taken", "done", "failed"] {
        let left = fs::read_dir(folder.join("two/work").join(part)).unwrap().count();
        assert_eq!(left, 0, "{part}");
    }
    let metrics = fs::read_to_string(folder.join("two.prom")).unwrap();
    assert!(metrics.contains("wattlab_study_up 0") && metrics.ends_with("# EOF\n"), "{metrics}");
    let status = run(folder, &["status", "two", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["state"], &status["lost"]), (&"finished".into(), &0.into()));
    let done = |experiment: &serde_json::Value| experiment["done"].as_u64().unwrap();
    let sum: u64 = status["experiments"].as_array().unwrap().iter().map(done).sum();
    assert_eq!(sum, found.len() as u64);
}

#[test]
fn the_run_of_a_killed_worker_is_done_by_another_one() {
    if !two_workers_fit() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = profile(folder);
    let journal = folder.join("hurt/journal.jsonl");
    let mut study = start(folder, &profile, "hurt");
    let out = || folder.join("hurt").canonicalize().unwrap();
    for at in [2, 9] {
        wait("records", || lines(&journal) >= at);
        wait("a worker to kill", || !workers(&out()).is_empty());
        signal("-KILL", &workers(&out())[0]);
    }
    let ended = study.wait().unwrap();
    let log = fs::read_to_string(folder.join("hurt.log")).unwrap();
    assert!(ended.success(), "{log}");
    assert_eq!(*outcomes_of_one_process(), outcomes(folder, "hurt"));
    let status = run(folder, &["status", "hurt"]);
    assert!(String::from_utf8_lossy(&status.stdout).starts_with("finished: "), "{status:?}");
}

#[test]
fn an_interruption_keeps_finished_runs() {
    if !two_workers_fit() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = profile(folder);
    let journal = folder.join("cut/journal.jsonl");
    let mut study = start(folder, &profile, "cut");
    wait("records", || lines(&journal) >= 4);
    signal("-INT", &study.id().to_string());
    assert_eq!(study.wait().unwrap().code(), Some(130));
    let before = records(folder, "cut").len();
    let out = folder.join("cut").canonicalize().unwrap();
    assert!(workers(&out).is_empty(), "workers are left");
    let log = fs::read_to_string(folder.join("cut.log")).unwrap();
    assert!(log.contains("stopping at the next safe point"), "{log}");
    let status = run(folder, &["status", "cut", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["state"], "interrupted");

    // Killed: its workers finish their runs and leave the records in the work folder.
    let mut study = start(folder, &profile, "cut");
    wait("records", || lines(&journal) >= before + 3);
    study.kill().unwrap();
    study.wait().unwrap();
    let status = run(folder, &["status", "cut"]);
    assert!(String::from_utf8_lossy(&status.stdout).starts_with("killed: "), "{status:?}");
    wait("workers to end by themselves", || workers(&out).is_empty());
    let left = fs::read_dir(out.join("work/done")).unwrap().count();
    let journaled = records(folder, "cut").len();

    // The next call continues, here with one process: it adds these records to the journal once.
    let last = run(folder, &["reproduce", "--profile", &profile, "--out", "cut"]);
    assert!(last.status.success(), "{}", stderr(&last));
    assert!(left == 0 || stderr(&last).contains("added to the journal"), "{}", stderr(&last));
    assert_eq!(*outcomes_of_one_process(), outcomes(folder, "cut"));
    assert!(records(folder, "cut").len() > journaled);
}

#[test]
fn sensors_that_measure_all_runs_allow_one_run_at_a_time_unless_the_profile_says_otherwise() {
    if !two_workers_fit() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A RAPL counter of a processor package.
    let zone = folder.join("sys/class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("name"), "package-0\n").unwrap();
    fs::write(zone.join("energy_uj"), "1000\n").unwrap();
    fs::write(zone.join("max_energy_range_uj"), "262143328850\n").unwrap();
    let plain = profile(folder);
    let args = |profile: &str, out: &str| {
        let args = ["reproduce", "--rq", "5", "--sysfs", "sys", "--workers", "2"];
        let more = ["--profile", profile, "--out", out];
        args.iter().chain(&more).map(|argument| (*argument).to_owned()).collect::<Vec<_>>()
    };
    let call = |profile: &str, out: &str| {
        let args = args(profile, out);
        run(folder, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = call(&plain, "refused");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("shared_domains = true"), "{}", stderr(&refused));
    assert!(!folder.join("refused").exists());

    let text = fs::read_to_string(&plain).unwrap();
    let allowed = folder.join("allowed.toml");
    let isolation = "\n[isolation]\nshared_domains = true\nmax_outside_load = 1.0\n";
    fs::write(&allowed, text + isolation).unwrap();
    let allowed = call(&allowed.to_string_lossy(), "allowed");
    assert!(allowed.status.success(), "{}", stderr(&allowed));
    for record in records(folder, "allowed") {
        let kinds: Vec<_> = record.warnings.iter().map(|warning| warning.kind).collect();
        assert!(kinds.contains(&record::WarningKind::SharedDomain), "{kinds:?}");
    }
    let page = fs::read_to_string(folder.join("allowed/report/report.md")).unwrap();
    assert!(page.contains("shared their sensors with other runs"), "{page}");
}

#[test]
fn a_run_is_repeated_while_other_processes_use_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Runs that are long enough for the system's counters of processor time, which count in steps of 10 ms.
    let text = TINY
        .replace("train = 96, validation = 0", "train = 512, validation = 0")
        .replace("linear      = [3, 7]", "linear      = [3, 4]")
        .replace("repetitions = 2", "repetitions = 1")
        + "\n[isolation]\nmax_outside_load = 0.01\nrepeats = 1\n";
    fs::write(folder.join("busy.toml"), text).unwrap();
    let mut other = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let output =
        run(folder, &["reproduce", "--profile", "busy.toml", "--rq", "2", "--out", "busy"]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let again: Vec<RunRecord> = records(folder, "busy")
        .into_iter()
        .filter(|record| record.timing.surroundings.as_ref().unwrap().repeats == 1)
        .collect();
    assert!(!again.is_empty(), "no run was repeated");
    for record in again {
        // The discarded attempt used energy, too, and lies before the attempt that was kept.
        let discarded = record.energy.span_named("discarded").unwrap();
        assert!(discarded.energy.unwrap().joules.0 > 0.0 && discarded.start.0 < 0.0);
        let share = record.timing.surroundings.unwrap().others_share.unwrap();
        let told =
            record.warnings.iter().any(|warning| warning.kind == record::WarningKind::OutsideLoad);
        assert_eq!(told, share > 0.01, "{share}");
    }
    let page = fs::read_to_string(folder.join("busy/report/report.md")).unwrap();
    assert!(page.contains("other processes used the machine"), "{page}");
}
