//! A source on a thread of its own, so that one that is slow, hangs, panics or fails disturbs no other.
//!
//! The thread reads every channel once per request. A caller may wait for the answers, but never
//! longer than the deadline. A read that takes longer than the deadline makes the source stale. After
//! three missed deadlines the source is quarantined: it is read again only after a pause, which
//! doubles from 1 s to 60 s until a reading succeeds.
//!
//! Readings that fail at once cost little and may succeed the next time: a GPU's driver answers
//! "unknown error" for some milliseconds and goes on. So a caller that waits gets further readings
//! until one succeeds, and a source is paused only when it has failed for a second. Its pauses are
//! half as long as it has failed, so that it is never read late by more than half.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use units::Seconds;

use crate::{
    clock::Clock,
    source::{Channel, ReadError, Source},
};

/// Number of missed deadlines after which a source is quarantined.
const STRIKES: u32 = 3;
/// A source that has failed for less than this is read as if it were well.
const PATIENCE: Seconds = Seconds(1.0);
/// Pause between two attempts to read a source that has just failed, while a caller waits.
const AGAIN: Duration = Duration::from_millis(5);
/// The first pause and the longest one.
const PAUSES: (Seconds, Seconds) = (Seconds(1.0), Seconds(60.0));
/// Number of answers that are kept if nobody takes them; then the oldest are dropped.
const MOST_ANSWERS: usize = 4096;

/// A source and its thread. Dropping it never blocks; a thread that hangs is abandoned.
pub(crate) struct Hosted {
    channels: Vec<Channel>,
    shared: Arc<Shared>,
}

/// A reading and its time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) channel: usize,
    /// The middle of the read, by the meter's clock.
    pub(crate) at: Seconds,
    /// Duration of the read.
    pub(crate) took: Seconds,
    pub(crate) reading: Result<u64, ReadError>,
}

/// Whether a source answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Health {
    Well,
    /// A read has missed its deadline.
    Stale,
    /// It is not read until then, for the `failures`th time in a row.
    Quarantined {
        until: Seconds,
        failures: u32,
    },
}

/// One reading of every channel.
#[derive(Default)]
struct Round {
    /// At least one could be read.
    good: bool,
    /// At least one missed its deadline.
    late: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread: there is a request, or the host was dropped.
    asked: Condvar,
    /// Wakes callers: there is an answer.
    came: Condvar,
    clock: Arc<dyn Clock>,
    deadline: Seconds,
}

#[derive(Default)]
struct State {
    wanted: bool,
    /// Number of rounds so far.
    rounds: u64,
    closed: bool,
    answers: VecDeque<Answer>,
    /// The last answer of each channel.
    last: Vec<Last>,
    /// When the read in progress began, and how many of its deadlines were counted so far.
    reading: Option<(Seconds, u32)>,
    strikes: u32,
    /// Since when no reading has succeeded.
    failing: Option<Seconds>,
    /// End of the pause, and the number of pauses in a row.
    quarantine: Option<(Seconds, u32)>,
}

/// A channel's last answer.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    /// When its read began.
    begun: Option<Seconds>,
    /// Since when its readings have failed.
    failing: Option<Seconds>,
}

impl State {
    /// Counts the deadlines that have passed, and quarantines the source if there are too many.
    fn review(&mut self, now: Seconds, deadline: Seconds) {
        if let Some((since, counted)) = &mut self.reading {
            let passed = ((now - *since).0 / deadline.0).min(f64::from(u32::MAX)) as u32;
            self.strikes = self.strikes.saturating_add(passed.saturating_sub(*counted));
            *counted = passed.max(*counted);
        }
        if self.strikes < STRIKES {
            return;
        }
        match self.quarantine {
            None => self.quarantine(now, 1),
            // It still hangs.
            Some((until, failures)) if self.stale() && now >= until => {
                self.quarantine(now, failures.saturating_add(1));
            }
            Some(_) => {}
        }
    }

    fn quarantine(&mut self, now: Seconds, failures: u32) {
        let pause = (PAUSES.0.0 * 2_f64.powi(failures.min(30) as i32 - 1)).min(PAUSES.1.0);
        self.quarantine = Some((now + Seconds(pause), failures));
    }

    /// Pauses a source that has failed since then, for half that time.
    fn pause(&mut self, now: Seconds, since: Seconds) {
        let failures = self.quarantine.map_or(0, |(_, failures)| failures);
        let pause = ((now - since).0 / 2.0).min(PAUSES.1.0);
        self.quarantine = Some((now + Seconds(pause), failures.saturating_add(1)));
    }

    /// Updates the strikes and the quarantine after a round.
    fn conclude(&mut self, round: &Round, now: Seconds, deadline: Seconds) {
        self.rounds += 1;
        match (round.good, round.late) {
            (true, false) => {
                (self.strikes, self.failing, self.quarantine) = (0, None, None);
            }
            // Its deadlines were counted already. It answers again, so it may be read at once.
            (true, true) => {
                self.failing = None;
                if let Some((until, _)) = &mut self.quarantine {
                    *until = now;
                }
            }
            (false, late) => {
                let since = *self.failing.get_or_insert(now);
                match self.quarantine {
                    Some((_, failures)) if late => {
                        self.quarantine(now, failures.saturating_add(1));
                    }
                    _ if now - since >= PATIENCE => self.pause(now, since),
                    _ => self.review(now, deadline),
                }
            }
        }
    }

    fn stale(&self) -> bool {
        self.reading.is_some_and(|(_, passed)| passed > 0)
    }

