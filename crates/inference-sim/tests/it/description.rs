//! Descriptions of queues: the documented files are read, and mistakes are named.

use std::fs;

use wattlab_inference_sim::{
    ConfigError, SIMULATE_SCHEMA, SimulationConfig, sample_path, simulate,
};

/// The documented file with fewer requests.
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

/// The error message for the file with some of its text replaced, or "fine".
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
fn the_report_has_the_documented_fields() {
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
fn a_description_is_the_same_after_writing_and_reading() {
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
fn messages_name_the_key_the_value_and_the_remedy() {
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
    `arrivals.rate` is -1, expected a number from 1e-9 to 1e9 requests per second
    `arrivals.rate` is missing: `process = "poisson"` needs the mean number of requests per second
    `arrivals.jitter` is not used by `process = "poisson"`: remove it
    `arrivals.jitter` is 2, expected a number from 0 to 1
    unknown field `rat`, expected one of `process`, `rate`, `jitter`, `rates`, `mean_sojourns_s`, `amplitude`, `period_s`, `cv`, `points`, `file`, `columns`, `unit_s`, `clients`, `think_s`, `group`, `size`, `level`
    unknown variant `poison`, expected one of `poisson`, `deterministic`, `jittered`, `mmpp`, `daily`, `gamma`, `weibull`, `lognormal`, `ramp`, `trace`, `closed`
    `arrivals.rates` is [0.0, 0.0]: expected two rates that are not both 0, in requests per second
    `service.per_item_s` is NaN, expected a number from 0 to 1e9 seconds
    `service.cv` is 0: expected a number above 0 (for 0 take `law = "deterministic"`)
    `service.base_s` is not used by `law = "table"`: remove it
    `service.table` is a row for 1 requests after 2: expected rows of [requests, seconds], requests rising from 1 to 1000000, seconds from 0 to 1e9
    `batching.size` is 0, expected a whole number from 1 to 1000000
    `batching.delay_s` is missing: `policy = "window"` needs a number of seconds from 1e-9, the clock's tick, to 1e9 (for no delay take `policy = "greedy"`)
    `batching.delay_s` is not used by `policy = "fixed"`: remove it
    `batching.target_s` is 0, expected a number from 1e-9 to 1e9 seconds
    `requests` is 0, expected a whole number from 1 to 1000000000000
    `warmup` is 100: expected less than `requests`
    `servers.count` is 0, expected a whole number from 1 to 1000000
    `power.busy_w` is inf, expected a number from 0 to 1e9 watts
    unknown field `sed`, expected one of `seed`, `requests`, `warmup`, `arrivals`, `service`, `batching`, `servers`, `replicas`, `power`, `queue`, `cascade`, `models`, `statistics`, `calibration`
    "#);
}

/// A huge number is an error at once: it must neither exhaust the memory nor run forever.
#[test]
fn huge_numbers_are_refused() {
    let policy = "\"fixed\"\n    size = 1";
    for (changes, key) in [
        (vec![("requests = 2_000", "requests = 9_000_000_000_000_000")], "requests"),
        (vec![("size = 1", "size = 1_000_000_000_000")], "batching.size"),
        (vec![(policy, "\"deadline\"\nsize = 4_000_000_000\ndeadline_s = 1")], "batching.size"),
        (vec![(policy, "\"control_limit\"\nsize = 1_000_000\nwaiting_w = 1")], "batching.size"),
        (vec![(policy, "\"window\"\nsize = 8\ndelay_s = 1e300")], "batching.delay_s"),
        (vec![("count = 1", "count = 1_000_000_000")], "servers.count"),
        (vec![("rate = 0.8", "rate = 1e300")], "arrivals.rate"),
        (vec![("rate = 0.8", "rate = 1e-300")], "arrivals.rate"),
        (
            vec![(
                "\"poisson\"\n    rate = 0.8",
                "\"mmpp\"\nrates = [0, 1e-9]\nmean_sojourns_s = [1e-9, 1e-9]",
            )],
            "arrivals.mean_sojourns_s",
        ),
        (vec![("per_item_s = 1.0", "per_item_s = 1e300")], "service.per_item_s"),
        (vec![("cv = 1.0", "cv = 1e9"), ("\"exponential\"", "\"gamma\"")], "service.cv"),
        (vec![("busy_w = 250.0", "busy_w = 1e300")], "power.busy_w"),
        // The queue is unstable: nearly all requests would wait at the end.
        (
            vec![("requests = 2_000", "requests = 1_000_000_000_000"), ("rate = 0.8", "rate = 99")],
            "requests",
        ),
    ] {
        let message = edited(&changes);
        assert!(message.contains(&format!("`{key}` is ")), "{changes:?}: {message}");
        assert!(message.contains("expected"), "{changes:?}: {message}");
    }
    let mut config: SimulationConfig = toml::from_str(FILE).unwrap();
    config.requests = 1_000_000_000;
    let message = sample_path(&config).unwrap_err().to_string();
    assert!(message.contains("`requests` is 1000000000"), "{message}");
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
    let report = run(" arrival_s ,size\n5,1\n 5.5,1\n9.0,1\n", 3).unwrap();
    assert_eq!((report.mean_response.unwrap().0, report.duration.0), (3.5 / 3.0, 5.0));
    assert!((report.offered_load - 0.5).abs() < 1e-12);

    // Three at once in front of one server: they wait 0, 1 and 2 s.
    let report = run("arrival_s\n5\n5\n5\n", 3).unwrap();
    assert_eq!((report.mean_wait.unwrap().0, report.max_wait.0), (1.0, 2.0));

    let messages = [
        run("arrival_s\n1\n2\n", 3),
        run("time\n1\n2\n", 2),
        run("user,arrival_s\na,1\nb,2\n", 2),
        run("arrival_s\n1\nsoon\n", 2),
        run("arrival_s\n1\n0.5\n", 2),
        run("arrival_s\n1\nNaN\n", 2),
        run("arrival_s\n", 2),
    ];
    let messages: Vec<_> = messages.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    `requests` is 3, but the trace has 2 arrivals: lower `requests`
    trace `FILE` has no column `arrival_s`: found `time` in its first line
    trace `FILE` has an unknown column `user`: expected `arrival_s`, `size`, `priority`, `timeout_s`, `prompt_tokens` and `output_tokens`; remove it, or say which columns to read by `arrivals.columns`
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
fn simultaneous_requests_are_spread_over_servers() {
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
