//! `wattlab meter gpu`: what a GPU's energy counter and power reading really do, side by side.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use meter::{
    Clock, MonotonicClock, Plugin, Source,
    sensor_comparison::{Quantiles, SensorTrace, pairs, watch},
};
use record::Seconds;
use serde_json::{Value, json};

use crate::{Failure, Interrupt, output};

/// Arguments of `wattlab meter gpu`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The NVML probe, a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: PathBuf,
    /// In place of the driver's own NVML library.
    #[arg(long, value_name = "FILE")]
    nvml_library: Option<PathBuf>,
    /// Which GPU, by its UUID; the first one unless said otherwise.
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,
    /// Seconds at rest, before and after.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    idle: f64,
    /// Seconds of the command at most: then it is ended.
    #[arg(long = "for", value_name = "SECONDS")]
    limit: Option<f64>,
    /// Print one JSON document.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a table in Markdown.
    #[arg(long)]
    markdown: bool,
    /// What loads the GPU.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Lengths of spans, in seconds, that the two are compared over.
const SPANS: [f64; 4] = [0.05, 0.5, 5.0, 30.0];
/// Rates that the power is polled at by those who measure with `nvidia-smi`, in seconds.
const POLLS: [f64; 3] = [0.1, 1.0, 5.0];

/// What was seen in one phase.
struct Phase {
    name: &'static str,
    trace: SensorTrace,
}

/// Runs it.
///
/// # Errors
///
/// If the probe has no GPU with both channels, or one cannot be read.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if !(args.idle.is_finite() && args.idle >= 0.0) {
        let text = format!("--idle is {}, expected seconds from 0 on", args.idle);
        return Err(Failure::bad_input(anyhow!(text)));
    }
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut options = vec![("power".to_owned(), "beside".to_owned())];
    options.extend(
        args.nvml_library.iter().map(|it| ("library".to_owned(), it.display().to_string())),
    );
    let mut plugin = Plugin::load_with(&args.plugin, &options).map_err(Failure::bad_input)?;
    let pair = pairs(plugin.channels())
        .into_iter()
        .find(|it| args.gpu.as_ref().is_none_or(|gpu| plugin.channels()[it.0].device == *gpu))
        .ok_or_else(|| {
            Failure::bad_input(anyhow!(
                "`{}` shows no GPU{} with both an energy counter and a power reading",
                args.plugin.display(),
                args.gpu.as_ref().map(|it| format!(" `{it}`")).unwrap_or_default()
            ))
        })?;
    let device = plugin.channels()[pair.0].device.clone();
    let clock = MonotonicClock::default();
    let mut phase = |name, go_on: &mut dyn FnMut() -> bool| {
        let mut go_on = || go_on() && !interrupt.is_set();
        let trace = watch(&mut plugin, pair, &clock as &dyn Clock, &mut go_on);
        Ok::<_, Failure>(Phase { name, trace: trace.map_err(Failure::run_time)? })
    };
    let rest = |seconds: f64| {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        move || Instant::now() < end
    };
    let mut phases = vec![phase("rest before", &mut rest(args.idle))?];
    let mut code = None;
    if let Some((program, arguments)) = args.command.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::from(std::io::stderr()));
        let started = command.spawn().with_context(|| format!("failed to run `{program}`"));
        let mut child = Load(started.map_err(Failure::bad_input)?);
        let end = args.limit.map(|it| Instant::now() + Duration::from_secs_f64(it.max(0.0)));
        let mut go_on = || {
            let ended = child.0.try_wait().ok().flatten();
            code = ended.map(|it| it.code());
            ended.is_none() && end.is_none_or(|it| Instant::now() < it)
        };
        phases.push(phase("load", &mut go_on)?);
        drop(child);
        phases.push(phase("rest after", &mut rest(args.idle))?);
    }
    if interrupt.is_set() {
        return Err(Failure::Interrupted);
    }
    show(args, &device, &phases)?;
    match code.flatten() {
        None | Some(0) => Ok(()),
        Some(code) => Err(Failure::run_time(anyhow!("the command ended with exit code {code}"))),
    }
}

/// The command; ended with its measurement.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended cannot be killed; nothing else fails here.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn show(args: &Args, device: &str, phases: &[Phase]) -> Result<(), Failure> {
    if args.json {
        let phases: Vec<_> = phases.iter().map(|it| document(it.name, &it.trace)).collect();
        return output::print_json(
            &json!({ "schema": "wattlab.meter-gpu/1", "device": device, "phases": phases }),
        );
    }
    output::print(&format!("{device}{}", if args.markdown { "\n" } else { "" }));
    for line in table(phases, args.markdown) {
        output::print(&line);
    }
    Ok(())
}

fn quantiles(it: Option<Quantiles>) -> Value {
    it.map_or(
        Value::Null,
        |it| json!({ "p5": it.p5, "median": it.median, "p95": it.p95, "count": it.count }),
    )
}

