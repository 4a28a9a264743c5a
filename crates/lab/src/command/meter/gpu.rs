//! `wattlab meter gpu`: compares a GPU's energy counter with its power reading.

use std::{
    ffi::OsString,
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
use units::limits;

use crate::{Failure, Interrupt, output};

/// Arguments of `wattlab meter gpu`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The NVML probe, a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: PathBuf,
    /// Use this library instead of NVIDIA's `libnvidia-ml.so.1`.
    #[arg(long, value_name = "FILE")]
    nvml_library: Option<PathBuf>,
    /// UUID of the GPU; by default the first one.
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,
    /// Measure the idle GPU for this long, before and after the command.
    #[arg(
        long,
        default_value_t = 10.0,
        value_name = "SECONDS",
        value_parser = limits::WAIT_S.parser()
    )]
    idle: f64,
    /// End the command after this long.
    #[arg(long = "for", value_name = "SECONDS", value_parser = limits::WAIT_S.parser())]
    limit: Option<f64>,
    /// Print one JSON document.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a table in Markdown.
    #[arg(long)]
    markdown: bool,
    /// The command that loads the GPU.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Lengths of the spans over which the two are compared, in seconds.
const SPANS: [f64; 4] = [0.05, 0.5, 5.0, 30.0];
/// Times between two polls of the power, as users of `nvidia-smi` choose them, in seconds.
const POLLS: [f64; 3] = [0.1, 1.0, 5.0];

/// The readings of one phase.
struct Phase {
    name: &'static str,
    trace: SensorTrace,
}

/// Runs it.
///
/// # Errors
///
/// If the probe has no GPU with both channels, or one of them cannot be read.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut options = vec![("power".to_owned(), "beside".to_owned())];
    let library = args.nvml_library.iter();
    options.extend(library.map(|path| ("library".to_owned(), path.display().to_string())));
    output::keep_from_plugins()?;
    let mut plugin = Plugin::load_with(&args.plugin, &options).map_err(Failure::bad_input)?;
    let pair = pairs(plugin.channels())
        .into_iter()
        .find(|(counter, _)| {
            args.gpu.as_ref().is_none_or(|gpu| plugin.channels()[*counter].device == *gpu)
        })
        .ok_or_else(|| {
            Failure::bad_input(anyhow!(
                "`{}` shows no GPU{} with both an energy counter and a power reading",
                args.plugin.display(),
                args.gpu.as_ref().map(|gpu| format!(" `{gpu}`")).unwrap_or_default()
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
    let mut phases = vec![phase("idle before", &mut rest(args.idle))?];
    let mut code = None;
    if let Some((program, arguments)) = args.command.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::from(std::io::stderr()));
        let started = command
            .spawn()
            .with_context(|| format!("failed to run `{}`", program.to_string_lossy()));
        let mut child = Load(started.map_err(Failure::bad_input)?);
        let end = args.limit.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
        let mut go_on = || {
            let ended = child.0.try_wait().ok().flatten();
            code = ended.map(|status| status.code());
            ended.is_none() && end.is_none_or(|end| Instant::now() < end)
        };
        phases.push(phase("load", &mut go_on)?);
        drop(child);
        phases.push(phase("idle after", &mut rest(args.idle))?);
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

/// The running command, which is ended when this is dropped.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // Killing a command that has ended fails, and that is fine.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn show(args: &Args, device: &str, phases: &[Phase]) -> Result<(), Failure> {
    if args.json {
        let phases: Vec<_> =
            phases.iter().map(|phase| document(phase.name, &phase.trace)).collect();
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

fn quantiles(quantiles: Option<Quantiles>) -> Value {
    quantiles.map_or(Value::Null, |Quantiles { p5, median, p95, count }| {
        json!({ "p5": p5, "median": median, "p95": p95, "count": count })
    })
}

fn document(name: &str, trace: &SensorTrace) -> Value {
    let (seconds, counted) = (trace.duration().0, trace.counted());
    let spans = SPANS.iter().filter_map(|length| trace.spans(Seconds(*length)));
    let polled = POLLS.iter().filter_map(|every| trace.polled(Seconds(*every)));
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
        "spans": spans.map(|spans| json!({
            "length_s": spans.length.0,
            "power_over_counter": quantiles(Some(spans.power)),
            "shown_over_interpolated": quantiles(Some(spans.shown)),
        })).collect::<Vec<_>>(),
        "polled": polled.map(|polled| json!({
            "every_s": polled.every.0,
            "over_counter": quantiles(Some(polled.joules)),
        })).collect::<Vec<_>>(),
    })
}

/// A table with a row for each quantity and a column for each phase.
fn table(phases: &[Phase], markdown: bool) -> Vec<String> {
    let milliseconds = |seconds: Option<Quantiles>| {
        seconds.map_or("–".to_owned(), |Quantiles { p5, median, p95, .. }| {
            format!("{:.2} ms ({:.2} to {:.2})", median * 1e3, p5 * 1e3, p95 * 1e3)
        })
    };
    let ratio = |ratio: Option<Quantiles>| {
        ratio.map_or("–".to_owned(), |Quantiles { p5, median, p95, count }| {
            format!("{median:.3} ({p5:.3} to {p95:.3}; {count})")
        })
    };
    type Cell<'a> = Box<dyn Fn(&SensorTrace) -> String + 'a>;
    let mut rows: Vec<(String, Cell<'_>)> = vec![
        ("duration".to_owned(), Box::new(|trace| format!("{:.1} s", trace.duration().0))),
        ("time between two readings".to_owned(), Box::new(|trace| milliseconds(trace.gap()))),
        ("counter renewed every".to_owned(), {
            Box::new(|trace| milliseconds(trace.counter_period()))
        }),
        ("power renewed every".to_owned(), Box::new(|trace| milliseconds(trace.power_period()))),
        ("energy by the counter".to_owned(), {
            Box::new(|trace| format!("{:.1} J", trace.counted()))
        }),
        ("mean power by the counter".to_owned(), {
            Box::new(|trace| format!("{:.1} W", trace.counted() / trace.duration().0))
        }),
        ("integrated power / counter".to_owned(), {
            Box::new(|trace| format!("{:.4}", trace.integrated() / trace.counted()))
        }),
    ];
    for length in SPANS {
        let spans = move |trace: &SensorTrace| trace.spans(Seconds(length));
        rows.push((format!("the same over spans of {length} s"), {
            Box::new(move |trace| ratio(spans(trace).map(|spans| spans.power)))
        }));
        rows.push((format!("counter as shown / interpolated, spans of {length} s"), {
            Box::new(move |trace| ratio(spans(trace).map(|spans| spans.shown)))
        }));
    }
    for every in POLLS {
        rows.push((format!("power polled every {every} s / counter"), {
            Box::new(move |trace| ratio(trace.polled(Seconds(every)).map(|polled| polled.joules)))
        }));
    }
    let mut lines = Vec::new();
    if markdown {
        let names: Vec<_> = phases.iter().map(|phase| phase.name).collect();
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
    fn a_table_has_a_column_per_phase_and_a_dash_for_missing_numbers() {
        let seen = (0..400).map(|reading| {
            let at = f64::from(reading) * 0.001;
            PairReading { at: Seconds(at), joules: (at / 0.02).floor() * 2.0, watts: 100.0 }
        });
        let phases = [
            Phase { name: "load", trace: SensorTrace(seen.collect()) },
            Phase { name: "idle after", trace: SensorTrace::default() },
        ];
        let lines = table(&phases, true);
        assert_eq!(lines[0], "| | load | idle after |");
        let row = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap().clone();
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
