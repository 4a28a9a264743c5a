//! The figure of a replayed recording.

use std::path::Path;

use anyhow::{Context, anyhow};
use meter::validate::real::{RealTrace, RealWindow, RealWindows};
use report::{Axis, Figure, Line, LinePlot, LinePoint, Plot, Shape};

use crate::{Failure, output::write_whole};

/// Length of the windows that are drawn, in seconds.
const LENGTH: f64 = 0.5;

/// Draws the mean powers in windows of half a second: by the power meter, by plain integration, and by
/// the estimate with its interval.
///
/// # Errors
///
/// If no recording has this name or is long enough, or the file cannot be written.
pub(super) fn write(traces: &[RealTrace], name: Option<&str>, file: &Path) -> Result<(), Failure> {
    let (trace, windows) = choose(traces, name).map_err(Failure::bad_input)?;
    let line = |name: &str, value: fn(&RealWindow) -> (f64, Option<[f64; 2]>)| Line {
        name: name.to_owned(),
        shape: Shape::Straight,
        points: windows
            .windows
            .iter()
            .map(|window| {
                let (y, band) = value(window);
                LinePoint { x: window.from.0 + LENGTH / 2.0, y, band }
            })
            .collect(),
    };
    let estimate = |window: &RealWindow| {
        let (center, half) = (window.estimate.0, window.half_width.0);
        (center, Some([center - half, center + half]))
    };
    let figure = Figure {
        id: "gpu-power".to_owned(),
        title: format!("Power of {} in windows of 0.5 s", trace.name),
        caption: format!(
            "Mean power in {} windows of 0.5 s, each 20 ms after the one before. The band is the 95 % \
             interval of the estimate. Plain integration is the trapezoid rule over `power.draw`.",
            windows.windows.len()
        ),
        alt:
            "The estimate follows the power meter within its interval; plain integration does not."
                .to_owned(),
        plot: Plot::Lines(LinePlot {
            x: Axis::new("time", "s"),
            y: Axis::new("mean power", "W").from_zero(),
            lines: vec![
                line("power meter", |window| (window.truth.0, None)),
                line("plain integration", |window| (window.naive.0, None)),
                line("estimate", estimate),
            ],
            references: Vec::new(),
        }),
    };
    write_whole(file, report::svg(&figure).as_bytes())
        .with_context(|| format!("failed to write `{}`", file.display()))
        .map_err(Failure::run_time)
}

/// The recording of this name, or the one in which plain integration errs most compared with the
/// estimate; with its windows of half a second.
fn choose<'a>(
    traces: &'a [RealTrace],
    name: Option<&str>,
) -> anyhow::Result<(&'a RealTrace, &'a RealWindows)> {
    let named = traces.iter().filter(|trace| name.is_none_or(|name| trace.name == name));
    let drawn = named.filter_map(|trace| {
        let windows = trace.lengths.iter().find(|windows| windows.length.0 == LENGTH)?;
        Some((trace, windows))
    });
    let gain = |windows: &RealWindows| windows.naive_error().0 / windows.error().0;
    drawn.max_by(|a, b| gain(a.1).total_cmp(&gain(b.1))).ok_or_else(|| {
        let names: Vec<&str> = traces.iter().map(|trace| trace.name.as_str()).collect();
        anyhow!(
            "no recording `{}` of half a second or more; the recordings are: {}",
            name.unwrap_or("at all"),
            names.join(", ")
        )
    })
}
