//! Sources that do what the test tells them, on a virtual clock; no test sleeps.

use std::sync::mpsc::{Receiver, Sender, channel};

use units::{Domain, Method};

use super::*;
use crate::{clock::VirtualClock, source::Kind};

/// Longer than any test takes, so that only the virtual clock can pass it.
const DEADLINE: Duration = Duration::from_secs(100);
const DEADLINE_NS: u64 = 100_000_000_000;

enum Act {
    Answer(u64),
    Fail,
    Panic,
}

/// A source that reports when a read begins, and waits for the test to say what to do.
struct Puppet {
    channels: Vec<Channel>,
    begun: Sender<usize>,
    acts: Receiver<Act>,
    /// Closed when the source is dropped.
    _gone: Sender<()>,
}

impl Source for Puppet {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        self.begun.send(channel).unwrap();
        match self.acts.recv().unwrap() {
            Act::Answer(value) => Ok(value),
            Act::Panic => panic!("on purpose"),
            Act::Fail => Err(ReadError {
                probe: "puppet".into(),
                device: "x".into(),
                reason: "told to".into(),
            }),
        }
    }
}

struct Strings {
    hosted: Hosted,
    clock: VirtualClock,
    begun: Receiver<usize>,
    acts: Sender<Act>,
    gone: Receiver<()>,
}

impl Strings {
    fn new(channels: usize) -> Self {
        let (begun_here, begun) = channel();
        let (acts, acts_there) = channel();
        let (gone_here, gone) = channel();
        let clock = VirtualClock::default();
        let one = |index| {
            let (kind, device) = (Kind::Counter { range: None }, format!("device-{index}"));
            Channel::new("puppet", Domain::Other, &device, kind, Method::Counter, 1.0)
        };
        let puppet = Puppet {
            channels: (0..channels).map(one).collect(),
            begun: begun_here,
            acts: acts_there,
            _gone: gone_here,
        };
        let hosted = Hosted::start(Box::new(puppet), Arc::new(clock.clone()), DEADLINE).unwrap();
        Self { hosted, clock, begun, acts, gone }
    }

    /// A whole round of a source with one channel.
    fn round(&self, act: Act) -> Vec<Answer> {
        self.acts.send(act).unwrap();
        self.hosted.ask();
        self.begun.recv().unwrap();
        self.settle()
    }

    /// Waits until the read in progress is over.
    fn settle(&self) -> Vec<Answer> {
        let shared = &self.hosted.shared;
        let busy = |state: &mut State| state.wanted || state.reading.is_some();
        drop(shared.came.wait_while(shared.lock(), busy).unwrap());
        let mut answers = Vec::new();
        self.hosted.take(&mut answers);
        answers
    }

    fn advance(&self, seconds: f64) {
        self.clock.advance((seconds * 1e9) as u64);
    }
}

#[test]
fn a_span_edge_gets_readings_that_began_after_it() {
    let strings = Strings::new(2);
    strings.clock.advance(5);
    for value in [10, 20] {
        strings.acts.send(Act::Answer(value)).unwrap();
    }
    let since = strings.clock.now();
    let mut answers = Vec::new();
    assert_eq!(strings.hosted.channels().len(), 2);
    assert!(strings.hosted.wait(since, &mut answers));
    let read: Vec<_> =
        answers.iter().map(|answer| (answer.channel, answer.reading.clone())).collect();
    assert_eq!(read, [(0, Ok(10)), (1, Ok(20))]);
    assert!(answers.iter().all(|answer| answer.at >= since && answer.took == Seconds(0.0)));
    // They are fresh enough for a second span edge at the same time, so nothing more is read.
    assert!(strings.hosted.wait(since, &mut answers));
    assert_eq!((answers.len(), strings.begun.try_iter().count()), (2, 2));
    assert_eq!(strings.hosted.health(), Health::Well);
}

