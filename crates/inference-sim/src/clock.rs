//! Time: real, or as fast as the simulation goes.

use std::{
    cell::Cell,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

/// A clock that the queue's loop reads and waits on, in seconds since its start.
pub trait Clock {
    /// Now.
    fn now(&self) -> f64;
    /// Returns at that time or a little later.
    fn wait_until(&self, time: f64);
}

/// The machine's monotonic clock. Waiting sleeps and never spins: a spinning loop would burn the
/// energy that is being measured. It comes back late by what the operating system's timer takes,
/// typically under 0.1 ms.
#[derive(Clone, Copy, Debug)]
pub struct Real(Instant);

impl Default for Real {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Real {
    fn now(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    fn wait_until(&self, time: f64) {
        let left = time - self.now();
        if left > 0.0 {
            thread::sleep(Duration::from_secs_f64(left));
        }
    }
}

/// A clock that jumps to where it is waited for.
#[derive(Clone, Debug, Default)]
pub struct Virtual(Rc<Cell<f64>>);

impl Clock for Virtual {
    fn now(&self) -> f64 {
        self.0.get()
    }

    fn wait_until(&self, time: f64) {
        self.0.set(self.0.get().max(time));
    }
}
