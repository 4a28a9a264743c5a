//! The energy of a training as Annex XI of the EU's AI Act asks for it (Regulation (EU) 2024/1689,
//! section 1, point 2, letters d and e): computational resources, training time, and "known or
//! estimated energy consumption of the model". The documentation form of the Code of Practice for
//! general-purpose AI asks for megawatt-hours with at least two significant digits.

use std::fmt::Write as _;

use record::{DomainEnergy, Energy, Machine, Origin, Seconds};
use serde_json::{Value, json};

use super::{OTHER_MACHINES, included, parts_left_out};

/// A training that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Training<'a> {
    /// What was run, as text.
    pub(crate) what: &'a str,
    /// When it ended, as `2026-11-21T03:00:00Z`.
    pub(crate) ended: &'a str,
    /// How long it took.
    pub(crate) duration: Seconds,
    /// Energy over domains that do not overlap; `None` if it is unknown.
    pub(crate) total: Option<Energy>,
    /// The domains.
    pub(crate) domains: &'a [DomainEnergy],
    /// The machine.
    pub(crate) machine: &'a Machine,
    /// Floating point operations of the training, if the user knows them.
    pub(crate) flop: Option<f64>,
    /// Power usage effectiveness of the data center; 1 for a machine outside of a data center. `total`
    /// does not include it.
    pub(crate) pue: f64,
}

const JOULES_PER_MWH: f64 = 3.6e9;

impl Training<'_> {
    /// What the law calls the energy.
    fn status(&self) -> &'static str {
        match self.total.map(|total| total.origin) {
            Some(Origin::Measured) => "known",
            Some(Origin::Estimated) => "estimated",
            Some(Origin::Mixed) => "partly known, partly estimated",
            None => "unknown",
        }
    }

    /// Energy with the data center's part, in megawatt-hours, and half of its 95 % interval.
    fn megawatt_hours(&self) -> Option<(f64, f64)> {
        let factor = self.pue / JOULES_PER_MWH;
        self.total.map(|total| (total.joules.0 * factor, total.uncertainty.0 * factor))
    }

    /// What the energy leaves out.
    fn left_out(&self) -> Vec<String> {
        let mut left_out = vec![
            "all other runs of the model's development (data preparation, search for settings, runs \
             that failed, evaluation), unless the measured command did them"
                .to_owned(),
            "inference, for which the documentation form asks separately".to_owned(),
        ];
        left_out.extend(parts_left_out(self.domains));
        left_out.push(OTHER_MACHINES.to_owned());
        if self.pue <= 1.0 {
            left_out.push("cooling and power distribution of a data center (`--pue`)".to_owned());
        }
        left_out
    }

    fn gpus(&self) -> usize {
        let gpus = self.domains.iter().filter(|energy| energy.domain == record::Domain::Gpu);
        gpus.filter(|energy| energy.in_total).count()
    }

    fn hardware(&self) -> String {
        let Machine { cpu, cpus, .. } = self.machine;
        let mut text = format!("{cpu}, {cpus} logical processors");
        if self.gpus() > 0 {
            let _ = write!(text, ", {} GPUs", self.gpus());
        }
        text
    }

    /// The method in a sentence.
    fn methodology(&self) -> String {
        if self.total.is_none() {
            return "no sensor could be read and no model was used".to_owned();
        }
        let parts = included(self.domains).join(", ");
        let mut text = format!("sum over parts of the machine that do not overlap: {parts}");
        if self.pue > 1.0 {
            let _ = write!(text, "; times a power usage effectiveness of {}", self.pue);
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let energy = self.megawatt_hours();
        json!({
            "schema": "wattlab.ai-act-annex-xi/1",
            "regulation": "Regulation (EU) 2024/1689, Annex XI, section 1, point 2 (d) and (e)",
            "training": self.what,
            "ended": self.ended,
            "computational_resources": {
                "flop": self.flop,
                "hardware": self.hardware(),
                "gpus": self.gpus(),
                "training_time_s": self.duration,
            },
            "energy": {
                "status": self.status(),
                "mwh": energy.map(|(value, _)| value),
                "uncertainty_mwh": energy.map(|(_, uncertainty)| uncertainty),
                "joules": self.total.map(|total| total.joules),
                "origin": self.total.map(|total| total.origin),
                "pue": self.pue,
                "methodology": self.methodology(),
                "domains": self.domains,
            },
            "left_out": self.left_out(),
        })
    }

    /// For people: a table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let energy = match self.megawatt_hours() {
            Some((value, uncertainty)) => {
                format!("{} MWh ± {} MWh", digits(value), digits(uncertainty))
            }
            None => "unknown".to_owned(),
        };
        let (flop, by) = match self.flop {
            Some(flop) => (format!("{flop:.2e}"), "given by the user"),
            None => ("not given".to_owned(), "`--flop` gives them"),
        };
        let what = cell(self.what);
        let mut text = format!(
            "# Energy of a training\n\n\
             For the technical documentation of Regulation (EU) 2024/1689, Annex XI, section 1, point 2 \
             (d) and (e). It is a part of that documentation only.\n\n\
             | point | item | value | basis |\n|---|---|---|---|\n\
             | 2 (d) | training | `{what}`, ended {} | this measurement |\n\
             | 2 (d) | training time (wall clock) | {} | measured |\n\
             | 2 (d) | hardware | {} | read from the machine |\n\
             | 2 (d) | floating point operations | {flop} | {by} |\n\
             | 2 (e) | energy consumption, {} | {energy} | {} |\n",
            self.ended,
            time(self.duration),
            cell(&self.hardware()),
            self.status(),
            cell(&self.methodology()),
        );
        text.push_str("\nThe interval contains the energy with 95 % confidence. Left out:\n\n");
        for part in self.left_out() {
            let _ = writeln!(text, "- {part}");
        }
        text
    }
}

