//! A queue in front of a cascade against closed forms.

use wattlab_inference_sim::{
    ArrivalConfig, BatchingConfig, CascadeConfig, PowerConfig, ServiceConfig, SimulationConfig,
    simulate,
};

use super::compare;

/// Single images: service is S₁, and S₁ + S₂ with the probability of the cascade, so that Pollaczek and
/// Khinchine's formula gives the wait. The large network's time is exponential.
#[test]
fn single_images_are_the_queue_m_g_1() {
    let (rate, share, small, large) = (20.0, 0.25, 0.02, 0.05);
    let cascade =
        CascadeConfig::new(share, ServiceConfig::exponential(0.0, large)).with_joules(0.5, 1.0);
    let config = SimulationConfig::new(
        ArrivalConfig::poisson(rate),
        ServiceConfig::deterministic(small, 0.0),
        BatchingConfig::fixed(1),
    )
    .with_requests(1_000_000, 20_000)
    .with_power(PowerConfig::affine(10.0, 0.25, 0.0))
    .with_cascade(cascade);
    let mean = small + share * large;
    let square = small * small + share * (2.0 * small * large + 2.0 * large * large);
    let wait = rate * square / (2.0 * (1.0 - rate * mean));
    let joules = 10.0 * (1.0 - rate * mean) / rate + 0.25 + share * 1.5;
    let expected = [
        ("mean_wait_s", wait),
        ("mean_response_s", wait + mean),
        ("utilisation", rate * mean),
        ("energy_j_per_request", joules),
    ];
    assert_eq!(compare(&config, &expected, 1e-3), Vec::<String>::new());
    let report = simulate(&config).unwrap();
    assert!((report.asked.unwrap() - share).abs() < 0.002);
    assert!((report.offered_load - rate * mean).abs() < 1e-9);
}

/// Full batches at regular times: joules per image are those of both networks' batches.
#[test]
fn joules_of_batches_are_those_of_both_networks() {
    let (share, size) = (0.125, 16);
    let cascade =
        CascadeConfig::new(share, ServiceConfig::deterministic(0.01, 0.002)).with_joules(2.0, 0.3);
    let config = SimulationConfig::new(
        ArrivalConfig::deterministic(100.0),
        ServiceConfig::deterministic(0.01, 0.001),
        BatchingConfig::fixed(size),
    )
    .with_requests(800_000, 16_000)
    .with_power(PowerConfig::affine(0.0, 1.0, 0.1))
    .with_cascade(cascade);
    let asked_at_all = 1.0 - (1.0_f64 - share).powi(16);
    let images = 16.0;
    let joules = (1.0 + 0.1 * images + asked_at_all * 2.0 + 0.3 * share * images) / images;
    assert_eq!(compare(&config, &[("energy_j_per_request", joules)], 1e-3), Vec::<String>::new());
    // A batch of 16 takes 26 ms in the small network, and on average these in the large one.
    let busy = 0.026 + asked_at_all * 0.01 + 0.002 * share * images;
    assert_eq!(compare(&config, &[("utilisation", busy / 0.16)], 1e-3), Vec::<String>::new());
}

/// Nobody asks the large network: the same as without it. Everybody does: the sum of both.
#[test]
fn shares_of_none_and_all_are_plain_queues() {
    let queue = |service| {
        SimulationConfig::new(ArrivalConfig::poisson(10.0), service, BatchingConfig::greedy(8))
            .with_requests(20_000, 500)
    };
    let small = || queue(ServiceConfig::deterministic(0.02, 0.005));
    let large = || ServiceConfig::deterministic(0.03, 0.004);
    let wait = |config: &SimulationConfig| simulate(config).unwrap().mean_wait.unwrap().0;
    let none = small().with_cascade(CascadeConfig::new(0.0, large()));
    assert!((wait(&none) - wait(&small())).abs() < 1e-9);
    let all = small().with_cascade(CascadeConfig::new(1.0, large()));
    let both = queue(ServiceConfig::deterministic(0.05, 0.009));
    assert!((wait(&all) - wait(&both)).abs() < 1e-9);
}

#[test]
fn wrong_cascades_are_refused() {
    let config = |text: &str| {
        let text = format!(
            "seed = 1\nrequests = 100\narrivals = {{ process = \"poisson\", rate = 1.0 }}\n\
             service = {{ law = \"deterministic\", base_s = 0.1 }}\nbatching = {{ policy = \"fixed\", size = 1 }}\n{text}"
        );
        simulate(&toml::from_str(&text).unwrap()).unwrap_err().to_string()
    };
    let law = "service = { law = \"deterministic\", base_s = 0.1 }";
    for (text, says) in [
        (format!("cascade = {{ share = 1.5, {law} }}"), "cascade.share"),
        (format!("cascade = {{ share = nan, {law} }}"), "cascade.share"),
        (
            "cascade = { share = 0.5, service = { law = \"deterministic\", base_s = -1.0 } }"
                .to_owned(),
            "`cascade`",
        ),
        (format!("cascade = {{ share = 0.5, {law}, batch_base_j = 1.0 }}"), "cascade.batch_base_j"),
        (
            format!(
                "cascade = {{ share = 0.5, {law} }}\npower = {{ idle_w = 1.0, batch_base_j = 1.0 }}"
            ),
            "cascade.batch_base_j",
        ),
        (
            format!(
                "cascade = {{ share = 0.5, {law}, batch_base_j = nan }}\npower = {{ idle_w = 1.0, batch_base_j = 1.0 }}"
            ),
            "`cascade`",
        ),
    ] {
        let error = config(&text);
        assert!(error.contains(says), "{text}: {error}");
    }
}
