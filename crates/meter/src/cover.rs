//! Chooses the channels that add up to a total: parts of the machine that do not overlap.

use units::{Domain, DomainEnergy, Joules, Method, Warning, WarningKind};

use crate::source::Channel;

/// Whether a sensor of this domain makes a model of the processor unnecessary.
pub(crate) fn covers_processor(domain: Domain) -> bool {
    is_processor(domain) || matches!(domain, Domain::System | Domain::Psys)
}

/// For each channel, whether it is part of the total.
///
/// - A part of a channel that exists (the cores of a package) is contained in that one already.
/// - The whole machine, or else the platform, overlaps the rest. If a sensor measures the processor
///   itself, it does not count. Otherwise it stands for all that it contains: the machine for
///   everything, the platform for processor and memory but not for a GPU board with its own supply.
/// - A model of the process's share of the processor counts if no sensor measures the processor.
/// - If two probes read the same kind of domain, the first counts: for the processor and its memory
///   by kind, for everything else by device. Of channels with equal identities the first counts.
/// - A die whose counter is the same as another's (`mirrored`) does not count.
///
/// The result depends on which channels exist, never on which could be read in a span: a total must
/// not silently change its meaning.
pub(crate) fn in_total(channels: &[&Channel], mirrored: &[bool]) -> Vec<bool> {
    let any = |test: &dyn Fn(&Channel) -> bool| channels.iter().any(|channel| test(channel));
    let has = |domain: Domain| any(&|channel| channel.domain == domain);
    let processor = any(&|channel| is_processor(channel.domain));
    let by_machine = has(Domain::System) && !processor;
    let by_platform = has(Domain::Psys) && !processor && !by_machine;
    channels
        .iter()
        .enumerate()
        .map(|(at, channel)| {
            let repeats = mirrored[at]
                || channels[..at].iter().any(|earlier| {
                    let by_kind =
                        covers_processor(earlier.domain) || earlier.domain == Domain::Dram;
                    earlier.domain == channel.domain
                        && (earlier.device == channel.device
                            || (earlier.identity.is_some() && earlier.identity == channel.identity)
                            || (earlier.probe != channel.probe && by_kind))
                });
            let inside = any(&|outer| {
                outer.probe == channel.probe && Some(&outer.device) == channel.inside.as_ref()
            });
            !repeats
                && !inside
                && match channel.domain {
                    Domain::System => by_machine,
                    Domain::Psys => by_platform,
                    Domain::CpuProcess => !processor && !by_machine && !by_platform,
                    Domain::CpuPackage => true,
                    Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie => {
                        !has(Domain::CpuPackage)
                    }
                    Domain::Dram => !by_machine && !by_platform,
                    _ => !by_machine,
                }
        })
        .collect()
}

/// A warning for every two probes that measure the same part of the machine and differ by more than
/// 5 % and by more than their intervals allow.
pub(crate) fn disagreements(domains: &[DomainEnergy]) -> Vec<Warning> {
    let mut sums: Vec<ProbeSum<'_>> = Vec::new();
    for energy in domains.iter().filter(|energy| energy.method != Method::Model) {
        // Probes name the parts of the processor differently; boards have names of their own.
        let device = (!covers_processor(energy.domain) && energy.domain != Domain::Dram)
            .then_some(energy.device.as_str());
        let key = (energy.domain, device, energy.probe.as_str());
        match sums.iter_mut().find(|sum| (sum.domain, sum.device, sum.probe) == key) {
            Some(sum) => {
                sum.joules += energy.joules;
                sum.uncertainty += energy.uncertainty;
            }
            None => sums.push(ProbeSum {
                domain: energy.domain,
                device,
                probe: &energy.probe,
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
                    "probes `{}` and `{}` disagree on {}: {:.3} and {:.3}, {:.0} % apart; one of \
                     them is wrong or covers something else",
                    a.probe,
                    b.probe,
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

/// What one probe measured of one part of the machine.
struct ProbeSum<'a> {
    domain: Domain,
    /// `None` if probes do not agree on the names of such parts.
    device: Option<&'a str>,
    probe: &'a str,
    joules: Joules,
    uncertainty: Joules,
}

/// Relative difference of two probes above which there is a warning.
const DISAGREEMENT: f64 = 0.05;

/// Whether this is the processor or a part of it, rather than something that contains it.
fn is_processor(domain: Domain) -> bool {
    matches!(domain, Domain::CpuPackage | Domain::CpuDie | Domain::CpuCore | Domain::CpuUncore)
}

#[cfg(test)]
mod tests {
    use units::Method;

    use super::*;
    use crate::source::Kind;

    fn check(channels: &[(&str, Domain, &str, Option<&str>, bool)]) {
        let made: Vec<Channel> = channels
            .iter()
            .map(|(probe, domain, device, inside, _)| {
                let method = Method::IntegratedPower;
                let mut channel = Channel::new(probe, *domain, device, Kind::Power, method, 1.0);
                channel.inside = inside.map(Into::into);
                channel
            })
            .collect();
        let expected: Vec<bool> = channels.iter().map(|(.., expected)| *expected).collect();
        let mirrored = vec![false; made.len()];
        assert_eq!(in_total(&made.iter().collect::<Vec<_>>(), &mirrored), expected, "{channels:?}");
    }

    #[test]
    fn parts_and_overlaps_are_not_counted_twice() {
        check(&[
            ("rapl", Domain::CpuPackage, "package-0", None, true),
            ("rapl", Domain::CpuCore, "package-0/core", Some("package-0"), false),
            ("rapl", Domain::CpuUncore, "package-0/uncore", Some("package-0"), false),
            ("rapl", Domain::Dram, "package-0/dram", None, true),
            ("rapl", Domain::CpuPackage, "package-1", None, true),
            ("rapl", Domain::Psys, "psys", None, false),
            ("nvml", Domain::Gpu, "gpu-0", None, true),
            ("nvml", Domain::Gpu, "gpu-1", None, true),
            ("cpu-time", Domain::CpuProcess, "process", None, false),
        ]);
    }

    #[test]
    fn the_whole_counts_if_no_part_is_measured() {
        check(&[
            ("rapl", Domain::Psys, "psys", None, true),
            ("cpu-time", Domain::CpuProcess, "process", None, false),
        ]);
        check(&[
            ("rapl", Domain::Psys, "psys", None, false),
            ("plug", Domain::System, "wall", None, true),
        ]);
        check(&[
            ("nvml", Domain::Gpu, "gpu-0", None, false),
            ("plug", Domain::System, "wall", None, true),
        ]);
        check(&[
            ("nvml", Domain::Gpu, "gpu-0", None, true),
            ("cpu-time", Domain::CpuProcess, "process", None, true),
        ]);
    }

    #[test]
    fn a_second_probe_of_the_same_part_is_not_counted() {
        check(&[
            ("rapl", Domain::CpuPackage, "package-0", None, true),
            ("other", Domain::CpuPackage, "socket 0", None, false),
            ("nvml", Domain::Gpu, "GPU-1", None, true),
            ("other", Domain::Gpu, "GPU-1", None, false),
            ("other", Domain::Gpu, "GPU-2", None, true),
        ]);
    }
}
