//! The feeds of a meter and its open spans.

use std::collections::HashMap;

use units::Seconds;

use crate::{
    attribute::Times,
    clock::Clock,
    feed::{ChannelReading, Feed},
    host::Answer,
    power::history::Estimate,
    span_accumulator::SpanAccumulator,
    track::Track,
};

/// The feeds and the open spans, under the meter's one lock.
pub(crate) struct State {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) open: HashMap<u64, OpenSpan>,
    pub(crate) next_id: u64,
    pub(crate) suspended: Seconds,
    /// The latest readings of each feed. Kept between readings, so that a reading does not allocate.
    pub(crate) readings: Vec<Vec<ChannelReading>>,
}

/// A span that has begun and not been reported.
pub(crate) struct OpenSpan {
    pub(crate) start: Seconds,
    pub(crate) cpu_ns: u64,
    pub(crate) own_ns: u64,
    pub(crate) times: Option<Times>,
    /// One for each track of each feed.
    pub(crate) accumulators: Vec<Vec<SpanAccumulator>>,
    /// It has ended, and only waits for the sources with threads of their own.
    pub(crate) ended: bool,
}

/// A machine whose boot-time clock ran ahead by more than this was suspended.
const SUSPENDED: Seconds = Seconds(0.1);

impl OpenSpan {
    /// The span ended at this time; sources with threads of their own answer later.
    pub(crate) fn end_at(&mut self, end: Seconds, feeds: &[Feed]) {
        self.ended = true;
        for (feed, accumulators) in feeds.iter().zip(&mut self.accumulators) {
            if feed.hosted().is_some() {
                accumulators.iter_mut().for_each(|accumulator| accumulator.until(end));
            }
        }
    }
}

impl State {
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.feeds.iter().flat_map(|feed| &feed.tracks)
    }

    /// The energy of a past stretch by channel, where readings of power show how their sensor works.
    pub(crate) fn past(&mut self, from: Seconds, to: Seconds) -> Vec<Option<Estimate>> {
        let tracks = self.feeds.iter_mut().flat_map(|feed| &mut feed.tracks);
        tracks.map(|track| track.past(from, to)).collect()
    }

    /// Takes the answers of the threaded sources, reads the others, and adds all readings to every
    /// open span. `edge`: a span begins or ends.
    pub(crate) fn read(
        &mut self,
        clock: &dyn Clock,
        edge: bool,
        answers: Vec<(usize, Vec<Answer>)>,
    ) {
        let suspended = clock.suspended();
        let slept = suspended - std::mem::replace(&mut self.suspended, suspended) > SUSPENDED;
        self.take(answers, slept);
        for (feed, readings) in self.feeds.iter_mut().zip(&mut self.readings) {
            feed.read(clock, slept, edge, readings);
        }
        self.distribute();
    }

    /// Replaces the latest readings by the answers of the threaded sources, given with the index of
    /// their feed.
    pub(crate) fn take(&mut self, answers: Vec<(usize, Vec<Answer>)>, slept: bool) {
        self.readings.iter_mut().for_each(Vec::clear);
        for (at, answers) in answers {
            self.feeds[at].take(answers, slept, &mut self.readings[at]);
        }
    }

    /// Adds the latest readings to every open span.
    pub(crate) fn distribute(&mut self) {
        for span in self.open.values_mut() {
            let feeds = self.feeds.iter().zip(&self.readings).zip(&mut span.accumulators);
            for ((feed, readings), accumulators) in feeds {
                // Inline sources were read for this span when it ended.
                if span.ended && feed.hosted().is_none() {
                    continue;
                }
                for reading in readings {
                    let channel = &feed.tracks[reading.channel].channel;
                    accumulators[reading.channel].add(channel, &reading.increment);
                }
            }
        }
    }
}
