//! Measures batches of one size.

use std::time::{Duration, Instant};

use inference_sim::BatchSequence;
use meter::Meter;
use record::{Energy, Seconds, Watts};

use super::answerer::Answerer;
use crate::{Failure, Interrupt};

/// The power of the machine while nothing is served, over one second; `None` without a sensor or an
/// estimate.
pub(super) fn idle(meter: &Meter, interrupt: &Interrupt) -> Result<Option<Watts>, Failure> {
    let span = meter.span("idle");
    for _ in 0..20 {
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let span = span.end();
    Ok(span.total.map(|energy| energy.joules / span.duration))
}

/// Mean time and energy of batches of one size.
pub(super) struct Found {
    pub(super) service: Seconds,
    /// Coefficient of variation of single batches' times; `None` for one batch.
    pub(super) cv: Option<f64>,
    pub(super) energy: Option<Energy>,
}

/// Serves batches of one size after another.
pub(super) struct Batches<'a> {
    pub(super) server: &'a mut dyn Answerer,
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
    pub(super) idle: Option<Watts>,
    /// The number of the next request: as in a live queue, no image is used twice in a row.
    pub(super) next: usize,
}

impl Batches<'_> {
    /// Serves a batch and returns its time.
    pub(super) fn serve(&mut self, size: usize) -> Result<Duration, Failure> {
        let requests: Vec<usize> = (self.next..self.next + size).collect();
        self.next += size;
        let start = Instant::now();
        self.server.answer(&requests)?;
        Ok(start.elapsed())
    }

    /// Serves nothing for this long, and returns by how much it woke up late: that delay is a part of
    /// what a request waits for.
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

    /// Mean times of four batches one after another, the first after a pause, measured for twice as
    /// many seconds.
    pub(super) fn sequence(
        &mut self,
        size: usize,
        seconds: f64,
        pause_s: f64,
    ) -> Result<BatchSequence, Failure> {
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
        let services = sums.map(|sum| Seconds(sum / f64::from(repeats))).to_vec();
        Ok(BatchSequence { size, pause: Seconds(pause_s), services })
    }

    /// Mean time and energy of batches, each after a pause: as many as keep the server busy for this
    /// many seconds, or fit into twice as many.
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
        // The energy of the pauses, at idle power.
        let idle_s = (span.duration.0 - served.as_secs_f64()).max(0.0);
        let paused = self.idle.map(|idle| idle * Seconds(idle_s));
        let busy = Seconds((served + late).as_secs_f64());
        let energy = span.total.map(|mut energy| {
            let paused = paused.map_or(0.0, |energy_of_pauses| energy_of_pauses.0);
            energy.joules.0 = (energy.joules.0 - paused).max(0.0) / f64::from(batches);
            energy
        });
        let n = f64::from(batches);
        let service = busy * n.recip();
        let variance = (squares - n * service.0.powi(2)).max(0.0) / (n - 1.0);
        let cv = (batches > 1).then(|| variance.sqrt() / service.0);
        Ok(Found { service, cv, energy })
    }
}
