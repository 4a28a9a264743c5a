//! Invariants of every sample path of every queue.

use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::{Value, json};
use wattlab_inference_sim::{
    BatchTimes, BatchingConfig, Deadline, ModelConfig, ModeledServer, Policy, PolicyContext,
    PolicyKind, QueueConfig, Seconds, ServersConfig, Serving, SimulationConfig, VirtualClock,
    sample_path, serve, serve_limited, simulate,
};

fn arrivals() -> impl Strategy<Value = Value> {
    let rate = 0.5..50.0_f64;
    prop_oneof![
        rate.clone().prop_map(|rate| json!({ "process": "poisson", "rate": rate })),
        rate.clone().prop_map(|rate| json!({ "process": "deterministic", "rate": rate })),
        (rate.clone(), 0.0..=1.0_f64).prop_map(
            |(rate, jitter)| json!({ "process": "jittered", "rate": rate, "jitter": jitter })
        ),
        (rate.clone(), rate).prop_map(|(low, high)| json!({
            "process": "mmpp", "rates": [low, high], "mean_sojourns_s": [0.3, 0.7]
        })),
    ]
}

fn service() -> impl Strategy<Value = Value> {
    let times = (0.0..0.2_f64, 0.0..0.05_f64);
    let law =
        prop_oneof![Just("deterministic"), Just("exponential"), Just("gamma"), Just("lognormal")];
    prop_oneof![
        4 => (law, times, 0.1..2.0_f64).prop_map(|(law, (base, each), cv)| json!({
            "law": law, "base_s": base, "per_item_s": each, "cv": cv
        })),
        1 => Just(json!({ "law": "table", "table": [[1, 0.03], [4, 0.05], [16, 0.3]] })),
        2 => (0.001..0.5_f64, 0.0..0.1_f64, 0.0..1.0_f64, 0.0..0.5_f64).prop_map(
            |(pause, more, cv, recovery)| json!({
            "law": "table", "table": [[1, 0.03], [4, 0.05], [16, 0.3]], "table_cv": cv,
            "recovery_s": recovery,
            "after_pause": [
                { "pause_s": pause, "table": [[1, 0.03 + more]] },
                { "pause_s": 2.0 * pause, "table": [[1, 0.03], [4, 0.05 + more], [16, 0.4]] },
            ],
        })),
    ]
}

fn batching() -> impl Strategy<Value = Value> {
    let size = 1..20_usize;
    prop_oneof![
        size.clone().prop_map(|size| json!({ "policy": "fixed", "size": size })),
        size.clone().prop_map(|size| json!({ "policy": "greedy", "size": size })),
        (size.clone(), 1e-9..1.0_f64).prop_map(
            |(size, delay)| json!({ "policy": "window", "size": size, "delay_s": delay })
        ),
        (size, 0.01..0.3_f64).prop_map(
            |(size, target)| json!({ "policy": "adaptive", "size": size, "target_s": target })
        ),
    ]
}

prop_compose! {
    pub(crate) fn queues()(
        arrivals in arrivals(), service in service(), batching in batching(),
        servers in 1..5_usize, requests in 1..300_usize, warm in 0.0..1.0_f64, seed in any::<u64>(),
    ) -> SimulationConfig {
        serde_json::from_value(json!({
            "seed": seed, "requests": requests, "warmup": (warm * requests as f64) as usize,
            "arrivals": arrivals, "service": service, "batching": batching,
            "servers": { "count": servers }, "power": { "idle_w": 50.0, "busy_w": 250.0 },
        })).unwrap()
    }
}

/// A description of a policy of this kind, whose whole numbers are `size` and whose other numbers are
/// `number`; `None` if it needs a file.
fn of_kind(kind: PolicyKind, size: usize, number: f64) -> Option<BatchingConfig> {
    let mut description = json!({ "policy": kind.name() });
    for key in kind.keys().iter().filter(|key| !key.is_optional()) {
        let value = [json!(number), json!(size), json!([size])].into_iter().find(|value| {
            let alone = json!({ "policy": kind.name(), key.name(): value });
            serde_json::from_value::<BatchingConfig>(alone).is_ok()
        });
        description[key.name()] = value?;
    }
    Some(serde_json::from_value(description).unwrap())
}

/// The requests of each batch by number, with the batch.
fn batches(path: &Serving) -> Vec<(std::ops::Range<usize>, BatchTimes)> {
    let mut first = 0;
    let with_requests = path.batches.iter().map(|&batch| {
        first += batch.size;
        (first - batch.size..first, batch)
    });
    with_requests.collect()
}

