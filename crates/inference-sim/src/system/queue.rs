//! The waiting requests of a model at a replica, in the order of service.

use std::collections::{VecDeque, vec_deque::Drain};

use crate::{
    policy::{QueueRule, WaitingRequest},
    requests::Mark,
};

/// A request from its first arrival on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) number: usize,
    /// Its first arrival.
    pub(super) first_s: f64,
    pub(super) mark: Mark,
    /// Attempts before this one.
    pub(super) attempts: u32,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) request: Request,
    /// Its arrival in this queue.
    pub(super) arrival_s: f64,
    /// Rises with each entry.
    pub(super) ticket: u64,
    /// See [`QueueRule`].
    rank: u32,
    /// When it is out of time.
    until_s: f64,
    delays: bool,
    /// Whether it is out of time and served after the others of its rank.
    delayed: bool,
}

impl Entry {
    pub(super) fn new(request: Request, arrival_s: f64, ticket: u64, rule: &QueueRule) -> Self {
        Self {
            request,
            arrival_s,
            ticket,
            rank: rule.rank,
            until_s: rule.timeout_s.map_or(f64::INFINITY, |timeout_s| arrival_s + timeout_s),
            delays: rule.delays,
            delayed: false,
        }
    }
}

/// The waiting requests in the order of service.
#[derive(Default)]
pub(super) struct WaitingQueue {
    entries: VecDeque<Entry>,
    /// Images of all of them.
    images: usize,
    /// Whether entries are out of the order of their tickets.
    ranked: bool,
}

impl WaitingQueue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn images(&self) -> usize {
        self.images
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Those that wait under this rank.
    pub(super) fn count_of_rank(&self, rank: u32) -> usize {
        self.entries.iter().filter(|entry| entry.rank == rank).count()
    }

    /// Adds a request behind those of its rank that are in time.
    pub(super) fn push(&mut self, entry: Entry) {
        self.images = self.images.saturating_add(entry.request.mark.size);
        let place = (entry.rank, entry.delayed);
        let behind =
            self.entries.iter().rev().take_while(|other| (other.rank, other.delayed) > place);
        let behind = behind.count();
        if behind == 0 {
            self.entries.push_back(entry);
        } else {
            self.ranked = true;
            self.entries.insert(self.entries.len() - behind, entry);
        }
    }

    /// Looks at the requests of the next batch of at most `size` images, and at the one after them, as
    /// Triton's batcher does: those that are out of time are lost, or placed behind the others of their
    /// rank. Returns when the next of them is out of time.
    pub(super) fn look(&mut self, now_s: f64, size: usize, lost: &mut Vec<Entry>) -> f64 {
        let (mut index, mut images, mut closest_s) = (0, 0_usize, f64::INFINITY);
        while let Some(entry) = self.entries.get(index) {
            if !entry.delayed && now_s > entry.until_s {
                let Some(mut entry) = self.entries.remove(index) else { break };
                if entry.delays {
                    entry.delayed = true;
                    self.ranked = true;
                    let after = self.entries.iter().skip(index);
                    let same = after.take_while(|other| other.rank == entry.rank).count();
                    self.entries.insert(index + same, entry);
                } else {
                    self.images -= entry.request.mark.size;
                    lost.push(entry);
                }
                continue;
            }
            if index > 0 && images.saturating_add(entry.request.mark.size) > size {
                break;
            }
            if !entry.delayed {
                closest_s = closest_s.min(entry.until_s);
            }
            images = images.saturating_add(entry.request.mark.size);
            index += 1;
        }
        closest_s
    }

    /// How many requests fit into a batch of this many images, at least one.
    pub(super) fn count_within(&self, images: usize) -> usize {
        if self.images == self.entries.len() {
            return images.min(self.entries.len());
        }
        let mut left = images;
        let fit = self.entries.iter().take_while(|entry| {
            let rest = left.checked_sub(entry.request.mark.size);
            left = rest.unwrap_or(left);
            rest.is_some()
        });
        fit.count().max(1)
    }

    /// Takes the first `count` requests; returns their images, too.
    pub(super) fn take(&mut self, count: usize) -> (usize, Drain<'_, Entry>) {
        let sizes = self.entries.iter().take(count).map(|entry| entry.request.mark.size);
        let images = sizes.fold(0, usize::saturating_add);
        self.images -= images.min(self.images);
        (images, self.entries.drain(..count))
    }

    /// Takes the request with this ticket, if it still waits.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Entry> {
        let place = if self.ranked {
            self.entries.iter().position(|entry| entry.ticket == ticket)
        } else {
            self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()
        };
        let entry = self.entries.remove(place?)?;
        self.images -= entry.request.mark.size;
        Some(entry)
    }

    /// The tickets of all of them.
    pub(super) fn tickets(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.ticket)
    }

    /// The requests as policies see them.
    pub(super) fn seen(&self) -> impl Iterator<Item = WaitingRequest> {
        self.entries.iter().map(Entry::seen)
    }
}

impl Entry {
    fn seen(&self) -> WaitingRequest {
        WaitingRequest::new(self.arrival_s, &self.request.mark)
    }
}
