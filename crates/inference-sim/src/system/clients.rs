//! What clients do: send, join a queue, leave it, come again.

use super::{
    queue::{Entry, Request},
    state::{Event, Loss, Model, State},
};
use crate::{
    arrival::exponential,
    engine::Observer,
    pause::PauseEffect,
    policy::{Policy, QueueRule, WaitingRequest},
};

impl<P: Policy, O: Observer> State<'_, P, O> {
    /// Clients begin with thinking.
    pub(super) fn begin_clients(&mut self) {
        for model in 0..self.models.len() {
            let count = self.models[model].clients.map_or(0, |clients| clients.count);
            (0..count).for_each(|_| self.client_thinks(model));
        }
    }

    /// A client of a model thinks and then sends the next request.
    pub(super) fn client_thinks(&mut self, model: usize) {
        let Some(clients) = self.models[model].clients else { return };
        let mut time = self.now;
        if clients.think_s > 0.0 {
            time += clients.think_s * exponential(&mut self.models[model].random.clients);
        }
        self.to_send += 1;
        self.at(time, Event::Send(model));
    }

    /// A request comes into the queue of a replica, for the first time or again.
    pub(super) fn joins(&mut self, model: usize, request: Request, arrival_s: f64) {
        let number = self.route();
        let Self { models, tickets, replicas, .. } = self;
        let replica = &mut replicas[number];
        let Model { policy, limit, patience, random, .. } = &mut models[model];
        let rule = if policy.has_rules() {
            policy.rule(&WaitingRequest::new(arrival_s, &request.mark))
        } else {
            QueueRule::default()
        };
        let queue = &mut replica.queues[model];
        // A request that finds a free server need not wait.
        let idle = replica.idle.len();
        let full = queue.len() >= (*limit).max(idle)
            || rule.limit.is_some_and(|limit| queue.count_of_rank(rule.rank) >= limit.max(idle));
        if full {
            return self.loses(model, request, Loss::Rejected);
        }
        *tickets += 1;
        let ticket = *tickets;
        queue.push(Entry::new(request, arrival_s, ticket, &rule));
        replica.inside += 1;
        self.inside += 1;
        let patience_s = patience
            .as_ref()
            .map(|law| law.sample(1, PauseEffect::after(0.0), &mut random.clients));
        if let Some(patience_s) = patience_s {
            self.at(arrival_s + patience_s, Event::Leave { replica: number, model, ticket });
        }
        self.change(number);
        self.load_changes();
    }

    /// A request is lost; it may come again.
    pub(super) fn loses(&mut self, model: usize, request: Request, loss: Loss) {
        let Model { retry, random, clients, .. } = &mut self.models[model];
        if let Some(retry) = retry.filter(|retry| (request.attempts as usize) < retry.attempts) {
            let factor = retry.backoff.unwrap_or(1.0).powi(request.attempts.cast_signed());
            let delay_s = (retry.delay_s * factor).min(units::limits::DURATION_S.max());
            let delay_s = delay_s * exponential(&mut random.clients);
            let again = (model, Request { attempts: request.attempts + 1, ..request });
            let place = match self.free.pop() {
                Some(place) => {
                    self.lost[place] = again;
                    place
                }
                None => {
                    self.lost.push(again);
                    self.lost.len() - 1
                }
            };
            self.to_return += 1;
            return self.at(self.now + delay_s, Event::Again(place));
        }
        match loss {
            Loss::Rejected => self.observer.rejected(model, request.number),
            Loss::Dropped => self.observer.dropped(model, request.number),
            Loss::Abandoned => self.observer.abandoned(model, request.number),
        }
        if clients.is_some() {
            self.client_thinks(model);
        }
    }
}
