//! `wattlab simulate`: the documented file and report, and messages for wrong descriptions.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, stderr};

/// The documented file with fewer requests.
pub(super) const FILE: &str = r#"
seed = 1
requests = 40_000
warmup = 2_000
[arrivals]
process = "poisson"
rate = 0.8
[service]
law = "exponential"
base_s = 0.0
per_item_s = 1.0
cv = 1.0
[batching]
policy = "fixed"
size = 1
[servers]
count = 1
[power]
idle_w = 50.0
busy_w = 250.0
"#;

fn simulate(folder: &Path, text: &str) -> (Option<i32>, String, String) {
    fs::write(folder.join("queue.toml"), text).unwrap();
    let output = run(folder, &["simulate", "queue.toml", "--json"]);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.code(), stdout, stderr(&output))
}

pub(super) fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(FILE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    })
}

#[test]
fn the_report_has_the_documented_fields() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = simulate(folder.path(), FILE);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["schema"], "wattlab.simulate/1");
    assert_eq!(report["requests"], 38_000);
    for name in [
        "mean_wait_s",
        "mean_response_s",
        "p50_response_s",
        "p90_response_s",
        "p99_response_s",
        "max_wait_s",
        "utilisation",
        "mean_batch",
        "throughput_rps",
        "duration_s",
        "energy_j",
        "energy_j_per_request",
    ] {
        assert!(report[name].is_number(), "{name}");
    }
    let [low, high] = [0, 1].map(|end| report["ci95"]["mean_wait_s"][end].as_f64().unwrap());
    assert!(low < 4.0 && 4.0 < high, "M/M/1 waits 4 s, not {low} to {high}");
    assert_eq!(simulate(folder.path(), FILE).1, stdout, "the same seed gives the same bytes");
}

#[test]
fn without_json_the_report_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let text = changed(&[
        ("\"poisson\"", "\"deterministic\""),
        ("\"exponential\"", "\"deterministic\""),
        ("rate = 0.8", "rate = 0.5"),
        ("40_000", "20"),
        ("2_000", "0"),
    ]);
    fs::write(folder.path().join("queue.toml"), text).unwrap();
    let output = run(folder.path(), &["simulate", "queue.toml"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    requests                      20
    mean wait                      0 s
    mean response                  1 s
    median response                1 s
    p90 response                   1 s
    p95 response                   1 s
    p99 response                   1 s
    p99.9 response                 1 s
    longest wait                   0 s
    utilization             0.512821
    mean batch                     1 requests
    throughput              0.512821 requests/s
    duration                      39 s
    energy                      5950 J
    energy per request       297.500 J
    offered load            0.500000
    ");
}

#[test]
fn an_unstable_queue_has_a_growth_in_place_of_means() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = simulate(folder.path(), &changed(&[("rate = 0.8", "rate = 2.0")]));
    assert_eq!(code, Some(0));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["stable"], false);
    for name in ["mean_wait_s", "mean_response_s", "p50_response_s", "p99_response_s"] {
        assert!(report[name].is_null(), "{name}");
    }
    let growth = |key: &str| report["growth"][key].as_f64().unwrap();
    assert!((growth("wait_s_per_s") - 1.0).abs() < 0.05, "{stdout}");
    assert!((growth("requests_per_s") - 1.0).abs() < 0.05, "{stdout}");
    assert!(stderr.contains("unstable") && stderr.contains("lower `arrivals.rate`"), "{stderr}");
}

