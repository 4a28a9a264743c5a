//! `wattlab tune enqueue`, `import` and `export`.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

const SPACE: &str = r#"
metric = "loss"
budget = { trials = 4 }
[[space]]
name = "x"
kind = "float"
low = 0.001
high = 1.0
log = true
[[space]]
name = "n"
kind = "int"
low = 1
high = 9
step = 2
[[space]]
name = "c"
kind = "categorical"
choices = ["a", "1", 3, true]
"#;

/// Runs a subcommand of `tune`, and gives its exit code and what it printed.
fn tune(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = super::wattlab(folder, &[&["tune"], args].concat()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &super::stderr(&output);
    (output.status.code(), shown)
}

fn trials(folder: &Path) -> Vec<Value> {
    let (code, shown) = tune(folder, &["show", "study.jsonl", "--json"]);
    assert_eq!(code, Some(0), "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["parallel_coordinates"].as_array().unwrap().clone()
}

#[test]
fn queued_trials_run_first() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("space.toml"),
        format!("enqueue = [{{ x = 0.5, n = 5, c = \"a\" }}]\n{SPACE}"),
    )
    .unwrap();
    let space = ["--space", "space.toml"];
    let queue =
        |words: &[&str]| tune(folder.path(), &[&["enqueue", "study.jsonl"], words].concat());
    let (code, shown) = queue(&[&["x=0.25", "n=3", "c=1"], &space[..]].concat());
    assert_eq!((code, shown.trim()), (Some(0), "1 trials are queued"));
    // The search chooses the rest.
    assert_eq!(queue(&["n=7"]).1.trim(), "2 trials are queued");
    for (words, part) in [
        ("y=1", "no parameter `y`"),
        ("n=4", "parameter `n` is 4, expected a whole number from 1 to 9 in steps of 2"),
        ("x=2", "parameter `x` is 2, expected a number from 0.001 to 1"),
        ("c=b", "parameter `c` is \"b\", expected one of \"a\", \"1\", 3, true"),
        ("x", "give NAME=VALUE"),
    ] {
        let (code, shown) = queue(&[words]);
        assert!(code == Some(2) && shown.contains(part), "{shown}");
    }
    let run = ["run", "space.toml", "--journal", "study.jsonl", "--", "echo", "loss: 0.5"];
    assert_eq!(tune(folder.path(), &run).0, Some(0));
    let trials = trials(folder.path());
    assert_eq!(trials[0]["params"], json!({ "x": 0.25, "n": 3, "c": "1" }));
    assert_eq!((&trials[1]["params"]["n"], trials.len()), (&json!(7), 4));

    // A new study begins with those of its description.
    let other = ["run", "space.toml", "--journal", "other.jsonl", "--", "echo", "loss: 0.5"];
    assert_eq!(tune(folder.path(), &other).0, Some(0));
    let first = fs::read_to_string(folder.path().join("other.jsonl")).unwrap();
    assert!(first.lines().any(|line| line.contains(r#""parameters":[0.5,5.0,0.0]"#)), "{first}");
}

#[test]
fn a_table_goes_out_and_in_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("space.toml"), SPACE).unwrap();
    let run = [
        "run",
        "space.toml",
        "--journal",
        "study.jsonl",
        "--",
        "sh",
        "-c",
        "[ $WATTLAB_TRIAL != 1 ] && echo loss: $WATTLAB_X",
    ];
    assert_eq!(tune(folder.path(), &run).0, Some(0));
    assert_eq!(tune(folder.path(), &["export", "study.jsonl", "trials.csv"]).0, Some(0));
    let table = fs::read_to_string(folder.path().join("trials.csv")).unwrap();
    assert!(
        table.starts_with("number,value,params_x,params_n,params_c,steps,seconds,joules,state\n")
    );
    assert_eq!(table.lines().filter(|line| line.ends_with("FAIL")).count(), 1);

    let import = ["import", "copy.jsonl", "trials.csv", "--space", "space.toml", "--json"];
    let (code, shown) = tune(folder.path(), &import);
    let found: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (code, &found["added"], &found["refused"]),
        (Some(0), &json!(4), &json!(0)),
        "{found}"
    );
    // Again, nothing is new; a journal has the same trials.
    let (_, shown) = tune(folder.path(), &["import", "copy.jsonl", "study.jsonl"]);
    assert_eq!(shown.trim(), "0 trials added, 4 known already, 0 not in the space");
    assert_eq!(tune(folder.path(), &["export", "copy.jsonl", "copy.csv"]).0, Some(0));
    let columns = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().map(|line| line.split(',').take(5).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(columns("trials.csv"), columns("copy.csv"));
    // Trials that were imported do not use up the budget.
    let run = ["run", "space.toml", "--json", "--journal", "copy.jsonl", "--", "echo", "loss: 1"];
    let (code, shown) = tune(folder.path(), &run);
    assert!(code == Some(0) && shown.contains("4 of 4"), "{shown}");

    for (table, part) in [
        ("x,n\n0.5,3\n", "no column `value`"),
        ("x,n,c,value\n0.5,3,a,\"1,5\"\n", "`value` is `1,5`, expected a number"),
        ("y,value\n0.5,1\n", "none of its columns is a parameter"),
        ("x,n,c,value\n5,3,a,1\n", "no trial is in the study's space"),
    ] {
        fs::write(folder.path().join("bad.csv"), table).unwrap();
        let (code, shown) = tune(folder.path(), &["import", "copy.jsonl", "bad.csv"]);
        assert!(code == Some(2) && shown.contains(part), "{shown}");
    }
}

#[test]
fn a_study_goes_to_optuna_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("space.toml"), SPACE).unwrap();
    let run = [
        "run",
        "space.toml",
        "--journal",
        "study.jsonl",
        "--",
        "sh",
        "-c",
        "[ $WATTLAB_TRIAL != 1 ] && echo loss: $WATTLAB_X",
    ];
    assert_eq!(tune(folder.path(), &run).0, Some(0));
    let export = ["export", "study.jsonl", "study.log", "--format", "optuna"];
    assert_eq!(tune(folder.path(), &export).0, Some(0));
    let (_, shown) =
        tune(folder.path(), &["import", "copy.jsonl", "study.log", "--space", "space.toml"]);
    assert_eq!(shown.trim(), "4 trials added, 0 known already, 0 not in the space");
    fs::write(folder.path().join("both.log"), concat!(
        r#"{"op_code":0,"worker_id":"w","study_name":"a","directions":[2]}"#, "\n",
        r#"{"op_code":0,"worker_id":"w","study_name":"b","directions":[1]}"#, "\n",
        r#"{"op_code":4,"worker_id":"w","study_id":1,"datetime_start":"2026-01-01T00:00:00"}"#, "\n",
        r#"{"op_code":5,"worker_id":"w","trial_id":0,"param_name":"x","param_value_internal":0.5,"distribution":"{}"}"#, "\n",
        r#"{"op_code":6,"worker_id":"w","trial_id":0,"state":1,"values":[0.5]"#,
    )).unwrap();
    for (name, part) in [
        (None, "several studies: `a`, `b`"),
        (Some("a"), "directions MAXIMIZE"),
        (Some("c"), "no study `c`"),
        (Some("b"), "0 trials added"),
    ] {
        let mut args = vec!["import", "copy.jsonl", "both.log"];
        args.extend(name.iter().flat_map(|name| ["--study", name]));
        let (_, shown) = tune(folder.path(), &args);
        assert!(shown.contains(part), "{shown}");
    }
}

