//! Grams of CO₂ equivalent of what was measured.

use std::{fs::OpenOptions, io::Write, path::Path, time::SystemTime};

use anyhow::Context;
use meter::{
    SpanReport,
    carbon::{Carbon, CarbonError, Intensity, Series, began},
    export::emissions,
};
use record::{Energy, Joules, Origin};

use crate::Failure;

/// Where the electricity comes from.
pub(super) struct Grid {
    kind: Kind,
    pue: f64,
}

enum Kind {
    Unknown,
    Mean(Intensity),
    Series(Series),
}

impl Grid {
    /// Checks what was asked for, before the command runs.
    pub(super) fn new(
        region: Option<&str>,
        series: Option<&Path>,
        pue: f64,
    ) -> Result<Self, Failure> {
        let kind = match (region, series) {
            (Some(code), _) => Kind::Mean(
                Intensity::of_region(code).context("--region").map_err(Failure::bad_input)?,
            ),
            (None, Some(path)) => {
                Kind::Series(Series::read(path).context("--intensity").map_err(Failure::bad_input)?)
            }
            (None, None) => Kind::Unknown,
        };
        // Also tells whether the factor is one.
        let nothing =
            Energy { joules: Joules(0.0), uncertainty: Joules(0.0), origin: Origin::Measured };
        let probe = match &kind {
            Kind::Mean(intensity) => intensity.weigh(&nothing, pue).map(|_| ()),
            _ if pue.is_finite() && pue >= 1.0 => Ok(()),
            _ => Err(CarbonError::Pue(pue)),
        };
        probe.context("--pue").map_err(Failure::bad_input)?;
        Ok(Self { kind, pue })
    }

    /// What the span's energy weighs; `None` without a grid or without energy.
    pub(super) fn weigh(&self, report: &SpanReport) -> Result<Option<Carbon>, Failure> {
        let Some(energy) = report.total else { return Ok(None) };
        let intensity = match &self.kind {
            Kind::Unknown => return Ok(None),
            Kind::Mean(intensity) => intensity.clone(),
            Kind::Series(series) => {
                let from = began(report.duration, SystemTime::now());
                series.over(from, from + report.duration.0).map_err(Failure::run_time)?
            }
        };
        intensity.weigh(&energy, self.pue).map(Some).map_err(Failure::run_time)
    }
}

/// Appends a line to an `emissions.csv`; its head first, if it is new.
pub(super) fn append(
    path: &Path,
    report: &SpanReport,
    carbon: Option<&Carbon>,
    region: &str,
) -> Result<(), Failure> {
    let fail = || format!("--emissions: failed to write `{}`", path.display());
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(fail).map_err(Failure::run_time)?;
    let new = file.metadata().map_or(true, |it| it.len() == 0);
    let context = emissions::Context {
        timestamp: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        project: "wattlab".to_owned(),
        run: String::new(),
        region: region.to_owned(),
    };
    let mut text = if new { emissions::head() } else { String::new() };
    text.push_str(&emissions::line(report, carbon, &context));
    file.write_all(text.as_bytes()).with_context(fail).map_err(Failure::run_time)
}
