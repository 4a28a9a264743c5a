//! Situations of Triton's own test suites `qa/L0_batcher` and `qa/L0_model_queue`, with the batches that they expect.
//! A test suite checks times with tolerances; here the times are those of its rule, and batches take no time unless
//! the situation says so.

use std::fs;

use serde_json::json;
use wattlab_inference_sim::{BatchingConfig, DynamicBatching, SimulationConfig, request_log};

/// A request: its arrival, images, level of priority and time limit; 0 for none.
type Request = (f64, usize, u32, f64);

struct Situation {
    name: &'static str,
    config: &'static str,
    service_s: f64,
    requests: Vec<Request>,
    /// When each is served; `None` if it is rejected.
    expected: Vec<Option<f64>>,
}

const BATCHER: &str = "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 2, 6 ] \
                       max_queue_delay_microseconds: 10000000 }";

/// A configuration of `qa/L0_model_queue`, with this in its `dynamic_batching`.
macro_rules! queue {
    ($inner:literal) => {
        concat!(
            "max_batch_size: 32 dynamic_batching { preferred_batch_size: [ 4, 8 ] \
             max_queue_delay_microseconds: 10000000 ",
            $inner,
            " }"
        )
    };
}

const DELAY: &str =
    queue!("default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 100000 }");
const REJECT: &str = queue!("default_queue_policy { default_timeout_microseconds: 100000 }");
const OVERRIDE: &str = queue!(
    "default_queue_policy { allow_timeout_override: true default_timeout_microseconds: 1000000 }"
);
const LEVELS: &str = queue!("priority_levels: 2 default_priority_level: 2");
const LEVELS_WITH_POLICY: &str = "max_batch_size: 32 dynamic_batching { preferred_batch_size: [ 4, 8, 32 ] \
    max_queue_delay_microseconds: 10000000 priority_levels: 2 default_priority_level: 2 \
    default_queue_policy { timeout_action: DELAY allow_timeout_override: true default_timeout_microseconds: 11000000 } \
    priority_queue_policy { key: 2 value: { timeout_action: REJECT allow_timeout_override: true \
    default_timeout_microseconds: 11000000 } } }";
const MAX_QUEUE: &str = "max_batch_size: 32 dynamic_batching { preferred_batch_size: [ 4, 8 ] \
    default_queue_policy { max_queue_size: 8 } }";

/// Requests of these arrivals and images.
fn plain(requests: &[(f64, usize)]) -> Vec<Request> {
    requests.iter().map(|&(arrival_s, size)| (arrival_s, size, 0, 0.0)).collect()
}

fn situations() -> Vec<Situation> {
    let batcher = |name, requests: &[(f64, usize)], expected: &[f64]| Situation {
        name,
        config: BATCHER,
        service_s: 0.0,
        requests: plain(requests),
        expected: expected.iter().map(|&start_s| Some(start_s)).collect(),
    };
    let queue = |name, config, requests: &[Request], expected: &[Option<f64>]| Situation {
        name,
        config,
        service_s: 0.0,
        requests: requests.to_vec(),
        expected: expected.to_vec(),
    };
    let three = |own_s| [(0.0, 1, 0, own_s), (0.2, 2, 0, 0.0), (0.2, 2, 0, 0.0)];
    let mut max_queue = queue("max_queue_size", MAX_QUEUE, &[(0.0, 8, 0, 0.0)], &[Some(0.0)]);
    max_queue.service_s = 1.0;
    max_queue.requests.extend([(0.5, 1, 0, 0.0); 10]);
    max_queue.expected.extend([[Some(1.0); 8].as_slice(), &[None; 2]].concat());
    vec![
        batcher("static_batch_preferred", &[(0.0, 2), (1.0, 6)], &[0.0, 1.0]),
        batcher("static_batch_lt_any_preferred", &[(0.0, 1)], &[10.0]),
        batcher("static_batch_not_preferred", &[(0.0, 3)], &[10.0]),
        batcher("static_batch_gt_max_preferred", &[(0.0, 7)], &[0.0]),
        batcher("multi_batch_not_preferred", &[(0.0, 1), (1.0, 3)], &[10.0, 10.0]),
        batcher("multi_batch_gt_max_preferred", &[(0.0, 3), (1.0, 7)], &[1.0, 1.0]),
        batcher("multi_batch_sum_gt_max_preferred", &[(0.0, 3), (1.0, 4)], &[1.0, 11.0]),
        batcher("multi_same_output0", &[(0.0, 1), (0.0, 1)], &[0.0, 0.0]),
        batcher("multi_same_output1", &[(0.0, 1), (0.1, 1)], &[0.1, 0.1]),
        batcher("multi_batch_delayed_sum_gt_max_preferred", &[(0.0, 3), (0.0, 4)], &[0.0, 10.0]),
        batcher("multi_batch_use_biggest_preferred", &[(0.0, 1); 6], &[0.0; 6]),
        batcher("multi_batch_use_best_preferred", &[(0.0, 1); 3], &[0.0, 0.0, 10.0]),
        max_queue,
        queue("policy_delay", DELAY, &three(0.0), &[Some(10.0), Some(0.2), Some(0.2)]),
        queue("policy_reject", REJECT, &three(0.0), &[None, Some(0.2), Some(0.2)]),
        queue("timeout_override", OVERRIDE, &three(0.1), &[None, Some(0.2), Some(0.2)]),
        queue("timeout_override, longer", OVERRIDE, &three(10.0), &[None, Some(1.0), Some(1.0)]),
        queue("timeout_override, none", OVERRIDE, &three(0.0), &[None, Some(1.0), Some(1.0)]),
        queue(
            "priority_levels",
            LEVELS,
            &[(0.0, 2, 0, 0.0), (0.1, 1, 0, 0.0), (0.3, 2, 1, 0.0)],
            &[Some(0.3), Some(10.1), Some(0.3)],
        ),
        queue(
            "max_priority_levels",
            LEVELS,
            &[(0.0, 2, 0, 0.0), (0.1, 1, 1_000_000, 0.0), (0.3, 2, 1, 0.0)],
            &[Some(0.3), Some(10.1), Some(0.3)],
        ),
        queue(
            "priority_with_policy",
            LEVELS_WITH_POLICY,
            &[
                (0.0, 2, 1, 0.0),
                (0.2, 1, 1, 1.0),
                (0.4, 2, 1, 0.0),
                (0.6, 2, 2, 2.0),
                (0.8, 3, 2, 0.0),
                (1.0, 6, 2, 0.0),
            ],
            &[Some(1.2), Some(2.6), Some(1.2), None, Some(2.6), Some(11.0)],
        ),
    ]
}

