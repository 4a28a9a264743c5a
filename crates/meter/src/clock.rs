//! Clocks. No other file of this crate looks at the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use units::Seconds;

/// A clock that never goes back.
pub trait Clock: Send + Sync {
    /// Time since the clock was made.
    fn now(&self) -> Seconds;

    /// How long the machine has been suspended so far; [`Clock::now`] does not count that time.
    fn suspended(&self) -> Seconds {
        Seconds(0.0)
    }
}

/// The operating system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(Instant);

impl Default for MonotonicClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Seconds {
        Seconds(self.0.elapsed().as_secs_f64())
    }

    #[cfg(target_os = "linux")]
    fn suspended(&self) -> Seconds {
        use rustix::time::{ClockId, clock_gettime};
        let seconds = |id| {
            let time = clock_gettime(id);
            time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
        };
        // The second reading is later by a fraction of a microsecond.
        let monotonic = seconds(ClockId::Monotonic);
        Seconds(seconds(ClockId::Boottime) - monotonic)
    }
}

/// A clock that a test or a simulation advances. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// Advances the clock.
    pub fn advance(&self, nanoseconds: u64) {
        self.0.fetch_add(nanoseconds, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Seconds {
        Seconds(self.0.load(Ordering::SeqCst) as f64 * 1e-9)
    }
}
