//! `emissions.csv`: energies with CodeCarbon's columns, for tools that read those, and with the
//! origin of every energy, which CodeCarbon does not tell.

use crate::{Domain, DomainEnergy, Energy, Joules, Origin, Seconds, spreadsheet_text};

/// The columns: those of CodeCarbon 3.3 in its order, then one origin for each energy column.
const COLUMNS: [&str; 42] = [
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
    "cpu_energy_origin",
    "gpu_energy_origin",
    "ram_energy_origin",
    "energy_consumed_origin",
];

const JOULES_PER_KWH: f64 = 3.6e6;
const BYTES_PER_GIB: f64 = 1_073_741_824.0;

/// One measurement, and what is known about the machine and the grid. A value that is not known
/// becomes an empty field, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmissionsRow<'a> {
    /// When it ended or began, as `2026-11-21T03:00:00`.
    pub timestamp: String,
    /// The project's name.
    pub project: String,
    /// The run's id.
    pub run: String,
    /// The experiment that the run belongs to.
    pub experiment: String,
    /// How long it took.
    pub duration: Seconds,
    /// Energy over domains that do not overlap.
    pub total: Option<Energy>,
    /// Energy domain by domain. Only domains that are part of the total are used.
    pub domains: &'a [DomainEnergy],
    /// Grams of CO₂ equivalent.
    pub carbon_g: Option<f64>,
    /// The country, as an ISO 3166-1 code of three letters.
    pub country: String,
    /// The country's name, in English.
    pub country_name: String,
    /// Power usage effectiveness of the data center.
    pub pue: Option<f64>,
    /// Operating system.
    pub os: String,
    /// Number of logical processors.
    pub cpus: Option<usize>,
    /// The processor's name.
    pub cpu: String,
    /// Size of the memory.
    pub memory_bytes: Option<u64>,
}

/// The first line of the file.
#[must_use]
pub fn emissions_header() -> String {
    format!("{}\n", COLUMNS.join(","))
}

/// The names of the columns, in the order of [`emissions_header`].
#[must_use]
pub fn emissions_columns() -> &'static [&'static str] {
    &COLUMNS
}

impl EmissionsRow<'_> {
    /// The line of this row, in the order of [`emissions_header`] and in CodeCarbon's units: seconds,
    /// watts, kilowatt-hours, kilograms and gibibytes.
    #[must_use]
    pub fn line(&self) -> String {
        let fields: Vec<String> = self.fields(&COLUMNS).iter().map(|field| quoted(field)).collect();
        format!("{}\n", fields.join(","))
    }

    /// The values of the given columns, in their order and in the units of [`EmissionsRow::line`];
    /// they are not quoted. A column with an unknown name is empty.
    #[must_use]
    pub fn fields<S: AsRef<str>>(&self, columns: &[S]) -> Vec<String> {
        let cpu = self.part(&[
            Domain::CpuPackage,
            Domain::CpuCore,
            Domain::CpuUncore,
            Domain::CpuDie,
            Domain::CpuProcess,
        ]);
        let (gpu, ram) = (self.part(&[Domain::Gpu]), self.part(&[Domain::Dram]));
        let gpus: Vec<&str> =
            self.counted(&[Domain::Gpu]).map(|domain| domain.device.as_str()).collect();
        let field = |column: &str| match column {
            "timestamp" => self.timestamp.clone(),
            "project_name" => self.project.clone(),
            "run_id" => self.run.clone(),
            "experiment_id" => self.experiment.clone(),
            "duration" => number(Some(self.duration.0)),
            "emissions" => number(self.carbon_g.map(|grams| grams / 1000.0)),
            "emissions_rate" => number(self.carbon_g.map(|grams| grams / 1000.0 / self.duration.0)),
            "cpu_power" => number(self.watts(cpu)),
            "gpu_power" => number(self.watts(gpu)),
            "ram_power" => number(self.watts(ram)),
            "cpu_energy" => number(kilowatt_hours(cpu)),
            "gpu_energy" => number(kilowatt_hours(gpu)),
            "ram_energy" => number(kilowatt_hours(ram)),
            "energy_consumed" => number(kilowatt_hours(self.total)),
            "country_name" => self.country_name.clone(),
            "country_iso_code" => self.country.clone(),
            "os" => self.os.clone(),
            "cpu_count" => self.cpus.map(|count| count.to_string()).unwrap_or_default(),
            "cpu_model" => self.cpu.clone(),
            "gpu_count" if !gpus.is_empty() => gpus.len().to_string(),
            "gpu_model" => gpus.join(", "),
            "ram_total_size" => number(self.memory_bytes.map(|bytes| bytes as f64 / BYTES_PER_GIB)),
            "tracking_mode" => self
                .total
                .map(|total| format!("wattlab-{}", total.origin.word()))
                .unwrap_or_default(),
            "on_cloud" => "N".to_owned(),
            "pue" => number(self.pue),
            "cpu_energy_origin" => origin(cpu),
            "gpu_energy_origin" => origin(gpu),
            "ram_energy_origin" => origin(ram),
            "energy_consumed_origin" => origin(self.total),
            _ => String::new(),
        };
        columns.iter().map(|column| field(column.as_ref())).collect()
    }

    /// The domains of these kinds that are part of the total.
    fn counted(&self, kinds: &[Domain]) -> impl Iterator<Item = &DomainEnergy> {
        self.domains.iter().filter(|domain| domain.in_total && kinds.contains(&domain.domain))
    }

    /// Their energy; `None` if there is no such domain.
    fn part(&self, kinds: &[Domain]) -> Option<Energy> {
        Energy::total(self.counted(kinds).map(DomainEnergy::energy))
    }

    fn watts(&self, energy: Option<Energy>) -> Option<f64> {
        energy.map(|energy| (energy.joules / self.duration).0)
    }
}

