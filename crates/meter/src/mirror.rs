//! Finds channels that show the same counter: some processors show a package's counter once for each
//! of its dies.

use units::Domain;

use crate::source::Channel;

/// Two channels that may show the same counter.
///
/// The two are never read at the same moment, so an update may happen in between, and two counters
/// may show the same value by chance. So the majority of the values decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    first: usize,
    second: usize,
    /// Number of equal values; a value that is read several times counts once.
    same: u64,
    last_same: Option<u64>,
    /// Number of readings that differed.
    differed: u64,
}

impl Mirror {
    /// The pairs of channels that may show the same counter, by their names: two dies of one package.
    pub(crate) fn candidates(channels: &[Channel]) -> Vec<Self> {
        let mut pairs = Vec::new();
        for (second, channel) in channels.iter().enumerate() {
            for (first, other) in channels[..second].iter().enumerate() {
                let same = other.domain == channel.domain
                    && matches!(
                        channel.domain,
                        Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::Dram
                    );
                if let (true, Some(a), Some(b)) =
                    (same, package_of_die(&other.device), package_of_die(&channel.device))
                    && a == b
                {
                    pairs.push(Self { first, second, same: 0, last_same: None, differed: 0 });
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
        let (Some(first), Some(second)) = (raw[self.first], raw[self.second]) else { return };
        if first != second {
            self.differed += 1;
        } else if self.last_same.replace(first) != Some(first) {
            self.same += 1;
        }
    }

    /// The later channel, if it shows the same counter as the earlier one.
    pub(crate) fn copy(&self) -> Option<usize> {
        (self.same > self.differed).then_some(self.second)
    }
}

/// The package and the zone in the name of a die's device: `package-0` and `dram` for
/// `package-0-die-1/dram`.
fn package_of_die(device: &str) -> Option<(&str, &str)> {
    let (package, rest) = device.split_once("-die-")?;
    let zone = rest.split_once('/').map_or("", |(_, zone)| zone);
    Some((package, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[(u64, u64)]) -> Option<usize> {
        let mut mirror = Mirror { first: 0, second: 1, same: 0, last_same: None, differed: 0 };
        values.iter().for_each(|(a, b)| mirror.check(&[Some(*a), Some(*b)]));
        mirror.copy()
    }

    #[test]
    fn the_majority_of_the_values_decides() {
        assert_eq!(seen(&[(1, 1), (2, 2), (3, 4), (5, 5)]), Some(1));
        // Two counters that started at 0 and were read there many times.
        assert_eq!(seen(&[(0, 0), (0, 0), (0, 0), (3, 4)]), None);
        assert_eq!(seen(&[(1, 2), (3, 3), (4, 5)]), None);
    }

    #[test]
    fn only_dies_of_one_package_are_compared() {
        assert_eq!(package_of_die("package-0-die-1"), Some(("package-0", "")));
        assert_eq!(package_of_die("package-0-die-1/dram"), Some(("package-0", "dram")));
        assert_eq!(package_of_die("package-0"), None);
    }
}