/// At least two significant digits: three.
fn digits(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.2e}") }
}

fn time(duration: Seconds) -> String {
    format!("{:.3} s ({:.3e} days)", duration.0, duration.0 / 86_400.0)
}

/// A text as a cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use record::{Domain, Joules, Method};

    use super::*;
    use crate::disclosure::examples::energy;

    fn machine() -> Machine {
        Machine {
            os: "Linux 6.8".to_owned(),
            arch: "x86_64".to_owned(),
            cpu: "AMD EPYC 7742".to_owned(),
            cpus: 128,
            memory_bytes: None,
            device: "cpu".to_owned(),
            instructions: None,
        }
    }

    fn training<'a>(domains: &'a [DomainEnergy], machine: &'a Machine) -> Training<'a> {
        Training {
            what: "python train.py | tee log",
            ended: "2026-11-21T03:00:00Z",
            duration: Seconds(86_400.0),
            total: Energy::total(domains.iter().map(DomainEnergy::energy)),
            domains,
            machine,
            flop: Some(1.5e21),
            pue: 1.0,
        }
    }

    #[test]
    fn a_measured_energy_is_known_and_any_estimate_is_named() {
        let machine = machine();
        let gpu = energy(Domain::Gpu, Method::Counter, 3.6e9);
        let cpu = energy(Domain::CpuProcess, Method::Model, 3.6e8);
        let measured = [gpu.clone()];
        let json = training(&measured, &machine).json();
        assert_eq!(
            (&json["energy"]["status"], &json["energy"]["mwh"]),
            (&"known".into(), &1.0.into())
        );
        let mixed = [gpu, cpu.clone()];
        let text = training(&mixed, &machine).markdown();
        assert!(text.contains("energy consumption, partly known, partly estimated"), "{text}");
        assert!(text.contains("| 1.10e0 MWh ± 1.10e-2 MWh |"), "{text}");
        assert!(text.contains("python train.py \\| tee log"), "{text}");
        assert!(text.contains("| 1.50e21 |") && text.contains("(1.000e0 days)"), "{text}");
        assert_eq!(training(&[cpu], &machine).json()["energy"]["status"], "estimated");
        let nothing = training(&[], &machine);
        assert!(nothing.markdown().contains("energy consumption, unknown | unknown"));
        assert!(nothing.json()["energy"]["mwh"].is_null());
    }

    #[test]
    fn the_data_center_counts_if_it_is_given() {
        let machine = machine();
        let domains =
            [Energy { joules: Joules(3.6e9), uncertainty: Joules(0.0), origin: Origin::Measured }]
                .map(|total| energy(Domain::System, Method::IntegratedPower, total.joules.0));
        let with = Training { pue: 1.2, ..training(&domains, &machine) };
        assert_eq!(with.json()["energy"]["mwh"], 1.2);
        let left_out = |training: &Training<'_>| training.left_out().join(" ");
        assert!(!left_out(&with).contains("cooling"));
        assert!(left_out(&training(&domains, &machine)).contains("cooling"));
    }
}
