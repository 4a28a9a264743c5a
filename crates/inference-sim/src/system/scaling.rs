//! Which replica gets a request, and when replicas start and stop.

use rand::RngExt;

use super::{
    replica::{Phase, Replica, Scaling},
    state::{Event, Server, State},
};
use crate::{config::Routing, engine::Observer, policy::Policy};

impl<P: Policy, O: Observer> State<'_, P, O> {
    /// The first `count` replicas are on.
    pub(super) fn begin_replicas(&mut self, count: usize) {
        self.scaling.on = (0..self.replicas.len().min(count)).collect();
        for number in count..self.replicas.len() {
            self.turn_off(number);
        }
    }

    /// The replica that gets the next request.
    pub(super) fn route(&mut self) -> usize {
        if self.replicas.len() == 1 && self.scaling.rule.is_none() {
            return 0;
        }
        let Scaling { routing, random, on, turn, .. } = &mut self.scaling;
        if on.is_empty() {
            return self.route_to_starting();
        }
        let inside = |&number: &usize| self.replicas[number].inside;
        match routing {
            Routing::RoundRobin => {
                *turn = (*turn + 1) % on.len();
                on[*turn]
            }
            Routing::Random => on[random.random_range(0..on.len())],
            Routing::LeastLoaded => on.iter().copied().min_by_key(inside).unwrap_or(0),
            Routing::PowerOfTwo => {
                let first = random.random_range(0..on.len());
                // Any other.
                let shift = if on.len() > 1 { random.random_range(1..on.len()) } else { 0 };
                let second = (first + shift) % on.len();
                let (first, second) = (on[first], on[second]);
                if inside(&second) < inside(&first) { second } else { first }
            }
        }
    }

    /// The least loaded of those that start, or one that is started for this request.
    fn route_to_starting(&mut self) -> usize {
        let starting = |phase| phase == Phase::Starting;
        let found = self.replicas.iter().enumerate().filter(|(_, replica)| starting(replica.phase));
        if let Some((number, _)) = found.min_by_key(|(_, replica)| replica.inside) {
            return number;
        }
        let stopped = |phase| matches!(phase, Phase::Off | Phase::Stopping);
        let number = self.replicas.iter().position(|replica| stopped(replica.phase)).unwrap_or(0);
        self.turn_on(number);
        number
    }

    /// Requests leave a replica, served or lost.
    pub(super) fn leave_replica(&mut self, number: usize, requests: usize) {
        self.inside -= requests;
        let replica = &mut self.replicas[number];
        replica.inside -= requests;
        if replica.phase == Phase::Stopping && replica.inside == 0 {
            self.turn_off(number);
        }
        self.load_changes();
    }

    /// Decides on the number of replicas at the next full interval.
    pub(super) fn load_changes(&mut self) {
        let Some(rule) = self.scaling.rule else { return };
        if self.scaling.decides_s > self.now {
            return;
        }
        let interval = (self.now / rule.interval_s).floor() + 1.0;
        // Where the interval is shorter than the time's last digit.
        let decides_s = (interval * rule.interval_s).max(self.now.next_up());
        self.scaling.decides_s = decides_s;
        self.at(decides_s, Event::Scale);
    }

    /// Starts and stops replicas.
    pub(super) fn scale(&mut self) {
        let Some(rule) = self.scaling.rule else { return };
        let wanted = (self.inside as f64 / rule.target).ceil() as usize;
        let wanted = wanted.clamp(rule.min, rule.max);
        let there = |replica: &&Replica| matches!(replica.phase, Phase::On | Phase::Starting);
        let count = self.replicas.iter().filter(there).count();
        if wanted >= count {
            self.scaling.fewer_since_s = None;
            for _ in count..wanted {
                // Those that stop need no start.
                let stops = |replica: &Replica| replica.phase == Phase::Stopping;
                let off = |replica: &Replica| replica.phase == Phase::Off;
                let found = self.replicas.iter().position(stops);
                let found = found.or_else(|| self.replicas.iter().position(off));
                if let Some(number) = found {
                    self.turn_on(number);
                }
            }
            return;
        }
        let since_s = *self.scaling.fewer_since_s.get_or_insert(self.now);
        if self.now - since_s < rule.keep_s {
            // The load may not change before.
            return self.load_changes();
        }
        self.scaling.fewer_since_s = None;
        for _ in wanted..count {
            let stays = |replica: &Replica| replica.phase == Phase::On;
            if let Some(number) = self.replicas.iter().rposition(stays) {
                self.scaling.on.retain(|&other| other != number);
                self.replicas[number].phase = Phase::Stopping;
                if self.replicas[number].inside == 0 {
                    self.turn_off(number);
                }
            }
        }
    }

    /// Takes a replica into service: at once if it still serves, otherwise after a cold start.
    fn turn_on(&mut self, number: usize) {
        let start_s = self.scaling.rule.map_or(0.0, |rule| rule.start_s);
        match self.replicas[number].phase {
            Phase::Stopping => {
                self.replicas[number].phase = Phase::On;
                self.scaling.on.push(number);
                self.change(number);
            }
            Phase::Off => {
                self.replicas[number].phase = Phase::Starting;
                self.asleep -= self.servers_each;
                self.waking += self.servers_each;
                for server in self.servers_of(number) {
                    self.servers[server] = Server::Waking;
                }
                self.at(self.now + start_s, Event::Ready(number));
            }
            Phase::On | Phase::Starting => {}
        }
    }

    pub(super) fn replica_is_ready(&mut self, number: usize) {
        self.replicas[number].phase = Phase::On;
        self.scaling.on.push(number);
        self.waking -= self.servers_each;
        for server in self.servers_of(number).rev() {
            self.becomes_idle(server, None);
        }
        self.load_changes();
    }

    fn turn_off(&mut self, number: usize) {
        self.replicas[number].phase = Phase::Off;
        self.asleep += self.servers_each;
        let servers = self.servers_of(number);
        let replica = &mut self.replicas[number];
        replica.idle.clear();
        replica.newly_idle.clear();
        self.servers[servers].fill(Server::Asleep);
    }

    fn servers_of(&self, number: usize) -> std::ops::Range<usize> {
        number * self.servers_each..(number + 1) * self.servers_each
    }
}