/// When a server was free for each batch: the end of all but the latest-ending `servers - 1` of
/// the batches before it, from 0.
fn free_times(path: &Serving, servers: usize) -> Vec<f64> {
    let mut free = vec![0.0_f64; servers];
    let mut times = Vec::new();
    for batch in &path.batches {
        let first = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
        times.push(*first);
        *first = batch.end_s;
    }
    times
}

/// The integral over time of the number of requests in the system.
fn integral_of_number(path: &Serving) -> f64 {
    let ends = batches(path).into_iter().flat_map(|(all, batch)| all.map(move |_| batch.end_s));
    let mut events: Vec<(f64, f64)> = path.arrivals_s.iter().map(|&time| (time, 1.0)).collect();
    events.extend(ends.map(|time| (time, -1.0)));
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut number, mut last, mut integral) = (0.0, 0.0, 0.0);
    for (time, change) in events {
        integral += number * (time - last);
        number += change;
        last = time;
    }
    integral
}

fn near(found: f64, expected: f64) -> Result<(), TestCaseError> {
    let allowed = 1e-9 * expected.abs().max(1.0);
    prop_assert!((found - expected).abs() <= allowed, "{} is not {}", found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_served_once_in_order_and_after_it_arrived(config in queues()) {
        let path = sample_path(&config).unwrap();
        prop_assert_eq!(path.arrivals_s.len(), config.requests);
        prop_assert!(path.arrivals_s.is_sorted());
        prop_assert_eq!(path.batches.iter().map(|batch| batch.size).sum::<usize>(), config.requests);
        prop_assert!(path.batches.is_sorted_by(|a, b| a.start_s <= b.start_s));
        for (requests, batch) in batches(&path) {
            prop_assert!(path.arrivals_s[requests.end - 1] <= batch.start_s);
            prop_assert!(batch.start_s <= batch.end_s);
        }
    }

    #[test]
    fn a_batch_starts_on_a_free_server_when_its_policy_says(config in queues()) {
        let path = sample_path(&config).unwrap();
        let last = path.batches.len() - 1;
        let size = config.batching.size().unwrap();
        let free = free_times(&path, config.servers.count);
        for (number, (requests, batch)) in batches(&path).into_iter().enumerate() {
            let oldest = path.arrivals_s[requests.start];
            let youngest = path.arrivals_s[requests.end - 1];
            // Some batch before may have begun later than this server was free.
            let before = number.checked_sub(1).map_or(0.0, |before| path.batches[before].start_s);
            let ready = free[number].max(before);
            prop_assert!(batch.start_s >= free[number]);
            prop_assert!((1..=size).contains(&batch.size));
            let arrived = path.arrivals_s.partition_point(|&time| time <= batch.start_s);
            let waiting = arrived - requests.start;
            match config.batching.kind().name() {
                "fixed" => {
                    prop_assert!(batch.size == size || number == last);
                    prop_assert_eq!(batch.start_s, ready.max(youngest));
                }
                "greedy" => {
                    prop_assert_eq!(batch.start_s, ready.max(oldest));
                    prop_assert_eq!(batch.size, waiting.min(size));
                }
                "window" => {
                    let batching = serde_json::to_value(&config.batching).unwrap();
                    let delay = batching["delay_s"].as_f64().unwrap();
                    prop_assert_eq!(batch.size, waiting.min(size));
                    let full = if batch.size == size || number == last { youngest } else { f64::INFINITY };
                    prop_assert_eq!(batch.start_s, ready.max(oldest).max(full.min(oldest + delay)));
                }
                "adaptive" => {
                    prop_assert_eq!(batch.start_s, ready.max(oldest));
                    prop_assert!(batch.size <= waiting);
                }
                other => prop_assert!(false, "no rule for the start of a batch of `{}`", other),
            }
        }
    }

    /// Every policy of the list, also one that no other test knows: no request is lost, no batch is
    /// larger than the description says, and none begins before its requests have come or without a server.
    #[test]
    fn every_kind_of_policy_keeps_the_laws(
        config in queues(), size in 1..20_usize, number in 0.01..0.5_f64,
    ) {
        for kind in PolicyKind::all() {
            let Some(batching) = of_kind(kind, size, number) else { continue };
            let config = config.clone().with_batching(batching);
            let law = config.service.law().unwrap();
            let policy = config.batching.policy(&PolicyContext::new(1.0, &law)).unwrap();
            let path = sample_path(&config).unwrap();
            let served: usize = path.batches.iter().map(|batch| batch.size).sum();
            let report = simulate(&config.clone().with_requests(config.requests, 0)).unwrap();
            prop_assert_eq!(report.requests, served, "{}", kind.name());
            prop_assert_eq!(served + report.dropped, config.requests, "{}", kind.name());
            prop_assert!(policy.drops() || report.dropped == 0, "{}", kind.name());
            let free = free_times(&path, config.servers.count);
            for ((requests, batch), free) in batches(&path).into_iter().zip(free) {
                prop_assert!((1..=size).contains(&batch.size), "{}", kind.name());
                prop_assert!(batch.start_s >= free && batch.end_s >= batch.start_s);
                // At least as many requests have come as are served by then.
                let arrived = path.arrivals_s.partition_point(|&time| time <= batch.start_s);
                prop_assert!(requests.end <= arrived, "{}", kind.name());
            }
        }
    }

    /// Little's law as an identity: the time integral of the number in the system is the sum of
    /// the responses.
    #[test]
    fn littles_law_holds(config in queues()) {
        let path = sample_path(&config).unwrap();
        near(integral_of_number(&path), path.responses().sum())?;
    }

    /// A limit that is never reached changes nothing but the engine. (With several servers, the fast
    /// one calls `Policy::served` later, when the batch's server asks again.)
    #[test]
    fn the_fast_engine_and_the_general_one_have_the_same_sample_path(config in queues()) {
        let adaptive = config.batching.kind().name() == "adaptive";
        prop_assume!(!adaptive || config.servers.count == 1);
        let limited = config.clone().with_queue(QueueConfig::limited(1_000_000));
        prop_assert_eq!(sample_path(&config).unwrap(), sample_path(&limited).unwrap());
    }

    #[test]
    fn the_report_agrees_with_the_sample_path(config in queues()) {
        let path = sample_path(&config).unwrap();
        let report = simulate(&config).unwrap();
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
        let waits: Vec<_> = path.waits().skip(config.warmup).collect();
        let mut responses: Vec<_> = path.responses().skip(config.warmup).collect();
        prop_assert_eq!(report.requests, waits.len());
        prop_assert!(report.mean_wait.is_some() || !report.stable);
        let known = |time: Option<Seconds>, exact| time.map_or(Ok(()), |time| near(time.0, exact));
        known(report.mean_wait, mean(&waits))?;
        near(report.max_wait.0, waits.iter().copied().fold(0.0, f64::max))?;
        known(report.mean_response, mean(&responses))?;
        responses.sort_by(f64::total_cmp);
        for (share, found) in [
            (0.5, report.p50_response), (0.9, report.p90_response), (0.99, report.p99_response),
        ] {
            let exact = responses[(share * responses.len() as f64).ceil() as usize - 1];
            let off = found.map_or(0.0, |found| (found.0 - exact).abs());
            prop_assert!(off <= exact / 1024.0 + 1e-12);
        }
        let start = path.arrivals_s[config.warmup];
        let next = config.arrivals.process().unwrap().times(config.seed).nth(config.requests);
        let last = path.batches.iter().map(|batch| batch.end_s).fold(0.0, f64::max);
        let end = if config.warmup > 0 && report.stable { next.unwrap() } else { last };
        near(report.duration.0, end - start)?;
        let busy: f64 = path.batches.iter()
            .map(|batch| (batch.end_s.min(end) - batch.start_s.max(start)).max(0.0)).sum();
        let energy = 50.0 * config.servers.count as f64 * (end - start) + 200.0 * busy;
        near(report.energy.unwrap().0, energy)?;
        let measured: Vec<_> = batches(&path).into_iter()
            .filter(|(requests, _)| requests.end > config.warmup).map(|(_, batch)| batch.size).collect();
        near(report.mean_batch, measured.iter().sum::<usize>() as f64 / measured.len() as f64)?;
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(config in queues()) {
        let bytes = || serde_json::to_vec(&simulate(&config).unwrap()).unwrap();
        prop_assert_eq!(bytes(), bytes());
        prop_assert_eq!(sample_path(&config).unwrap(), sample_path(&config).unwrap());
        let other = config.clone().with_seed(!config.seed);
        let random = !matches!(serde_json::to_value(&config.arrivals).unwrap()["process"].as_str(),
            Some("deterministic")) && config.arrivals.jitter != Some(0.0);
        if random {
            prop_assert_ne!(sample_path(&config).unwrap(), sample_path(&other).unwrap());
        }
    }

    /// The live loop and the engine are two programs for one queue.
    #[test]
    fn the_live_loop_and_the_engine_have_the_same_sample_path(config in queues()) {
        let config = config.with_servers(ServersConfig::default());
        let times: Vec<_> =
            config.arrivals.process().unwrap().times(config.seed).take(config.requests).collect();
        let clock = VirtualClock::new();
        let mut server = ModeledServer::new(config.service.law().unwrap(), config.seed, &clock);
        let law = config.service.law().unwrap();
        let mut policy = config.batching.policy(&PolicyContext::new(1.0, &law)).unwrap();
        let served =
            serve(&times, &mut policy, &mut server, &clock, &mut |_| ControlFlow::Continue(())).unwrap();
        prop_assert_eq!(served, sample_path(&config).unwrap());
    }

    /// Whatever the limits, priorities, deadlines and sleep: every request is served, rejected or
    /// dropped, server-seconds add up, and no queue is longer than its limit lets it.
    #[test]
    fn every_request_is_served_rejected_or_dropped(
        config in queues(), other in queues(), limits in any::<[Option<u8>; 2]>(), priority in -1..2,
        sleeps in prop::option::of((0.0..0.2_f64, 0.0..0.5_f64)), deadline in prop::option::of(0.01..0.5_f64),
    ) {
        // A queue must hold what its policy waits for.
        let queue = |limit: Option<u8>| {
            limit.map_or_else(QueueConfig::default, |more| QueueConfig::limited(20 + usize::from(more)))
        };
        let batching = deadline.map_or(other.batching, |deadline| BatchingConfig::deadline(8, deadline));
        let servers = sleeps.map_or(config.servers, |(after, wakeup)| {
            ServersConfig::new(config.servers.count).sleeping(after, wakeup)
        });
        let requests = config.requests;
        let model = ModelConfig::new(other.arrivals, other.service, batching)
            .with_queue(queue(limits[1]).with_priority(priority));
        let config = config
            .with_requests(requests, 0)
            .with_queue(queue(limits[0]))
            .with_model(model)
            .with_servers(servers);
        let report = simulate(&config).unwrap();
        prop_assert_eq!(report.requests + report.rejected + report.dropped, config.requests);
        let served: usize = report.models.iter().map(|model| model.requests).sum();
        prop_assert_eq!(served, report.requests);
        prop_assert!(report.asleep + report.waking + report.utilization <= 1.0 + 1e-9 || served == 0);
    }

    /// The policy that drops is the same live and simulated.
    #[test]
    fn the_live_loop_drops_what_the_system_drops(config in queues(), deadline in 0.01..0.5_f64) {
        let requests = config.requests;
        let config = config
            .with_servers(ServersConfig::default())
            .with_requests(requests, 0)
            .with_batching(BatchingConfig::deadline(8, deadline));
        let times: Vec<_> =
            config.arrivals.process().unwrap().times(config.seed).take(config.requests).collect();
        let clock = VirtualClock::new();
        let law = config.service.law().unwrap();
        let mut server = ModeledServer::new(law.clone(), config.seed, &clock);
        let mut policy = Deadline::new(8, deadline, &law).unwrap();
        let served = serve_limited(
            &times, usize::MAX, &mut policy, &mut server, &clock, &mut |_| ControlFlow::Continue(()),
        ).unwrap();
        prop_assert_eq!(served.serving, sample_path(&config).unwrap());
        prop_assert_eq!(served.dropped.len(), simulate(&config).unwrap().dropped);
    }

    /// A full queue rejects the same requests live and simulated.
    #[test]
    fn the_live_loop_rejects_what_the_system_rejects(config in queues(), limit in 0..6_usize) {
        let law = config.service.law().unwrap();
        let mut policy = config.batching.policy(&PolicyContext::new(1.0, &law)).unwrap();
        // A queue must hold what its policy waits for.
        let limit = if policy.min_size() > 1 { limit + policy.min_size() } else { limit };
        let requests = config.requests;
        let config = config
            .with_servers(ServersConfig::default())
            .with_requests(requests, 0)
            .with_queue(QueueConfig::limited(limit));
        let times: Vec<_> =
            config.arrivals.process().unwrap().times(config.seed).take(config.requests).collect();
        let clock = VirtualClock::new();
        let mut server = ModeledServer::new(law.clone(), config.seed, &clock);
        let served = serve_limited(
            &times, limit, &mut policy, &mut server, &clock, &mut |_| ControlFlow::Continue(()),
        ).unwrap();
        prop_assert_eq!(served.rejected.len(), simulate(&config).unwrap().rejected);
        prop_assert_eq!(served.serving, sample_path(&config).unwrap());
    }
}

/// Only a policy that reads a file is left out of the laws above.
#[test]
fn every_kind_of_policy_without_a_file_is_described() {
    let left_out: Vec<&str> = PolicyKind::all()
        .filter(|kind| of_kind(*kind, 4, 0.1).is_none())
        .map(PolicyKind::name)
        .collect();
    assert_eq!(left_out, ["triton"]);
}
