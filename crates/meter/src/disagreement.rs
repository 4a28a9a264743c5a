//! Finds sensors of the same part of the machine that do not agree.

use units::{Domain, DomainEnergy, Joules, Method, Warning, WarningKind};

use crate::{
    cover::{covers_processor, family},
    source::Channel,
};

/// Relative difference of two sensors above which there is a warning.
const DISAGREEMENT: f64 = 0.05;

/// What the sensors of one family measured of one part of the machine.
struct Sum<'a> {
    domain: Domain,
    /// `None` if sensors do not agree on the names of such parts.
    device: Option<&'a str>,
    family: (&'a str, Option<&'a str>),
    joules: Joules,
    uncertainty: Joules,
}

/// A warning for every two families of sensors that measure the same part of the machine and differ
/// by more than 5 % and by more than their intervals allow. `channels` are those that the energies
/// came from; a part of another channel, and what a supply gives, are not compared.
pub(crate) fn disagreements(channels: &[&Channel], domains: &[DomainEnergy]) -> Vec<Warning> {
    let mut sums: Vec<Sum<'_>> = Vec::new();
    for energy in domains.iter().filter(|energy| energy.method != Method::Model) {
        let of = |channel: &&&Channel| {
            (&channel.probe, &channel.device) == (&energy.probe, &energy.device)
                && channel.domain == energy.domain
        };
        let Some(channel) = channels.iter().find(of) else { continue };
        let outer = |outer: &&Channel| {
            outer.probe == channel.probe && Some(&outer.device) == channel.inside.as_ref()
        };
        // The cores of a package are compared with other cores, but a rail not with its board.
        let part = channel.overlap.output
            || channels.iter().any(|other| outer(other) && other.domain == channel.domain);
        if part {
            continue;
        }
        // Sensors name the parts of the processor differently; boards have names of their own.
        let by_kind = covers_processor(energy.domain) || energy.domain == Domain::Dram;
        let device = (!by_kind).then_some(energy.device.as_str());
        let key = (energy.domain, device, family(channel));
        match sums.iter_mut().find(|sum| (sum.domain, sum.device, sum.family) == key) {
            Some(sum) => {
                sum.joules += energy.joules;
                sum.uncertainty += energy.uncertainty;
            }
            None => sums.push(Sum {
                domain: energy.domain,
                device,
                family: family(channel),
                joules: energy.joules,
                uncertainty: energy.uncertainty,
            }),
        }
    }
    let mut warnings = Vec::new();
    for (at, a) in sums.iter().enumerate() {
        for b in sums[at + 1..].iter().filter(|b| (a.domain, a.device) == (b.domain, b.device)) {
            let apart = (a.joules.0 - b.joules.0).abs();
            let larger = a.joules.0.max(b.joules.0);
            if apart > DISAGREEMENT * larger && apart > (a.uncertainty + b.uncertainty).0 {
                let text = format!(
                    "{} and {} disagree on {}: {:.3} and {:.3}, {:.0} % apart; one of them is \
                     wrong or covers something else",
                    a.name(b),
                    b.name(a),
                    a.domain.word(),
                    a.joules,
                    b.joules,
                    100.0 * apart / larger
                );
                warnings.push(Warning::new(WarningKind::Disagreement, text));
            }
        }
    }
    warnings
}

impl Sum<'_> {
    /// The probe, and the kind of chip if the other sum is of the same probe.
    fn name(&self, other: &Self) -> String {
        match self.family {
            (probe, Some(family)) if probe == other.family.0 => {
                format!("`{family}` of probe `{probe}`")
            }
            (probe, _) => format!("probe `{probe}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use units::{Origin, Seconds};

    use super::*;
    use crate::source::Kind;

    fn channel(probe: &str, domain: Domain, device: &str, family: Option<&str>) -> Channel {
        let method = Method::IntegratedPower;
        let mut channel = Channel::new(probe, domain, device, Kind::Power, method, 1.0);
        channel.overlap.family = family.map(str::to_owned);
        channel
    }

    fn found(channels: &[(Channel, f64)]) -> Vec<String> {
        let energy = |(channel, joules): &(Channel, f64)| DomainEnergy {
            domain: channel.domain,
            device: channel.device.clone(),
            probe: channel.probe.clone(),
            origin: Origin::Measured,
            method: channel.method,
            joules: Joules(*joules),
            mean_power: None,
            peak_power: None,
            uncertainty: Joules(0.1),
            samples: 2,
            gap: Seconds(0.0),
            in_total: true,
        };
        let energies: Vec<DomainEnergy> = channels.iter().map(energy).collect();
        let all: Vec<&Channel> = channels.iter().map(|(channel, _)| channel).collect();
        disagreements(&all, &energies).into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn two_chips_that_see_the_sockets_are_compared() {
        let package = |probe: &str, family: Option<&str>| {
            let device = format!("socket by {}", family.unwrap_or(probe));
            channel(probe, Domain::CpuPackage, &device, family)
        };
        let texts =
            found(&[(package("rapl", None), 100.0), (package("hwmon", Some("hsmp")), 94.0)]);
        assert!(texts[0].starts_with("probe `rapl` and probe `hwmon` disagree"), "{texts:?}");
        assert_eq!(
            found(&[(package("rapl", None), 100.0), (package("hwmon", None), 96.0)]).len(),
            0
        );
        let texts =
            found(&[(package("hwmon", Some("a")), 100.0), (package("hwmon", Some("b")), 50.0)]);
        assert!(texts[0].starts_with("`a` of probe `hwmon` and `b` of"), "{texts:?}");
    }

    #[test]
    fn what_a_supply_gives_is_not_compared_with_what_it_takes() {
        let input = channel("plug", Domain::System, "wall", None);
        let mut output = channel("hwmon", Domain::System, "psu", Some("psu"));
        output.overlap.output = true;
        assert_eq!(found(&[(input, 120.0), (output, 100.0)]).len(), 0);
    }
}
