//! Policies from outside: any `impl Policy` runs on every engine, and the built-in ones take the
//! same way.

use std::{num::NonZeroUsize, ops::ControlFlow};

use proptest::prelude::*;
use wattlab_inference_sim::{
    ArrivalConfig, BatchingConfig, ConfigError, Decision, ModelConfig, ModeledServer, Policy,
    PolicyContext, PolicyKind, Queue, QueueConfig, ServersConfig, ServiceConfig, SimulationConfig,
    SimulationError, VirtualClock, request_log, request_log_with, sample_path, sample_path_with,
    serve, simulate, simulate_all, simulate_all_with, simulate_replicated,
    simulate_replicated_with, simulate_with,
};

use crate::laws::queues;

/// The built-in policies once more, written by somebody who sees only the public interface.
enum Outside {
    Fixed(usize),
    Greedy(usize),
    Window(usize, f64),
    Adaptive { size: usize, target_s: f64, cap: usize },
    Deadline { deadline_s: f64, times_s: Vec<f64> },
}

impl Outside {
    /// The one that a description names.
    fn new(batching: &BatchingConfig, context: &PolicyContext<'_>) -> Result<Self, ConfigError> {
        let config = serde_json::to_value(batching).unwrap();
        let number = |key: &str| config[key].as_f64().unwrap();
        let size = batching.size().unwrap();
        Ok(match batching.kind().name() {
            "fixed" => Self::Fixed(size),
            "greedy" => Self::Greedy(size),
            "window" => Self::Window(size, number("delay_s")),
            "adaptive" => Self::Adaptive { size, target_s: number("target_s"), cap: 1 },
            "deadline" => Self::Deadline {
                deadline_s: number("deadline_s"),
                times_s: (1..=size).map(|size| context.law.mean_s(size)).collect(),
            },
            other => panic!("no copy of `{other}`"),
        })
    }
}

impl Policy for Outside {
    fn decide(&self, queue: &Queue) -> Decision {
        let (waiting, more) = (queue.waiting, queue.more_to_come);
        match self {
            Self::Fixed(size) if waiting < *size && more => Decision::WaitForArrival,
            Self::Fixed(size) | Self::Greedy(size) => Decision::Serve(waiting.min(*size)),
            Self::Window(size, delay_s) => {
                let due = queue.oldest_s + delay_s;
                if waiting < *size && more && queue.now_s < due {
                    Decision::WaitUntil(due)
                } else {
                    Decision::Serve(waiting.min(*size))
                }
            }
            Self::Adaptive { cap, .. } => Decision::Serve(waiting.min(*cap)),
            Self::Deadline { deadline_s, times_s } => {
                let left = queue.oldest_s + deadline_s - queue.now_s;
                let within = &times_s[..waiting.min(times_s.len())];
                match within.iter().rposition(|&time| time <= left) {
                    Some(last) if waiting > times_s.len() && last + 1 < within.len() => {
                        Decision::Drop(1)
                    }
                    Some(last) => Decision::Serve(last + 1),
                    None => Decision::Drop(1),
                }
            }
        }
    }

    fn served(&mut self, served: usize, service_s: f64) {
        if let Self::Adaptive { size, target_s, cap } = self {
            if service_s > *target_s {
                *cap = (*cap * 9 / 10).max(1);
            } else if served == *cap {
                *cap = (*cap + 1).min(*size);
            }
        }
    }

    fn max_size(&self) -> usize {
        match self {
            Self::Fixed(size) | Self::Greedy(size) | Self::Window(size, _) => *size,
            Self::Adaptive { size, .. } => *size,
            Self::Deadline { times_s, .. } => times_s.len(),
        }
    }

    fn min_size(&self) -> usize {
        match self {
            Self::Fixed(size) => *size,
            _ => 1,
        }
    }

    fn deadline_s(&self) -> Option<f64> {
        match self {
            Self::Deadline { deadline_s, .. } => Some(*deadline_s),
            _ => None,
        }
    }
}