fn kilowatt_hours(energy: Option<Energy>) -> Option<f64> {
    energy.map(|Energy { joules: Joules(joules), .. }| joules / JOULES_PER_KWH)
}

fn origin(energy: Option<Energy>) -> String {
    energy.map(|energy| energy.origin).map(Origin::word).unwrap_or_default().to_owned()
}

/// Empty for what is absent or not finite.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(|value| value.to_string()).unwrap_or_default()
}

/// Quotes a field that would break the line (RFC 4180).
fn quoted(text: &str) -> String {
    let text = &*spreadsheet_text(text);
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Watts};

    fn domain(domain: Domain, method: Method, joules: f64, in_total: bool) -> DomainEnergy {
        DomainEnergy {
            domain,
            device: "device, first".to_owned(),
            probe: "probe".to_owned(),
            origin: method.origin(),
            method,
            joules: Joules(joules),
            mean_power: Some(Watts(joules)),
            peak_power: None,
            uncertainty: Joules(1.0),
            samples: 2,
            gap: Seconds(0.0),
            in_total,
        }
    }

    /// The fields of a line by column, for fields without a comma.
    fn field(line: &str, column: &str) -> String {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        for character in line.trim_end().chars() {
            match character {
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                other => fields.last_mut().unwrap().push(other),
            }
        }
        assert_eq!(fields.len(), COLUMNS.len());
        fields[COLUMNS.iter().position(|name| *name == column).unwrap()].clone()
    }

    #[test]
    fn every_energy_has_its_origin_and_what_is_absent_is_empty() {
        let domains = [
            domain(Domain::CpuProcess, Method::Model, 36.0, true),
            domain(Domain::CpuCore, Method::Counter, 99.0, false),
            domain(Domain::Gpu, Method::Counter, 72.0, true),
        ];
        let row = EmissionsRow {
            duration: Seconds(2.0),
            total: Energy::total(
                domains.iter().filter(|domain| domain.in_total).map(DomainEnergy::energy),
            ),
            domains: &domains,
            ..EmissionsRow::default()
        };
        let line = row.line();
        for (energy, watts, joules, origin) in [
            ("cpu_energy", "cpu_power", 36.0, "estimated"),
            ("gpu_energy", "gpu_power", 72.0, "measured"),
        ] {
            let found: f64 = field(&line, energy).parse().unwrap();
            assert!((found * JOULES_PER_KWH - joules).abs() < 1e-9, "{line}");
            assert_eq!(field(&line, watts), (joules / 2.0).to_string());
            assert_eq!(field(&line, &format!("{energy}_origin")), origin);
        }
        assert_eq!(field(&line, "energy_consumed_origin"), "mixed");
        assert_eq!(field(&line, "gpu_model"), "device, first");
        for empty in ["ram_energy", "ram_energy_origin", "emissions", "ram_total_size", "pue"] {
            assert_eq!(field(&line, empty), "", "{empty}");
        }
    }

    #[test]
    fn the_fields_follow_the_columns_that_are_asked_for() {
        let row = EmissionsRow {
            duration: Seconds(2.0),
            country: "DEU".to_owned(),
            country_name: "Germany".to_owned(),
            ..EmissionsRow::default()
        };
        let columns = ["country_name", "nothing_known", "duration", "country_iso_code"];
        assert_eq!(row.fields(&columns), ["Germany", "", "2", "DEU"]);
        assert_eq!(row.fields(emissions_columns()).len(), COLUMNS.len());
    }

    #[test]
    fn no_energy_column_lacks_an_origin_column() {
        for column in
            COLUMNS.iter().filter(|name| name.ends_with("_energy") || **name == "energy_consumed")
        {
            assert!(COLUMNS.contains(&format!("{column}_origin").as_str()), "{column}");
        }
        assert_eq!(emissions_header().matches(',').count(), COLUMNS.len() - 1);
    }
}
