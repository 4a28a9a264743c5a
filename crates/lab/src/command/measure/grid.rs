//! Grams of CO₂ equivalent of the measured energy.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, anyhow};
use meter::{
    SpanReport,
    carbon::{Carbon, CarbonError, Intensity, Series, began},
    export::emissions::{self, EmissionsRow, emissions_header},
};
use record::{Energy, Joules, Origin};

use crate::Failure;

/// The grid that the electricity comes from.
pub(super) struct Grid {
    kind: GridKind,
    pue: f64,
}

enum GridKind {
    Unknown,
    Mean(Intensity),
    Series(Series),
}

impl Grid {
    /// Checks the flags, before the command runs.
    pub(super) fn new(
        region: Option<&str>,
        series: Option<&Path>,
        pue: f64,
    ) -> Result<Self, Failure> {
        let kind = match (region, series) {
            (Some(code), _) => GridKind::Mean(
                Intensity::of_region(code).context("--region").map_err(Failure::bad_input)?,
            ),
            (None, Some(path)) => GridKind::Series(
                Series::read(path).context("--intensity").map_err(Failure::bad_input)?,
            ),
            (None, None) => GridKind::Unknown,
        };
        // This also checks `pue`.
        let nothing =
            Energy { joules: Joules(0.0), uncertainty: Joules(0.0), origin: Origin::Measured };
        let probe = match &kind {
            GridKind::Mean(intensity) => intensity.weigh(&nothing, pue).map(|_| ()),
            _ if pue.is_finite() && pue >= 1.0 => Ok(()),
            _ => Err(CarbonError::Pue(pue)),
        };
        probe.context("--pue").map_err(Failure::bad_input)?;
        Ok(Self { kind, pue })
    }

    /// The carbon of the span's energy; `None` if the grid or the energy is not known.
    pub(super) fn weigh(&self, report: &SpanReport) -> Result<Option<Carbon>, Failure> {
        let Some(energy) = report.total else { return Ok(None) };
        let intensity = match &self.kind {
            GridKind::Unknown => return Ok(None),
            GridKind::Mean(intensity) => intensity.clone(),
            GridKind::Series(series) => {
                let from = began(report.duration, SystemTime::now());
                series.over(from, from + report.duration.0).map_err(Failure::run_time)?
            }
        };
        intensity.weigh(&energy, self.pue).map(Some).map_err(Failure::run_time)
    }
}

/// Appends a line to an `emissions.csv`, after the header if the file is new.
///
/// # Errors
///
/// If the file has other columns, or cannot be written.
pub(super) fn append(
    path: &Path,
    report: &SpanReport,
    carbon: Option<&Carbon>,
    country: &str,
) -> Result<(), Failure> {
    let fail = || format!("--emissions: failed to write `{}`", path.display());
    let file = OpenOptions::new().create(true).read(true).append(true).open(path);
    let mut file = file.with_context(fail).map_err(Failure::run_time)?;
    let header = emissions_header();
    let mut first = String::new();
    BufReader::new(&file).read_line(&mut first).with_context(fail).map_err(Failure::run_time)?;
    if !first.is_empty() && first != header {
        return Err(Failure::bad_input(anyhow!(
            "--emissions: `{}` has other columns than this version writes; name a new file",
            path.display()
        )));
    }
    let row = EmissionsRow {
        timestamp: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        project: "wattlab".to_owned(),
        country: country.to_owned(),
        ..emissions::row(report, carbon)
    };
    let mut text = if first.is_empty() { header } else { String::new() };
    text.push_str(&row.line());
    file.write_all(text.as_bytes()).with_context(fail).map_err(Failure::run_time)
}
