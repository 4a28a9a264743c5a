//! Books a part of the machine's energy on a job.

use std::{fmt::Write as _, path::PathBuf};

use meter::{CpuShare, SpanReport};
use record::{Domain, DomainEnergy, Energy, Method, Origin, Seconds, Warning, WarningKind};
use serde_json::{Value, json};

/// What belongs to a job, and what it was divided from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::command::measure) struct Booked {
    label: String,
    cgroups: Vec<PathBuf>,
    /// Its share of CPU time; `None` if that could not be read.
    share: Option<CpuShare>,
    /// Energy of the whole machine, as far as it is measured.
    node: Option<Energy>,
    /// Energy of the job.
    energy: Option<Energy>,
    left_out: Vec<String>,
}

impl Booked {
    /// Replaces the total of a report by the job's part of it.
    ///
    /// Each sensor's energy stays in the report and no longer counts. In its place counts a domain
    /// `cpu-process` with the job's part, which is an estimate. A model of the job's own CPU time is
    /// the job's already. GPUs count whole if they are the job's, and not at all otherwise.
    pub(super) fn of(
        report: &mut SpanReport,
        label: &str,
        cgroups: &[PathBuf],
        gpus: &[String],
    ) -> Self {
        // A model of the job's CPU time says nothing about the machine.
        let of_node = counted(&report.domains).filter(|energy| !is_model_of_job(energy));
        let node = Energy::total(of_node.map(DomainEnergy::energy));
        let mut left_out = vec![
            "what other nodes of the job use, the network, and shared storage".to_owned(),
            "idle power, where it was measured first (`--idle`); without it, the job's part includes \
             a part of the idle power in proportion to CPU time"
                .to_owned(),
        ];
        let divided = divide(report);
        let mut foreign = Vec::new();
        for energy in &mut report.domains {
            let whole = energy.domain == Domain::Gpu && gpus.contains(&energy.device);
            if energy.in_total && energy.domain == Domain::Gpu && !whole {
                foreign.push(format!("`{}`", energy.device));
            }
            energy.in_total &= whole || is_model_of_job(energy);
        }
        if !foreign.is_empty() {
            let text = format!(
                "GPUs are not divided among jobs: {} not counted; if the job has them for itself, add \
                 `--job-gpu DEVICE`",
                foreign.join(", ")
            );
            report.warnings.push(Warning::new(WarningKind::SharedDomain, text));
            left_out.push(format!("GPUs: {}", foreign.join(", ")));
        }
        if let Some(part) = divided {
            report.domains.push(row(&part, label, report.duration));
        } else if node.is_some() && report.cpu_share.is_none() {
            let text = "the job's share of the machine's CPU time cannot be read, so no energy is \
                        booked on it; in a container, `/proc/stat` must show the whole machine";
            report.warnings.push(Warning::new(WarningKind::NoEnergy, text));
        }
        report.total = Energy::total(counted(&report.domains).map(DomainEnergy::energy));
        Self {
            label: label.to_owned(),
            cgroups: cgroups.to_vec(),
            share: report.cpu_share,
            node,
            energy: report.total,
            left_out,
        }
    }

    /// The job's name.
    pub(in crate::command::measure) fn label(&self) -> &str {
        &self.label
    }

    /// For documents.
    pub(in crate::command::measure) fn json(&self) -> Value {
        let interval = self.energy.map(|energy| {
            let (joules, half) = (energy.joules.0, energy.uncertainty.0);
            let most = self.node.map_or(f64::INFINITY, |node| (node.joules + node.uncertainty).0);
            json!([(joules - half).max(0.0), (joules + half).min(most)])
        });
        json!({
            "name": self.label,
            "cgroups": self.cgroups.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            "energy": self.energy,
            "interval95_j": interval,
            "node": self.node,
            "cpu_s": self.share.map(|share| share.workload),
            "machine_cpu_s": self.share.map(|share| share.machine),
            "share": self.share.map(|share| share.value()),
            "share_interval95": self.share.map(|share| share.interval(CpuShare::PROCESSOR)),
            "method": self.share.map(|share| share.accounting.word()),
            "left_out": self.left_out,
        })
    }

    /// For people.
    pub(in crate::command::measure) fn text(&self) -> String {
        let mut text = match &self.energy {
            Some(energy) => format!("  {}: {energy}\n", self.label),
            None => format!("  {}: absent\n", self.label),
        };
        if let Some(share) = &self.share {
            let (low, high) = share.interval(CpuShare::PROCESSOR);
            let _ = writeln!(
                text,
                "    {:.3} of {:.3} of CPU time: a share of {:.1} % ({:.1} to {:.1} %), counted by {}",
                share.workload,
                share.machine,
                share.value() * 100.0,
                low * 100.0,
                high * 100.0,
                share.accounting.word()
            );
        }
        if let Some(node) = &self.node {
            let _ = writeln!(text, "    the whole machine: {node}");
        }
        let _ = writeln!(text, "    left out: {}", self.left_out.join("; "));
        text
    }
}

fn counted(domains: &[DomainEnergy]) -> impl Iterator<Item = &DomainEnergy> {
    domains.iter().filter(|energy| energy.in_total)
}

