//! Which batches start now.

use std::cmp::Reverse;

use units::BatchTimes;

use super::{
    queue::WaitingQueue,
    state::{Event, Loss, Model, Server, State},
};
use crate::{
    engine::{Observer, StartedBatch},
    escalation::Asked,
    pause::PauseEffect,
    policy::{Decision, Policy, PolicyError, Queue},
    service::Time,
};

/// Priority, deadline, number.
type Order = (Reverse<i32>, Time, usize);

impl<P: Policy, O: Observer> State<'_, P, O> {
    /// Starts all batches that can start now, and wakes servers for those that could start.
    pub(super) fn dispatch(&mut self) -> Result<(), PolicyError> {
        while let Some(replica) = self.changed.pop() {
            self.replicas[replica].changed = false;
            self.dispatch_at(replica)?;
        }
        Ok(())
    }

    fn dispatch_at(&mut self, number: usize) -> Result<(), PolicyError> {
        while let Some(&server) = self.replicas[number].idle.last() {
            let Some((model, count)) = self.choose(number)? else { break };
            self.replicas[number].idle.pop();
            self.begin(number, server, model, count);
        }
        let Some(sleep) = self.sleep else {
            self.replicas[number].newly_idle.clear();
            return Ok(());
        };
        // Only now is it certain that there is nothing for them to do.
        for server in std::mem::take(&mut self.replicas[number].newly_idle) {
            self.at(self.now + sleep.after_s, Event::Doze(server));
        }
        while !self.replicas[number].asleep.is_empty()
            && self.replicas[number].waking < self.batches_waiting(number)
            && self.choose(number)?.is_some()
        {
            let replica = &mut self.replicas[number];
            let Some(server) = replica.asleep.pop() else { break };
            replica.waking += 1;
            self.servers[server] = Server::Waking;
            self.asleep -= 1;
            self.waking += 1;
            self.at(self.now + sleep.wakeup_s, Event::Awake(server));
        }
        Ok(())
    }

    fn batches_waiting(&self, number: usize) -> usize {
        let models = self.replicas[number].queues.iter().zip(&self.models);
        let batches = |(queue, model): (&WaitingQueue, &Model<P>)| {
            queue.images().div_ceil(model.policy.max_size().max(1))
        };
        models.map(batches).sum()
    }

    /// The model that is to be served now at a replica, and how many of its requests.
    fn choose(&mut self, number: usize) -> Result<Option<(usize, usize)>, PolicyError> {
        let mut best: Option<(Order, usize, usize)> = None;
        let mut ask_s = f64::INFINITY;
        let mut lost = Vec::new();
        let replica = &mut self.replicas[number];
        // Since when a server has been free.
        let since = |&server: &usize| match self.servers[server] {
            Server::Idle { since_s, .. } => since_s,
            _ => self.now,
        };
        let free_s = replica.idle.iter().map(since).fold(self.now, f64::min);
        for (of, (model, waiting)) in self.models.iter().zip(&mut replica.queues).enumerate() {
            let rules = model.policy.has_rules();
            let plain = !rules && model.marks.are_plain();
            if rules {
                let mut out_of_time = Vec::new();
                let size = model.policy.max_size();
                let closest_s = waiting.look(self.now, size, &mut out_of_time);
                lost.extend(out_of_time.into_iter().map(|entry| (of, entry)));
                // A request is out of time after that, not at that time.
                ask_s = ask_s.min(closest_s.next_up());
            }
            while let Some(entry) = waiting.first() {
                let (first, oldest_s) = (entry.request.number, entry.arrival_s);
                let queue = Queue {
                    waiting: waiting.images(),
                    oldest_s,
                    taken_s: free_s.max(oldest_s),
                    now_s: self.now,
                    more_to_come: self.more_to_come,
                };
                let decision = if plain {
                    model.policy.decide(&queue)
                } else {
                    model.policy.decide_among(&queue, &mut waiting.seen())
                };
                match decision.checked(&queue, model.policy.drops())? {
                    Decision::Drop(images) => {
                        let count = waiting.count_within(images);
                        let (_, dropped) = waiting.take(count);
                        lost.extend(dropped.map(|entry| (of, entry)));
                        continue;
                    }
                    Decision::WaitUntil(time) => ask_s = ask_s.min(time),
                    Decision::WaitForArrival => {}
                    Decision::Serve(images) => {
                        let count = waiting.count_within(images);
                        // Among equal priorities, the earliest deadline (or arrival) comes first.
                        let due = Time(oldest_s + model.policy.deadline_s().unwrap_or(0.0));
                        let order = (Reverse(model.priority), due, first);
                        if best.is_none_or(|(other, ..)| order < other) {
                            best = Some((order, of, count));
                        }
                    }
                }
                break;
            }
        }
        if best.is_none() && ask_s.is_finite() && ask_s != replica.asked_s {
            replica.asked_s = ask_s;
            self.at(ask_s, Event::Ask(number));
        }
        for (model, entry) in lost {
            self.leave_replica(number, 1);
            self.loses(model, entry.request, Loss::Dropped);
        }
        Ok(best.map(|(_, model, count)| (model, count)))
    }

    fn begin(&mut self, number: usize, server: usize, model: usize, count: usize) {
        let Model { law, escalation, random, clients, .. } = &mut self.models[model];
        let (items, entries) = self.replicas[number].queues[model].take(count);
        // A server that has just woken up is as ready as after a batch.
        let pause = match self.servers[server] {
            Server::Idle { since_s, last } => law.pause_effect(items, self.now - since_s, last),
            _ => PauseEffect::after(0.0),
        };
        let mut service_s = law.sample(items, pause, &mut random.service);
        if let (Some(slowness), Some(pace)) = (law.slowness(), self.paces.get_mut(server)) {
            service_s *= slowness.factor(pace, self.now, &mut random.slowness);
        }
        let mut asked = Asked::default();
        if let Some(escalation) = escalation {
            let (longer_s, found) = escalation.sample(items, &mut random.cascade);
            service_s += longer_s;
            asked = found;
        }
        let end_s = self.now + service_s;
        let times = BatchTimes { size: count, start_s: self.now, end_s };
        let batch = StartedBatch { times, items, pause, asked };
        if clients.is_some() {
            self.awaited += count;
        }
        let requests = entries.map(|entry| (entry.request.number, entry.request.first_s));
        self.observer.batch(model, &batch, requests);
        self.servers[server] = Server::Busy { model, batch };
        self.at(end_s, Event::Free(server));
    }
}
