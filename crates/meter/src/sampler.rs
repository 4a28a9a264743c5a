//! The thread that reads between the ends of spans.

use std::{
    io,
    sync::{Arc, Weak},
    thread::{self, Thread},
    time::Duration,
};

use crate::{
    attribute::Attributor,
    cpu_time,
    shared::{Observer, Shared},
};

/// How often counters are read, at least, in the shortest time in which one of them can wrap.
const PER_WRAP: f64 = 2.5;

/// Time between two looks for new channels.
const RESCAN: Duration = Duration::from_secs(1);

/// Time between two looks for processes that have started or ended.
const FOLLOW: Duration = Duration::from_millis(100);

/// At the start, for this long, readings are dense enough to learn how often sensors renew their
/// values. Each pause is a fixed share (one part in `DENSITY`) of the time since the start, so that
/// sensors of any period are sampled equally well with about a hundred readings.
const LEARNING: Duration = Duration::from_secs(1);
const DENSITY: u32 = 15;
/// The shortest pause while learning.
const DENSEST: Duration = Duration::from_micros(100);

/// A power over an unknown time is read at least this often, so that the readings show its updates.
/// GPUs that show no energy renew their power every 100 ms, and reading it takes less than 0.1 ms.
const DENSE: Duration = Duration::from_millis(20);

/// Starts the thread; it ends when the meter is dropped.
pub(crate) fn start(
    shared: Weak<Shared>,
    interval: Duration,
    observer: Option<Observer>,
) -> io::Result<Thread> {
    let thread = thread::Builder::new()
        .name("wattlab-meter".to_owned())
        .spawn(move || run(&shared, interval, observer))?;
    Ok(thread.thread().clone())
}

fn run(shared: &Weak<Shared>, interval: Duration, mut observer: Option<Observer>) {
    let mut used = cpu_time::thread_ns();
    let (mut since_start, mut since_rescan) = (Duration::ZERO, Duration::ZERO);
    let mut since_follow = Duration::ZERO;
    let (mut next_observed, mut learning) = (Duration::ZERO, true);
    let mut pause = DENSEST;
    loop {
        thread::park_timeout(pause);
        let Some(shared) = shared.upgrade() else { return };
        since_start += pause;
        since_rescan += pause;
        since_follow += pause;
        shared.sample();
        if since_rescan >= RESCAN {
            since_rescan = Duration::ZERO;
            shared.rescan();
        }
        if since_follow >= FOLLOW {
            since_follow = Duration::ZERO;
            shared.attributor.iter().for_each(Attributor::follow);
        }
        if let Some(observer) = &mut observer
            && since_start >= next_observed
        {
            next_observed = since_start + interval;
            observer(&shared.readings());
        }
        learning = learning && since_start < LEARNING && shared.is_learning();
        pause = next_pause(&shared, interval, learning.then_some(since_start));
        let now = cpu_time::thread_ns();
        shared.own(now.saturating_sub(std::mem::replace(&mut used, now)) as f64 * 1e-9);
    }
}

fn next_pause(shared: &Arc<Shared>, interval: Duration, learning: Option<Duration>) -> Duration {
    let wrap = shared.shortest_wrap().map(|wrap| Duration::from_secs_f64(wrap.0 / PER_WRAP));
    let pause = wrap.map_or(interval, |wrap| interval.min(wrap)).max(Duration::from_millis(1));
    let pause = if shared.has_history() { pause.min(DENSE) } else { pause };
    match learning {
        Some(since_start) => pause.min((since_start / DENSITY).max(DENSEST)),
        None => pause,
    }
}