/// The job's part of all that is measured and is no GPU; `None` without such energy, or without a
/// share.
fn divide(report: &SpanReport) -> Option<Energy> {
    let share = report.cpu_share?;
    let shared =
        |energy: &&DomainEnergy| energy.method != Method::Model && energy.domain != Domain::Gpu;
    let others =
        counted(&report.domains).filter(shared).filter(|energy| !is_processor(energy.domain));
    let others = Energy::total(others.map(DomainEnergy::energy));
    // The attribution has taken the idle power away, if it is known.
    let parts = [
        report.attribution.map(|parts| parts.process),
        others.map(|others| share.of(&others, CpuShare::OTHER)),
    ];
    Energy::total(parts.into_iter().flatten())
}

/// Whether this is the estimate from the job's own CPU time.
fn is_model_of_job(energy: &DomainEnergy) -> bool {
    energy.method == Method::Model && energy.domain == Domain::CpuProcess
}

/// The domains that the attribution divides.
fn is_processor(domain: Domain) -> bool {
    matches!(domain, Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie)
}

fn row(part: &Energy, label: &str, duration: Seconds) -> DomainEnergy {
    DomainEnergy {
        domain: Domain::CpuProcess,
        device: label.to_owned(),
        probe: "cpu-share".to_owned(),
        origin: Origin::Estimated,
        method: Method::Model,
        joules: part.joules,
        mean_power: (duration.0 > 0.0).then(|| part.joules / duration),
        peak_power: None,
        uncertainty: part.uncertainty,
        samples: 2,
        gap: Seconds(0.0),
        in_total: true,
    }
}

#[cfg(test)]
mod tests {
    use meter::{CpuAccounting, Meter};

    use super::*;
    use crate::disclosure::examples::energy;

    /// The report of a node with these energies, on which the job used 30 of 90 CPU seconds.
    fn report(domains: Vec<DomainEnergy>) -> SpanReport {
        let mut report = Meter::noop().span("node").end();
        report.total = Energy::total(counted(&domains).map(DomainEnergy::energy));
        report.domains = domains;
        let share = CpuShare::new(Seconds(30.0), Seconds(90.0), CpuAccounting::CgroupV2);
        report.cpu_share = Some(share);
        report
    }

    fn gpu(device: &str, joules: f64) -> DomainEnergy {
        let domain = energy(Domain::Gpu, Method::Counter, joules);
        DomainEnergy { device: device.to_owned(), ..domain }
    }

    #[test]
    fn a_job_gets_its_part_of_the_wall_and_its_own_gpus() {
        let wall = energy(Domain::System, Method::IntegratedPower, 900.0);
        let mut node = report(vec![wall]);
        let booked = Booked::of(&mut node, "job", &[], &[]);
        assert_eq!(booked.node.unwrap().joules.0, 900.0);
        let total = node.total.unwrap();
        assert_eq!((total.joules.0, total.origin), (300.0, Origin::Estimated));
        // A CPU second costs a quarter to four times the others': 30/4 of 67.5, 120 of 180.
        assert!(total.uncertainty.0 >= 900.0 * (120.0 / 180.0 - 1.0 / 3.0), "{total}");
        let json = booked.json();
        assert_eq!(json["share_interval95"], json!([0.2, 0.5]));
        assert_eq!(json["interval95_j"][0], 0.0);

        let memory = energy(Domain::Dram, Method::Counter, 90.0);
        let mut node = report(vec![memory, gpu("GPU-a", 500.0), gpu("GPU-b", 700.0)]);
        let booked = Booked::of(&mut node, "job", &[], &["GPU-b".to_owned()]);
        let total = node.total.unwrap();
        assert_eq!((total.joules.0, total.origin), (730.0, Origin::Mixed));
        assert!(node.warnings.iter().any(|warning| warning.text.contains("`GPU-a` not counted")));
        let counts: Vec<(&str, bool)> =
            node.domains.iter().map(|energy| (energy.device.as_str(), energy.in_total)).collect();
        let expected = [("device", false), ("GPU-a", false), ("GPU-b", true), ("job", true)];
        assert_eq!(counts, expected);
        assert!(booked.text().contains("the whole machine: 1290"), "{}", booked.text());
    }

    #[test]
    fn without_a_share_nothing_is_booked() {
        let mut node = report(vec![energy(Domain::Dram, Method::Counter, 90.0)]);
        node.cpu_share = None;
        let booked = Booked::of(&mut node, "job", &[], &[]);
        assert_eq!((node.total, booked.energy), (None, None));
        assert!(booked.json()["share"].is_null() && booked.text().contains("job: absent"));
        assert!(node.warnings.iter().any(|warning| warning.text.contains("/proc/stat")));
    }

    #[test]
    fn a_model_of_the_job_is_not_divided_again() {
        let mut node = report(vec![energy(Domain::CpuProcess, Method::Model, 12.0)]);
        let booked = Booked::of(&mut node, "job", &[], &[]);
        assert_eq!(booked.energy.unwrap().joules.0, 12.0);
        assert_eq!(booked.node, None, "the machine is not measured");
        assert_eq!(node.domains.len(), 1);
    }
}
