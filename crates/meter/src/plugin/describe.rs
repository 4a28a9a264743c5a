//! Checks everything that a probe says about its channels.

use probe_abi::RawChannel;
use units::{Domain, Method, Seconds};

use crate::source::{Channel, Kind, Overlap, UNITS};

/// A probe with more channels than this is refused.
pub(super) const MOST_CHANNELS: usize = 1024;

/// Number of characters of a probe's text that are shown.
const LONGEST_TEXT: usize = 500;

/// The number of channels that a probe returned, or what is wrong with it.
pub(super) fn checked_count(count: i32) -> Result<usize, String> {
    match usize::try_from(count) {
        Err(_) => Err(format!("listing its channels failed with code {count}")),
        Ok(count) if count > MOST_CHANNELS => {
            Err(format!("{count} channels, expected at most {MOST_CHANNELS}"))
        }
        Ok(count) => Ok(count),
    }
}

/// A probe's text in a form that is safe to print: control characters become spaces, and a text of
/// more than [`LONGEST_TEXT`] characters is cut.
pub(super) fn printable(text: &str) -> String {
    let safe = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut letters = text.trim().chars().map(safe);
    let mut short: String = letters.by_ref().take(LONGEST_TEXT).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// The channel that a probe describes, or what is wrong with the description.
pub(super) fn described(probe: &str, raw: &RawChannel) -> Result<Channel, String> {
    let device = printable(raw.device());
    let named = |text: &str| Some(printable(text)).filter(|text| !text.is_empty());
    let (kind, method) = match raw.kind {
        1 => {
            let range = (raw.range > 0).then_some(raw.range);
            (Kind::Counter { range }, Method::Counter)
        }
        2 => (Kind::Power, Method::IntegratedPower),
        other => {
            return Err(format!(
                "channel `{device}` has kind {other}, expected 1 (counter) or 2 (power)"
            ));
        }
    };
    if !UNITS.contains(&raw.unit) {
        return Err(format!(
            "channel `{device}` has unit {}, expected {:e} to {:e}",
            raw.unit,
            UNITS.start(),
            UNITS.end()
        ));
    }
    // A relative error that is negative, infinite or NaN is taken as unknown.
    let known = raw.relative_error.is_finite() && raw.relative_error > 0.0;
    Ok(Channel {
        probe: probe.to_owned(),
        domain: match raw.domain {
            1 => Domain::System,
            2 => Domain::Psys,
            3 => Domain::CpuPackage,
            4 => Domain::CpuCore,
            5 => Domain::CpuUncore,
            6 => Domain::Dram,
            7 => Domain::Gpu,
            8 => Domain::CpuDie,
            _ => Domain::Other,
        },
        device,
        inside: named(raw.inside()),
        identity: named(raw.identity()),
        kind,
        method,
        unit: raw.unit,
        relative_error: known.then_some(raw.relative_error),
        period: Seconds(raw.period_ns as f64 * 1e-9),
        averaging: Seconds(raw.averaging_ns as f64 * 1e-9),
        model: None,
        highest: None,
        overlap: Overlap::default(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field() -> impl Strategy<Value = [u8; 64]> {
        let bytes = prop_oneof![
            prop::collection::vec(any::<u8>(), 64),
            prop::collection::vec(any::<u8>(), 0..64),
            "[ -~]{0,60}".prop_map(String::into_bytes),
        ];
        bytes.prop_map(|bytes| {
            let mut field = [0; 64];
            field[..bytes.len()].copy_from_slice(&bytes);
            field
        })
    }

    proptest! {
        /// Whatever bytes a probe writes, a channel is either valid or refused with a reason.
        #[test]
        fn any_channel_is_valid_or_refused(
            device in field(), inside in field(), identity in field(),
            kind in prop_oneof![1_u32..=2, any::<u32>()],
            domain in any::<u32>(),
            unit in prop_oneof![Just(1e-6), prop::num::f64::ANY],
            (range, period_ns, averaging_ns) in any::<(u64, u64, u64)>(),
            relative_error in prop::num::f64::ANY,
        ) {
            let raw = RawChannel {
                device, inside, identity, kind, domain, unit, range, period_ns, averaging_ns,
                relative_error,
            };
            match described("p", &raw) {
                Ok(channel) => {
                    prop_assert!(UNITS.contains(&channel.unit) && (1..=2).contains(&kind));
                    prop_assert!(channel.relative_error.is_none_or(|error| error.is_finite() && error > 0.0));
                    prop_assert!(channel.period.0.is_finite() && channel.averaging.0.is_finite());
                    prop_assert!(!channel.device.chars().any(char::is_control));
                    prop_assert_ne!(channel.inside.as_deref(), Some(""));
                    prop_assert_ne!(channel.identity.as_deref(), Some(""));
                    prop_assert!(channel.joules(u64::MAX).0.is_finite());
                }
                Err(problem) => {
                    let good = (1..=2).contains(&kind) && UNITS.contains(&unit);
                    prop_assert!(!good && problem.contains("expected"));
                }
            }
        }

        /// Whatever a probe writes, a text fits into a line.
        #[test]
        fn any_text_is_one_short_line(text in ".{0,900}") {
            let shown = printable(&text);
            prop_assert!(shown.chars().count() <= LONGEST_TEXT + 1);
            prop_assert!(!shown.chars().any(char::is_control));
        }

        /// No count makes the meter read outside its buffer.
        #[test]
        fn any_count_is_within_the_buffer_or_refused(count in any::<i32>()) {
            let taken = checked_count(count);
            prop_assert_eq!(taken.is_ok(), (0..=MOST_CHANNELS as i32).contains(&count));
            prop_assert!(taken.is_ok_and(|channels| channels <= MOST_CHANNELS) || count != 0);
        }
    }
}
