//! `wattlab simulate replay`: a study's queue again, from the times of its batches.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use inference_sim::{
    ArrivalConfig, BatchingConfig, PolicyKind, ProcessKind, ServiceConfig, SimulationConfig,
    sample_path,
};
use record::Serving;
use serde::{Deserialize, Serialize};

use super::live::Compat;
use crate::{Failure, output};

/// Seeds whose mean is told: one run's jitter says nothing.
const SEEDS: u64 = 20;

/// Arguments of `wattlab simulate replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The study's cells, as CSV: columns `batch` (-1 is greedy, whose batches have no times), `time_s`,
    /// `avg_response_s(notebook "wait")`, `S_from_makespan`, `S_from_wait`.
    file: PathBuf,
    /// Whose definitions the figures follow.
    #[arg(long, value_name = "STUDY", default_value = "yarally")]
    compat: Compat,
    /// Requests per second of the study's producer.
    #[arg(long, default_value_t = 32.0)]
    rate: f64,
    /// Half-width of the uniform factor of its times between requests.
    #[arg(long, default_value_t = 0.2)]
    jitter: f64,
    /// Requests of a cell.
    #[arg(long, default_value_t = 128)]
    requests: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A line of the study's file.
#[derive(Debug, Deserialize)]
struct Row {
    batch: i64,
    time_s: f64,
    #[serde(rename = "avg_response_s(notebook \"wait\")")]
    response_s: f64,
    /// The time of a batch that the makespan tells.
    #[serde(rename = "S_from_makespan")]
    from_makespan_s: Option<f64>,
    /// The time of a batch that the responses tell.
    #[serde(rename = "S_from_wait")]
    from_response_s: Option<f64>,
}

/// The study's figures beside the replayed ones.
#[derive(Debug, Serialize)]
struct Cell {
    batch: usize,
    study_response_s: f64,
    /// With the batch time that the makespan tells.
    response_s: f64,
    study_makespan_s: f64,
    /// With the batch time that the responses tell.
    makespan_s: f64,
}

#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    cells: Vec<Cell>,
}

/// Runs it.
///
/// # Errors
///
/// If the file is not the study's or a number makes no sense.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let rows = read(&args.file).map_err(Failure::BadInput)?;
    let cells = rows.iter().map(|row| cell(args, row)).collect::<Result<_, _>>()?;
    let document = Document { schema: "wattlab.simulate-replay/1", cells };
    if args.json {
        return output::print_json(&document);
    }
    output::print(&format!(
        "{:>6} {:>12} {:>10} {:>7} {:>12} {:>10} {:>7}",
        "batch", "response, s", "replayed", "ratio", "makespan, s", "replayed", "ratio"
    ));
    for it in &document.cells {
        output::print(&format!(
            "{:>6} {:>12.4} {:>10.4} {:>7.3} {:>12.4} {:>10.4} {:>7.3}",
            it.batch,
            it.study_response_s,
            it.response_s,
            it.response_s / it.study_response_s,
            it.study_makespan_s,
            it.makespan_s,
            it.makespan_s / it.study_makespan_s,
        ));
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let name = || format!("`{}` is not the pilot of the study", path.display());
    let mut reader = csv::Reader::from_path(path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    let rows: Vec<Row> = reader.deserialize().collect::<Result<_, _>>().with_context(name)?;
    let rows: Vec<Row> = rows.into_iter().filter(|it| it.batch > 0).collect();
    if rows.is_empty() {
        return Err(anyhow!("expected a row with a `batch` above 0").context(name()));
    }
    Ok(rows)
}

fn cell(args: &Args, row: &Row) -> Result<Cell, Failure> {
    let given = |key: &str, it: Option<f64>| {
        it.ok_or_else(|| {
            let file = args.file.display();
            Failure::BadInput(anyhow!("`{file}`: the batch of {} has no `{key}`", row.batch))
        })
    };
    let batch = usize::try_from(row.batch).map_err(Failure::bad_input)?;
    let for_response = given("S_from_makespan", row.from_makespan_s)?;
    let for_makespan = given("S_from_wait", row.from_response_s)?;
    let replay = |service_s: f64, value: &dyn Fn(&Serving) -> f64| {
        let mut sum = 0.0;
        for seed in 0..SEEDS {
            let path = sample_path(&config(args, batch, service_s, seed))
                .map_err(|error| Failure::BadInput(error.into()))?;
            sum += value(&path);
        }
        Ok(sum / SEEDS as f64)
    };
    let Compat::Yarally = args.compat;
    Ok(Cell {
        batch,
        study_response_s: row.response_s,
        response_s: replay(for_response, &|it| study_wait(it, batch))?,
        study_makespan_s: row.time_s,
        makespan_s: replay(for_makespan, &|it| it.makespan().map_or(f64::NAN, |it| it.0))?,
    })
}

/// What the study prints as the average wait: stamped after inference, so the response, without a
/// last batch that is not full.
pub(super) fn study_wait(serving: &Serving, batch: usize) -> f64 {
    let responses: Vec<f64> = serving.responses().collect();
    let last = serving.batches.last().map_or(0, |it| it.size);
    let partial = last < batch && last < responses.len();
    let kept = responses.len() - if partial { last } else { 0 };
    responses[..kept].iter().sum::<f64>() / kept as f64
}

fn config(args: &Args, batch: usize, service_s: f64, seed: u64) -> SimulationConfig {
    SimulationConfig {
        seed,
        requests: args.requests,
        warmup: 0,
        arrivals: ArrivalConfig {
            process: ProcessKind::Jittered,
            jitter: Some(args.jitter),
            ..ArrivalConfig::poisson(args.rate)
        },
        service: ServiceConfig::table(vec![(batch, service_s)]),
        batching: BatchingConfig::new(PolicyKind::Fixed, batch),
        servers: inference_sim::ServersConfig::default(),
        power: None,
        queue: inference_sim::QueueConfig::default(),
        models: Vec::new(),
        statistics: inference_sim::StatisticsConfig::default(),
        calibration: None,
    }
}
