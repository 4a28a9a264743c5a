//! Replays the queues of a study's pilot from the times of its batches:
//! `cargo run --release -p wattlab-inference-sim --example replay -- PILOT.csv`
//!
//! The study is Yarally et al. 2023, *Batching for Green AI*, whose pilot served 128 requests at 32
//! requests per second in full batches. Its file has a row for each batch size, with two estimates
//! of the time of a batch: one from the makespan and one from the responses. Given the one from the
//! makespan, the replay predicts the responses; given the one from the responses, the makespan.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::{env, error::Error, path::Path};

use serde::Deserialize;
use wattlab_inference_sim::{
    ArrivalConfig, BatchingConfig, ServiceConfig, Serving, SimulationConfig, SimulationError,
    sample_path,
};

/// The replay reports means over this many seeds.
const SEEDS: u64 = 20;
/// Requests per second of the study, the jitter of the times between them, and their number.
const RATE: f64 = 32.0;
const JITTER: f64 = 0.2;
const REQUESTS: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("expected the path of the pilot's CSV file")?;
    println!(
        "{:>6} {:>12} {:>10} {:>7} {:>12} {:>10} {:>7}",
        "batch", "response, s", "replayed", "ratio", "makespan, s", "replayed", "ratio"
    );
    for cell in replay(Path::new(&path))? {
        println!(
            "{:>6} {:>12.4} {:>10.4} {:>7.3} {:>12.4} {:>10.4} {:>7.3}",
            cell.batch,
            cell.study_response_s,
            cell.response_s,
            cell.response_s / cell.study_response_s,
            cell.study_makespan_s,
            cell.makespan_s,
            cell.makespan_s / cell.study_makespan_s,
        );
    }
    Ok(())
}

/// A row of the study's file. Further columns are ignored.
#[derive(Debug, Deserialize)]
struct Row {
    /// Requests in a batch; -1 for greedy batches, whose rows have no batch times.
    batch: i64,
    time_s: f64,
    #[serde(rename = "avg_response_s(notebook \"wait\")")]
    response_s: f64,
    #[serde(rename = "S_from_makespan")]
    batch_s_from_makespan: Option<f64>,
    #[serde(rename = "S_from_wait")]
    batch_s_from_response: Option<f64>,
}

/// The study's figures for a batch size, and the replayed ones.
pub struct Cell {
    /// Requests in a batch.
    pub batch: usize,
    /// The mean response of the study.
    pub study_response_s: f64,
    /// With the batch time from the makespan.
    pub response_s: f64,
    /// The makespan of the study.
    pub study_makespan_s: f64,
    /// With the batch time from the responses.
    pub makespan_s: f64,
}

/// Replays the rows of a file that have batch times.
pub fn replay(path: &Path) -> Result<Vec<Cell>, Box<dyn Error>> {
    let rows: Vec<Row> = csv::Reader::from_path(path)?.deserialize().collect::<Result<_, _>>()?;
    let mut cells = Vec::new();
    for row in rows {
        let Ok(batch @ 1..) = usize::try_from(row.batch) else { continue };
        let (Some(for_response), Some(for_makespan)) =
            (row.batch_s_from_makespan, row.batch_s_from_response)
        else {
            return Err(format!("the row for batches of {batch} has no batch times").into());
        };
        cells.push(Cell {
            batch,
            study_response_s: row.response_s,
            response_s: mean(batch, for_response, |serving| mean_response_s(serving, batch))?,
            study_makespan_s: row.time_s,
            makespan_s: mean(batch, for_makespan, |serving| {
                serving.makespan().map_or(f64::NAN, |time| time.0)
            })?,
        });
    }
    if cells.is_empty() {
        return Err("expected at least one row with a `batch` above 0".into());
    }
    Ok(cells)
}

/// The mean over seeds of a figure of the queue whose batches take `batch_s` seconds.
fn mean(
    batch: usize,
    batch_s: f64,
    figure: impl Fn(&Serving) -> f64,
) -> Result<f64, SimulationError> {
    let queue = SimulationConfig::new(
        ArrivalConfig::jittered(RATE, JITTER),
        ServiceConfig::table(vec![(batch, batch_s)]),
        BatchingConfig::fixed(batch),
    )
    .with_requests(REQUESTS, 0);
    let mut sum = 0.0;
    for seed in 0..SEEDS {
        sum += figure(&sample_path(&queue.clone().with_seed(seed))?);
    }
    Ok(sum / SEEDS as f64)
}

/// The figure that the study calls the average wait. It takes the time after inference, so it is
/// the response, and leaves out a last batch that is not full.
fn mean_response_s(serving: &Serving, batch: usize) -> f64 {
    let responses: Vec<f64> = serving.responses().collect();
    let last = serving.batches.last().map_or(0, |batch| batch.size);
    let partial = last < batch && last < responses.len();
    let kept = responses.len() - if partial { last } else { 0 };
    responses[..kept].iter().sum::<f64>() / kept as f64
}