fn document(name: &str, trace: &SensorTrace) -> Value {
    let (seconds, counted) = (trace.duration().0, trace.counted());
    let spans = SPANS.iter().filter_map(|it| trace.spans(Seconds(*it)));
    let polled = POLLS.iter().filter_map(|it| trace.polled(Seconds(*it)));
    json!({
        "phase": name,
        "duration_s": seconds,
        "readings": trace.0.len(),
        "reading_s": quantiles(trace.gap()),
        "counter_period_s": quantiles(trace.counter_period()),
        "power_period_s": quantiles(trace.power_period()),
        "counter_j": counted,
        "integrated_power_j": trace.integrated(),
        "mean_w": if seconds > 0.0 { json!(counted / seconds) } else { Value::Null },
        "spans": spans.map(|it| json!({
            "length_s": it.length.0,
            "power_over_counter": quantiles(Some(it.power)),
            "shown_over_interpolated": quantiles(Some(it.shown)),
        })).collect::<Vec<_>>(),
        "polled": polled.map(|it| json!({
            "every_s": it.every.0,
            "over_counter": quantiles(Some(it.joules)),
        })).collect::<Vec<_>>(),
    })
}

/// Rows of what is asked, columns of phases.
fn table(phases: &[Phase], markdown: bool) -> Vec<String> {
    let milliseconds = |it: Option<Quantiles>| {
        it.map_or("–".to_owned(), |it| {
            let Quantiles { p5, median, p95, .. } = it;
            format!("{:.2} ms ({:.2} to {:.2})", median * 1e3, p5 * 1e3, p95 * 1e3)
        })
    };
    let ratio = |it: Option<Quantiles>| {
        it.map_or("–".to_owned(), |it| {
            let Quantiles { p5, median, p95, count } = it;
            format!("{median:.3} ({p5:.3} to {p95:.3}; {count})")
        })
    };
    type Cell<'a> = Box<dyn Fn(&SensorTrace) -> String + 'a>;
    let mut rows: Vec<(String, Cell<'_>)> = vec![
        ("duration".to_owned(), Box::new(|it| format!("{:.1} s", it.duration().0))),
        ("time from reading to reading".to_owned(), Box::new(|it| milliseconds(it.gap()))),
        ("counter renewed every".to_owned(), Box::new(|it| milliseconds(it.counter_period()))),
        ("power renewed every".to_owned(), Box::new(|it| milliseconds(it.power_period()))),
        ("energy by the counter".to_owned(), Box::new(|it| format!("{:.1} J", it.counted()))),
        ("mean power by the counter".to_owned(), {
            Box::new(|it| format!("{:.1} W", it.counted() / it.duration().0))
        }),
        ("integrated power / counter".to_owned(), {
            Box::new(|it| format!("{:.4}", it.integrated() / it.counted()))
        }),
    ];
    for length in SPANS {
        let spans = move |it: &SensorTrace| it.spans(Seconds(length));
        rows.push((format!("the same over spans of {length} s"), {
            Box::new(move |it| ratio(spans(it).map(|it| it.power)))
        }));
        rows.push((format!("counter as shown / interpolated, spans of {length} s"), {
            Box::new(move |it| ratio(spans(it).map(|it| it.shown)))
        }));
    }
    for every in POLLS {
        rows.push((format!("power polled every {every} s / counter"), {
            Box::new(move |it| ratio(it.polled(Seconds(every)).map(|it| it.joules)))
        }));
    }
    let mut lines = Vec::new();
    if markdown {
        let names: Vec<_> = phases.iter().map(|it| it.name).collect();
        lines.push(format!("| | {} |", names.join(" | ")));
        lines.push(format!("|---|{}", "---|".repeat(phases.len())));
        for (name, cell) in &rows {
            let cells: Vec<_> = phases.iter().map(|it| cell(&it.trace)).collect();
            lines.push(format!("| {name} | {} |", cells.join(" | ")));
        }
    } else {
        for phase in phases {
            lines.push(phase.name.to_owned());
            lines.extend(
                rows.iter().map(|(name, cell)| format!("  {name:<52} {}", cell(&phase.trace))),
            );
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use meter::sensor_comparison::PairReading;

    use super::*;

    #[test]
    fn a_table_has_a_column_a_phase_and_no_number_where_there_is_none() {
        let seen = (0..400).map(|it| {
            let at = f64::from(it) * 0.001;
            PairReading { at: Seconds(at), joules: (at / 0.02).floor() * 2.0, watts: 100.0 }
        });
        let phases = [
            Phase { name: "load", trace: SensorTrace(seen.collect()) },
            Phase { name: "rest after", trace: SensorTrace::default() },
        ];
        let lines = table(&phases, true);
        assert_eq!(lines[0], "| | load | rest after |");
        let row = |start: &str| lines.iter().find(|it| it.starts_with(start)).unwrap().clone();
        assert_eq!(
            row("| counter renewed"),
            "| counter renewed every | 20.00 ms (20.00 to 20.00) | – |"
        );
        assert!(row("| the same over spans of 0.05 s").contains("1.000 (1.000 to 1.000; 7)"));
        assert!(row("| the same over spans of 5 s").ends_with("| – | – |"));
        let document = document("load", &phases[0].trace);
        assert_eq!(document["readings"], 400);
        assert!(document["power_period_s"].is_null());
    }
}
