//! The batching that a Triton model configuration sets.

use std::path::PathBuf;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue, QueueRule, WaitingRequest},
    key::{PolicyKey, Value, checked_size},
    kind::PolicyKind,
};
use crate::{
    error::ConfigError,
    triton::{DynamicBatching, TritonQueuePolicy},
};

pub(super) const FILE: PolicyKey = PolicyKey::file("batching.file", "a Triton `config.pbtxt`");

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "triton",
    "as the Triton model configuration `file` says (`config.pbtxt`)",
    &[FILE],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<Triton, ConfigError> {
    Triton::new(&DynamicBatching::read(config.file(FILE)?)?)
}

/// Serves as a model of the Triton inference server does, by the rule of its dynamic batcher (`GetDynamicBatch` in
/// `dynamic_batch_scheduler.cc`):
///
/// 1. Without a `dynamic_batching` block, or with a largest batch of 0, every request is served alone.
/// 2. Until the first request has waited for the delay, the largest preferred size that can be filled is served, even
///    if more wait. Without preferred sizes, the largest batch is the preferred one.
/// 3. If none can be filled: without a delay, whatever waits is served; with one, it waits until the delay is over,
///    and then as much as fits into a batch is served, also after the last arrival.
/// 4. Requests of higher levels are served first. A level's queue has a limit, and a timeout: when the batcher looks at
///    a request that has waited longer, it rejects it, or serves it after the others of its level
///    (`scheduler_utils.cc`). A live queue ([`crate::serve`]) has neither levels nor timeouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Triton {
    size: usize,
    /// Rising, at least one.
    preferred: Box<[usize]>,
    delay_s: Option<f64>,
    batching: DynamicBatching,
}

impl Triton {
    /// The policy of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for preferred sizes of 0 or above the largest.
    pub fn new(batching: &DynamicBatching) -> Result<Self, ConfigError> {
        let alone = !batching.dynamic || batching.max_batch_size == 0;
        let size = if alone { 1 } else { checked_size(batching.max_batch_size)? };
        // Triton keeps a set.
        let mut preferred = if alone { Vec::new() } else { batching.preferred_sizes.clone() };
        preferred.sort_unstable();
        preferred.dedup();
        if preferred.iter().any(|preferred| !(1..=size).contains(preferred)) {
            return Err(ConfigError::Invalid {
                key: "dynamic_batching.preferred_batch_size",
                found: format!("{preferred:?}"),
                expected: "sizes from 1 to `max_batch_size`",
            });
        }
        if preferred.is_empty() {
            preferred.push(size);
        }
        let delay_s = (batching.delay_us > 0).then_some(batching.delay_us as f64 * 1e-6);
        Ok(Self { size, preferred: preferred.into(), delay_s, batching: batching.clone() })
    }
}

impl BatchingConfig {
    /// [`Triton`]: as a `config.pbtxt` says.
    #[must_use]
    pub fn triton(file: impl Into<PathBuf>) -> Self {
        Self::of(KIND).with(FILE, Value::File(file.into()))
    }

    /// The file of [`Triton`], read; `None` for other policies.
    ///
    /// # Errors
    /// [`ConfigError::Triton`] for a file that cannot be read.
    pub fn triton_file(&self) -> Result<Option<DynamicBatching>, ConfigError> {
        if self.kind() != KIND {
            return Ok(None);
        }
        Ok(Some(DynamicBatching::read(self.file(FILE)?)?))
    }
}

impl Policy for Triton {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        let pending = queue.waiting.min(self.size);
        let deadline = self.delay_s.map(|delay_s| queue.oldest_s + delay_s);
        let is_late = deadline.is_some_and(|deadline| queue.now_s >= deadline);
        if is_late {
            return Decision::Serve(pending);
        }
        match (self.preferred.iter().rfind(|&&size| size <= pending), deadline) {
            (Some(&size), _) => Decision::Serve(size),
            (None, Some(deadline)) => Decision::WaitUntil(deadline),
            (None, None) => Decision::Serve(pending),
        }
    }

    fn decide_among(
        &self,
        queue: &Queue,
        requests: &mut dyn Iterator<Item = WaitingRequest>,
    ) -> Decision {
        let largest = self.preferred.last().copied().unwrap_or(self.size);
        let (mut pending, mut best, mut oldest_s, mut full) = (0, 0, f64::INFINITY, false);
        for request in requests {
            if pending > 0 {
                if pending + request.size > largest && best == 0 {
                    best = pending;
                }
                if pending + request.size > self.size {
                    full = true;
                    break;
                }
            }
            pending += request.size;
            oldest_s = request.arrival_s.min(oldest_s);
            if self.preferred.contains(&pending) {
                best = pending;
            }
        }
        let deadline = self.delay_s.map_or(f64::NEG_INFINITY, |delay_s| oldest_s + delay_s);
        let waits = self.delay_s.is_some() && queue.now_s < deadline;
        if best > 0 && (waits || self.delay_s.is_none()) {
            Decision::Serve(best)
        } else if full || pending >= largest || !waits {
            Decision::Serve(pending)
        } else {
            Decision::WaitUntil(deadline)
        }
    }

    fn has_rules(&self) -> bool {
        let limited = |policy: TritonQueuePolicy| policy.timeout_us > 0;
        self.batching.dynamic
            && (self.batching.levels > 0 || self.batching.queue_policies().any(limited))
    }

    fn rule(&self, request: &WaitingRequest) -> QueueRule {
        let level = self.batching.level(request.level);
        let policy = self.batching.queue_policy(level);
        let default_s = Some(policy.timeout_us as f64 * 1e-6).filter(|&timeout_s| timeout_s > 0.0);
        let own_s = request.timeout_s.filter(|_| policy.allows_override);
        QueueRule {
            rank: level,
            limit: Some(policy.max_size).filter(|&limit| limit > 0),
            timeout_s: default_s
                .map(|default_s| own_s.map_or(default_s, |own_s| own_s.min(default_s))),
            delays: policy.delays,
        }
    }

    fn drops(&self) -> bool {
        let bounded = |policy: TritonQueuePolicy| policy.timeout_us > 0 && !policy.delays;
        self.has_rules() && self.batching.queue_policies().all(bounded)
    }

    fn max_size(&self) -> usize {
        self.size
    }

    fn queue_limit(&self) -> Option<usize> {
        let limit = self.batching.default_policy.max_size;
        Some(limit).filter(|&limit| limit > 0 && !self.has_rules())
    }
}