    /// Whether every channel has an answer whose read began at `since` or later.
    fn answered(&self, since: Seconds) -> bool {
        self.last.iter().all(|last| last.begun.is_some_and(|begun| begun >= since))
    }

    /// Whether one of those answers is a failure that may be over soon.
    fn hopes(&self, now: Seconds) -> bool {
        self.last.iter().any(|last| last.failing.is_some_and(|since| now - since < PATIENCE))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state with all deadlines counted up to now.
    fn reviewed(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.review(self.clock.now(), self.deadline);
        state
    }

    /// Requests a round unless the source is quarantined.
    fn ask(&self, state: &mut State) {
        if state.quarantine.is_none_or(|(until, _)| self.clock.now() >= until) {
            state.wanted = true;
            self.asked.notify_one();
        }
    }

    /// What the thread does.
    fn serve(&self, mut source: Box<dyn Source>) {
        let count = self.lock().last.len();
        loop {
            let mut state = self.lock();
            while !state.wanted && !state.closed {
                state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            state.wanted = false;
            drop(state);
            let mut round = Round::default();
            for channel in 0..count {
                if !self.read(source.as_mut(), channel, channel + 1 == count, &mut round) {
                    return;
                }
            }
        }
    }

    /// Reads one channel; false if the host was dropped.
    fn read(&self, source: &mut dyn Source, channel: usize, ends: bool, round: &mut Round) -> bool {
        let before = self.clock.now();
        self.lock().reading = Some((before, 0));
        let reading =
            catch_unwind(AssertUnwindSafe(|| source.read(channel))).unwrap_or_else(|_| {
                let (probe, device) = source.channels().get(channel).map_or_else(
                    || (String::new(), String::new()),
                    |channel| (channel.probe.clone(), channel.device.clone()),
                );
                Err(ReadError { probe, device, reason: "it panicked".to_owned() })
            });
        let after = self.clock.now();
        let mut state = self.lock();
        state.review(after, self.deadline);
        round.good |= reading.is_ok();
        round.late |= state.stale();
        state.reading = None;
        if state.closed {
            return false;
        }
        let took = after - before;
        let at = before + Seconds(took.0 / 2.0);
        if state.answers.len() == MOST_ANSWERS {
            state.answers.pop_front();
        }
        let last = &mut state.last[channel];
        last.begun = Some(before);
        last.failing = match reading {
            Ok(_) => None,
            Err(_) => last.failing.or(Some(before)),
        };
        state.answers.push_back(Answer { channel, at, took, reading });
        if ends {
            state.conclude(round, after, self.deadline);
        }
        drop(state);
        self.came.notify_all();
        true
    }
}

impl Hosted {
    /// Gives a source its thread.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start a thread.
    pub(crate) fn start(
        source: Box<dyn Source>,
        clock: Arc<dyn Clock>,
        deadline: Duration,
    ) -> io::Result<Self> {
        let channels = source.channels().to_vec();
        let state = State { last: vec![Last::default(); channels.len()], ..State::default() };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            asked: Condvar::new(),
            came: Condvar::new(),
            clock,
            deadline: Seconds(deadline.as_secs_f64().max(1e-9)),
        });
        let thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("wattlab-probe".to_owned())
            .spawn(move || thread.serve(source))?;
        Ok(Self { channels, shared })
    }

    pub(crate) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Requests one reading of every channel. Never waits; requests that come together are one.
    pub(crate) fn ask(&self) {
        let mut state = self.shared.reviewed();
        self.shared.ask(&mut state);
    }

    /// Takes the answers that have arrived since the last call, in order of time. Never waits.
    pub(crate) fn take(&self, out: &mut Vec<Answer>) {
        out.extend(self.shared.reviewed().answers.drain(..));
    }

    /// Requests a round and waits until every channel has an answer whose read began at `since` or
    /// later, but no longer than the deadline, and not at all if the source is stale or quarantined.
    /// If a channel fails that was well until now, further rounds follow within that time. Returns
    /// whether all those answers are there. The answers that have arrived are taken in any case.
    pub(crate) fn wait(&self, since: Seconds, out: &mut Vec<Answer>) -> bool {
        let shared = &*self.shared;
        let start = shared.clock.now();
        let mut state = shared.reviewed();
        if !state.answered(since) {
            shared.ask(&mut state);
        }
        let mut rounds = 0;
        for _ in 0..=(shared.deadline.0 / AGAIN.as_secs_f64()) as u32 {
            let left = shared.deadline - (shared.clock.now() - start);
            if left <= Seconds(0.0) || state.quarantine.is_some() || state.stale() {
                break;
            }
            let unanswered = |state: &State| !state.answered(since) || state.rounds < rounds;
            state = shared
                .came
                .wait_timeout_while(state, Duration::from_secs_f64(left.0), |state| {
                    unanswered(state) && state.quarantine.is_none()
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.review(shared.clock.now(), shared.deadline);
            if unanswered(&state) || !state.hopes(shared.clock.now()) {
                break;
            }
            state =
                shared.came.wait_timeout(state, AGAIN).unwrap_or_else(PoisonError::into_inner).0;
            rounds = state.rounds + 1;
            shared.ask(&mut state);
        }
        out.extend(state.answers.drain(..));
        state.answered(since)
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.shared.reviewed();
        match state.quarantine {
            Some((until, failures)) => Health::Quarantined { until, failures },
            None if state.stale() => Health::Stale,
            None => Health::Well,
        }
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.asked.notify_one();
    }
}

#[cfg(test)]
mod tests;
