//! `wattlab simulate`: the documented file and report, and messages for wrong input.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{run, stderr};

/// The documented file with fewer requests.
const FILE: &str = r#"
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

fn changed(changes: &[(&str, &str)]) -> String {
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

#[test]
fn a_network_is_calibrated_and_its_batches_are_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let calibrate = [
        "simulate",
        "calibrate",
        "--arch",
        "squeezenet1_1",
        "--side",
        "32",
        "--batches",
        "1,4,12",
        "--repetitions",
        "2",
        "--seconds",
        "0.01",
        "--threads",
        "1",
        "--pauses",
        "0.005",
        "--json",
    ];
    let output = run(folder, &calibrate);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sizes = document["calibration"]["sizes"].as_array().unwrap();
    let found: Vec<_> =
        sizes.iter().map(|row| (row["pause_s"].as_f64(), row["size"].as_u64().unwrap())).collect();
    let pause = Some(0.005);
    assert_eq!(found, [(None, 1), (None, 4), (None, 12), (pause, 1), (pause, 4), (pause, 12)]);
    let after = &document["service"]["after_pause"][0];
    assert_eq!(after["pause_s"].as_f64(), pause);
    assert!(document["service"]["recovery_s"].as_f64().unwrap() >= 0.0);
    assert_eq!(after["table"].as_array().unwrap().len(), 3);
    assert!(sizes.iter().all(|row| row["mean_s"].as_f64().unwrap() > 0.0));
    assert_eq!(document["calibration"]["threads"], 1);
    assert!(document["calibration"]["time"]["per_item"].as_f64().unwrap() > 0.0);

    let output = run(folder, &["simulate", "squeezenet1_1.toml", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["stable"], true);

    let args =
        ["simulate", "live", "squeezenet1_1.toml", "--requests", "12", "--rate", "50", "--json"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let live = &document["live"];
    assert_eq!(live["requests"], 12);
    let batches = live["batches"].as_array().unwrap();
    let served: u64 = batches
        .iter()
        .map(|row| row["size"].as_u64().unwrap() * row["batches"].as_u64().unwrap())
        .sum();
    assert_eq!(served, 12);
    assert!(live["mean_response_s"].as_f64() > live["mean_wait_s"].as_f64());
    assert!((0.0..1.0).contains(&live["prepare_share"].as_f64().unwrap()));
    // With a limit of 0, only requests that find the server free are served.
    let text = fs::read_to_string(folder.join("squeezenet1_1.toml")).unwrap();
    fs::write(folder.join("full.toml"), text.clone() + "\n[queue]\nlimit = 0\n").unwrap();
    let args = ["simulate", "live", "full.toml", "--requests", "200", "--rate", "100000", "--json"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let full: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |key: &str| full["live"][key].as_u64().unwrap();
    assert_eq!(count("requests") + count("rejected"), 200);
    assert!(count("rejected") > 0);

    if live["energy"].is_null() {
        return; // This machine has neither a sensor nor an estimate.
    }
    assert!(batches.iter().all(|row| row["mean_j"].as_f64().unwrap() > 0.0));
    let tune =
        ["simulate", "tune", "squeezenet1_1.toml", "--p99", "10", "--rate", "40", "--live", "0.3"];
    let output = run(folder, &[&tune[..], &["--json", "--out", "out"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tuning["schema"], "wattlab.simulate-tune/1");
    let best = tuning["best"]["energy_j_per_request"].as_f64().unwrap();
    assert!(best <= tuning["batch_1"]["energy_j_per_request"].as_f64().unwrap());
    assert!(!tuning["frontier"].as_array().unwrap().is_empty());
    for name in ["batch_1", "best"] {
        let served = &tuning["live"][name];
        assert_eq!(served["requests"], 12);
        assert!(served["energy_j_per_request"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(tuning["live"]["batch_1"]["mean_batch"], 1.0);
    // All joules come with their origin.
    let origin = live["energy"]["origin"].as_str().unwrap();
    assert_eq!(tuning["energy_origin"], origin);
    assert_eq!(tuning["live"]["energy_origin"], origin);
    let frontier = fs::read_to_string(folder.join("out/frontier.csv")).unwrap();
    assert!(
        frontier.lines().skip(1).all(|line| line.ends_with(&format!(",{origin}"))),
        "{frontier}"
    );
    let said = |args: &[&str]| String::from_utf8(run(folder, args).stdout).unwrap();
    let text = said(&tune);
    for part in ["single requests (joules ", "live (joules "] {
        assert!(text.contains(&format!("{part}{origin})")), "{text}");
    }
    let text =
        said(&["simulate", "live", "squeezenet1_1.toml", "--requests", "12", "--rate", "50"]);
    for part in ["J/request, ", " J "] {
        assert!(text.contains(&format!("{part}{origin}")), "{text}");
    }
    assert!(fs::read_to_string(folder.join("out/frontier.svg")).unwrap().contains("<svg"));
    assert!(fs::read_to_string(folder.join("out/frontier.csv")).unwrap().starts_with("policy,"));
}

/// Decoding is a part of the service and reported separately; a cache removes it.
#[test]
fn preparing_photographs_is_a_part_of_the_service() {
    let shared = std::env::var_os("WATTLAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let pictures = shared.join("datasets/images");
    if !pictures.exists() {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", pictures.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pictures = pictures.to_str().unwrap();
    let json = |args: &[&str]| -> Value {
        let output = run(folder, &[&["simulate"], args, &["--json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let short = ["--side", "32", "--batches", "1,2", "--repetitions", "1", "--seconds", "0.02"];
    let short = [&short[..], &["--pauses", "0"]].concat();
    let calibrate = ["calibrate", "--arch", "shufflenet_v2_x0_5", "--images", pictures];
    let calibration = json(&[&calibrate[..], &short].concat())["calibration"].clone();
    assert_eq!(
        Path::new(calibration["images"].as_str().unwrap()),
        Path::new(pictures).canonicalize().unwrap()
    );
    let live = ["live", "shufflenet_v2_x0_5.toml", "--requests", "12", "--rate", "50"];
    let decoded = json(&live)["live"].clone();
    let cached =
        json(&[&live[..], &["--images", pictures, "--cache-images"]].concat())["live"].clone();
    let prepare = |report: &Value| report["prepare_s_per_request"].as_f64().unwrap();
    for report in [&decoded, &cached] {
        assert_eq!(
            (&report["requests"], &report["photographs"]),
            (&Value::from(12), &Value::from(3))
        );
        assert!(prepare(report) > 0.0, "{report}");
        assert!(report["prepare_share"].as_f64().unwrap() < 1.0, "{report}");
    }
    assert!(prepare(&cached) < 0.5 * prepare(&decoded), "{cached} {decoded}");
}

#[test]
fn wrong_flags_are_refused_with_the_flag_and_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("queue.toml"), FILE).unwrap();
    fs::write(folder.join("dark.toml"), changed(&[("[power]\nidle_w = 50.0\nbusy_w = 250.0", "")]))
        .unwrap();
    // A description contains the device of its network.
    let elsewhere = "[calibration]\nnetwork = \"alexnet\"\nimage_side = 64\n\
        device = \"cuda:999\"\nmachine = \"\"\nsizes = []\n\
        [calibration.time]\nbase = 1.0\nper_item = 1.0\nworst_relative = 0.0\n";
    fs::write(folder.join("elsewhere.toml"), format!("{FILE}\n{elsewhere}")).unwrap();
    fs::create_dir(folder.join("nothing")).unwrap();
    fs::create_dir(folder.join("broken")).unwrap();
    fs::write(folder.join("broken/half.png"), &super::vision::PIXEL[..30]).unwrap();
    let calibrate = ["simulate", "calibrate", "--arch"];
    let validate = ["simulate", "validate", "--arch", "resnet18", "--out", "v"];
    for (args, words) in [
        ([&calibrate[..], &["resnet81"]].concat(), vec!["`resnet81`", "did you mean `resnet18`?"]),
        ([&calibrate[..], &["resnet18", "--batches", "4"]].concat(), vec!["[4]", "two or more"]),
        (
            [&calibrate[..], &["resnet18", "--batches", "0,4"]].concat(),
            vec!["--batches", "batch size is 0", "from 1"],
        ),
        ([&calibrate[..], &["alexnet", "--side", "8"]].concat(), vec!["`--side` is 8", "63"]),
        (
            [&calibrate[..], &["resnet18", "--batches", "1,99999999999999"]].concat(),
            vec!["--batches", "batch size is 99999999999999", "to 1000000"],
        ),
        (
            [&calibrate[..], &["resnet18", "--batches", "1,1000000", "--side", "16384"]].concat(),
            vec!["`--batches` has 1000000", "`--side` is 16384", "memory", "smaller"],
        ),
        (
            [&calibrate[..], &["resnet18", "--side", "100000000"]].concat(),
            vec!["--side", "side of an image is 100000000", "to 16384 pixels"],
        ),
        (
            [&calibrate[..], &["resnet18", "--threads", "4096"]].concat(),
            vec!["number of threads is 4096", "processors"],
        ),
        (
            vec!["simulate", "tune", "queue.toml", "--p99", "1", "--load", "0"],
            vec!["--load", "load is 0"],
        ),
        (
            vec!["simulate", "tune", "queue.toml", "--p99", "0"],
            vec!["--p99", "time is 0", "from 1e-9"],
        ),
        (
            vec!["simulate", "tune", "dark.toml", "--p99", "1"],
            vec!["dark.toml", "`power` is missing"],
        ),
        (
            [&calibrate[..], &["resnet18", "--pauses=-1"]].concat(),
            vec!["--pauses", "pause is -1", "from 0 to 60 seconds"],
        ),
        ([&calibrate[..], &["resnet18", "--device", "tpu"]].concat(), vec!["unknown device `tpu`"]),
        (vec!["simulate", "live", "elsewhere.toml"], vec!["`cuda:999`"]),
        (vec!["simulate", "live", "queue.toml"], vec!["queue.toml", "`calibration` is missing"]),
        ([&validate[..], &["--loads", "1.2"]].concat(), vec!["--loads", "load is 1.2", "to 0.95"]),
        (
            [&validate[..], &["--precision", "2", "--most-rounds", "4"]].concat(),
            vec!["--precision", "share is 2", "to 1"],
        ),
        (
            [&validate[..], &["--rounds", "3", "--most-rounds", "2"]].concat(),
            vec!["`--most-rounds` is 2", "`--rounds`, 3"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "nowhere"]].concat(),
            vec!["--images", "`nowhere`"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "nothing"]].concat(),
            vec!["`nothing`", ".jpg"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "broken"]].concat(),
            vec!["half.png", "JPEG or PNG"],
        ),
        ([&calibrate[..], &["resnet18", "--cache-images"]].concat(), vec!["--images"]),
        (vec!["simulate"], vec!["FILE"]),
        (vec!["simulate", "queue.toml", "--replications", "0"], vec!["--replications", "from 1"]),
        (
            vec![
                "simulate",
                "mlperf",
                "queue.toml",
                "--scenario",
                "offline",
                "--queries",
                "99999999999",
            ],
            vec!["--queries", "number of queries is 99999999999"],
        ),
    ] {
        let output = run(folder, &args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn mlperf_scenarios_print_the_summary_of_loadgen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = changed(&[
        ("\"exponential\"", "\"deterministic\""),
        ("per_item_s = 1.0", "per_item_s = 0.5"),
    ]);
    fs::write(folder.join("queue.toml"), text).unwrap();
    let run_of = |args: &[&str]| {
        let command = ["simulate", "mlperf", "queue.toml", "--scenario"];
        run(folder, &[&command[..], args].concat())
    };
    let output = run_of(&["single-stream", "--queries", "100", "--duration", "60"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    scenario                  SingleStream
    result is                 VALID
    queries                   121
    duration (s)              60.500
    samples per second        2.000
    p90 latency (s)           0.500000
    early stopping bound (s)  0.500000
    ");
    // M/D/1 within 4 service times in 99 of 100: some rate between idle and full.
    let server = ["server", "--bound", "2", "--queries", "20000", "--trace", "t.json", "--json"];
    let output = run_of(&server);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rate = summary["rate"].as_f64().unwrap();
    assert!(0.5 < rate && rate < 1.6, "{summary}");
    assert_eq!(summary["valid"], true);
    let trace: Value = serde_json::from_slice(&fs::read(folder.join("t.json")).unwrap()).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 1000);
    let output = run_of(&["server", "--bound", "0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("raise `--bound`"), "{}", stderr(&output));
    assert_eq!(run_of(&["server"]).status.code(), Some(2));
}

#[test]
fn an_interrupted_validation_continues_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let args = [
        "simulate",
        "validate",
        "--arch",
        "squeezenet1_1",
        "--side",
        "32",
        "--batches",
        "1,8",
        "--repetitions",
        "1",
        "--seconds",
        "0.004",
        "--pauses",
        "0.002",
        "--loads",
        "0.2",
        "--duration",
        "0.1",
        "--out",
        "v",
        "--busy",
        "--json",
    ];
    let document = |more: &[&str]| -> Value {
        let output = run(folder, &[&args[..], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let of = |document: &Value, key: &str| document[key].as_array().unwrap().clone();
    let first = document(&[]);
    assert_eq!((of(&first, "cells").len(), of(&first, "means").len()), (3, 3));
    let lines = fs::read_to_string(folder.join("v/cells.jsonl")).unwrap();
    let kept: String = lines.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("v/cells.jsonl"), kept).unwrap();
    let second = document(&[]);
    assert_eq!(of(&first, "cells")[..2], of(&second, "cells")[..2]);
    assert_eq!(of(&second, "cells").len(), 3);
    // No queue is ever as precise as that.
    let more = ["--precision", "0.000000001", "--most-rounds", "2"];
    let third = document(&more);
    assert_eq!(of(&second, "cells")[..], of(&third, "cells")[..3]);
    assert_eq!(of(&third, "cells").len(), 6);
    assert!(of(&third, "means").iter().all(|mean| mean["rounds"] == 2));
    let mut largest = 0.0_f64;
    for mean in of(&third, "means") {
        for ratio in ["response", "energy"] {
            let of = |key: &str| mean[ratio][key].as_f64();
            if let (Some(of_mean), Some(error)) = (of("mean"), of("error")) {
                assert!(error > 0.0, "{mean}");
                largest = largest.max(error / of_mean);
            }
        }
    }
    assert!(largest > 0.0, "{third}");
    // All are as precise as the least precise of them, unless the machine was so busy that an error is
    // larger than the flag allows.
    let precision = (largest * (1.0 + 1e-9)).to_string();
    let enough = ["--precision", &precision, "--most-rounds", "9"];
    let enough = if largest < 0.99 { &enough[..] } else { &enough[2..] };
    assert_eq!(document(enough)["cells"], third["cells"]);
}

/// A generative model: the documented example with fewer requests.
fn generation() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/generation.toml");
    let text = fs::read_to_string(path).unwrap();
    text.replace("requests = 10_000\nwarmup = 1_000", "requests = 600\nwarmup = 100")
}

#[test]
fn a_generative_model_is_simulated_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    let output = run(folder.path(), &["simulate", "model.toml", "--json", "--log", "requests.csv"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "wattlab.simulate-generation/1");
    assert_eq!((&report["requests"], &report["energy_origin"]), (&500.into(), &"estimated".into()));
    for name in ["ttft", "tpot", "itl", "response", "wait"] {
        for quantile in ["mean_s", "p50_s", "p90_s", "p95_s", "p99_s", "p999_s"] {
            assert!(report[name][quantile].as_f64().is_some(), "{name} {quantile}");
        }
    }
    // The smallest step takes 7.32 ms, so no token comes sooner.
    assert!(report["tpot"]["p50_s"].as_f64().unwrap() >= 0.0073);
    assert!(report["energy_j_per_token"].as_f64().unwrap() > 0.0);
    let log = fs::read_to_string(folder.path().join("requests.csv")).unwrap();
    assert!(log.lines().count() >= 601, "{}", log.lines().count());
    let text = run(folder.path(), &["simulate", "model.toml"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("time to first token") && text.contains("J estimated"), "{text}");
}

#[test]
fn the_batch_limit_of_a_generative_model_is_tuned_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    let tune =
        ["simulate", "tune", "model.toml", "--ttft", "1", "--tpot", "0.03", "--largest", "128"];
    let output = run(folder.path(), &[&tune[..], &["--out", "figures", "--json"]].concat());
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let tuning: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tuning["schema"], "wattlab.simulate-generation-tune/1");
    let limits = tuning["limits"].as_array().unwrap();
    assert_eq!(limits.len(), 8);
    assert_eq!(limits[0]["stable"], false, "one at a time cannot keep up");
    let best = &tuning["best"];
    let joules = |limit: &Value| limit["energy_j_per_token"].as_f64().unwrap();
    let in_time = limits.iter().filter(|limit| limit["in_time"] == true);
    assert!(
        in_time.clone().count() > 0 && in_time.clone().all(|limit| joules(limit) >= joules(best))
    );
    let csv = fs::read_to_string(folder.path().join("figures/batch-limits.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9);
    let svg = fs::read_to_string(folder.path().join("figures/batch-limits.svg")).unwrap();
    assert!(svg.contains("batch limit") && svg.contains("J/token"));
    let text = run(folder.path(), &tune);
    assert!(String::from_utf8(text.stdout).unwrap().contains("fewest joules per token in time"));
}

#[test]
fn options_of_the_other_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    fs::write(folder.path().join("queue.toml"), FILE).unwrap();
    for (args, says) in [
        (&["simulate", "tune", "model.toml", "--p99", "1"][..], "`--p99` is for queues of batches"),
        (&["simulate", "tune", "model.toml", "--load", "0.5"], "`--load` is for queues"),
        (&["simulate", "tune", "model.toml", "--live", "5"], "`--live` is for queues"),
        (&["simulate", "tune", "queue.toml"], "give `--p99`"),
        (&["simulate", "tune", "queue.toml", "--p99", "1", "--ttft", "1"], "neither `--ttft`"),
        (&["simulate", "model.toml", "--replications", "3"], "`--replications` is for queues"),
        (&["simulate", "live", "model.toml"], "describes a generative model"),
        (
            &["simulate", "mlperf", "model.toml", "--scenario", "offline"],
            "describes a generative model",
        ),
    ] {
        let output = run(folder.path(), args);
        let words = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains(says), "{args:?}: {words}");
    }
    let longer = generation().replace("blocks = 25_000 ", "blocks = 2 ");
    fs::write(
        folder.path().join("model.toml"),
        longer.replace("mean = 200.0, cv = 1.0", "value = 33"),
    )
    .unwrap();
    let output = run(folder.path(), &["simulate", "model.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`tokens.prompt` is 33"), "{}", stderr(&output));
}
