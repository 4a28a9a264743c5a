//! The time of the machine, and simulated time.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// A clock: seconds since some start, which never decrease.
pub trait Clock {
    /// The time, in seconds.
    fn now(&self) -> f64;

    /// Returns when the clock shows `time_s` or more, or earlier: callers look at the clock again.
    fn wait_until(&self, time_s: f64);
}

/// The monotonic clock of the machine, from when it was started.
///
/// It waits by sleeping: a loop that spun for the last moments would wake up more punctually, but
/// would use energy where energy is measured. So a wait ends late, never early: on an idle Linux
/// machine by about 0.1 ms (50 µs of timer slack and the way out of a sleep state), on a busy one
/// by as long as the scheduler takes. Waits are counted from the intended arrivals, so the results
/// contain this delay. A sleep lasts at most 0.1 s, so that a wait can be interrupted.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    const LONGEST_SLEEP: Duration = Duration::from_millis(100);

    /// A clock that shows 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn wait_until(&self, time_s: f64) {
        let left = (time_s - self.now()).max(0.0);
        let left = Duration::try_from_secs_f64(left).unwrap_or(Self::LONGEST_SLEEP);
        thread::sleep(left.min(Self::LONGEST_SLEEP));
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::start()
    }
}

/// A clock of simulated time, which waiting sets forward at once.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    now_s: Cell<f64>,
}

impl VirtualClock {
    /// A clock that shows 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `seconds` pass; a negative number lets none.
    pub fn advance(&self, seconds: f64) {
        self.now_s.set(self.now_s.get() + seconds.max(0.0));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> f64 {
        self.now_s.get()
    }

    fn wait_until(&self, time_s: f64) {
        self.now_s.set(self.now_s.get().max(time_s));
    }
}
