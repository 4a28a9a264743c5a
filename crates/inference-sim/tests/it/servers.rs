//! The rules by which real servers batch, with the numbers of their test suites and trackers.

use std::{fs, path::Path};

use wattlab_inference_sim::{
    BatchingConfig, DynamicBatching, SimulationConfig, Triton, sample_path,
};

/// The size of each batch and when it starts, for requests that arrive at these times and batches of one second.
fn batches(folder: &Path, arrivals: &[f64], batching: BatchingConfig) -> Vec<(usize, f64)> {
    let times: Vec<String> = arrivals.iter().map(f64::to_string).collect();
    fs::write(folder.join("trace.csv"), format!("arrival_s\n{}\n", times.join("\n"))).unwrap();
    let config: SimulationConfig = serde_json::from_value(serde_json::json!({
        "seed": 1, "requests": arrivals.len(),
        "arrivals": { "process": "trace", "file": folder.join("trace.csv") },
        "service": { "law": "deterministic", "base_s": 1.0 },
        "batching": { "policy": "greedy", "size": 1 },
    }))
    .unwrap();
    let path = sample_path(&config.with_batching(batching)).unwrap();
    path.batches.iter().map(|batch| (batch.size, batch.start_s)).collect()
}

/// The batches of Triton with this configuration.
fn triton(arrivals: &[f64], text: &str) -> Vec<(usize, f64)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.pbtxt");
    fs::write(&file, text).unwrap();
    batches(folder.path(), arrivals, BatchingConfig::triton(file))
}

fn sizes(found: &[(usize, f64)]) -> Vec<usize> {
    found.iter().map(|batch| batch.0).collect()
}

/// One request at 0, which occupies the server, and `more` at 0.5 s.
fn then(more: usize) -> Vec<f64> {
    [vec![0.0], vec![0.5; more]].concat()
}

/// `dynamic_batch_scheduler.cc`: without the block, each request goes to an instance alone (server #6013, #4247).
#[test]
fn without_a_dynamic_batcher_requests_are_served_alone() {
    for text in ["max_batch_size: 8", "max_batch_size: 0\ndynamic_batching { }", "name: \"m\""] {
        let found = triton(&then(8), text);
        assert_eq!(sizes(&found), [1; 9], "{text}");
        assert_eq!(found[8].1, 8.0);
    }
}

/// `qa/L0_batcher`, the situations of `test_preferred_batch_only_*` and `test_multi_batch_*` with waiting requests of
/// size 1; server #3116.
#[test]
fn tritons_preferred_sizes_are_served_first() {
    for (more, config, expected) in [
        // Without a delay: the preferred size, then what is left.
        (5, "preferred_batch_size: [ 4 ]", vec![1, 4, 1]),
        (4, "preferred_batch_size: [ 4 ]", vec![1, 4]),
        (3, "preferred_batch_size: [ 4 ]", vec![1, 3]),
        (10, "preferred_batch_size: [ 4, 6 ]", vec![1, 6, 4]),
        (11, "preferred_batch_size: [ 4, 6 ]", vec![1, 6, 4, 1]),
        // Without preferred sizes, the largest batch is the preferred one.
        (9, "", vec![1, 8, 1]),
        (7, "", vec![1, 7]),
        // With a delay that nothing reaches, the preferred size is served although the largest batch could be filled.
        (9, "preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100000000", vec![4, 4, 1]),
        // The first request has waited for the delay when the server is free: a full batch.
        (9, "preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 400000", vec![8, 1]),
        (6, "preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 400000", vec![6]),
        // A set: order and repetition do not matter.
        (10, "preferred_batch_size: [ 6, 4, 6 ]", vec![1, 6, 4]),
    ] {
        let delayed = config.contains("delay");
        let found =
            triton(&then(more), &format!("max_batch_size: 8\ndynamic_batching {{ {config} }}"));
        let found = sizes(&found);
        // With a delay, the first request waits for it, too, and joins the others.
        if delayed && config.contains("100000000") {
            assert_eq!(found, [4, 4, 2], "{more}, {config}");
        } else if delayed {
            assert_eq!(found[0], 1, "{more}, {config}");
            assert_eq!(found[1..], expected[..], "{more}, {config}");
        } else {
            assert_eq!(found, expected, "{more}, {config}");
        }
    }
    // Four at once are a preferred batch; of nine more, the last one waits out its delay of 100 s.
    let arrivals = [vec![0.0; 4], vec![0.5; 9]].concat();
    let text = "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100000000 }";
    assert_eq!(triton(&arrivals, text), [(4, 0.0), (4, 1.0), (4, 2.0), (1, 100.5)]);
    // Nothing can be filled: the batch waits for the delay.
    let text = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 2000000 }";
    assert_eq!(triton(&[0.0, 0.5, 1.0], text), [(3, 2.0)]);
}