#[test]
fn requests_that_come_together_are_one() {
    let strings = Strings::new(1);
    strings.hosted.ask();
    strings.begun.recv().unwrap();
    // The first read is in progress. However many requests come now, one more read follows.
    for _ in 0..5 {
        strings.hosted.ask();
    }
    for value in [1, 2] {
        strings.acts.send(Act::Answer(value)).unwrap();
    }
    strings.begun.recv().unwrap();
    assert_eq!(strings.settle().len() + strings.begun.try_iter().count(), 2);
}

#[test]
fn the_time_of_a_reading_is_its_middle() {
    let strings = Strings::new(1);
    strings.hosted.ask();
    strings.begun.recv().unwrap();
    strings.advance(2.0);
    strings.acts.send(Act::Answer(1)).unwrap();
    let answers = strings.settle();
    assert_eq!((answers[0].at, answers[0].took), (Seconds(1.0), Seconds(2.0)));
}

#[test]
fn a_source_that_hangs_is_stale_then_quarantined_then_read_again() {
    let strings = Strings::new(1);
    strings.hosted.ask();
    strings.begun.recv().unwrap();
    assert_eq!(strings.hosted.health(), Health::Well);
    strings.advance(150.0);
    assert_eq!(strings.hosted.health(), Health::Stale);
    // A wait returns at once, although its deadline is far away.
    let mut answers = Vec::new();
    assert!(!strings.hosted.wait(strings.clock.now(), &mut answers));
    strings.advance(150.0);
    let until = |seconds| Seconds(300.0 + seconds);
    assert_eq!(strings.hosted.health(), Health::Quarantined { until: until(1.0), failures: 1 });
    assert!(!strings.hosted.wait(strings.clock.now(), &mut answers));
    // While it hangs, the pauses double.
    strings.advance(1.0);
    assert_eq!(strings.hosted.health(), Health::Quarantined { until: until(3.0), failures: 2 });
    // It answers, but late, which does not end the quarantine; the answer to the next request does.
    strings.acts.send(Act::Answer(7)).unwrap();
    strings.begun.recv().unwrap();
    assert!(matches!(strings.hosted.health(), Health::Quarantined { .. }));
    strings.acts.send(Act::Answer(8)).unwrap();
    let late = strings.settle();
    assert_eq!((late[0].reading.clone(), late[1].reading.clone()), (Ok(7), Ok(8)));
    assert!((late[0].took.0 - 301.0).abs() < 1e-6 && late[1].took == Seconds(0.0));
    assert_eq!(strings.hosted.health(), Health::Well);
}

#[test]
fn failures_and_panics_have_reasons_and_cause_a_pause_after_a_second() {
    let strings = Strings::new(1);
    let reason = |answers: Vec<Answer>| answers[0].reading.clone().unwrap_err().to_string();
    assert_eq!(reason(strings.round(Act::Fail)), "probe `puppet` failed to read `x`: told to");
    assert_eq!(
        reason(strings.round(Act::Panic)),
        "probe `puppet` failed to read `device-0`: it panicked"
    );
    // A driver that fails for 60 ms is read on: a dense sampling thread sees many failures.
    for _ in 0..9 {
        strings.advance(0.1);
        strings.round(Act::Fail);
        assert_eq!(strings.hosted.health(), Health::Well);
    }
    // A good reading in between starts the second again.
    strings.round(Act::Answer(1));
    strings.round(Act::Fail);
    strings.advance(0.99);
    strings.round(Act::Fail);
    assert_eq!(strings.hosted.health(), Health::Well);
    strings.advance(0.01);
    strings.round(Act::Fail);
    let since = strings.clock.now().0 - 1.0;
    let Health::Quarantined { until, failures: 1 } = strings.hosted.health() else {
        panic!("{:?}", strings.hosted.health());
    };
    assert!((until.0 - since - 1.5).abs() < 1e-6, "{until:?}");
    // A request does not read it during the pause.
    strings.hosted.ask();
    assert!(!strings.hosted.shared.lock().wanted);
    // It is read again after each pause; a pause is half as long as it has failed, up to a minute.
    let mut until = until.0;
    for expected in 2..14 {
        // A microsecond more than the pause, because the clock counts whole nanoseconds.
        strings.advance(until - strings.clock.now().0 + 1e-6);
        strings.round(Act::Fail);
        let Health::Quarantined { until: next, failures } = strings.hosted.health() else {
            panic!("it is not quarantined");
        };
        assert_eq!(failures, expected);
        let now = strings.clock.now().0;
        let pause = ((now - since) / 2.0).min(60.0);
        assert!((next.0 - now - pause).abs() < 1e-5, "{next:?}");
        until = next.0;
    }
    strings.advance(60.0 + 1e-6);
    strings.round(Act::Answer(1));
    assert_eq!(strings.hosted.health(), Health::Well);
}

