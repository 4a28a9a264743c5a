//! Time: monotonic in earnest, virtual in tests. Nothing else of this crate looks at a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use record::Seconds;

/// A clock that never goes back.
pub trait Clock: Send + Sync {
    /// Time since the clock was made.
    fn now(&self) -> Seconds;
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