/// Configurations as people posted them (server #3327, #3107).
#[test]
fn tritons_text_format_is_read_in_all_its_forms() {
    for text in [
        "max_batch_size: 32\ndynamic_batching < max_queue_delay_microseconds: 100 >",
        "max_batch_size: 32\ndynamic_batching: { max_queue_delay_microseconds: 100 }",
        "max_batch_size: 32\ndynamic_batching { preferred_batch_size: [ 32, 8 ] max_queue_delay_microseconds: 100 }",
        "max_batch_size: 32\ndynamic_batching { preferred_batch_size: 8 preferred_batch_size: 8 max_queue_delay_microseconds: 100 }",
        "dynamic_batching {\nmax_queue_delay_microseconds: 100\n}\nversion_policy: {\n latest: { num_versions: 1 }\n}\n\
         max_batch_size: 32\ninput: [ { name: \"t\" dims: [8], is_shape_tensor: false } ]\nbatch_input: []\n\
         instance_group: [ { name: \"m\" kind: KIND_GPU count: 1 gpus: [0] profile: [] } ]",
    ] {
        let found = DynamicBatching::parse(text).unwrap();
        assert_eq!(
            (found.max_batch_size, found.dynamic, found.delay_us),
            (32, true, 100),
            "{text}"
        );
        assert!(found.not_simulated.is_empty(), "{text}: {:?}", found.not_simulated);
        assert!(Triton::new(&found).is_ok(), "{text}");
    }
    let above =
        DynamicBatching::parse("max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }");
    assert!(Triton::new(&above.unwrap()).unwrap_err().to_string().contains("max_batch_size"));
    assert!(DynamicBatching::parse(&"a { ".repeat(100)).unwrap_err().contains("64 blocks"));
}

/// Server #7512: what is not simulated is named.
#[test]
fn what_is_not_simulated_is_named() {
    let text = "max_batch_size: 1\ndynamic_batching {\n preserve_ordering: true\n priority_levels: 2\n default_priority_level: 1\n\
        default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1500000 max_queue_size: 4 }\n}\n\
        instance_group [ { count: 2 kind: KIND_GPU } ]\nsequence_batching { }";
    let found = DynamicBatching::parse(text).unwrap();
    assert_eq!(found.default_policy.max_size, 4);
    assert_eq!(found.instances, 2);
    assert_eq!(
        found.not_simulated,
        ["dynamic_batching.preserve_ordering", "sequence_batching"],
        "timeouts, levels and instances are simulated"
    );
}

/// pytorch/serve #2478: A at 0 waits for the delay and runs from 0.5 to 1.5; B at 0.6 is taken at 1.5 and waits again.
#[test]
fn torchserve_and_ray_serve_wait_from_when_a_request_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let arrivals = [0.0, 0.6, 50.0];
    for batching in [BatchingConfig::torchserve(8, 0.5), BatchingConfig::ray_serve(8, 0.5)] {
        let found = batches(folder.path(), &arrivals, batching);
        assert_eq!(found, [(1, 0.5), (1, 2.0), (1, 50.5)]);
    }
    let window = batches(folder.path(), &arrivals, BatchingConfig::window(8, 0.5));
    assert_eq!(window, [(1, 0.5), (1, 1.5), (1, 50.0)]);
    // A full batch does not wait.
    let full = batches(folder.path(), &[0.0, 0.1, 0.2, 0.3], BatchingConfig::torchserve(2, 10.0));
    assert_eq!(full, [(2, 0.1), (2, 1.1)]);
}
