//! Counters that do not move although the hardware draws power.
//!
//! Hypervisors show RAPL zones whose counters stay at one value (scaphandre issues 108 and 200), and
//! drivers leave a GPU's counter unchanged for a whole run (AMD SMI issue 38). Their 0 J would pass
//! for a measurement with an interval of one unit.

use units::{Joules, Method, Seconds, Watts};

use crate::{
    plausible::{always_draws, likely_power},
    source::{Channel, Kind},
    span_accumulator::SpanAccumulator,
};

/// The energy of a counter that has not moved for this many update periods is in doubt.
const DOUBTED: f64 = 3.0;

/// After this many, there is a warning.
const UPDATES: f64 = 10.0;

/// A counter that moved before and has stopped is frozen after this time, at least: a driver may be
/// busy with something else.
const STOPPED: Seconds = Seconds(1.0);

/// The update period of a counter whose source states none.
const UNSTATED: Seconds = Seconds(0.1);

/// A counter that did not move up to the end of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frozen {
    /// For how long.
    time: Seconds,
    /// Whether it had moved in the span before.
    stopped: bool,
    /// Whether it cannot be chance.
    certain: bool,
    /// A power that the hardware most likely stayed below.
    likely: Watts,
    /// Energy that it may have drawn in that time.
    pub(crate) doubt: Joules,
}

impl Frozen {
    /// `None` for a counter that moved, or that may stand still because its hardware is off.
    pub(crate) fn of(channel: &Channel, accumulator: &SpanAccumulator) -> Option<Self> {
        let counts = matches!(channel.kind, Kind::Counter { .. });
        if !counts || channel.method == Method::Model || !always_draws(channel.domain) {
            return None;
        }
        let (time, shown) = accumulator.unmoved()?;
        let stopped = !accumulator.never_moved();
        let period = if channel.period > Seconds(0.0) { channel.period } else { UNSTATED };
        let certain = time >= period * UPDATES;
        if time < period * DOUBTED || (stopped && !(certain && time >= STOPPED)) {
            return None;
        }
        let usual = likely_power(channel.domain);
        let likely = if stopped || usual < shown { shown } else { usual };
        Some(Self { time, stopped, certain, likely, doubt: likely * time })
    }

    /// The warning, after the counter's name; `None` if it may be chance.
    pub(crate) fn text(self, channel: &Channel) -> Option<String> {
        if !self.certain {
            return None;
        }
        let when = if self.stopped { "in the last" } else { "for" };
        let domain = channel.domain.word();
        let (time, likely) = (self.time, self.likely);
        Some(format!(
            "the counter did not move {when} {time:.3}, but a {domain} draws power at all times; it \
             does not work here, as in some virtual machines, and the interval includes up to \
             {likely:.0}"
        ))
    }
}
