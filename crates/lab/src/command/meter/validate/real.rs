//! `wattlab meter validate --real DIR`: replays recorded sensors beside recorded power meters.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, anyhow};
use flate2::read::MultiGzDecoder;
use meter::validate::{
    Recording,
    real::{RealTrace, RealWindows, Shown, replay, replay_best},
};
use serde_json::{Value, json};

use super::{args::Args, figure};
use crate::{Failure, output};

/// The file of the driver's readings.
const SENSOR: &str = "nvidia_smi.csv";

/// The largest file that is read, unpacked: 1 GiB, hours of a 5 kHz meter.
const LARGEST: u64 = 1 << 30;

/// Runs it.
///
/// # Errors
///
/// If there is no recording, or one cannot be read; if the figure cannot be written.
pub(super) fn run(args: &Args, folder: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let recordings = read(folder).map_err(Failure::bad_input)?;
    let traces: Vec<RealTrace> = recordings.iter().filter_map(replay_best).collect();
    // What `power.draw` alone gives, on boards that have a better reading too.
    let draws = recordings.iter().filter(|recording| {
        traces.iter().any(|trace| trace.name == recording.name && trace.shown != Shown::Draw)
    });
    let draws: Vec<RealTrace> =
        draws.filter_map(|recording| replay(recording, Shown::Draw)).collect();
    if let Some(file) = &args.svg {
        figure::write(&traces, args.trace.as_deref(), file)?;
    }
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.validate-real/1",
            "traces": rows(&traces),
            "sensors": traces.iter().map(sensor).collect::<Vec<_>>(),
            "power_draw": rows(&draws),
            "power_draw_sensors": draws.iter().map(sensor).collect::<Vec<_>>(),
            "duration_s": start.elapsed().as_secs_f64(),
        }));
    }
    for (title, traces) in [("", &traces), ("The same boards by `power.draw` alone:", &draws)] {
        if traces.is_empty() {
            continue;
        }
        if !title.is_empty() {
            output::print(&format!("\n{title}\n"));
        }
        print(traces, args.markdown);
    }
    Ok(())
}

/// Reads every recording of a folder, in the order of their names.
fn read(folder: &Path) -> anyhow::Result<Vec<Recording>> {
    let shown = folder.display();
    let mut folders: Vec<PathBuf> = Vec::new();
    if folder.join(SENSOR).is_file() {
        folders.push(folder.to_owned());
    } else {
        let entries = fs::read_dir(folder).with_context(|| format!("failed to list `{shown}`"))?;
        for entry in entries {
            let path = entry.with_context(|| format!("failed to list `{shown}`"))?.path();
            if path.join(SENSOR).is_file() {
                folders.push(path);
            }
        }
    }
    if folders.is_empty() {
        return Err(anyhow!(
            "`{shown}` has no recording; expected folders with `{SENSOR}` and `meter.csv` or `meter.csv.gz`"
        ));
    }
    folders.sort();
    folders.iter().map(|folder| recording(folder)).collect()
}

fn recording(folder: &Path) -> anyhow::Result<Recording> {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let sensor = text(&folder.join(SENSOR))?;
    let plain = folder.join("meter.csv");
    let meter = if plain.is_file() { text(&plain)? } else { text(&folder.join("meter.csv.gz"))? };
    Ok(Recording::parse(&name, &sensor, &meter)?)
}

/// The text of a file, unpacked if its name ends in `.gz`.
fn text(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("failed to read `{}`", path.display());
    let file = fs::File::open(path).with_context(failed)?;
    let mut found = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).take(LARGEST).read_to_string(&mut found).with_context(failed)?;
    } else {
        file.take(LARGEST).read_to_string(&mut found).with_context(failed)?;
    }
    Ok(found)
}

/// A row of JSON for each trace and length.
fn rows(traces: &[RealTrace]) -> Vec<Value> {
    let lengths =
        traces.iter().flat_map(|trace| trace.lengths.iter().map(move |length| (trace, length)));
    lengths
        .map(|(trace, length)| {
            let [error, naive] = length.relative_errors();
            let at_once = length.at_once();
            json!({
                "name": trace.name,
                "window_s": length.length.0,
                "windows": length.windows.len(),
                "covered": length.covered(),
                "half_width_w": length.half_width().0,
                "error_w": length.error().0,
                "naive_error_w": length.naive_error().0,
                "error_pct": error * 100.0,
                "naive_error_pct": naive * 100.0,
                "at_once": {
                    "windows": at_once.windows.len(),
                    "covered": at_once.covered(),
                    "half_width_w": at_once.half_width().0,
                    "error_w": at_once.error().0,
                },
            })
        })
        .collect()
}

fn sensor(trace: &RealTrace) -> Value {
    json!({
        "name": trace.name,
        "reading": reading(trace),
        "period_s": trace.sensor.period.map(|period| period.0),
        "response": trace.sensor.response,
        "gain": trace.sensor.gain,
        "gain_error": trace.sensor.gain_error,
    })
}

fn reading(trace: &RealTrace) -> &'static str {
    match trace.shown {
        Shown::Instant => "power.draw.instant",
        _ => "power.draw",
    }
}

/// Prints the sensors and the windows of traces as two tables.
fn print(traces: &[RealTrace], markdown: bool) {
    let sensors = traces.iter().map(|trace| {
        let period = trace.sensor.period;
        [
            trace.name.clone(),
            reading(trace).to_owned(),
            period.map_or("not known".to_owned(), |period| format!("{:.1} ms", period.0 * 1e3)),
            trace.sensor.response.clone(),
            format!(
                "{:.3} ± {:.3}",
                trace.sensor.gain,
                trace.sensor.gain * trace.sensor.gain_error
            ),
        ]
    });
    let head = ["recording", "reading", "update", "response", "gain of other boards"];
    table(&head, &sensors.collect::<Vec<_>>(), markdown);
    output::print("");
    let windows =
        traces.iter().flat_map(|trace| trace.lengths.iter().map(move |length| (trace, length)));
    let windows = windows.map(|(trace, length)| row(trace, length));
    let head = [
        "recording",
        "window",
        "covered",
        "half-width",
        "error",
        "half-width / error",
        "plain error",
        "error / plain",
    ];
    table(&head, &windows.collect::<Vec<_>>(), markdown);
}

fn row(trace: &RealTrace, length: &RealWindows) -> [String; 8] {
    let (error, naive, half) = (length.error().0, length.naive_error().0, length.half_width().0);
    let [share, naive_share] = length.relative_errors();
    [
        trace.name.clone(),
        format!("{} s", length.length.0),
        format!("{:.1} %", length.covered() as f64 * 100.0 / length.windows.len() as f64),
        format!("{half:.1} W"),
        format!("{error:.1} W ({:.0} %)", share * 100.0),
        format!("{:.2}", half / error),
        format!("{naive:.1} W ({:.0} %)", naive_share * 100.0),
        format!("{:.2}", error / naive),
    ]
}

fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]], markdown: bool) {
    if markdown {
        output::print(&format!("| {} |", head.join(" | ")));
        output::print(&format!("|{}", "---|".repeat(N)));
        for row in rows {
            output::print(&format!("| {} |", row.join(" | ")));
        }
        return;
    }
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[&str]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        output::print(cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(head);
    for row in rows {
        line(&row.each_ref().map(String::as_str));
    }
}
