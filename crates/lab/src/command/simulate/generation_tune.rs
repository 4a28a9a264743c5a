//! `wattlab simulate tune` for a generative model: joules per token against the batch limit.

use std::{fs, num::NonZeroUsize, path::Path};

use anyhow::{Context, anyhow};
use inference_sim::{BatchLimit, GenerationConfig, GenerationObjectives, GenerationTuning, limits};
use report::{Axis, Figure, Plot, Point, PointPlot, PointSeries};

use super::{description, tune::Args};
use crate::{Failure, output, progress};

/// Finds the batch limit, and prints and writes all that were tried.
pub(super) fn run(mut config: GenerationConfig, args: &Args) -> Result<(), Failure> {
    if let Some(option) = args.of_batches() {
        return Err(Failure::BadInput(anyhow!(
            "`{option}` is for queues of batches, and `{}` describes a generative model: leave it out; `--ttft` and \
             `--tpot` set its objectives, and `--rate` its load",
            args.file.display()
        )));
    }
    if let Some(rate) = args.rate {
        config.arrivals.rate = Some(rate);
    }
    let largest = args.largest.unwrap_or(config.batching.max_num_seqs);
    let largest = limits::TUNED_BATCH.check(largest).map_err(|error| {
        let error = anyhow!(error.of_key("batching.max_num_seqs")).context("give `--largest`");
        Failure::BadInput(error)
    })?;
    let threads = args.threads.or(std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let objectives = GenerationObjectives::new(args.ttft, args.tpot);
    let tuning = inference_sim::tune_batch_limit(&config, objectives, largest, threads)
        .map_err(|error| Failure::bad_input(description::in_file(&args.file, error)))?;
    if let Some(folder) = &args.out {
        write(&tuning, folder)
            .with_context(|| format!("failed to write into `{}`", folder.display()))
            .map_err(Failure::BadInput)?;
    }
    if args.json {
        return output::print_json(&tuning);
    }
    print(&tuning);
    Ok(())
}

fn print(tuning: &GenerationTuning) {
    output::print(&format!(
        "{:>11} {:>14} {:>14} {:>12} {:>12} {:>10}  joules {}",
        "batch limit",
        "J/token",
        "tokens/s",
        "p99 TTFT, s",
        "p99 TPOT, s",
        "running",
        tuning.energy_origin.word()
    ));
    for limit in &tuning.limits {
        let mark = match (limit.stable, limit.in_time) {
            (false, _) => "does not keep up",
            (true, false) => "too slow",
            (true, true) => "",
        };
        output::print(format!("{}  {mark}", row(limit)).trim_end());
    }
    match &tuning.best {
        Some(best) => {
            output::print(&format!(
                "fewest joules per token in time: batch limit {}",
                best.max_num_seqs
            ));
            let over = tuning.smallest_over_best.filter(|&over| over > 1.0);
            if let Some((over, smallest)) = over.zip(tuning.limits.iter().find(|one| one.stable)) {
                let smallest = smallest.max_num_seqs;
                output::print(&format!("batch limit {smallest} takes {over:.2} times as many"));
            }
        }
        None => progress::line(
            "warning: no batch limit keeps up and meets the objectives; raise `--ttft` or `--tpot`, or lower the rate",
        ),
    }
}

fn row(limit: &BatchLimit) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.5}"));
    format!(
        "{:>11} {:>14} {:>14.2} {:>12} {:>12} {:>10.2}",
        limit.max_num_seqs,
        number(limit.energy_j_per_token),
        limit.output_tokens_per_s,
        number(limit.ttft_p99_s),
        number(limit.tpot_p99_s),
        limit.mean_running
    )
}

fn write(tuning: &GenerationTuning, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let origin = tuning.energy_origin;
    let mut csv = String::from(
        "max_num_seqs,energy_j_per_token,energy_j_per_request,output_tokens_per_s,ttft_p99_s,tpot_p99_s,\
         mean_running,preemptions,stable,in_time,energy_origin\n",
    );
    for limit in &tuning.limits {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        csv.push_str(&format!(
            "{},{},{},{},{},{},{},{},{},{},{}\n",
            limit.max_num_seqs,
            number(limit.energy_j_per_token),
            number(limit.energy_j_per_request),
            limit.output_tokens_per_s,
            number(limit.ttft_p99_s),
            number(limit.tpot_p99_s),
            limit.mean_running,
            limit.preemptions,
            limit.stable,
            limit.in_time,
            origin.word()
        ));
    }
    output::write_whole(&folder.join("batch-limits.csv"), csv.as_bytes())?;
    let points = |in_time: bool| {
        let limits = tuning.limits.iter().filter(|limit| limit.in_time == in_time);
        let point = |limit: &BatchLimit| {
            Some(Point {
                x: limit.max_num_seqs as f64,
                y: limit.energy_j_per_token?,
                x_interval: None,
                y_interval: None,
                label: String::new(),
            })
        };
        limits.filter_map(point).collect::<Vec<_>>()
    };
    let series = |name: &str, in_time| PointSeries {
        name: name.to_owned(),
        points: points(in_time),
        faded: !in_time,
    };
    let figure = Figure {
        id: "batch-limits".to_owned(),
        title: "Energy per token against the batch limit".to_owned(),
        caption: "Simulated batch limits of a generative model; faded: too slow for the objectives, or for the load."
            .to_owned(),
        alt: "Energy per generated token against the most sequences that run at a time.".to_owned(),
        plot: Plot::Points(PointPlot {
            x: Axis::new("batch limit", "sequences").log(),
            y: Axis::energy("energy", "J/token", origin).from_zero(),
            series: [series("in time", true), series("too slow", false)]
                .into_iter()
                .filter(|series| !series.points.is_empty())
                .collect(),
            trends: Vec::new(),
        }),
    };
    output::write_whole(&folder.join("batch-limits.svg"), report::svg(&figure).as_bytes())?;
    Ok(())
}
