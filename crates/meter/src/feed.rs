//! A source together with what its readings have shown of each channel so far.

use std::sync::Arc;

use units::{Method, Seconds};

use crate::{
    clock::Clock,
    host::{Answer, Health, Hosted},
    identity::canonical,
    mirror::Mirror,
    source::{Channel, Source},
    track::{Increment, Track},
};

/// Shortest time between two readings of a model.
const MODEL_REST: Seconds = Seconds(0.095);

/// One reading of one channel of a feed.
#[derive(Debug)]
pub(crate) struct ChannelReading {
    pub(crate) channel: usize,
    pub(crate) at: Seconds,
    pub(crate) increment: Increment,
}

/// A source and the tracks of its channels.
pub(crate) struct Feed {
    pub(crate) tracks: Vec<Track>,
    mirrors: Vec<Mirror>,
    /// The latest reading of every channel in this round, kept so that a reading does not allocate.
    raw: Vec<Option<u64>>,
    interval: Option<Seconds>,
    mode: Mode,
}

/// Which thread reads the source.
enum Mode {
    /// The thread that wants a reading.
    Inline(Inline),
    /// A thread of the source's own.
    Threaded(Arc<Hosted>),
}

struct Inline {
    source: Box<dyn Source>,
    /// A model has no wraps and no updates. Between the ends of spans it is read at most this
    /// often, because looking through many processes is expensive.
    rest: Option<Seconds>,
    last: Option<Seconds>,
}

impl Feed {
    /// A source that answers within microseconds.
    pub(crate) fn inline(source: Box<dyn Source>, interval: Option<Seconds>) -> Self {
        let tracks = tracks(source.channels(), interval);
        let mirrors = Mirror::candidates(source.channels());
        let model = source.channels().iter().all(|channel| channel.method == Method::Model);
        let rest = model.then_some(MODEL_REST);
        let mode = Mode::Inline(Inline { source, rest, last: None });
        Self { tracks, mirrors, raw: Vec::new(), interval, mode }
    }

    /// A source that may be slow, or hang.
    pub(crate) fn threaded(hosted: Hosted, interval: Option<Seconds>) -> Self {
        let tracks = tracks(hosted.channels(), interval);
        let mirrors = Mirror::candidates(hosted.channels());
        let mode = Mode::Threaded(Arc::new(hosted));
        Self { tracks, mirrors, raw: Vec::new(), interval, mode }
    }

    /// The source, if it has a thread of its own.
    pub(crate) fn hosted(&self) -> Option<&Arc<Hosted>> {
        match &self.mode {
            Mode::Inline(_) => None,
            Mode::Threaded(hosted) => Some(hosted),
        }
    }

    /// Reads every channel of an inline source. Of a threaded one it takes the answers that have
    /// arrived and asks for more. Readings are added in order of time. `edge`: a span begins or
    /// ends.
    pub(crate) fn read(
        &mut self,
        clock: &dyn Clock,
        slept: bool,
        edge: bool,
        readings: &mut Vec<ChannelReading>,
    ) {
        match &mut self.mode {
            Mode::Inline(inline) => {
                let raw = &mut self.raw;
                if inline.read(&mut self.tracks, raw, clock, slept, edge, readings) {
                    self.mirrors.iter_mut().for_each(|mirror| mirror.check(raw));
                }
            }
            Mode::Threaded(hosted) => {
                let mut answers = Vec::new();
                hosted.take(&mut answers);
                if !edge {
                    hosted.ask();
                }
                self.take(answers, slept, readings);
            }
        }
    }

    /// Takes what the source's own thread has read.
    pub(crate) fn take(
        &mut self,
        answers: Vec<Answer>,
        slept: bool,
        readings: &mut Vec<ChannelReading>,
    ) {
        for Answer { channel, at, reading, .. } in answers {
            let channels = self.tracks.len();
            let Some(track) = self.tracks.get_mut(channel) else { continue };
            self.raw.resize(channels, None);
            self.raw[channel] = reading.as_ref().ok().copied();
            // The channels are read in their order; the last one ends a round.
            if channel + 1 == channels {
                self.mirrors.iter_mut().for_each(|mirror| mirror.check(&self.raw));
                self.raw.fill(None);
            }
            // Two threads that wait at the same time may deliver their answers in the wrong order.
            if track.is_before(at) {
                let increment = track.advance(at, reading.map_err(|error| error.reason), slept);
                readings.push(ChannelReading { channel, at, increment });
            }
        }
    }

    /// Looks for new channels, and returns whether there are any.
    pub(crate) fn rescan(&mut self) -> bool {
        let Mode::Inline(inline) = &mut self.mode else { return false };
        if !inline.source.rescan() {
            return false;
        }
        let known = self.tracks.len();
        self.tracks.extend(tracks(&inline.source.channels()[known..], self.interval));
        let candidates = Mirror::candidates(inline.source.channels());
        let new = candidates.into_iter().filter(|mirror| mirror.later() >= known);
        self.mirrors.extend(new);
        true
    }

    /// For each channel, whether it shows the same counter as an earlier one.
    pub(crate) fn mirrored(&self) -> impl Iterator<Item = bool> {
        (0..self.tracks.len())
            .map(|channel| self.mirrors.iter().any(|mirror| mirror.copy() == Some(channel)))
    }

    /// For each channel, why there are no readings, if the source does not answer.
    pub(crate) fn silent(&self) -> impl Iterator<Item = Option<String>> {
        let silence = match self.hosted().map(|hosted| hosted.health()) {
            Some(Health::Quarantined { failures, .. }) => Some(format!(
                "it did not answer or failed too often, and is paused (pauses in a row: \
                 {failures})"
            )),
            Some(Health::Stale) => Some("it did not answer in time".to_owned()),
            Some(Health::Well) | None => None,
        };
        std::iter::repeat_n(silence, self.tracks.len())
    }
}

impl Inline {
    /// Reads every channel, and returns whether it did.
    fn read(
        &mut self,
        tracks: &mut [Track],
        raw: &mut Vec<Option<u64>>,
        clock: &dyn Clock,
        slept: bool,
        edge: bool,
        readings: &mut Vec<ChannelReading>,
    ) -> bool {
        let now = clock.now();
        if !edge && self.rest.zip(self.last).is_some_and(|(rest, last)| now - last < rest) {
            return false;
        }
        self.last = Some(now);
        raw.clear();
        for (channel, track) in tracks.iter_mut().enumerate() {
            let at = clock.now();
            let reading = self.source.read(channel).map_err(|error| error.reason);
            raw.push(reading.as_ref().ok().copied());
            let increment = track.advance(at, reading, slept);
            readings.push(ChannelReading { channel, at, increment });
        }
        true
    }
}

fn tracks(channels: &[Channel], interval: Option<Seconds>) -> Vec<Track> {
    let track = |channel: &Channel| {
        let mut channel = channel.clone();
        // Spelled alike, so that the same device is found whoever reads it.
        channel.identity = channel.identity.map(|name| canonical(&name).into_owned());
        Track::new(channel, interval)
    };
    channels.iter().map(track).collect()
}