/// Queues, some of which drop requests that would be late.
fn all_queues() -> impl Strategy<Value = SimulationConfig> {
    (queues(), prop::option::weighted(0.2, 0.01..0.5_f64)).prop_map(|(config, deadline)| {
        match deadline {
            Some(deadline) => config.with_batching(BatchingConfig::deadline(8, deadline)),
            None => config,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_from_outside_has_the_sample_path_of_the_built_in_one(config in all_queues()) {
        let batching = config.batching.clone();
        let outside = |context: &PolicyContext<'_>| Outside::new(&batching, context);
        // The fast engine (or the general one, for policies that drop requests).
        let path = sample_path(&config).unwrap();
        prop_assert_eq!(&sample_path_with(&config, outside).unwrap(), &path);
        // The general engine: the limit is never reached.
        let general = config.clone().with_queue(QueueConfig::limited(1_000_000));
        prop_assert_eq!(
            sample_path_with(&general, outside).unwrap(), sample_path(&general).unwrap()
        );
        // The live loop, which has one server.
        let single = config.clone().with_servers(ServersConfig::default());
        let process = single.arrivals.process().unwrap();
        let times: Vec<_> = process.times(single.seed).take(single.requests).collect();
        let law = single.service.law().unwrap();
        let clock = VirtualClock::new();
        let mut server = ModeledServer::new(law.clone(), single.seed, &clock);
        let mut policy = outside(&PolicyContext::new(1.0, &law)).unwrap();
        let served = serve(
            &times, &mut policy, &mut server, &clock, &mut |_| ControlFlow::Continue(()),
        ).unwrap();
        prop_assert_eq!(served, sample_path(&single).unwrap());
        // Reports, logs, replications and sweeps.
        let bytes = |report| serde_json::to_string(&report).unwrap();
        prop_assert_eq!(
            bytes(simulate_with(&config, outside).unwrap()), bytes(simulate(&config).unwrap())
        );
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        request_log(&config, &mut ours).unwrap();
        request_log_with(&config, &mut theirs, outside).unwrap();
        prop_assert_eq!(ours, theirs);
        let two = NonZeroUsize::new(2).unwrap();
        prop_assert_eq!(
            bytes(simulate_replicated_with(&config, two, two, outside).unwrap()),
            bytes(simulate_replicated(&config, two, two).unwrap())
        );
        let sweep = [config.clone(), config.with_seed(7)];
        let ours = simulate_all(&sweep, two).unwrap();
        let theirs = simulate_all_with(&sweep, two, |_, context| outside(context)).unwrap();
        prop_assert_eq!(ours.into_iter().map(bytes).collect::<Vec<_>>(),
            theirs.into_iter().map(bytes).collect::<Vec<_>>());
    }
}

fn queue() -> SimulationConfig {
    SimulationConfig::new(
        ArrivalConfig::poisson(20.0),
        ServiceConfig::deterministic(0.02, 0.01),
        BatchingConfig::greedy(8),
    )
    .with_requests(2_000, 100)
}

#[test]
fn each_model_has_its_own_policy() {
    let model = ModelConfig::new(
        ArrivalConfig::poisson(5.0),
        ServiceConfig::deterministic(0.03, 0.0),
        BatchingConfig::greedy(4),
    );
    let config = queue().with_model(model);
    let mixed = simulate_with(&config, |context| {
        Ok(match context.model {
            0 => Box::new(Outside::Fixed(8)) as Box<dyn Policy>,
            _ => Box::new(config.models[0].batching.policy(context)?),
        })
    });
    let built_in = simulate(&config.clone().with_batching(BatchingConfig::fixed(8))).unwrap();
    assert_eq!(mixed.unwrap().models, built_in.models);
}

/// A policy with one answer.
struct Always(Decision);

impl Policy for Always {
    fn decide(&self, _: &Queue) -> Decision {
        self.0
    }

    fn max_size(&self) -> usize {
        1
    }
}

#[test]
fn a_wrong_decision_is_an_error_on_every_engine() {
    for decision in [
        Decision::Serve(0),
        Decision::Serve(1_000_000),
        Decision::WaitUntil(0.0),
        Decision::WaitUntil(f64::NAN),
        Decision::WaitUntil(f64::INFINITY),
        Decision::WaitForArrival,
        Decision::Drop(1),
    ] {
        for config in [queue(), queue().with_queue(QueueConfig::limited(10_000))] {
            let result = simulate_with(&config, |_| Ok(Always(decision)));
            let Err(SimulationError::Policy(error)) = result else {
                panic!("{decision:?}: {result:?}")
            };
            assert_eq!(format!("{:?}", error.decision), format!("{decision:?}"));
            assert!(error.to_string().contains("expected"), "{error}");
        }
    }
}

#[test]
fn the_constructor_of_a_policy_may_fail() {
    let result = simulate_with(&queue(), |_| {
        let expected = "anything else";
        Err::<Always, _>(ConfigError::Invalid { key: "mine", found: "0".to_owned(), expected })
    });
    assert_eq!(result.unwrap_err().to_string(), "`mine` is 0: expected anything else");
}

/// A new policy that is in the list but not in the README has no documentation.
#[test]
fn the_readme_names_every_policy_and_every_key() {
    let readme = include_str!("../../README.md");
    for kind in PolicyKind::all() {
        assert!(readme.contains(kind.name()), "{kind:?}");
        for key in kind.keys() {
            assert!(readme.contains(key.name()), "{kind:?} {key:?}");
        }
        assert!(!kind.summary().is_empty());
        assert_eq!(PolicyKind::named(kind.name()), Some(kind));
    }
}

#[test]
fn a_policy_has_a_short_title() {
    let titles = [
        BatchingConfig::greedy(8),
        BatchingConfig::window(16, 0.1),
        BatchingConfig::energy_aware(32, 0.425),
        BatchingConfig::min_max(4, 8),
    ]
    .map(|batching| batching.to_string());
    let expected =
        ["greedy 8", "window 16, 0.1000 s", "energy_aware 32, 0.4250 s", "min_max 8, min_size 4"];
    assert_eq!(titles, expected);
}
