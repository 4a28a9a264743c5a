//! MLPerf's scenarios: LoadGen's published counts, and scenarios whose outcome is known.

use std::ops::ControlFlow;

use wattlab_inference_sim::{
    Greedy, ModeledServer, Scenario, ScenarioRules, ScenarioSummary, ServiceLaw, VirtualClock,
    chrome_trace, highest_rate, queries_needed, run_scenario,
};

const RULES: ScenarioRules =
    ScenarioRules { min_queries: 1000, min_duration_s: 10.0, confidence: 0.99 };

fn run(scenario: Scenario, law: ServiceLaw, cap: usize) -> ScenarioSummary {
    let clock = VirtualClock::new();
    let mut server = ModeledServer::new(law, 1, &clock);
    let mut policy = Greedy::new(cap).unwrap();
    let control = &mut || ControlFlow::Continue(());
    run_scenario(scenario, &RULES, 1, &mut policy, &mut server, &clock, control).unwrap()
}

#[test]
fn early_stopping_needs_loadgens_queries() {
    assert_eq!([0, 1, 2].map(|over| queries_needed(over, 0.9, 0.99)), [44, 64, 81]);
    assert_eq!([0, 1, 2].map(|over| queries_needed(over, 0.99, 0.99)), [459, 662, 838]);
}

#[test]
fn the_latency_of_a_stream_is_the_service_time() {
    let law = ServiceLaw::deterministic(0.01, 0.005).unwrap();
    let single = run(Scenario::SingleStream, law.clone(), 1);
    assert!(single.valid && single.queries == 1000, "{:?}", single.reasons);
    assert!((single.latency_s - 0.015).abs() < 1e-9);
    assert!((single.early_stopping_s.unwrap() - 0.015).abs() < 1e-9);
    let multi = run(Scenario::MultiStream { samples: 8 }, law, 1);
    assert!((multi.latency_s - 0.05).abs() < 1e-9);
    assert_eq!(multi.serving.arrivals_s.len(), 8000);
    assert!((multi.throughput_rps - 160.0).abs() < 0.1);
}

#[test]
fn the_throughput_offline_is_the_capacity() {
    let law = ServiceLaw::deterministic(0.08, 0.02).unwrap();
    let offline = run(Scenario::Offline, law, 10);
    assert!((offline.throughput_rps - 10.0 / 0.28).abs() < 1e-9);
    assert!(offline.valid, "{:?}", offline.reasons);
    let trace: serde_json::Value = serde_json::from_str(&chrome_trace(&offline.serving)).unwrap();
    assert_eq!(trace["traceEvents"].as_array().unwrap().len(), 100);
    assert_eq!(trace["traceEvents"][1]["ts"], 280_000.0);
}

/// M/M/1 answers 99 % within t if its rate is at most μ - ln(100)/t.
#[test]
fn the_highest_rate_of_a_server_is_near_the_theory() {
    let bound_s = 1.0;
    let rules = ScenarioRules { min_queries: 100_000, min_duration_s: 10.0, ..RULES };
    let test = |rate: f64| {
        let clock = VirtualClock::new();
        let mut server = ModeledServer::new(ServiceLaw::exponential(0.0, 0.05).unwrap(), 1, &clock);
        let mut policy = Greedy::new(1).unwrap();
        let scenario = Scenario::Server { rate, bound_s };
        let control = &mut || ControlFlow::Continue(());
        run_scenario(scenario, &rules, 1, &mut policy, &mut server, &clock, control)
    };
    let (rate, summary) = highest_rate(1.0, 20.0, test).unwrap().unwrap();
    let expected = 20.0 - 100.0_f64.ln() / bound_s;
    assert!((rate / expected - 1.0).abs() < 0.03, "{rate} {expected}");
    assert!(summary.early_stopping_s.unwrap() <= bound_s);
    assert!(highest_rate(19.9, 20.0, test).unwrap().is_none());
}
