//! Rests between runs: a run must not begin with the power of the run before, which is still in the
//! sensor's average, in fans and in clock frequencies.

use std::{thread, time::Duration};

use meter::{Meter, Origin};

use super::super::signals::Signals;

/// The length of the idle time that is measured first, if none was.
const BASELINE: Duration = Duration::from_secs(1);
/// Lengths of the spans that power is looked at: the first, and the longest, which a sensor that is
/// updated every 100 ms can resolve.
const FIRST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_millis(160);
/// Powers within this share of idle power count as idle.
const MARGIN: f64 = 0.05;
/// Powers within this difference to idle power count as idle, in watts.
const SMALLEST_MARGIN_W: f64 = 0.5;

/// Waits for idle power.
pub(super) struct Rest {
    limit: Duration,
    /// Idle power and the difference to it that counts as none, in watts. `None`: there is no sensor.
    level: Option<(f64, f64)>,
    /// Rests that did not reach idle power within the limit.
    pub(super) missed: u32,
}

impl Rest {
    /// Measures idle power, unless nothing rests or `idle` is it already.
    pub(super) fn new(meter: &Meter, limit: Duration, idle: Option<&meter::Idle>) -> Self {
        let mut this = Self { limit, level: None, missed: 0 };
        // A model shows the power of processes, not of the machine.
        let is_sensed = |use_: &units::ProbeUse| use_.method.origin() == Origin::Measured;
        if limit.is_zero() || !meter.probe_uses().iter().any(is_sensed) {
            return this;
        }
        let idle = idle.copied().or_else(|| meter.idle(BASELINE));
        this.level = idle.filter(|idle| idle.origin != Origin::Estimated).map(|idle| {
            let margin = (MARGIN * idle.mean.0).max(2.0 * idle.spread.0).max(SMALLEST_MARGIN_W);
            (idle.mean.0, margin)
        });
        this
    }

    /// Waits until power is back at idle, the limit has passed, or somebody asks to stop.
    pub(super) fn wait(&mut self, meter: &Meter, signals: &Signals) {
        let Some((idle, margin)) = self.level else { return };
        let (mut waited, mut length) = (0.0, FIRST);
        while !signals.stopped() {
            let span = meter.span("rest");
            thread::sleep(length);
            let part = span.end();
            let Some(energy) = part.total else { return };
            waited += part.duration.0;
            let watts = energy.joules.0 / part.duration.0;
            // What the sensor cannot tell within so short a time is looked at for longer.
            let vague = energy.uncertainty.0 / part.duration.0 > margin;
            if watts <= idle + margin && (!vague || length >= LONGEST) {
                return;
            }
            if waited >= self.limit.as_secs_f64() {
                self.missed += 1;
                // The machine has another idle power now; every later rest would miss the old one.
                self.level = Some((idle.max(watts), margin));
                return;
            }
            length = (length * 2).min(LONGEST);
        }
    }
}
