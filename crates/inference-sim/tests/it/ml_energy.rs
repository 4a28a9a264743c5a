//! Joules per token against the batch limit, as the ML.ENERGY benchmark measured them: 38 servers of 18
//! models, chat, on H100 and B200 (leaderboard of February 2026, benchmark version 3.0).

use std::num::NonZeroUsize;

use serde_json::Value;
use wattlab_inference_sim::{
    ArrivalConfig, ContinuousConfig, CountConfig, GenerationConfig, GenerationObjectives,
    StepPowerConfig, StepsConfig, TokensConfig, simulate_generation, tune_batch_limit,
};

const MEASURED: &str = include_str!("../data/ml_energy.json");

/// A measured batch limit.
struct Row {
    limit: usize,
    /// Sequences that ran, mean.
    running: f64,
    tokens_per_s: f64,
    joules_per_token: f64,
}

fn rows(server: &Value) -> Vec<Row> {
    let row = |row: &Value| {
        let number = |place: usize| row[place].as_f64().unwrap();
        Row {
            limit: number(0) as usize,
            running: number(1),
            tokens_per_s: number(2),
            joules_per_token: number(3),
        }
    };
    server["rows"].as_array().unwrap().iter().map(row).collect()
}

/// A server whose steps are measured at the given limits, under clients that always fill it. The work
/// for prompts is in the measured steps.
fn server<'a>(measured: impl Iterator<Item = &'a Row> + Clone, clients: usize) -> GenerationConfig {
    let tokens = |row: &Row| row.running.round() as usize;
    let seconds = measured.clone().map(|row| (tokens(row), row.running / row.tokens_per_s));
    let joules = measured.clone().map(|row| (tokens(row), row.running * row.joules_per_token));
    GenerationConfig::new(
        ArrivalConfig::closed(clients, 0.0),
        TokensConfig::new(CountConfig::fixed(1), CountConfig::geometric(60.0)),
        StepsConfig::table(seconds.collect()),
        ContinuousConfig::new(clients, 1 << 20),
    )
    .with_power(StepPowerConfig::table(0.0, joules.collect()))
    .with_requests(3 * clients + 200, clients)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        (values[middle - 1] + values[middle]) / 2.0
    } else {
        values[middle]
    }
}

fn servers() -> Vec<Value> {
    let file: Value = serde_json::from_str(MEASURED).unwrap();
    file["servers"].as_array().unwrap().clone()
}

/// Steps measured at every other batch limit predict the limits between.
#[test]
fn limits_that_were_left_out_are_predicted() {
    let mut energy_off = Vec::new();
    let mut rate_off = Vec::new();
    for server_rows in servers() {
        let mut rows = rows(&server_rows);
        // Without the limits that the server's cache could not fill.
        rows.retain(|row| row.running > 0.97 * row.limit as f64);
        let last = rows.len() - 1;
        let known = |place: usize| place.is_multiple_of(2) || place == last;
        for place in (0..rows.len()).filter(|&place| !known(place)) {
            let row = &rows[place];
            let measured =
                rows.iter().enumerate().filter(|(place, _)| known(*place)).map(|(_, row)| row);
            let report = simulate_generation(&server(measured, row.limit)).unwrap();
            assert!((report.mean_running / row.limit as f64 - 1.0).abs() < 1e-6);
            energy_off
                .push((report.energy_per_token.unwrap().0 / row.joules_per_token - 1.0).abs());
            rate_off.push((report.output_rate / row.tokens_per_s - 1.0).abs());
        }
    }
    let count = energy_off.len();
    let worst = energy_off.iter().copied().fold(0.0, f64::max);
    let (energy, rate) = (median(energy_off), median(rate_off));
    println!(
        "{count} limits: joules per token {energy:.4} off (median), {worst:.3} (worst); tokens/s {rate:.4}"
    );
    assert!(count > 100 && energy < 0.05 && rate < 0.05 && worst < 0.3);
}

/// The smallest batch takes a median of 8 times the joules of the best, as published.
#[test]
fn small_batches_take_as_many_times_the_joules_as_measured() {
    let mut found = Vec::new();
    let mut measured = Vec::new();
    for server_rows in servers() {
        let rows = rows(&server_rows);
        let joules = |row: &Row| row.joules_per_token;
        let best = rows.iter().map(joules).fold(f64::INFINITY, f64::min);
        measured.push(joules(&rows[0]) / best);
        let mut kept = 0.0;
        let rising = rows.iter().filter(|row| {
            let rises = row.running.round() > kept;
            kept = f64::max(kept, row.running.round());
            rises
        });
        let rising: Vec<_> = rising.collect();
        let largest = rising[rising.len() - 1].running.round() as usize;
        let model = server(rising.iter().copied(), largest);
        let none = GenerationObjectives::default();
        let tuning = tune_batch_limit(&model, none, largest, NonZeroUsize::MIN).unwrap();
        let of = |limit: usize| {
            let found = tuning.limits.iter().find(|found| found.max_num_seqs == limit);
            found.unwrap().energy_j_per_token.unwrap()
        };
        found.push(of(rows[0].limit) / tuning.best.unwrap().energy_j_per_token.unwrap());
    }
    let (measured, found) = (median(measured), median(found));
    println!("smallest over best: measured {measured:.2}, simulated {found:.2}");
    assert!((measured - 8.24).abs() < 0.01, "{measured}");
    assert!((found / measured - 1.0).abs() < 0.1, "{found} for {measured}");
}
