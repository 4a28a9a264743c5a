//! Finds channels that show the same counter: some processors show a package's counter once for each
//! of its dies, and some drivers show one socket's register for both.

use units::Domain;

use crate::source::{Channel, Kind};

/// Two counters of different sockets or boards are one if they were equal, to the unit, this many
/// times in a row of different values. Two real sockets never are: their counters start at different
/// times and count in steps of some microjoules. The number keeps two counters apart that a test or
/// a reboot started at the same value.
const EQUAL_VALUES: u64 = 8;

/// Two channels that may show the same counter.
///
/// The two are never read at the same moment, so an update may happen in between, and two counters
/// may show the same value by chance. So the majority of the values decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    first: usize,
    second: usize,
    /// Number of equal values that are needed.
    needed: u64,
    /// Number of equal values; a value that is read several times counts once.
    same: u64,
    last_same: Option<u64>,
    /// Number of readings that differed.
    differed: u64,
}

impl Mirror {
    /// The pairs of channels that may show the same counter: two counters of one kind of chip, of the
    /// same domain and unit, that are not contained in others. For two dies of one package, and for
    /// two zones of one name, the first equal value is reason enough.
    pub(crate) fn candidates(channels: &[Channel]) -> Vec<Self> {
        let mut pairs = Vec::new();
        for (second, channel) in channels.iter().enumerate() {
            for (first, other) in channels[..second].iter().enumerate() {
                let alike = matches!(channel.kind, Kind::Counter { .. })
                    && other.kind == channel.kind
                    && is_socket(channel.domain)
                    && other.domain == channel.domain
                    && other.unit == channel.unit
                    && other.overlap.family == channel.overlap.family
                    && other.device != channel.device;
                let dies = package(&other.device) == package(&channel.device);
                let parts = other.inside.is_some() || channel.inside.is_some();
                if alike && (dies || !parts) {
                    let needed = if dies { 1 } else { EQUAL_VALUES };
                    pairs.push(Self {
                        first,
                        second,
                        needed,
                        same: 0,
                        last_same: None,
                        differed: 0,
                    });
                }
            }
        }
        pairs
    }

    /// The later channel of the two.
    pub(crate) fn later(&self) -> usize {
        self.second
    }

    /// Compares the readings of the two channels; `raw` has the latest reading of every channel.
    pub(crate) fn check(&mut self, raw: &[Option<u64>]) {
        let reading = |channel: usize| raw.get(channel).copied().flatten();
        let (Some(first), Some(second)) = (reading(self.first), reading(self.second)) else {
            return;
        };
        if first != second {
            self.differed += 1;
        } else if self.last_same.replace(first) != Some(first) {
            self.same += 1;
        }
    }

    /// The later channel, if it shows the same counter as the earlier one.
    pub(crate) fn copy(&self) -> Option<usize> {
        (self.same >= self.needed && self.same > self.differed).then_some(self.second)
    }
}

/// Whether this is a socket or a part of one. Boards have names of their own (a UUID, a PCI address).
fn is_socket(domain: Domain) -> bool {
    matches!(
        domain,
        Domain::CpuPackage
            | Domain::CpuDie
            | Domain::CpuCore
            | Domain::CpuUncore
            | Domain::Dram
            | Domain::Psys
    )
}

/// A device's name without its die and without the number of a repeated name: `package-0` and `dram`
/// for `package-0-die-1/dram`, `package-0` for `package-0#2`.
fn package(device: &str) -> (&str, &str) {
    let (whole, zone) = device.split_once('/').unwrap_or((device, ""));
    let whole = whole.split_once("-die-").map_or(whole, |(package, _)| package);
    (whole.split_once('#').map_or(whole, |(package, _)| package), zone)
}

#[cfg(test)]
mod tests {
    use units::Method;

    use super::*;

    fn seen(needed: u64, values: &[(u64, u64)]) -> Option<usize> {
        let (same, last_same, differed) = (0, None, 0);
        let mut mirror = Mirror { first: 0, second: 1, needed, same, last_same, differed };
        values.iter().for_each(|(a, b)| mirror.check(&[Some(*a), Some(*b)]));
        mirror.copy()
    }

    fn pairs(devices: &[(&str, Option<&str>)]) -> Vec<(usize, usize, u64)> {
        let channel = |(device, inside): &(&str, Option<&str>)| {
            let kind = Kind::Counter { range: None };
            let domain = Domain::CpuPackage;
            let mut channel = Channel::new("p", domain, device, kind, Method::Counter, 1e-6);
            channel.inside = inside.map(str::to_owned);
            channel
        };
        let channels: Vec<Channel> = devices.iter().map(channel).collect();
        let pair = |mirror: &Mirror| (mirror.first, mirror.second, mirror.needed);
        Mirror::candidates(&channels).iter().map(pair).collect()
    }

    #[test]
    fn the_majority_of_the_values_decides() {
        assert_eq!(seen(1, &[(1, 1), (2, 2), (3, 4), (5, 5)]), Some(1));
        // Two counters that started at 0 and were read there many times.
        assert_eq!(seen(1, &[(0, 0), (0, 0), (0, 0), (3, 4)]), None);
        assert_eq!(seen(1, &[(1, 2), (3, 3), (4, 5)]), None);
    }

    #[test]
    fn two_sockets_are_one_counter_only_after_many_equal_values() {
        let equal: Vec<(u64, u64)> = (0..8).map(|value| (value, value)).collect();
        assert_eq!(seen(EQUAL_VALUES, &equal[..7]), None);
        assert_eq!(seen(EQUAL_VALUES, &equal), Some(1));
        // Sixteen packages that a driver started at one value, and that then drew the same.
        assert_eq!(seen(EQUAL_VALUES, &[(1_000_000, 1_000_000), (3_000_000, 3_000_000)]), None);
    }

    #[test]
    fn dies_and_repeated_names_are_compared_more_readily_than_sockets() {
        let dies = [("package-0-die-0", None), ("package-0-die-1", None), ("package-1", None)];
        assert_eq!(pairs(&dies), [(0, 1, 1), (0, 2, EQUAL_VALUES), (1, 2, EQUAL_VALUES)]);
        assert_eq!(pairs(&[("package-0", None), ("package-0#2", None)]), [(0, 1, 1)]);
        let cores = [("a/Ecore000", Some("a/Esocket0")), ("a/Ecore001", Some("a/Esocket0"))];
        assert_eq!(pairs(&cores), []);
    }

    #[test]
    fn a_die_is_in_its_package() {
        assert_eq!(package("package-0-die-1"), ("package-0", ""));
        assert_eq!(package("package-0-die-1/dram"), ("package-0", "dram"));
        assert_eq!(package("package-0#2/dram"), ("package-0", "dram"));
        assert_eq!(package("package-1"), ("package-1", ""));
    }
}
