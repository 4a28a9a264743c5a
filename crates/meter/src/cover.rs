//! Which domains add up: a total is over parts that do not overlap.

use units::{Domain, DomainEnergy, Joules, Warning, WarningKind};

use crate::source::Channel;

/// Whether a sensor of this domain makes a model of the processor needless.
pub(crate) fn covers_processor(domain: Domain) -> bool {
    is_processor(domain) || matches!(domain, Domain::System | Domain::Psys)
}

/// For each channel, whether it is part of the total.
///
/// - A part of a channel that is there (cores of a package) is in that one already.
/// - The whole machine, or else the platform, overlaps the rest: where a sensor sees the processor
///   itself it does not count; where none does, it stands for all that it contains (the machine:
///   everything; the platform: processor and memory, but not a GPU board of its own supply).
/// - A model of the process's share of the processor counts where no sensor sees the processor.
/// - Of two probes that read the same kind of domain, the first counts: for the processor and its
///   memory by kind, for everything else by device. Of channels of one identity, the first counts.
/// - A die whose counter is the same as another's (`mirrored`) does not count.
///
/// The answer depends on the channels alone, never on which of them could be read in a span: a
/// total that silently changes its meaning would be wrong.
pub(crate) fn in_total(channels: &[&Channel], mirrored: &[bool]) -> Vec<bool> {
    let any = |test: &dyn Fn(&Channel) -> bool| channels.iter().any(|it| test(it));
    let has = |domain: Domain| any(&|it| it.domain == domain);
    let processor = any(&|it| is_processor(it.domain));
    let by_machine = has(Domain::System) && !processor;
    let by_platform = has(Domain::Psys) && !processor && !by_machine;
    channels
        .iter()
        .enumerate()
        .map(|(at, channel)| {
            let repeats = mirrored[at]
                || channels[..at].iter().any(|it| {
                    it.domain == channel.domain
                        && (it.device == channel.device
                            || (it.identity.is_some() && it.identity == channel.identity)
                            || (it.probe != channel.probe
                                && (covers_processor(it.domain) || it.domain == Domain::Dram)))
                });
            let inside =
                any(&|it| it.probe == channel.probe && Some(&it.device) == channel.inside.as_ref());
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

/// Two probes that tell of one part of the machine, and differ by more than 5 % of it and more than
/// their intervals allow.
pub(crate) fn disagreements(domains: &[DomainEnergy]) -> Vec<Warning> {
    let mut sums: Vec<(Domain, Option<&str>, &str, Joules, Joules)> = Vec::new();
    for it in domains.iter().filter(|it| it.method != units::Method::Model) {
        // The processor's parts go by different names in different probes; boards have their own.
        let device = (!covers_processor(it.domain) && it.domain != Domain::Dram)
            .then_some(it.device.as_str());
        let same = |sum: &&mut (Domain, Option<&str>, &str, Joules, Joules)| {
            sum.0 == it.domain && sum.1 == device && sum.2 == it.probe
        };
        match sums.iter_mut().find(same) {
            Some(sum) => {
                sum.3 += it.joules;
                sum.4 += it.uncertainty;
            }
            None => sums.push((it.domain, device, &it.probe, it.joules, it.uncertainty)),
        }
    }
    let mut warnings = Vec::new();
    for (at, a) in sums.iter().enumerate() {
        for b in sums[at + 1..].iter().filter(|b| (a.0, a.1) == (b.0, b.1)) {
            let apart = (a.3.0 - b.3.0).abs();
            let larger = a.3.0.max(b.3.0);
            if apart > DISAGREEMENT * larger && apart > a.4.0 + b.4.0 {
                let text = format!(
                    "probes `{}` and `{}` disagree on {}: {:.3} and {:.3}, {:.0} % apart; one of \
                     them is wrong or covers something else",
                    a.2,
                    b.2,
                    a.0.word(),
                    a.3,
                    b.3,
                    100.0 * apart / larger
                );
                warnings.push(Warning::new(WarningKind::Disagreement, text));
            }
        }
    }
    warnings
}

/// Relative difference of two probes that is worth a warning.
const DISAGREEMENT: f64 = 0.05;

/// The processor itself, not what contains it.
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
                let mut it = Channel::new(probe, *domain, device, Kind::Power, method, 1.0);
                it.inside = inside.map(Into::into);
                it
            })
            .collect();
        let expected: Vec<bool> = channels.iter().map(|it| it.4).collect();
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
    fn the_whole_counts_where_no_part_is_sensed() {
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