/// A database with the tables of Optuna, large enough for several pages and for rows on more than one.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_database_of_optuna_is_imported() {
    const MAKE: &str = r#"
import json, sqlite3
d = sqlite3.connect("study.db")
d.executescript('''
CREATE TABLE studies (study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id));
CREATE TABLE study_directions (study_direction_id INTEGER NOT NULL, direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL, PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective));
CREATE TABLE trials (trial_id INTEGER NOT NULL, number INTEGER, study_id INTEGER, state VARCHAR(8) NOT NULL, PRIMARY KEY (trial_id));
CREATE TABLE trial_params (param_id INTEGER NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, PRIMARY KEY (param_id));
CREATE TABLE trial_values (trial_value_id INTEGER NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, PRIMARY KEY (trial_value_id));
''')
d.execute("INSERT INTO studies VALUES (1, 'a')")
d.execute("INSERT INTO study_directions VALUES (1, 'MINIMIZE', 1, 0)")
choices = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["a", "1", 3, True]}, "long": "x" * 9000})
for i in range(300):
    state = "FAIL" if i % 7 == 0 else "RUNNING" if i == 299 else "COMPLETE"
    d.execute("INSERT INTO trials VALUES (?, ?, 1, ?)", (i + 1, i, state))
    for name, value, text in (("x", 0.001 + i / 400, "{}"), ("n", 1.0 + 2 * (i % 5), "{}"), ("c", float(i % 4), choices)):
        d.execute("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)", (i + 1, name, value, text))
    d.execute("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')", (i + 1, float(i)))
d.commit()
"#;
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3").args(["-c", MAKE]).current_dir(folder.path()).status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("skipped: python3 with sqlite3 is missing");
        return;
    }
    fs::write(folder.path().join("space.toml"), SPACE).unwrap();
    let import = ["import", "study.jsonl", "study.db", "--space", "space.toml"];
    let (code, shown) = tune(folder.path(), &import);
    let expected = "299 trials added, 0 known already, 0 not in the space";
    assert_eq!((code, shown.trim()), (Some(0), expected));
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 299 - 43);
    assert_eq!(trials[0]["params"], json!({ "x": 0.0035, "n": 3, "c": "1" }));
    assert_eq!(trials[0]["values"], json!([1.0]));

    // Damaged databases are refused, whatever is damaged.
    let whole = fs::read(folder.path().join("study.db")).unwrap();
    for at in [16, 103, 108, 4096, 4099, 4104, 8192, 8195, 12_288] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        damaged[at + 1] ^= 0xff;
        fs::write(folder.path().join("study.db"), damaged).unwrap();
        let args = ["import", "other.jsonl", "study.db", "--space", "space.toml"];
        let (code, shown) = tune(folder.path(), &args);
        assert!(matches!(code, Some(0 | 2)), "{at}: {code:?} {shown}");
    }
}
