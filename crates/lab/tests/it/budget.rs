//! `wattlab reproduce --budget`: studies that end when their verdicts are decided.

use std::{fs, path::Path};

use record::{Results, Verdict, read_journal};
use serde_json::Value;

use super::{run, stderr};

/// A factorial of the smallest trainings; more of its energy goes into the larger networks.
const PROFILE: &str = r#"
name = "budget"
seed = 1
budget = "10min"

[layers]
data        = [{ name = "fashion-mnist-small", train = 256, validation = 0, test = 64 }]
conv        = [1, 4]
linear      = [3, 7]
relu        = [false, true]
settings    = 1
repetitions = 8
epochs      = 1
minibatch   = 64
"#;

const RUNS_OF_A_REPETITION: usize = 8;

fn profile(folder: &Path) -> String {
    let path = folder.join("budget.toml");
    fs::write(&path, PROFILE).unwrap();
    path.display().to_string()
}

#[test]
fn a_study_with_a_budget_ends_after_a_look_and_continues_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(folder.path());
    let out = folder.path().join("out");
    let reproduce = |more: &[&str]| {
        let args = ["reproduce", "--profile", &profile, "--out", "out"];
        run(folder.path(), &[&args, more].concat())
    };

    let none = reproduce(&["--plan"]);
    assert!(none.status.success(), "{}", stderr(&none));
    let text = String::from_utf8(none.stdout).unwrap();
    assert!(text.contains("unknown before the first look, after 3 repetitions"), "{text}");

    // A budget that is used within the first repetitions decides nothing.
    let short = reproduce(&["--budget", "0.00000001kWh", "--json"]);
    assert!(short.status.success(), "{}", stderr(&short));
    assert!(stderr(&short).contains("the same command with a larger `--budget` continues"));
    let results: Results = serde_json::from_slice(&short.stdout).unwrap();
    assert!(results.claims.iter().all(|claim| claim.verdict == Verdict::Inconclusive));
    let few = read_journal(&out.join("journal.jsonl")).unwrap().len();
    assert!((1..3 * RUNS_OF_A_REPETITION).contains(&few), "{few} runs");

    let whole = reproduce(&[]);
    assert!(whole.status.success(), "{}", stderr(&whole));
    let records = read_journal(&out.join("journal.jsonl")).unwrap();
    assert!(records.iter().all(|record| record.looks == [3, 5, 8]));
    let looks = [3, 5, 8].map(|look| look * RUNS_OF_A_REPETITION);
    assert!(looks.contains(&records.len()), "{} runs are not those of a look", records.len());
    let results: Results =
        serde_json::from_slice(&fs::read(out.join("results.json")).unwrap()).unwrap();
    let claim = results.claims.iter().find(|claim| claim.id.as_str() == "rq2-conv-dominates");
    let caveats = claim.unwrap().caveats.join(" ");
    assert!(caveats.contains("looks at this verdict after 3, 5, 8 repetitions"), "{caveats}");

    // It has ended: nothing is measured again, and the plan knows what is decided.
    let again = reproduce(&["--region", "FR", "--price", "0.3"]);
    assert!(stderr(&again).contains("nothing was measured"), "{}", stderr(&again));
    let page = fs::read_to_string(out.join("report/report.md")).unwrap();
    assert!(page.contains("g CO₂ equivalent, estimated") && page.contains("at 0.3 per kWh"));
    let plan = reproduce(&["--plan", "--json"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let claims = plan["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 3, "{claims:?}");
    for claim in claims {
        let last = claim["looks"].as_array().unwrap().last().unwrap();
        let probability = last[1].as_f64();
        assert!(
            claim["is_decided"] == true || records.len() == looks[2] || probability.is_some(),
            "{claim}"
        );
    }
}

#[test]
fn a_budget_or_region_that_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(folder.path());
    for (flag, value, expected) in [
        ("--budget", "5", "is not a budget"),
        ("--budget", "-3h", "is not a budget"),
        ("--budget", "nanJ", "is not a budget"),
        ("--region", "XX", "region `XX` is not in the table"),
        ("--price", "-1", "price"),
    ] {
        let flag = format!("{flag}={value}");
        let refused = run(folder.path(), &["reproduce", "--profile", &profile, &flag]);
        assert_eq!(refused.status.code(), Some(2), "{flag}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(expected), "{flag}: {}", stderr(&refused));
        assert!(!folder.path().join("target").exists());
    }
    let bad = PROFILE.replace("10min", "10 minutes");
    fs::write(folder.path().join("bad.toml"), bad).unwrap();
    let refused = run(folder.path(), &["reproduce", "--profile", "bad.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("`10 minutes` is not a budget"), "{}", stderr(&refused));
}
