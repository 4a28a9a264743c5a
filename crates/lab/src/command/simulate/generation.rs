//! `wattlab simulate FILE` for a generative model.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    num::NonZeroUsize,
    path::Path,
};

use anyhow::{Context, anyhow};
use inference_sim::{AnsweredRequest, GenerationConfig, GenerationReport, TimeQuantiles};

use super::{description, table::number};
use crate::{Failure, output, progress};

/// What to do besides simulating.
pub(super) struct Options<'a> {
    pub(super) log: Option<&'a Path>,
    pub(super) replications: NonZeroUsize,
    pub(super) json: bool,
}

/// Simulates it, and prints its report.
pub(super) fn run(
    file: &Path,
    config: &GenerationConfig,
    options: &Options<'_>,
) -> Result<(), Failure> {
    if options.replications > NonZeroUsize::MIN {
        return Err(Failure::BadInput(anyhow!(
            "`--replications` is for queues of batches, and `{}` describes a generative model: leave it out, and \
             change `seed` instead",
            file.display()
        )));
    }
    let report = match options.log {
        None => inference_sim::simulate_generation(config)
            .map_err(|error| Failure::bad_input(description::in_file(file, error)))?,
        Some(path) => logged(file, config, path)?,
    };
    for words in warnings(&report) {
        progress::line(&format!("warning: {words}"));
    }
    if options.json {
        return output::print_json(&report);
    }
    output::print(&table(&report));
    Ok(())
}

/// Simulates it, and writes a line for each answered request.
fn logged(
    file: &Path,
    config: &GenerationConfig,
    path: &Path,
) -> Result<GenerationReport, Failure> {
    let wrong = || format!("failed to write `{}`; choose another by `--log`", path.display());
    let out = File::create(path).with_context(wrong).map_err(Failure::BadInput)?;
    let mut log = Log { out: BufWriter::new(out), failed: Ok(()) };
    log.line(format_args!(
        "request,prompt_tokens,output_tokens,arrival_s,start_s,first_token_s,end_s,preemptions"
    ));
    let report =
        inference_sim::simulate_generation_observed(config, |request| log.request(request))
            .map_err(|error| Failure::bad_input(description::in_file(file, error)))?;
    log.failed.and_then(|()| log.out.flush()).with_context(wrong).map_err(Failure::RunTime)?;
    Ok(report)
}

struct Log<W> {
    out: W,
    failed: io::Result<()>,
}

impl<W: Write> Log<W> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.failed.is_ok() {
            self.failed = writeln!(self.out, "{line}");
        }
    }

    fn request(&mut self, request: &AnsweredRequest) {
        let AnsweredRequest { number, prompt, output, arrival_s, start_s, .. } = request;
        let AnsweredRequest { first_token_s, end_s, preemptions, .. } = request;
        self.line(format_args!(
            "{number},{prompt},{output},{arrival_s},{start_s},{first_token_s},{end_s},{preemptions}"
        ));
    }
}

fn warnings(report: &GenerationReport) -> Vec<String> {
    let grew = report.waiting_grew.map(|[before, after]| {
        format!(
            "the server does not keep up: {before:.0} requests waited in the second quarter of the arrivals, and \
             {after:.0} in the last, so that times depend on `requests`; lower `arrivals.rate`, or raise \
             `batching.max_num_seqs` or `cache.blocks`"
        )
    });
    let rejected = (report.rejected > 0).then(|| {
        format!(
            "{} requests were rejected: their prompts leave no room for an answer within \
             `batching.max_model_len` or the cache",
            report.rejected
        )
    });
    let truncated = (report.truncated > 0).then(|| {
        format!(
            "{} answers ended early, at `batching.max_model_len` or at the size of the cache",
            report.truncated
        )
    });
    [grew, rejected, truncated].into_iter().flatten().collect()
}

/// A line for each number, with its interval if it has one.
fn table(report: &GenerationReport) -> String {
    let origin = report.energy_origin.map_or("", record::Origin::word);
    let ci = &report.ci95;
    let mut lines =
        vec![format!("{:<26}{:>13}{:>13}{:>13}{:>13}", "seconds", "mean", "median", "p90", "p99")];
    for (name, times) in [
        ("wait", &report.wait),
        ("time to first token", &report.ttft),
        ("time per output token", &report.tpot),
        ("between two tokens", &report.itl),
        ("response", &report.response),
    ] {
        let TimeQuantiles { mean, p50, p90, p99, .. } = times;
        let cells = [mean, p50, p90, p99]
            .map(|time| time.map_or_else(|| "none".to_owned(), |time| number(time.0)));
        let [mean, p50, p90, p99] = cells;
        lines.push(format!("{name:<26}{mean:>13}{p50:>13}{p90:>13}{p99:>13}"));
    }
    let joules = |energy: Option<record::Joules>| energy.map(|energy| energy.0);
    let rows = [
        ("requests", Some(report.requests as f64), ""),
        ("prompt tokens", Some(report.prompt_tokens as f64), ""),
        ("output tokens", Some(report.output_tokens as f64), ""),
        ("throughput", Some(report.throughput), "requests/s"),
        ("output", Some(report.output_rate), "tokens/s"),
        ("utilization", Some(report.utilization), ""),
        ("mean running", Some(report.mean_running), "sequences"),
        ("mean step", Some(report.mean_step_tokens), "tokens"),
        ("cache in use", report.cache_use.map(|share| 100.0 * share), "%"),
        ("most cache in use", report.cache_use_max.map(|share| 100.0 * share), "%"),
        ("preemptions", Some(report.preemptions as f64), ""),
        ("duration", Some(report.duration.0), "s"),
        ("energy", joules(report.energy), "J"),
        ("energy per output token", joules(report.energy_per_token), "J"),
        ("energy per request", joules(report.energy_per_request), "J"),
    ];
    for (name, value, unit) in rows {
        if let Some(value) = value {
            let origin = if unit == "J" { origin } else { "" };
            lines.push(
                format!("{name:<26}{:>13} {unit} {origin}", number(value)).trim_end().to_owned(),
            );
        }
    }
    let intervals = [
        ("time to first token", ci.mean_ttft_s, "s"),
        ("time per output token", ci.mean_tpot_s, "s"),
        ("response", ci.mean_response_s, "s"),
        ("energy per output token", ci.energy_j_per_token, "J"),
    ];
    for (name, interval, unit) in intervals {
        if let Some([low, high]) = interval {
            let (low, high) = (number(low), number(high));
            lines.push(format!("95 % interval of the mean, {name}: [{low}, {high}] {unit}"));
        }
    }
    lines.join("\n")
}