/// When each request is served.
fn starts(situation: &Situation) -> Vec<Option<f64>> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("config.pbtxt"), situation.config).unwrap();
    let rows = situation
        .requests
        .iter()
        .map(|(arrival_s, size, level, limit_s)| format!("{arrival_s},{size},{level},{limit_s}\n"));
    let trace = format!("arrival_s,size,priority,timeout_s\n{}", rows.collect::<String>());
    fs::write(at("trace.csv"), trace).unwrap();
    let config: SimulationConfig = serde_json::from_value(json!({
        "seed": 1, "requests": situation.requests.len(),
        "arrivals": { "process": "trace", "file": at("trace.csv") },
        "service": { "law": "deterministic", "base_s": situation.service_s },
        "batching": { "policy": "greedy", "size": 1 },
    }))
    .unwrap();
    let config = config.with_batching(BatchingConfig::triton(at("config.pbtxt")));
    let mut log = Vec::new();
    request_log(&config, &mut log).unwrap();
    let mut starts = vec![None; situation.requests.len()];
    for line in String::from_utf8(log).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        starts[fields[0].parse::<usize>().unwrap()] = fields[3].parse().ok();
    }
    starts
}

#[test]
fn tritons_situations_have_its_batches() {
    let situations = situations();
    for situation in &situations {
        let found = starts(situation);
        let same = found.iter().zip(&situation.expected).all(|pair| match pair {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        });
        println!("{}: {found:?}", situation.name);
        assert!(same, "{}: {found:?} is not {:?}", situation.name, situation.expected);
    }
    assert_eq!(situations.len(), 21);
}

/// Each level's queue has its own limit.
#[test]
fn levels_have_their_own_limits() {
    let config = "max_batch_size: 1 dynamic_batching { priority_levels: 2 default_priority_level: 2 \
        default_queue_policy { max_queue_size: 1 } priority_queue_policy { key: 1 value { max_queue_size: 2 } } }";
    let requests = vec![
        (0.0, 1, 1, 0.0),
        (0.1, 1, 2, 0.0),
        (0.1, 1, 2, 0.0),
        (0.2, 1, 1, 0.0),
        (0.2, 1, 1, 0.0),
        (0.2, 1, 1, 0.0),
    ];
    let situation =
        Situation { name: "limits", config, service_s: 1.0, requests, expected: Vec::new() };
    // The requests of level 1 first, then the one of level 2 that has a place.
    let expected = [Some(0.0), Some(3.0), None, Some(1.0), Some(2.0), None];
    assert_eq!(starts(&situation), expected);
}

#[test]
fn levels_that_triton_refuses_are_errors() {
    for (text, words) in [
        ("priority_levels: 2", "`default_priority_level` is 0"),
        ("priority_levels: 2 default_priority_level: 3", "expected 1 to `priority_levels`"),
        ("priority_queue_policy { key: 1 value { } }", "has the level 1"),
        ("default_queue_policy { timeout_action: LATER }", "`LATER`, which Triton does not know"),
        ("default_queue_policy { max_queue_size: -1 }", "expected a whole number"),
    ] {
        let found = DynamicBatching::parse(&format!("dynamic_batching {{ {text} }}"));
        assert!(found.as_ref().unwrap_err().contains(words), "{text}: {found:?}");
    }
    let groups = "instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] }, { count: 3 } ]";
    assert_eq!(DynamicBatching::parse(groups).unwrap().instances, 7);
}
