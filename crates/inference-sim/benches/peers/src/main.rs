//! The queues of `cargo xtask bench sim` in nexosim, as JSON Lines.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nexosim::{
    model::{Context, Model},
    simulation::{Mailbox, SimInit},
    time::MonotonicTime,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, Exp1};

/// Seconds of a batch of so many.
type Service = fn(&mut ChaCha8Rng, usize) -> f64;

/// One queue before one server, as one model: messages between models would only cost it time.
struct Queue {
    rng: ChaCha8Rng,
    rate: f64,
    size: usize,
    service: Service,
    left: usize,
    waiting: VecDeque<MonotonicTime>,
    busy: bool,
    wait_s: Arc<Mutex<f64>>,
    sum_s: f64,
}

impl Queue {
    async fn arrive(&mut self, _: (), context: &mut Context<Self>) {
        self.waiting.push_back(context.time());
        self.left -= 1;
        if self.left > 0 {
            let gap: f64 = Exp1.sample(&mut self.rng);
            let gap = Duration::from_secs_f64(gap / self.rate).max(Duration::from_nanos(1));
            context.schedule_event(gap, Self::arrive, ()).expect("it is in the future");
        }
        if !self.busy {
            self.serve(context);
        }
    }

    async fn done(&mut self, _: (), context: &mut Context<Self>) {
        self.busy = false;
        if self.waiting.is_empty() {
            *self.wait_s.lock().expect("nobody panics") = self.sum_s;
        } else {
            self.serve(context);
        }
    }

    fn serve(&mut self, context: &mut Context<Self>) {
        let batch = self.waiting.len().min(self.size);
        let now = context.time();
        for arrival in self.waiting.drain(..batch) {
            self.sum_s += now.duration_since(arrival).as_secs_f64();
        }
        self.busy = true;
        let time = Duration::from_secs_f64((self.service)(&mut self.rng, batch));
        let time = time.max(Duration::from_nanos(1));
        context.schedule_event(time, Self::done, ()).expect("it is in the future");
    }
}

impl Model for Queue {}

fn run(case: &str, requests: usize, rate: f64, size: usize, service: Service) {
    let start = Instant::now();
    let wait_s = Arc::new(Mutex::new(0.0));
    let queue = Queue {
        rng: ChaCha8Rng::seed_from_u64(1),
        rate,
        size,
        service,
        left: requests,
        waiting: VecDeque::new(),
        busy: false,
        wait_s: wait_s.clone(),
        sum_s: 0.0,
    };
    let mailbox = Mailbox::new();
    let address = mailbox.address();
    let (mut simulation, scheduler) = SimInit::with_num_threads(1)
        .add_model(queue, mailbox, "queue")
        .init(MonotonicTime::EPOCH)
        .expect("the bench is complete");
    scheduler
        .schedule_event(Duration::from_nanos(1), Queue::arrive, (), address)
        .expect("it is in the future");
    simulation.step_unbounded().expect("the model does not fail");
    let seconds = start.elapsed().as_secs_f64();
    let value = *wait_s.lock().expect("nobody panics") / requests as f64;
    println!(
        r#"{{"tool": "nexosim", "case": "{case}", "requests": {requests}, "seconds": {seconds:.3}, "value": {value}}}"#
    );
}

fn main() {
    run("M/M/1", 2_000_000, 0.8, 1, |rng, _| Exp1.sample(rng));
    run("greedy", 5_000_000, 40.0, 32, |_, n| 0.3 + 0.01 * n as f64);
}
