//! Counters that are one: some processors show a package's counter once for each of its dies.

use record::Domain;

use crate::source::{Channel, Source};

/// Two readings are never at the same moment: after so many tries in vain the counters differ.
const TRIES: u32 = 4;

/// Two channels that have never differed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    first: usize,
    second: usize,
    differ: bool,
}

impl Mirror {
    /// The pairs of channels that may be one counter: of two dies of one package, and named so.
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
                    pairs.push(Self { first, second, differ: false });
                }
            }
        }
        pairs
    }

    /// Compares the two; a pair that differed once is not looked at again.
    pub(crate) fn check(&mut self, source: &mut dyn Source, raw: &[Option<u64>]) {
        if self.differ {
            return;
        }
        let (Some(mut first), Some(mut second)) = (raw[self.first], raw[self.second]) else {
            return;
        };
        // An update may fall between the two readings, though hardly four times in a row.
        for _ in 1..TRIES {
            if first == second {
                return;
            }
            let again = (source.read(self.first), source.read(self.second));
            let (Ok(a), Ok(b)) = again else { return };
            (first, second) = (a, b);
        }
        self.differ = first != second;
    }

    /// The later channel, if it is the same counter as the earlier one.
    pub(crate) fn copy(&self) -> Option<usize> {
        (!self.differ).then_some(self.second)
    }
}

/// `package-0` and the zone of `package-0-die-1/dram`.
fn package_of_die(device: &str) -> Option<(&str, &str)> {
    let (package, rest) = device.split_once("-die-")?;
    let zone = rest.split_once('/').map_or("", |(_, zone)| zone);
    Some((package, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dies_of_one_package_are_compared() {
        assert_eq!(package_of_die("package-0-die-1"), Some(("package-0", "")));
        assert_eq!(package_of_die("package-0-die-1/dram"), Some(("package-0", "dram")));
        assert_eq!(package_of_die("package-0"), None);
    }
}
