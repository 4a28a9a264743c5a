//! Bounds the time of everything that a check does with a plugin.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

/// How long a call of the plugin may take, other than opening it.
const RETURNS_WITHIN: Duration = Duration::from_secs(5);

/// A call of the plugin that is about to begin.
struct Step {
    /// The check that fails if the call does not return.
    id: &'static str,
    /// What the plugin is doing.
    what: &'static str,
    limit: Duration,
}

/// Tells what the plugin is doing.
pub(super) struct Steps {
    begun: Sender<Step>,
    opens_within: Duration,
}

impl Steps {
    /// The plugin is about to do this, which belongs to that check.
    pub(super) fn begin(&self, id: &'static str, what: &'static str) {
        self.tell(Step { id, what, limit: RETURNS_WITHIN });
    }

    /// The plugin is about to open its hardware, which may take longer.
    pub(super) fn opening(&self, id: &'static str) {
        self.tell(Step { id, what: "loading or opening it", limit: self.opens_within });
    }

    fn tell(&self, step: Step) {
        // After a missed deadline nobody listens any more.
        let _ = self.begun.send(step);
    }
}

/// The other end of [`Steps`].
pub(super) struct Deadlines(Receiver<Step>);

impl Deadlines {
    /// Waits until the steps have ended. If one of them takes too long, returns the id of its check and
    /// what is wrong.
    pub(super) fn wait(&self) -> Option<(&'static str, String)> {
        let mut step = Step { id: "load", what: "a thread", limit: RETURNS_WITHIN };
        loop {
            match self.0.recv_timeout(step.limit) {
                Ok(next) => step = next,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = step.limit.as_secs_f64();
                    return Some((
                        step.id,
                        format!("the plugin hangs: {} took longer than {seconds} s", step.what),
                    ));
                }
            }
        }
    }
}

/// Two ends of a pipe: one for the thread that calls the plugin, one for the thread that waits for it.
pub(super) fn deadlines(opens_within: Duration) -> (Steps, Deadlines) {
    let (begun, steps) = channel();
    (Steps { begun, opens_within }, Deadlines(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_takes_too_long_is_named_and_one_that_ends_is_not() {
        let (steps, deadlines) = deadlines(Duration::from_millis(1));
        steps.begin("read", "a reading");
        steps.opening("two-opens");
        let words = "the plugin hangs: loading or opening it took longer than 0.001 s";
        assert_eq!(deadlines.wait(), Some(("two-opens", words.to_owned())));
        drop(steps);
        assert_eq!(deadlines.wait(), None);
    }
}
