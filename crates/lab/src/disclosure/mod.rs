//! Energies in the forms that others ask for: a carbon score, a table of a regulation, the files of an
//! experiment tracker. Each says what it leaves out.

pub(crate) mod ai_act;
pub(crate) mod mlflow;
pub(crate) mod sci;

use record::DomainEnergy;

/// What a total consists of, in words: `cpu-package of package-0, gpu of GPU-1`.
pub(crate) fn included(domains: &[DomainEnergy]) -> Vec<String> {
    let counted = domains.iter().filter(|energy| energy.in_total);
    counted
        .map(|energy| {
            let (domain, origin) = (energy.domain.word(), energy.origin.word());
            format!("{domain} of `{}` ({origin}, by {})", energy.device, energy.probe)
        })
        .collect()
}

/// What no total of one machine's sensors includes.
pub(crate) const OTHER_MACHINES: &str =
    "other machines, the network, and storage outside of this machine";

/// The parts of a machine that a total leaves out, in words.
pub(crate) fn parts_left_out(domains: &[DomainEnergy]) -> Option<String> {
    use record::Domain;
    let has = |wanted: &[Domain]| {
        domains.iter().any(|energy| energy.in_total && wanted.contains(&energy.domain))
    };
    if has(&[Domain::System]) {
        return None;
    }
    let processor = [
        Domain::CpuPackage,
        Domain::CpuDie,
        Domain::CpuCore,
        Domain::CpuUncore,
        Domain::CpuProcess,
        Domain::Psys,
    ];
    let mut parts = Vec::new();
    for (wanted, name) in [
        (&processor[..], "the processor"),
        (&[Domain::Dram, Domain::Psys], "memory"),
        (&[Domain::Gpu], "GPUs, if there are any"),
    ] {
        if !has(wanted) {
            parts.push(name);
        }
    }
    parts.push("disks, fans and the losses of the power supply");
    Some(parts.join(", "))
}

#[cfg(test)]
pub(crate) mod examples {
    use record::{Domain, DomainEnergy, Joules, Method, Seconds};

    /// An energy of a domain that is part of the total.
    pub(crate) fn energy(domain: Domain, method: Method, joules: f64) -> DomainEnergy {
        DomainEnergy {
            domain,
            device: "device".to_owned(),
            probe: "probe".to_owned(),
            origin: method.origin(),
            method,
            joules: Joules(joules),
            mean_power: None,
            peak_power: None,
            uncertainty: Joules(joules / 100.0),
            samples: 2,
            gap: Seconds(0.0),
            in_total: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use record::{Domain, Method};

    use super::{examples::energy, *};

    #[test]
    fn what_is_left_out_depends_on_what_is_counted() {
        let package = energy(Domain::CpuPackage, Method::Counter, 1.0);
        let wall = energy(Domain::System, Method::IntegratedPower, 1.0);
        let text = parts_left_out(std::slice::from_ref(&package)).unwrap();
        assert!(text.starts_with("memory, GPUs"), "{text}");
        assert_eq!(parts_left_out(&[package.clone(), wall]), None);
        assert!(parts_left_out(&[]).unwrap().starts_with("the processor, memory"));
        assert_eq!(included(&[package]), ["cpu-package of `device` (measured, by probe)"]);
    }
}
