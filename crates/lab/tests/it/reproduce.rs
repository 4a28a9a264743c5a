//! A whole reproduction, and one that is killed.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use record::{ClaimId, Outcome, Results, RunId, read_journal};

use super::{run, stderr, tiny, wattlab};

fn outcomes(folder: &Path) -> BTreeMap<RunId, Outcome> {
    let records = read_journal(&folder.join("journal.jsonl")).unwrap();
    let count = records.len();
    let outcomes: BTreeMap<RunId, Outcome> =
        records.into_iter().map(|it| (it.id, it.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

/// Waits for a journal to have so many lines.
fn wait_for_lines(path: &Path, lines: usize) {
    let started = Instant::now();
    loop {
        let found = fs::read(path).map_or(0, |it| it.iter().filter(|it| **it == b'\n').count());
        if found >= lines {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{found} of {lines} lines");
        thread::yield_now();
    }
}

#[test]
fn a_killed_study_ends_as_an_uninterrupted_one() {
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

    // Whole.
    let whole =
        wattlab(folder.path(), &["reproduce", "--profile", &profile, "--out", "whole", "--json"])
            .output()
            .unwrap();
    assert!(whole.status.success(), "{}", stderr(&whole));
    assert!(stderr(&whole).contains("runs to do, about"), "{}", stderr(&whole));
    let printed: Results = serde_json::from_slice(&whole.stdout).unwrap();
    let ids: Vec<ClaimId> = printed.claims.iter().map(|claim| claim.id.clone()).collect();
    assert_eq!(ids, report::claim_id::ALL);

    // Killed three times, in three experiments; then to the end.
    let journal = folder.path().join("killed/journal.jsonl");
    for lines in [5, 70, 83] {
        let mut child = start("killed").spawn().unwrap();
        wait_for_lines(&journal, lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A torn last line, as a crash in the middle of a write would leave it.
    let mut text = fs::read(&journal).unwrap();
    let before = text.iter().filter(|it| **it == b'\n').count();
    text.extend(b"{\"schema\":\"wattlab.record/1\",\"id\":\"12");
    fs::write(&journal, text).unwrap();
    let last = run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed"]);
    assert!(last.status.success(), "{}", stderr(&last));
    assert!(stderr(&last).contains("cut off an unfinished last line"), "{}", stderr(&last));

    let (whole, killed) =
        (outcomes(&folder.path().join("whole")), outcomes(&folder.path().join("killed")));
    assert!(before >= 83 && before < whole.len());
    assert_eq!(whole, killed);

    // Done is done: nothing runs again, and the report can be written from the journal alone.
    let again = run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed"]);
    assert!(stderr(&again).contains("every run is done"), "{}", stderr(&again));
    let results = fs::read(folder.path().join("killed/results.json")).unwrap();
    fs::remove_dir_all(folder.path().join("killed/report")).unwrap();
    assert!(run(folder.path(), &["report", "killed"]).status.success());
    assert_eq!(fs::read(folder.path().join("killed/results.json")).unwrap(), results);
    assert!(run(folder.path(), &["check", "killed"]).status.success());

    // Two folders of one study do not differ in what the seed determines.
    let compared = run(folder.path(), &["report", "compare", "whole", "killed", "--json"]);
    assert!(compared.status.success(), "{}", stderr(&compared));
    let compared: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap();
    let accuracies = compared["differences"].as_array().unwrap().iter();
    let accuracies: Vec<_> = accuracies.filter(|it| it["unit"] == "").collect();
    assert!(!accuracies.is_empty() && accuracies.iter().all(|it| it["change"] == 0.0));
    let nothing = run(folder.path(), &["report", "compare", "whole", "none"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));

    // Another seed would mix two studies.
    let mixed =
        run(folder.path(), &["reproduce", "--profile", &profile, "--out", "killed", "--seed", "2"]);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(stderr(&mixed).contains("choose another folder by `--out`"), "{}", stderr(&mixed));
}

#[test]
fn every_joule_of_this_machine_says_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let profile = tiny(folder.path());
    // A folder without any sensor in place of /sys.
    let args = ["reproduce", "--profile", &profile, "--rq", "5", "--sysfs", "."];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let out = folder.path().join("target/reproduce");
    for record in read_journal(&out.join("journal.jsonl")).unwrap() {
        let total = record.energy.total.unwrap();
        assert_eq!(total.origin, record::Origin::Estimated);
        assert!(total.joules.0 > 0.0);
        assert!(record.warnings.iter().any(|it| it.kind == record::WarningKind::EstimatedEnergy));
    }
    let page = fs::read_to_string(out.join("report/index.html")).unwrap();
    assert!(page.contains("Every joule in this report is estimated"));
    let csv = fs::read_to_string(out.join("report/tables/rq5-networks.csv")).unwrap();
    assert!(csv.contains("estimated"), "{csv}");
}

/// As in the study: what a request asks for is read and decoded within its service.
#[test]
fn a_queue_of_photographs_tells_what_preparing_them_takes() {
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
        let busy: f64 = batches.iter().map(|it| it.end_s - it.start_s).sum();
        assert!(preparing.0 > 0.0 && preparing.0 < busy, "{preparing} of {busy} s");
    }
    let table = fs::read_to_string(folder.join("out/report/tables/rq4-policies.csv")).unwrap();
    assert!(table.lines().next().unwrap().contains("preparing"), "{table}");

    // Other photographs are other work, which the spec does not tell but the outcome does.
    let mut other = super::vision::PIXEL.to_vec();
    other.push(0);
    fs::write(folder.join("data/pictures/pixel.png"), other).unwrap();
    let again = run(folder, &[&args[..5], &["--out", "other"]].concat());
    assert!(again.status.success(), "{}", stderr(&again));
    let changed = outcomes(&folder.join("other"));
    assert!(outcomes(&folder.join("out")).iter().all(|(id, it)| changed[id] != *it));
}

#[test]
fn a_plan_tells_what_is_left_and_what_it_costs() {
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
    let runs: Vec<u64> = rows.iter().map(|it| it["runs"].as_u64().unwrap()).collect();
    assert_eq!(runs, [64, 16, 2, 2]);
    let sum: f64 = rows.iter().map(|it| it["duration_s"].as_f64().unwrap()).sum();
    let total = all["total"]["duration_s"].as_f64().unwrap();
    assert!(total > 0.0 && (total - sum).abs() < 1e-6 * sum, "{total} {sum}");
    assert!(rows.iter().all(|it| it["energy"]["origin"].is_string()), "{all}");
    // Nothing was written, and what is done is not left.
    assert!(!folder.path().join("planned").exists());
    let args = ["reproduce", "--profile", &profile, "--rq", "5", "--out", "planned"];
    assert!(run(folder.path(), &args).status.success());
    let left = plan(&["--rq", "5"]);
    assert_eq!(left["experiments"][0]["left"], 0);
    assert_eq!(left["total"]["duration_s"], 0.0);
}
