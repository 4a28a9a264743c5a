//! Batches of one size, measured one after another.

use std::time::{Duration, Instant};

use inference_sim::{Executor, Stretch};
use meter::Meter;
use record::{Energy, Seconds, Watts};

use super::network::Network;
use crate::{Failure, Interrupt};

/// The power of the machine while nothing is served; `None` where nothing tells.
pub(super) fn idle(meter: &Meter, interrupt: &Interrupt) -> Result<Option<Watts>, Failure> {
    let span = meter.span("idle");
    for _ in 0..20 {
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let span = span.end();
    Ok(span.total.map(|it| it.joules / span.duration))
}

/// What batches of one size took, on average, and drew.
pub(super) struct Found {
    pub(super) service: Seconds,
    /// Of single batches; `None` for one.
    pub(super) cv: Option<f64>,
    pub(super) energy: Option<Energy>,
}

/// Serves batches of one size after another.
pub(super) struct Batches<'a> {
    pub(super) network: &'a mut Network,
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
    pub(super) idle: Option<Watts>,
    /// The next request: as live, none is asked for twice in a row.
    pub(super) next: usize,
}

impl Batches<'_> {
    /// What a batch took.
    pub(super) fn serve(&mut self, size: usize) -> Result<Duration, Failure> {
        let requests: Vec<usize> = (self.next..self.next + size).collect();
        self.next += size;
        let start = Instant::now();
        self.network.serve(&requests).map_err(Failure::run_time)?;
        Ok(start.elapsed())
    }

    /// Serves nothing for so long, and says how much later it was awake again: the way out of sleep
    /// is a part of what a request waits for.
    fn pause(&self, pause: Duration) -> Result<Duration, Failure> {
        if self.interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        let due = Instant::now() + pause;
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        Ok(due.elapsed())
    }

    /// Mean times of batches one after another, the first after a pause; for as long as
    /// [`Batches::repeat`].
    pub(super) fn stretches(
        &mut self,
        size: usize,
        seconds: f64,
        pause_s: f64,
    ) -> Result<Stretch, Failure> {
        const LENGTH: usize = 4;
        let pause = Duration::from_secs_f64(pause_s);
        let started = Instant::now();
        let mut sums = [0.0; LENGTH];
        let mut repeats = 0_u32;
        while repeats == 0 || started.elapsed().as_secs_f64() < 2.0 * seconds {
            sums[0] += self.pause(pause)?.as_secs_f64();
            for sum in &mut sums {
                *sum += self.serve(size)?.as_secs_f64();
            }
            repeats += 1;
        }
        let services = sums.map(|it| Seconds(it / f64::from(repeats))).to_vec();
        Ok(Stretch { size, pause: Seconds(pause_s), services })
    }

    /// Mean time and energy of batches that keep the server busy for so many seconds, or what it
    /// does of that in the time of twice as many, each after a pause.
    pub(super) fn repeat(
        &mut self,
        size: usize,
        seconds: f64,
        pause_s: f64,
    ) -> Result<Found, Failure> {
        let pause = Duration::from_secs_f64(pause_s);
        let span = self.meter.span("batches");
        let started = Instant::now();
        let (mut served, mut late) = (Duration::ZERO, Duration::ZERO);
        let mut squares = 0.0;
        let mut batches = 0_u32;
        while batches == 0
            || (served.as_secs_f64() < seconds && started.elapsed().as_secs_f64() < 2.0 * seconds)
        {
            let woken = self.pause(pause)?;
            let took = self.serve(size)?;
            served += took;
            late += woken;
            squares += (took + woken).as_secs_f64().powi(2);
            batches += 1;
        }
        let span = span.end();
        // The pauses drew the idle power.
        let idle_s = (span.duration.0 - served.as_secs_f64()).max(0.0);
        let paused = self.idle.map(|it| it * Seconds(idle_s));
        let busy = Seconds((served + late).as_secs_f64());
        let energy = span.total.map(|mut it| {
            let paused = paused.map_or(0.0, |it| it.0);
            it.joules.0 = (it.joules.0 - paused).max(0.0) / f64::from(batches);
            it
        });
        let n = f64::from(batches);
        let service = busy * n.recip();
        let variance = (squares - n * service.0.powi(2)).max(0.0) / (n - 1.0);
        let cv = (batches > 1).then(|| variance.sqrt() / service.0);
        Ok(Found { service, cv, energy })
    }
}
