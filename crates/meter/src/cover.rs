//! Which domains add up: a total is over parts that do not overlap.

use record::Domain;

use crate::source::Channel;

/// For each channel, whether it is part of the total.
///
/// A part of a listed device (cores of a package) is covered by it; the platform and the whole
/// machine overlap everything else, so they count only where nothing else measures. A model of the
/// process's CPU share counts where no counter covers the processor.
pub(crate) fn in_total(channels: &[&Channel]) -> Vec<bool> {
    let has = |wanted: Domain| channels.iter().any(|it| it.domain == wanted);
    let has_parts = channels.iter().any(|it| !matches!(it.domain, Domain::Psys | Domain::System));
    channels
        .iter()
        .map(|channel| {
            let covered = channel
                .inside
                .as_ref()
                .is_some_and(|it| channels.iter().any(|other| other.device == *it));
            match channel.domain {
                Domain::System => !has_parts && !has(Domain::Psys),
                Domain::Psys => !has_parts,
                Domain::CpuProcess => !has(Domain::CpuPackage),
                _ => !covered,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use record::Method;

    use super::*;
    use crate::source::Kind;

    fn channel(domain: Domain, device: &str, inside: Option<&str>) -> Channel {
        Channel {
            probe: "test".into(),
            domain,
            device: device.into(),
            inside: inside.map(Into::into),
            kind: Kind::Power,
            method: Method::IntegratedPower,
            unit: 1.0,
            relative_error: 0.0,
            period: record::Seconds(0.0),
            model: None,
        }
    }

    #[test]
    fn parts_and_overlaps_are_not_counted_twice() {
        let channels = [
            channel(Domain::CpuPackage, "package-0", None),
            channel(Domain::CpuCore, "package-0/core", Some("package-0")),
            channel(Domain::Dram, "package-0/dram", None),
            channel(Domain::Psys, "psys", None),
            channel(Domain::Gpu, "gpu-0", None),
            channel(Domain::CpuProcess, "process", None),
        ];
        let refs: Vec<&Channel> = channels.iter().collect();
        assert_eq!(in_total(&refs), [true, false, true, false, true, false]);
    }

    #[test]
    fn the_platform_counts_where_nothing_else_does() {
        assert_eq!(in_total(&[&channel(Domain::Psys, "psys", None)]), [true]);
        assert_eq!(in_total(&[&channel(Domain::CpuProcess, "process", None)]), [true]);
    }
}
