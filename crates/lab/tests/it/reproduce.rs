//! `wattlab reproduce`: whole, killed, planned, and shown by `status`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use record::{Outcome, Results, RunId, read_journal};
use report::CLAIMS;

use super::{run, stderr, tiny, wattlab};

fn outcomes(folder: &Path) -> BTreeMap<RunId, Outcome> {
    let records = read_journal(&folder.join("journal.jsonl")).unwrap();
    let count = records.len();
    let outcomes: BTreeMap<RunId, Outcome> =
        records.into_iter().map(|record| (record.id, record.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

/// Waits until a journal has `lines` lines.
fn wait_for_lines(path: &Path, lines: usize) {
    let started = Instant::now();
    loop {
        let found =
            fs::read(path).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count());
        if found >= lines {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{found} of {lines} lines");
        thread::yield_now();
    }
}

#[test]
fn a_study_that_was_killed_ends_with_the_same_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let profile = tiny(folder.path());
    let reproduce =
        |out: &str| ["reproduce", "--profile", &*profile, "--out", out].map(str::to_owned);
    let args = |out: &str| reproduce(out).to_vec();
    let start = |out: &str| {
        let args = args(out);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = wattlab(folder.path(), &args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };

    // Without interruption.
    let whole =
        wattlab(folder.path(), &["reproduce", "--profile", &profile, "--out", "whole", "--json"])
            .output()
            .unwrap();
    assert!(whole.status.success(), "{}", stderr(&whole));
    assert!(stderr(&whole).contains("runs to do, about"), "{}", stderr(&whole));
    let printed: Results = serde_json::from_slice(&whole.stdout).unwrap();
    let ids: Vec<&str> = printed.claims.iter().map(|finding| finding.id.as_str()).collect();
    let expected: Vec<&str> = CLAIMS.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(ids, expected);

    // Killed in three of its experiments, then to the end.
    let journal = folder.path().join("killed/journal.jsonl");
    for lines in [5, 70, 83] {
        let mut child = start("killed").spawn().unwrap();
        wait_for_lines(&journal, lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A torn last line, as a crash in the middle of a write would leave it.
    let mut text = fs::read(&journal).unwrap();
    let before = text.iter().filter(|byte| **byte == b'\n').count();
    text.extend(b"{\"schema\":\"wattlab.record/1\",\"id\":\"12");
    fs::write(&journal, text).unwrap();
    let last = run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed"]);
    assert!(last.status.success(), "{}", stderr(&last));
    assert!(stderr(&last).contains("removed an unfinished last line"), "{}", stderr(&last));

    let (whole, killed) =
        (outcomes(&folder.path().join("whole")), outcomes(&folder.path().join("killed")));
    assert!(before >= 83 && before < whole.len());
    assert_eq!(whole, killed);

    // Finished runs are not repeated, and the report can be written from the journal alone.
    let again = run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed"]);
    assert!(stderr(&again).contains("nothing was measured"), "{}", stderr(&again));
    let results = fs::read(folder.path().join("killed/results.json")).unwrap();
    fs::remove_dir_all(folder.path().join("killed/report")).unwrap();
    assert!(run(folder.path(), &["report", "killed"]).status.success());
    assert_eq!(fs::read(folder.path().join("killed/results.json")).unwrap(), results);
    assert!(run(folder.path(), &["check", "killed"]).status.success());

    // Two folders of one study do not differ in what the seed determines (accuracies).
    let compared = run(folder.path(), &["report", "compare", "whole", "killed", "--json"]);
    assert!(compared.status.success(), "{}", stderr(&compared));
    let compared: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap();
    let accuracies = compared["differences"].as_array().unwrap().iter();
    let accuracies: Vec<_> = accuracies.filter(|difference| difference["unit"] == "").collect();
    assert!(
        !accuracies.is_empty() && accuracies.iter().all(|difference| difference["change"] == 0.0)
    );
    let nothing = run(folder.path(), &["report", "compare", "whole", "none"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));

    // The runs of another seed do not belong to this journal.
    let mixed =
        run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed", "--seed", "2"]);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(stderr(&mixed).contains("choose another folder with `--out`"), "{}", stderr(&mixed));
}

#[test]
fn without_a_sensor_every_energy_is_labeled_as_estimated() {
    let folder = tempfile::tempdir().unwrap();
    let profile = tiny(folder.path());
    // `--sysfs` names a folder without any sensor.
    let args = ["reproduce", "--profile", &profile, "--rq", "5", "--sysfs", "."];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let out = folder.path().join("target/reproduce");
    for record in read_journal(&out.join("journal.jsonl")).unwrap() {
        let total = record.energy.total.unwrap();
        assert_eq!(total.origin, record::Origin::Estimated);
        assert!(total.joules.0 > 0.0);
        assert!(
            record
                .warnings
                .iter()
                .any(|warning| warning.kind == record::WarningKind::EstimatedEnergy)
        );
    }
    let page = fs::read_to_string(out.join("report/index.html")).unwrap();
    assert!(page.contains("Every joule in this report is estimated"));
    let csv = fs::read_to_string(out.join("report/tables/rq5-networks.csv")).unwrap();
    assert!(csv.contains("estimated"), "{csv}");
}

/// As in the study, photographs are read and decoded while they are served.
#[test]
fn a_queue_of_photographs_records_the_time_to_prepare_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("data/pictures")).unwrap();
    fs::write(folder.join("data/pictures/pixel.png"), super::vision::PIXEL).unwrap();
    let text = "name = \"pictures\"\nseed = 1\n[batching]\nnetworks = [\"shufflenet_v2_x0_5\"]\n\
                image_side = 32\nrates_per_s = [200.0]\njitter = 0.2\nrequests = 12\n\
                policies = [{ fixed = 4 }, { greedy = 8 }]\nwarmup_batches = 1\nrepetitions = 2\n\
                photographs = \"pictures\"\n";
    fs::write(folder.join("pictures.toml"), text).unwrap();
    let args = ["reproduce", "--profile", "pictures.toml", "--data-dir", "data", "--out", "out"];
    let plan = run(folder, &[&args[..], &["--plan"]].concat());
    assert!(plan.status.success(), "{}", stderr(&plan));
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let records = read_journal(&folder.join("out/journal.jsonl")).unwrap();
    assert_eq!(records.len(), 4);
    for record in &records {
        let Outcome::Served(served) = &record.outcome else { panic!("{:?}", record.outcome) };
        assert_eq!(served.photographs_sha256.as_ref().unwrap().len(), 64);
        let preparing = record.timing.preparing.unwrap();
        let batches = &record.timing.serving.as_ref().unwrap().batches;
        let busy: f64 = batches.iter().map(|batch| batch.end_s - batch.start_s).sum();
        assert!(preparing.0 > 0.0 && preparing.0 < busy, "{preparing} of {busy} s");
    }
    let table = fs::read_to_string(folder.join("out/report/tables/rq4-policies.csv")).unwrap();
    assert!(table.lines().next().unwrap().contains("preparing"), "{table}");

    // Other photographs under the same name give another outcome for the same spec.
    let mut other = super::vision::PIXEL.to_vec();
    other.push(0);
    fs::write(folder.join("data/pictures/pixel.png"), other).unwrap();
    let again = run(folder, &[&args[..5], &["--out", "other"]].concat());
    assert!(again.status.success(), "{}", stderr(&again));
    let changed = outcomes(&folder.join("other"));
    assert!(outcomes(&folder.join("out")).iter().all(|(id, outcome)| changed[id] != *outcome));
}

#[test]
fn a_plan_lists_the_runs_that_are_left_with_their_cost() {
    let folder = tempfile::tempdir().unwrap();
    let profile = tiny(folder.path());
    let plan = |more: &[&str]| {
        let args = ["reproduce", "--profile", &profile, "--plan", "--json", "--out", "planned"];
        let output = run(folder.path(), &[&args[..], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let all = plan(&[]);
    let rows = all["experiments"].as_array().unwrap();
    let runs: Vec<u64> = rows.iter().map(|row| row["runs"].as_u64().unwrap()).collect();
    assert_eq!(runs, [64, 16, 2, 2]);
    let sum: f64 = rows.iter().map(|row| row["duration_s"].as_f64().unwrap()).sum();
    let total = all["total"]["duration_s"].as_f64().unwrap();
    assert!(total > 0.0 && (total - sum).abs() < 1e-6 * sum, "{total} {sum}");
    assert!(rows.iter().all(|row| row["energy"]["origin"].is_string()), "{all}");
    // A plan writes nothing. Finished runs are not left.
    assert!(!folder.path().join("planned").exists());
    let args = ["reproduce", "--profile", &profile, "--rq", "5", "--out", "planned"];
    assert!(run(folder.path(), &args).status.success());
    let left = plan(&["--rq", "5"]);
    assert_eq!(left["experiments"][0]["left"], 0);
    assert_eq!(left["total"]["duration_s"], 0.0);
}

/// A plan needs no data: it is estimated with random images of the same size.
#[test]
fn a_plan_works_without_the_data_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = super::TINY
        .replacen("[batching]", "[batching]\nphotographs = \"nowhere\"", 1)
        .replace("shapes-28", "cifar-10")
        .replace("conv        = [1, 4]", "conv        = [1, 2]");
    fs::write(folder.join("missing.toml"), text).unwrap();
    let args = ["reproduce", "--profile", "missing.toml", "--plan", "--json", "--out", "planned"];
    let output = run(folder, &args);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    for words in ["data set `cifar-10` is not here", "photographs `nowhere` are not here"] {
        assert_eq!(message.matches(words).count(), 1, "{words}: {message}");
    }
    // It also says what takes a few seconds.
    assert!(message.contains("estimating RQ5 timeline"), "{message}");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = plan["experiments"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["duration_s"].as_f64().unwrap() > 0.0), "{plan}");
    assert!(!folder.join("planned").exists());
}

#[test]
fn status_of_a_finished_folder_is_finished_with_and_without_a_status_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = super::TINY;
    let (head, timeline) = (text.find("[tuning]").unwrap(), text.find("[timeline]").unwrap());
    let text = [&text[..head], &text[timeline..]].concat();
    fs::write(folder.join("small.toml"), &text).unwrap();
    let state = |args: &[&str]| {
        let output = run(folder, args);
        assert!(output.status.success(), "{}", stderr(&output));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["state"].as_str().unwrap().to_owned()
    };
    let args = ["reproduce", "--profile", "small.toml", "--out", "done", "--sysfs", "."];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(state(&["status", "done", "--json"]), "finished");

    // As in a folder that was copied: only the profile says how many runs there should be.
    fs::remove_file(folder.join("done/status.json")).unwrap();
    assert_eq!(state(&["status", "done", "--json"]), "unknown");
    let shown = run(folder, &["status", "done"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("has no status.json"), "{shown}");
    fs::copy(folder.join("small.toml"), folder.join("done/profile.toml")).unwrap();
    assert_eq!(state(&["status", "done", "--json"]), "finished");

    // A journal without its last run is not finished, and one of another seed has another profile.
    let journal = fs::read_to_string(folder.join("done/journal.jsonl")).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    fs::create_dir(folder.join("cut")).unwrap();
    fs::copy(folder.join("small.toml"), folder.join("cut/profile.toml")).unwrap();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    fs::write(folder.join("cut/journal.jsonl"), cut).unwrap();
    assert_eq!(state(&["status", "cut", "--json"]), "unknown");
    let other = text.replace("seed = 1", "seed = 2");
    fs::write(folder.join("done/profile.toml"), other).unwrap();
    assert_eq!(state(&["status", "done", "--json"]), "unknown");

    // The same command in a finished folder measures nothing, and says so.
    let again = run(folder, &args);
    assert!(again.status.success(), "{}", stderr(&again));
    let message = stderr(&again);
    assert!(message.contains("all 2 runs are already in `done/journal.jsonl`"), "{message}");
    assert!(message.contains("nothing was measured"), "{message}");
    assert_eq!(fs::read_to_string(folder.join("done/journal.jsonl")).unwrap(), journal);
}

/// While costs are estimated, the status is `preparing`, and an interruption is remembered.
#[test]
fn status_says_that_a_study_is_being_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = tiny(folder);
    let mut command = wattlab(folder, &["reproduce", "--profile", &profile, "--out", "new"]);
    let mut study = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let path = folder.join("new/status.json");
    let seen = loop {
        if let Ok(text) = fs::read_to_string(&path) {
            break text;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "no status file");
        thread::yield_now();
    };
    assert!(seen.contains("\"state\": \"preparing\""), "{seen}");
    drop(std::process::Command::new("kill").args(["-INT", &study.id().to_string()]).status());
    assert_eq!(study.wait().unwrap().code(), Some(130));
    let status = run(folder, &["status", "new", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["state"], "interrupted");
    assert_eq!(status["experiments"].as_array().unwrap().len(), 4);
}