#[test]
fn a_reading_that_fails_is_repeated_while_a_span_waits() {
    let strings = Strings::new(1);
    for act in [Act::Fail, Act::Fail, Act::Answer(5)] {
        strings.acts.send(act).unwrap();
    }
    let mut answers = Vec::new();
    assert!(strings.hosted.wait(strings.clock.now(), &mut answers));
    let good: Vec<bool> = answers.iter().map(|answer| answer.reading.is_ok()).collect();
    assert_eq!(good, [false, false, true]);
    // A source that has failed for a second is not waited for.
    strings.round(Act::Fail);
    strings.advance(1.0);
    strings.round(Act::Fail);
    answers.clear();
    strings.hosted.wait(strings.clock.now(), &mut answers);
    assert_eq!((answers.len(), strings.begun.try_iter().count()), (0, 3));
}

#[test]
fn a_source_with_one_failing_channel_is_not_quarantined() {
    let strings = Strings::new(2);
    for _ in 0..5 {
        strings.acts.send(Act::Fail).unwrap();
        strings.acts.send(Act::Answer(1)).unwrap();
        strings.hosted.ask();
        strings.begun.recv().unwrap();
        strings.begun.recv().unwrap();
        assert_eq!(strings.settle().len(), 2);
    }
    assert_eq!(strings.hosted.health(), Health::Well);
}

#[test]
fn dropping_a_host_does_not_wait_for_a_hung_source() {
    let Strings { hosted, begun, acts, gone, .. } = Strings::new(2);
    hosted.ask();
    begun.recv().unwrap();
    drop(hosted);
    assert!(gone.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty));
    acts.send(Act::Answer(1)).unwrap();
    // The thread drops the source when it wakes, which closes this channel.
    gone.recv().unwrap_err();
}

#[test]
fn a_source_that_hangs_does_not_disturb_another() {
    let (hung, well) = (Strings::new(1), Strings::new(1));
    hung.hosted.ask();
    hung.begun.recv().unwrap();
    hung.clock.advance(4 * DEADLINE_NS);
    well.acts.send(Act::Answer(3)).unwrap();
    let mut answers = Vec::new();
    assert!(well.hosted.wait(Seconds(0.0), &mut answers));
    assert_eq!((well.hosted.health(), answers.len()), (Health::Well, 1));
    assert!(matches!(hung.hosted.health(), Health::Quarantined { .. }));
}

#[test]
fn answers_that_nobody_takes_are_limited_in_number() {
    let strings = Strings::new(1);
    for value in 0..=MOST_ANSWERS as u64 {
        strings.acts.send(Act::Answer(value)).unwrap();
        strings.hosted.ask();
        strings.begun.recv().unwrap();
        let shared = &strings.hosted.shared;
        let busy = |state: &mut State| state.wanted || state.reading.is_some();
        drop(shared.came.wait_while(shared.lock(), busy).unwrap());
    }
    let answers = strings.settle();
    assert_eq!((answers.len(), answers[0].reading.clone()), (MOST_ANSWERS, Ok(1)));
}
