//! `emissions.csv` with CodeCarbon's columns, for tools that read those.

use units::{Domain, DomainEnergy, Joules};

use super::csv::quoted;
use crate::{carbon::Carbon, span::SpanReport};

/// CodeCarbon 3.3's columns, in its order.
const COLUMNS: &[&str] = &[
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
];

/// Joules of a kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

/// What a report does not know of itself.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// When it ended: `2026-11-21T03:00:00`.
    pub timestamp: String,
    /// The project's name.
    pub project: String,
    /// The run's id.
    pub run: String,
    /// ISO 3166-1 code of three letters.
    pub region: String,
}

/// The first line.
#[must_use]
pub fn head() -> String {
    format!("{}\n", COLUMNS.join(","))
}

/// The line of one report: kilowatt-hours, watts and kilograms of CO₂ equivalent. What is not known
/// is empty and not 0, of which CodeCarbon itself makes no difference; whether energy is measured or
/// estimated is in `tracking_mode`.
#[must_use]
pub fn line(report: &SpanReport, carbon: Option<&Carbon>, context: &Context) -> String {
    let of = |domains: &[Domain]| {
        let parts = report.domains.iter().filter(|it| it.in_total && domains.contains(&it.domain));
        let energies: Vec<Joules> = parts.map(|it: &DomainEnergy| it.joules).collect();
        (!energies.is_empty()).then(|| energies.into_iter().sum::<Joules>())
    };
    let cpu = of(&[
        Domain::CpuPackage,
        Domain::CpuCore,
        Domain::CpuUncore,
        Domain::CpuDie,
        Domain::CpuProcess,
    ]);
    let (gpu, ram) = (of(&[Domain::Gpu]), of(&[Domain::Dram]));
    let total = report.total.map(|it| it.joules);
    let hours = |it: Option<Joules>| it.map(|it| (it.0 / KILOWATT_HOUR).to_string());
    let seconds = report.duration.0;
    let watts = |it: Option<Joules>| it.map(|it| (it.0 / seconds).to_string());
    let kilograms = carbon.map(|it| it.grams / 1000.0);
    let origin = report.total.map(|it| format!("wattlab-{}", it.origin.word()));
    let value = |column: &str| match column {
        "timestamp" => Some(context.timestamp.clone()),
        "project_name" => Some(context.project.clone()),
        "run_id" => Some(context.run.clone()),
        "duration" => Some(seconds.to_string()),
        "emissions" => kilograms.map(|it| it.to_string()),
        "emissions_rate" => kilograms.map(|it| (it / seconds).to_string()),
        "cpu_power" => watts(cpu),
        "gpu_power" => watts(gpu),
        "ram_power" => watts(ram),
        "cpu_energy" => hours(cpu),
        "gpu_energy" => hours(gpu),
        "ram_energy" => hours(ram),
        "energy_consumed" => hours(total),
        "country_iso_code" => Some(context.region.clone()),
        "os" => Some(std::env::consts::OS.to_owned()),
        "tracking_mode" => origin.clone(),
        "on_cloud" => Some("N".to_owned()),
        "pue" => carbon.map(|it| it.pue.to_string()),
        _ => None,
    };
    let fields: Vec<String> =
        COLUMNS.iter().map(|it| quoted(&value(it).unwrap_or_default())).collect();
    format!("{}\n", fields.join(","))
}
