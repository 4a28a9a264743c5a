//! `wattlab measure --runs` and `--compare`, on a powercap tree whose counter the commands advance.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{measure::zone, run, stderr, wattlab};

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    zone(&folder.path().join("sys"), "intel-rapl:0", "package-0", 1_000_000);
    folder
}

/// A line of a shell that uses as many microjoules, ± 0.5 %. It replaces the counter's file in one step.
fn uses(microjoules: u32) -> String {
    let noise = microjoules / 10_000;
    format!(
        "cd sys/class/powercap/intel-rapl:0; read -r n <energy_uj; \
         echo $((n + {microjoules} + ($$ * 7919 % 101 - 50) * {noise})) >new; mv new energy_uj; cd -"
    )
}

fn measure(folder: &Path, args: &[&str]) -> Output {
    let mut all = vec!["measure", "--sysfs", "sys"];
    all.extend(args);
    run(folder, &all)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn runs_have_a_mean_with_an_interval() {
    let folder = machine();
    let script = format!("{}; echo run >>ran; echo out", uses(1_000_000));
    let args = [
        "--json",
        "--runs",
        "6",
        "--warmup",
        "2",
        "--prepare",
        "echo p >>prepared",
        "--export-csv",
        "table.csv",
        "--emissions",
        "emissions.csv",
        "--",
        "sh",
        "-c",
        &script,
    ];
    let output = measure(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    let lines = |name| fs::read_to_string(folder.path().join(name)).unwrap().lines().count();
    assert_eq!((lines("ran"), lines("prepared")), (8, 8));
    assert_eq!((lines("table.csv"), lines("emissions.csv")), (2, 7));
    let runs = told["runs"].as_array().unwrap();
    assert_eq!((&told["schema"], runs.len()), (&"wattlab.measure/1".into(), 6));
    let joules: Vec<f64> = runs.iter().map(|run| number(&run["total"]["joules"])).collect();
    let mean = joules.iter().sum::<f64>() / 6.0;
    assert!((number(&told["mean"]["joules"]) - mean).abs() < 1e-9, "{told}");
    assert!((number(&told["total"]["joules"]) - mean).abs() < 1e-9, "{told}");
    assert!((mean - 1.0).abs() < 0.02, "{joules:?}");
    let (low, high) = (number(&told["mean"]["ci95"][0]), number(&told["mean"]["ci95"][1]));
    assert!(low < mean && mean < high, "{told}");
    assert_eq!(told["domains"][0]["domain"], "cpu-package");
    // Without `--json`, the result is on standard output, and the command's own output nowhere.
    let args = ["--runs", "2", "--", "sh", "-c", "echo out"];
    let output = measure(folder.path(), &args);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("mean of 2 runs") && !text.contains("out"), "{text}");
}

#[test]
fn two_commands_are_compared_until_their_ratio_is_known() {
    let folder = machine();
    let (a, b) = (uses(1_050_000), uses(1_000_000));
    let args = [
        "--json",
        "--compare",
        &a,
        &b,
        "--precision",
        "1%",
        "--rest",
        "0.5",
        "--max-runs",
        "100",
        "--export-markdown",
        "table.md",
        "--export-csv",
        "table.csv",
    ];
    let output = measure(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!((&told["stopped"], &told["different"]), (&"precise".into(), &true.into()), "{told}");
    let (low, high) = (number(&told["ci95"][0]), number(&told["ci95"][1]));
    let ratio = number(&told["ratio"]);
    assert!(low <= 1.05 && 1.05 <= high && (high - low) / ratio <= 0.01, "{told}");
    assert!(low < ratio && ratio < high, "{told}");
    let rounds = told["rounds"].as_u64().unwrap() as usize;
    assert!((6..100).contains(&rounds), "{told}");
    assert_eq!(told["a"]["runs"].as_array().unwrap().len(), rounds);
    assert_eq!(told["a"]["command"], a.as_str());
    let markdown = fs::read_to_string(folder.path().join("table.md")).unwrap();
    assert_eq!(markdown.lines().count(), 4, "{markdown}");
    let table = fs::read_to_string(folder.path().join("table.csv")).unwrap();
    assert!(table.starts_with("command,runs,mean_j,") && table.lines().count() == 3, "{table}");
}

#[test]
fn a_limit_or_too_little_energy_ends_a_comparison_with_a_warning() {
    let folder = machine();
    let (a, b) = (uses(1_000_000), uses(1_000_000));
    let args = ["--json", "--rest", "0", "--max-runs", "3", "--compare", &a, &b];
    let told = json(&measure(folder.path(), &args).stdout);
    assert_eq!((&told["stopped"], &told["rounds"]), (&"max-runs".into(), &3.into()), "{told}");
    assert_eq!((&told["ci95"], &told["different"]), (&Value::Null, &Value::Null));
    assert!(told["warnings"].to_string().contains("--max-runs"), "{told}");
    // The counter stands still.
    let args = ["--json", "--rest", "0", "--compare", "true", "true"];
    let output = measure(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!((&told["stopped"], &told["ratio"]), (&"no-energy".into(), &Value::Null), "{told}");
}

#[test]
fn a_failed_run_ends_with_its_code_and_the_finished_rounds() {
    let folder = machine();
    let fails = format!("echo x >>count; {}; [ $(wc -l <count) -lt 3 ] || exit 9", uses(1_000_000));
    let args = ["--json", "--rest", "0", "--max-runs", "5", "--compare", &uses(1_000_000), &fails];
    let output = measure(folder.path(), &args);
    assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!((&told["rounds"], &told["stopped"]), (&2.into(), &"early".into()), "{told}");
    assert!(told["warnings"].to_string().contains("exit code 9"), "{told}");
    let mut args = args.to_vec();
    args.insert(0, "--ignore-failure");
    let output = measure(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!(told["rounds"], 5);
    assert!(told["warnings"].to_string().contains("5 runs ended with an exit code"), "{told}");
    // `--runs` in the same way, and a preparation that fails.
    let output = measure(folder.path(), &["--json", "--runs", "3", "--", "sh", "-c", "exit 4"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!(
        (&told["exit_code"], &told["mean"], &told["runs"]),
        (&4.into(), &Value::Null, &Value::Array(vec![]))
    );
    let output = measure(folder.path(), &["--runs", "3", "--prepare", "exit 5", "--", "true"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("`exit 5` ended with exit code 5"), "{}", stderr(&output));
}

#[test]
fn an_interruption_keeps_the_finished_rounds() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let args = [
        "measure",
        "--json",
        "--sysfs",
        "empty",
        "--precision",
        "0.01%",
        "--max-runs",
        "100000",
        "--compare",
        "sleep 0.02",
        "sleep 0.03",
    ];
    let mut command = wattlab(folder.path(), &args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let third = lines.find(|line| line.as_ref().unwrap().starts_with("round 3:"));
    assert!(third.is_some());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    // It must be able to write all that it says.
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    let told = json(&output.stdout);
    assert!(told["rounds"].as_u64().unwrap() >= 3, "{told}");
    assert_eq!(
        told["a"]["runs"].as_array().unwrap().len() as u64,
        told["rounds"].as_u64().unwrap()
    );
    assert!(told["warnings"].to_string().contains("estimates"), "{told}");
    assert!(rest.iter().any(|line| line.starts_with("interrupted")), "{rest:?}");
}

#[test]
fn flags_that_exclude_each_other_or_have_no_meaning_are_bad_input() {
    let folder = machine();
    for (args, text) in [
        (vec!["--compare", "true"], "--compare"),
        (vec!["--compare", "true", "true", "--", "true"], "--compare"),
        (vec!["--compare", "true", "true", "--runs", "3"], "--runs"),
        (vec!["--compare", "true", "true", "--precision", "1"], "expected a percentage"),
        (vec!["--compare", "true", "true", "--emissions", "e.csv"], "--emissions"),
        (vec!["--runs", "0", "--", "true"], "from 1 to"),
        (vec!["--precision", "2%", "--", "true"], "--compare"),
        (vec!["--rest=-1", "--runs", "2", "--", "true"], "--rest"),
        (vec![], "CMD"),
    ] {
        let output = measure(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?} {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{args:?} {}", stderr(&output));
    }
}
