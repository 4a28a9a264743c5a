//! Time: monotonic in earnest, virtual in tests. Nothing else of this crate looks at a clock.

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

    /// How long the machine was suspended so far; the clock stands still meanwhile.
    fn suspended(&self) -> Seconds {
        Seconds(0.0)
    }
}

/// The operating system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
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

/// A clock that goes on when it is told to.
#[derive(Clone, Debug, Default)]
pub struct Virtual(Arc<AtomicU64>);

impl Virtual {
    /// Goes on.
    pub fn advance(&self, nanoseconds: u64) {
        self.0.fetch_add(nanoseconds, Ordering::SeqCst);
    }
}

impl Clock for Virtual {
    fn now(&self) -> Seconds {
        Seconds(self.0.load(Ordering::SeqCst) as f64 * 1e-9)
    }
}
