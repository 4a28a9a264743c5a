//! Descriptions of queues: what is promised is read, what makes no sense is refused in words.

use std::fs;

use wattlab_inference_sim::{
    ConfigError, SIMULATE_SCHEMA, SimulationConfig, sample_path, simulate,
};

/// The promised file, but shorter.
const FILE: &str = r#"
    seed = 1
    requests = 2_000
    warmup = 100
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

/// The report, or the message, for the promised file with some of its text replaced.
fn edited(changes: &[(&str, &str)]) -> String {
    let text = changes.iter().fold(FILE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    match toml::from_str::<SimulationConfig>(&text) {
        Err(error) => error.message().to_owned(),
        Ok(config) => match simulate(&config) {
            Err(error) => error.to_string(),
            Ok(_) => "fine".to_owned(),
        },
    }
}

#[test]
fn the_promised_fields_are_there() {
    let config: SimulationConfig = toml::from_str(FILE).unwrap();
    let report = serde_json::to_value(simulate(&config).unwrap()).unwrap();
    assert_eq!(report["schema"], SIMULATE_SCHEMA);
    assert_eq!(report["requests"], 1_900);
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
    for name in ["mean_wait_s", "mean_response_s", "utilisation", "energy_j_per_request"] {
        let found = report[name].as_f64().unwrap();
        let bound = |index: usize| report["ci95"][name][index].as_f64().unwrap();
        assert!(bound(0) < found && found < bound(1), "{name}");
    }
}

#[test]
fn a_description_survives_being_written() {
    let config: SimulationConfig = toml::from_str(FILE).unwrap();
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<SimulationConfig>(&text).unwrap(), config);
}

#[test]
fn every_kind_runs() {
    let process = r#""poisson"
    rate = 0.8"#;
    let law = r#""exponential"
    base_s = 0.0
    per_item_s = 1.0
    cv = 1.0"#;
    let policy = r#""fixed"
    size = 1"#;
    for (old, new) in [
        (process, "\"deterministic\"\nrate = 0.8"),
        (process, "\"jittered\"\nrate = 0.8\njitter = 0.2"),
        (process, "\"mmpp\"\nrates = [0.1, 2]\nmean_sojourns_s = [10, 5]"),
        (law, "\"deterministic\"\nper_item_s = 1\ncv = 1.0"),
        (law, "\"gamma\"\nper_item_s = 1\ncv = 2"),
        (law, "\"lognormal\"\nbase_s = 1\ncv = 0.1"),
        (law, "\"table\"\ntable = [[1, 0.5], [8, 1.5]]"),
        (law, "\"table\"\ncv = 1.0\ntable_cv = 0.1\ntable = [[1, 0.5], [8, 1.5]]"),
        (policy, "\"greedy\"\nsize = 8"),
        (policy, "\"window\"\nsize = 8\ndelay_s = 3"),
        (policy, "\"adaptive\"\nsize = 8\ntarget_s = 3"),
        ("[power]\n    idle_w = 50.0\n    busy_w = 250.0", ""),
        ("[servers]\n    count = 1", ""),
        ("warmup = 100", ""),
    ] {
        assert_eq!(edited(&[(old, new)]), "fine", "{new}");
    }
}

