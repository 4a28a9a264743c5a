//! `wattlab simulate tune`: the batch size first.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{BatchingConfig, Candidate, Tuning};
use record::Origin;
use report::{Axis, Figure, Plot, Point, PointPlot, PointSeries};

use super::description;
use crate::{Failure, output, progress};

/// Arguments of `wattlab simulate tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Description of the queue, as TOML, with `power`; its `batching` does not matter.
    file: PathBuf,
    /// Seconds that 99 % of the responses must not exceed.
    #[arg(long, value_name = "S")]
    p99: f64,
    /// Requests per second, in place of the file's.
    #[arg(long)]
    rate: Option<f64>,
    /// The largest batch to try; the file's `batching.size` if left out.
    #[arg(long)]
    largest: Option<usize>,
    /// Threads to simulate on; the answer does not depend on them.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Folder for `frontier.csv` and `frontier.svg`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If the description cannot be tuned or the folder not be written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = description::read(&args.file).map_err(Failure::bad_input)?;
    if let Some(rate) = args.rate {
        config.arrivals.rate = Some(rate);
    }
    let largest = args.largest.or(config.batching.size).unwrap_or(32);
    if !(1..=65_536).contains(&largest) {
        return Err(Failure::BadInput(anyhow!("`--largest` is {largest}: expected 1 to 65536")));
    }
    let threads = args.threads.or(std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let tuning = inference_sim::tune(&config, args.p99, largest, threads)
        .map_err(|error| description::in_file(&args.file, error))
        .map_err(Failure::bad_input)?;
    let origin = config.calibration.and_then(|it| it.energy_origin).unwrap_or(Origin::Estimated);
    if let Some(folder) = &args.out {
        write(&tuning, origin, folder)
            .with_context(|| format!("failed to write into `{}`", folder.display()))
            .map_err(Failure::BadInput)?;
    }
    if args.json {
        return output::print_json(&tuning);
    }
    output::print(&format!(
        "{:<34} {:>12} {:>14} {:>12}",
        "frontier", "p99", "J/request", "mean batch"
    ));
    for it in &tuning.frontier {
        output::print(&row(it));
    }
    output::print(&format!("single requests:\n{}", row(&tuning.batch_1)));
    match (&tuning.best, tuning.saving) {
        (Some(best), saving) => {
            let saved = saving.map_or_else(
                || "single requests cannot keep up".to_owned(),
                |it| format!("{:.1} % fewer joules than single requests", 100.0 * it),
            );
            output::print(&format!(
                "best within {} s: {saved}\n{}",
                tuning.objective_p99_s,
                row(best)
            ));
        }
        (None, _) => progress::line(&format!(
            "warning: nothing answers 99 % within {} s; raise `--p99` or lower the rate",
            tuning.objective_p99_s
        )),
    }
    Ok(())
}

fn name(batching: &BatchingConfig) -> String {
    let kind = serde_json::to_value(batching.policy).ok();
    let kind = kind.as_ref().and_then(|it| it.as_str()).unwrap_or_default().to_owned();
    let size = batching.size.map_or_else(String::new, |it| format!(" {it}"));
    let time = batching.delay_s.or(batching.objective_s);
    let time = time.map_or_else(String::new, |it| format!(", {it:.4} s"));
    kind + &size + &time
}

fn row(candidate: &Candidate) -> String {
    let number =
        |it: Option<f64>| it.map_or_else(|| "unstable".to_owned(), |it| format!("{it:.5}"));
    format!(
        "{:<34} {:>10} s {:>12} J {:>12.2}",
        name(&candidate.batching),
        number(candidate.p99_response_s),
        number(candidate.energy_j_per_request),
        candidate.mean_batch
    )
}

fn write(tuning: &Tuning, origin: Origin, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut csv =
        String::from("policy,p99_response_s,energy_j_per_request,mean_batch,on_frontier\n");
    for it in &tuning.candidates {
        let number = |it: Option<f64>| it.map_or_else(String::new, |it| it.to_string());
        csv.push_str(&format!(
            "\"{}\",{},{},{},{}\n",
            name(&it.batching),
            number(it.p99_response_s),
            number(it.energy_j_per_request),
            it.mean_batch,
            tuning.frontier.contains(it)
        ));
    }
    output::write_whole(&folder.join("frontier.csv"), csv.as_bytes())?;
    let points = |candidates: &[Candidate], named: bool| {
        let point = |it: &Candidate| {
            Some(Point {
                x: it.p99_response_s?,
                y: it.energy_j_per_request?,
                x_interval: None,
                y_interval: None,
                label: if named { name(&it.batching) } else { String::new() },
            })
        };
        candidates.iter().filter_map(point).collect::<Vec<_>>()
    };
    let others: Vec<_> =
        tuning.candidates.iter().filter(|it| !tuning.frontier.contains(it)).cloned().collect();
    let figure = Figure {
        id: "frontier".to_owned(),
        title: "Energy against response".to_owned(),
        caption: "Simulated batch policies; nothing beats those on the frontier.".to_owned(),
        alt: "Energy per request against the 99th percentile of responses, by policy.".to_owned(),
        plot: Plot::Points(PointPlot {
            x: Axis::new("p99 response", "s").log(),
            y: Axis::energy("energy", "J/request", origin).from_zero(),
            series: vec![
                PointSeries {
                    name: "frontier".to_owned(),
                    points: points(&tuning.frontier, true),
                    faded: false,
                },
                PointSeries {
                    name: "others".to_owned(),
                    points: points(&others, false),
                    faded: true,
                },
            ],
            trends: Vec::new(),
        }),
    };
    output::write_whole(&folder.join("frontier.svg"), report::svg(&figure).as_bytes())?;
    Ok(())
}