#[test]
fn messages_name_the_file_the_key_the_value_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("empty.csv"), "arrival_s\n").unwrap();
    fs::write(folder.join("unsorted.csv"), "arrival_s\n2\n1\n").unwrap();
    fs::write(folder.join("other.csv"), "time,user\n1,a\n").unwrap();
    fs::write(folder.join("words.csv"), "arrival_s\nsoon\n").unwrap();
    fs::write(folder.join("short.csv"), "arrival_s\n1\n2\n").unwrap();
    let trace = |file: &str| {
        changed(&[("\"poisson\"\nrate = 0.8", &format!("\"trace\"\nfile = \"{file}\""))])
    };
    let rows = [
        (
            changed(&[("rate = 0.8", "rate = -0.8")]),
            vec!["`arrivals.rate` is -0.8", "from 1e-9 to 1e9 requests per second"],
        ),
        (changed(&[("rate = 0.8", "rate = 0")]), vec!["`arrivals.rate` is 0", "from 1e-9 to 1e9"]),
        (changed(&[("size = 1", "size = 0")]), vec!["`batching.size` is 0", "from 1 to 1000000"]),
        (changed(&[("size = 1", "size = -4")]), vec!["line", "size = -4", "usize"]),
        (changed(&[("size = 1", "size = 1\nsized = 2")]), vec!["`sized`", "did you mean `size`?"]),
        (changed(&[("\"fixed\"", "\"greddy\"")]), vec!["`greddy`", "did you mean `greedy`?"]),
        (changed(&[("per_item_s = 1.0", "per_item_s = -1.0")]), vec!["`service.per_item_s` is -1"]),
        (changed(&[("idle_w = 50.0", "idle_w = -50.0")]), vec!["`power.idle_w` is -50", "watts"]),
        (changed(&[("count = 1", "count = 0")]), vec!["`servers.count` is 0", "from 1 to 1000000"]),
        (changed(&[("2_000", "40_000")]), vec!["`warmup` is 40000", "less than `requests`"]),
        (
            changed(&[("\"fixed\"", "\"window\"\ndelay_s = 1e-12")]),
            vec!["`batching.delay_s` is 0.000000000001", "tick"],
        ),
        (trace("none.csv"), vec!["none.csv", "could not be read"]),
        (trace("empty.csv"), vec!["empty.csv", "at least one arrival"]),
        (trace("unsorted.csv"), vec!["unsorted.csv", "line 3", "no earlier than the line before"]),
        (trace("other.csv"), vec!["other.csv", "no column `arrival_s`", "`time,user`"]),
        (trace("words.csv"), vec!["words.csv", "line 2", "`soon`", "finite number of seconds"]),
        (
            trace("short.csv"),
            vec!["`requests` is 40000", "the trace has 2 arrivals", "lower `requests`"],
        ),
        (changed(&[("40_000", "0")]), vec!["`requests` is 0", "from 1"]),
        (changed(&[("40_000", "9_000_000_000_000")]), vec!["`requests` is 9000000000000"]),
        (changed(&[("size = 1", "size = 99_999_999")]), vec!["`batching.size` is 99999999"]),
        (changed(&[("rate = 0.8", "rate = 1e300")]), vec!["`arrivals.rate` is 1e300"]),
        (changed(&[("40_000", "40000000000000000000")]), vec!["line 3", "requests"]),
        (changed(&[("rate = 0.8", "rate = nan")]), vec!["`arrivals.rate` is NaN"]),
        (changed(&[("rate = 0.8", "rate = \"fast\"")]), vec!["line 7", "f64"]),
        (
            changed(&[("rate = 0.8", "rate = 0.8\nrates = [1, 2]")]),
            vec!["`arrivals.rates`", "remove it"],
        ),
        (
            changed(&[("\"poisson\"", "\"jittered\"\njitter = 1.5")]),
            vec!["`arrivals.jitter` is 1.5"],
        ),
        (changed(&[("cv = 1.0", "table_cv = 0.1")]), vec!["`service.table_cv`", "remove it"]),
        (
            changed(&[("cv = 1.0", "after_pause = [{ pause_s = 0.1, table = [[1, 1.0]] }]")]),
            vec!["`service.after_pause`", "remove it"],
        ),
        (changed(&[("cv = 1.0", "recovery_s = 0.1")]), vec!["`service.recovery_s`", "remove it"]),
        (changed(&[("[power]", "[pover]")]), vec!["`pover`", "did you mean `power`?"]),
        (
            changed(&[("\"fixed\"", "\"window\"\ndelay_s = 0")]),
            vec!["`batching.delay_s` is 0", "tick"],
        ),
        (changed(&[("\"fixed\"", "\"window\"")]), vec!["`batching.delay_s` is missing"]),
        (
            changed(&[
                ("\"fixed\"\nsize = 1", "\"fixed\"\nsize = 8"),
                ("[power]", "[queue]\nlimit = 4\n[power]"),
            ]),
            vec!["`queue.limit` is 4", "waits for"],
        ),
        ("{\"seed\": 1}".to_owned(), vec!["line 1"]),
        ("seed,requests\n1,2\n".to_owned(), vec!["line 1"]),
        (String::new(), vec!["missing field `seed`"]),
    ];
    for (text, words) in rows {
        let (code, stdout, stderr) = simulate(folder, &text);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}");
        assert!(stderr.contains("simulation `queue.toml`"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "lacks `{word}`: {stderr}");
        }
    }
    fs::write(folder.join("queue.bin"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    let binary = run(folder, &["simulate", "queue.bin"]);
    assert_eq!(binary.status.code(), Some(2));
    assert!(super::stderr(&binary).contains("queue.bin"));
    let missing = run(folder, &["simulate", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(super::stderr(&missing).contains("nowhere.toml"));
}