#[test]
fn mistakes_are_named() {
    let messages = [
        edited(&[("rate = 0.8", "rate = -1")]),
        edited(&[("rate = 0.8", "")]),
        edited(&[("rate = 0.8", "rate = 0.8\njitter = 0.1")]),
        edited(&[("\"poisson\"", "\"jittered\"\njitter = 2")]),
        edited(&[("rate = 0.8", "rat = 0.8")]),
        edited(&[("\"poisson\"", "\"poison\"")]),
        edited(&[(
            "\"poisson\"\n    rate = 0.8",
            "\"mmpp\"\nrates = [0, 0]\nmean_sojourns_s = [1, 1]",
        )]),
        edited(&[("per_item_s = 1.0", "per_item_s = nan")]),
        edited(&[("\"exponential\"", "\"gamma\""), ("cv = 1.0", "cv = 0.0")]),
        edited(&[("\"exponential\"", "\"table\"\ntable = [[1, 1.0], [1, 2.0]]")]),
        edited(&[
            ("base_s = 0.0\n    per_item_s = 1.0", ""),
            ("\"exponential\"", "\"table\"\ntable = [[2, 1.0], [1, 2.0]]"),
        ]),
        edited(&[("size = 1", "size = 0")]),
        edited(&[("\"fixed\"", "\"window\"")]),
        edited(&[("size = 1", "size = 1\ndelay_s = 1.0")]),
        edited(&[("\"fixed\"", "\"adaptive\"\ntarget_s = 0.0")]),
        edited(&[("requests = 2_000", "requests = 0")]),
        edited(&[("requests = 2_000", "requests = 100")]),
        edited(&[("count = 1", "count = 0")]),
        edited(&[("busy_w = 250.0", "busy_w = inf")]),
        edited(&[("seed = 1", "seed = 1\nsed = 2")]),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    `arrivals.rate` is -1: expected a finite number above 0, in requests per second
    `arrivals.rate` is missing: `process = "poisson"` needs a finite number above 0, in requests per second
    `arrivals.jitter` means nothing to `process = "poisson"`: remove it
    `arrivals.jitter` is 2: expected a number in [0, 1]
    unknown field `rat`, expected one of `process`, `rate`, `jitter`, `rates`, `mean_sojourns_s`, `amplitude`, `period_s`, `file`
    unknown variant `poison`, expected one of `poisson`, `deterministic`, `jittered`, `mmpp`, `daily`, `trace`
    `arrivals.rates` is [0.0, 0.0]: expected two finite numbers, at least 0 and not both 0, in requests per second
    `service.per_item_s` is NaN: expected a finite number, at least 0, in seconds
    `service.cv` is 0: expected a finite number above 0 (for 0 take `law = "deterministic"`)
    `service.base_s` means nothing to `law = "table"`: remove it
    `service.table` is a row for 1 requests after 2: expected rows of [requests, seconds], requests from 1 and rising, seconds finite and at least 0
    `batching.size` is 0: expected a number of requests, at least 1
    `batching.delay_s` is missing: `policy = "window"` needs a finite number of seconds, at least the clock's tick of 1e-9 (for no delay take `policy = "greedy"`)
    `batching.delay_s` means nothing to `policy = "fixed"`: remove it
    `batching.target_s` is 0: expected a finite number above 0, in seconds
    `requests` is 0: expected at least 1
    `warmup` is 100: expected less than `requests`
    `servers.count` is 0: expected 1 to 1000000
    `power.busy_w` is inf: expected a finite number, at least 0, in watts
    unknown field `sed`, expected one of `seed`, `requests`, `warmup`, `arrivals`, `service`, `batching`, `servers`, `power`, `queue`, `models`, `statistics`, `calibration`
    "#);
}

#[test]
fn a_trace_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let run = |text: &str, requests: usize| {
        fs::write(&path, text).unwrap();
        let mut config: SimulationConfig = toml::from_str(FILE).unwrap();
        config.requests = requests;
        config.warmup = 0;
        config.arrivals = toml::from_str("process = \"trace\"").unwrap();
        config.arrivals.file = Some(path.clone());
        config.service = toml::from_str("law = \"deterministic\"\nbase_s = 1").unwrap();
        simulate(&config).map_err(|error| error.to_string().replace(path.to_str().unwrap(), "FILE"))
    };
    let report = run("user, arrival_s\na, 5\nb, 5.5\nc, 9.0\n", 3).unwrap();
    assert_eq!((report.mean_response.unwrap().0, report.duration.0), (3.5 / 3.0, 5.0));
    assert!((report.offered_load - 0.5).abs() < 1e-12);

    // Three at once in front of one server: they wait 0, 1 and 2 s.
    let report = run("arrival_s\n5\n5\n5\n", 3).unwrap();
    assert_eq!((report.mean_wait.unwrap().0, report.max_wait.0), (1.0, 2.0));

    let messages = [
        run("arrival_s\n1\n2\n", 3),
        run("time\n1\n2\n", 2),
        run("arrival_s\n1\nsoon\n", 2),
        run("arrival_s\n1\n0.5\n", 2),
        run("arrival_s\n1\nNaN\n", 2),
        run("arrival_s\n", 2),
    ];
    let messages: Vec<_> = messages.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    `requests` is 3, but the trace has 2 arrivals: lower `requests`
    trace `FILE` has no column `arrival_s`: found `time` in its first line
    trace `FILE`, line 3: `arrival_s` is `soon`: expected a finite number of seconds
    trace `FILE`, line 3: `arrival_s` is `0.5`: expected a time no earlier than the line before
    trace `FILE`, line 3: `arrival_s` is `NaN`: expected a finite number of seconds
    trace `FILE` has no lines after its header: expected at least one arrival
    "#);

    fs::remove_file(&path).unwrap();
    let missing = wattlab_inference_sim::read_trace(&path);
    assert!(matches!(missing, Err(ConfigError::Trace { .. })));
}

/// Idle servers must not take the second of two simultaneous requests before it arrives.
#[test]
fn simultaneous_requests_meet_several_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    fs::write(&path, "arrival_s\n0\n5\n5\n5\n").unwrap();
    let mut config: SimulationConfig = toml::from_str(FILE).unwrap();
    (config.requests, config.warmup) = (4, 0);
    config.arrivals = toml::from_str("process = \"trace\"").unwrap();
    config.arrivals.file = Some(path);
    config.service = toml::from_str("law = \"deterministic\"\nbase_s = 1").unwrap();
    config.servers.count = 2;
    let path = sample_path(&config).unwrap();
    assert_eq!(path.waits().collect::<Vec<_>>(), [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn the_readmes_description_runs() {
    let readme = include_str!("../../README.md");
    let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut config: SimulationConfig = toml::from_str(text).unwrap();
    (config.requests, config.warmup) = (20_000, 1_000);
    let report = simulate(&config).unwrap();
    assert_eq!(report.models.len(), 2);
    assert_eq!(report.wait_over.len(), 2);
}
