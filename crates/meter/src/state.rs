//! What the meter knows: its feeds and the open spans.

use std::collections::HashMap;

use units::Seconds;

use crate::{
    attribute::Times,
    clock::Clock,
    feed::{Feed, Said},
    host::Answer,
    tally::Tally,
    track::Track,
};

/// The feeds and the open spans, under the meter's one lock.
pub(crate) struct State {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) open: HashMap<u64, Open>,
    pub(crate) next_id: u64,
    pub(crate) suspended: Seconds,
    /// Kept between readings, so that none of them allocates.
    pub(crate) said: Vec<Vec<Said>>,
}

/// An open span.
pub(crate) struct Open {
    pub(crate) start: Seconds,
    pub(crate) cpu_ns: u64,
    pub(crate) own_ns: u64,
    pub(crate) times: Option<Times>,
    /// One for each track of each feed.
    pub(crate) tallies: Vec<Vec<Tally>>,
    /// It has ended, and only waits for the sources with threads of their own.
    pub(crate) ended: bool,
}

/// A suspended machine was away for longer than this.
const SUSPENDED: Seconds = Seconds(0.1);

impl State {
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.feeds.iter().flat_map(|it| &it.tracks)
    }

    /// Takes the answers of the sources with threads of their own, reads the others, and adds what
    /// they say to every open span. `edge`: for an end of a span.
    pub(crate) fn read(
        &mut self,
        clock: &dyn Clock,
        edge: bool,
        answers: Vec<(usize, Vec<Answer>)>,
    ) {
        let suspended = clock.suspended();
        let slept = suspended - std::mem::replace(&mut self.suspended, suspended) > SUSPENDED;
        self.hear(answers, slept);
        for (feed, said) in self.feeds.iter_mut().zip(&mut self.said) {
            feed.read(clock, slept, edge, said);
        }
        self.tell();
    }

    /// Takes the answers of the sources with threads of their own.
    pub(crate) fn hear(&mut self, answers: Vec<(usize, Vec<Answer>)>, slept: bool) {
        self.said.iter_mut().for_each(Vec::clear);
        for (at, answers) in answers {
            self.feeds[at].take(answers, slept, &mut self.said[at]);
        }
    }

    /// Adds what was said to every open span.
    pub(crate) fn tell(&mut self) {
        for span in self.open.values_mut() {
            let feeds = self.feeds.iter().zip(&self.said).zip(&mut span.tallies);
            for ((feed, said), tallies) in feeds {
                // The others have been read for it at its end already.
                if span.ended && feed.hosted().is_none() {
                    continue;
                }
                for it in said {
                    tallies[it.channel].add(&feed.tracks[it.channel].channel, &it.outcome);
                }
            }
        }
    }
}
