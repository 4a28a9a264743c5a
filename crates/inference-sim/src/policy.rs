//! Batching policies: when to serve how many.

use record::BatchPolicy;

/// A batching policy: a pure function of what the queue looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy(BatchPolicy);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve so many of those that wait, the oldest first.
    Serve(usize),
    /// Wait for the next arrival.
    Wait,
}

impl From<BatchPolicy> for Policy {
    fn from(policy: BatchPolicy) -> Self {
        Self(policy)
    }
}

impl Policy {
    /// Decides for a free server, `waiting` requests, and whether more will come.
    #[must_use]
    pub fn decide(self, waiting: usize, more: bool) -> Decision {
        match self.0 {
            BatchPolicy::Fixed(size) if waiting >= size => Decision::Serve(size.max(1)),
            // The last, partial batch.
            BatchPolicy::Fixed(_) if !more && waiting > 0 => Decision::Serve(waiting),
            BatchPolicy::Greedy(cap) if waiting > 0 => Decision::Serve(waiting.min(cap.max(1))),
            _ => Decision::Wait,
        }
    }
}
