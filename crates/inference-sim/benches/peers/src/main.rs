//! The queues of `cargo xtask bench sim` in nexosim, as JSON Lines.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use nexosim::{
    model::{Context, Model, schedulable},
    ports::{EventSinkReader, Output, SinkState, event_queue},
    simulation::{Mailbox, SimInit},
    time::MonotonicTime,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};

/// Seconds of a batch.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Service {
    /// Exponential, 1 on average.
    Exponential,
    Affine { base: f64, each: f64 },
}

/// One queue before one server, as one model: messages between models would only cost it time.
#[derive(Serialize, Deserialize)]
struct Queue {
    rng: ChaCha8Rng,
    rate: f64,
    size: usize,
    service: Service,
    left: usize,
    waiting: VecDeque<MonotonicTime>,
    busy: bool,
    sum_s: f64,
    /// The sum of all waits, once everything is served.
    told: Output<f64>,
}

#[Model]
impl Queue {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>, _: &mut ()) {
        self.next(context);
    }

    #[nexosim(schedulable)]
    async fn arrive(&mut self, _: (), context: &Context<Self>) {
        self.waiting.push_back(context.time());
        self.left -= 1;
        if self.left > 0 {
            self.next(context);
        }
        if !self.busy {
            self.serve(context);
        }
    }

    #[nexosim(schedulable)]
    async fn done(&mut self, _: (), context: &Context<Self>) {
        self.busy = false;
        if !self.waiting.is_empty() {
            self.serve(context);
        } else if self.left == 0 {
            self.told.send(self.sum_s).await;
        }
    }

    fn next(&mut self, context: &Context<Self>) {
        let gap: f64 = Exp1.sample(&mut self.rng);
        let gap = Duration::from_secs_f64(gap / self.rate).max(Duration::from_nanos(1));
        context.schedule_event(gap, schedulable!(Self::arrive), ()).expect("it is in the future");
    }

    fn serve(&mut self, context: &Context<Self>) {
        let batch = self.waiting.len().min(self.size);
        let now = context.time();
        for arrival in self.waiting.drain(..batch) {
            self.sum_s += now.duration_since(arrival).as_secs_f64();
        }
        self.busy = true;
        let seconds = match self.service {
            Service::Exponential => Exp1.sample(&mut self.rng),
            Service::Affine { base, each } => base + each * batch as f64,
        };
        let time = Duration::from_secs_f64(seconds).max(Duration::from_nanos(1));
        context.schedule_event(time, schedulable!(Self::done), ()).expect("it is in the future");
    }
}

fn run(case: &str, requests: usize, rate: f64, size: usize, service: Service) {
    let start = Instant::now();
    let mut queue = Queue {
        rng: ChaCha8Rng::seed_from_u64(1),
        rate,
        size,
        service,
        left: requests,
        waiting: VecDeque::new(),
        busy: false,
        sum_s: 0.0,
        told: Output::default(),
    };
    let (sink, mut told) = event_queue(SinkState::Enabled);
    queue.told.connect_sink(sink);
    let mut simulation = SimInit::with_num_threads(1)
        .add_model(queue, Mailbox::new(), "queue")
        .init(MonotonicTime::EPOCH)
        .expect("the bench is complete");
    simulation.run().expect("the model does not fail");
    let value = told.try_read().expect("all requests are served") / requests as f64;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        r#"{{"tool": "nexosim", "case": "{case}", "requests": {requests}, "seconds": {seconds:.3}, "value": {value}}}"#
    );
}

fn main() {
    run("M/M/1", 2_000_000, 0.8, 1, Service::Exponential);
    run("greedy", 5_000_000, 40.0, 32, Service::Affine { base: 0.3, each: 0.01 });
}
