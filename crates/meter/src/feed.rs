//! A source with what is known of each of its channels.

use record::{Method, Seconds};

use crate::{
    clock::Clock,
    mirror::Mirror,
    source::{Channel, Source},
    track::{Outcome, Track},
};

/// Time between two readings of a model.
const MODEL_REST: Seconds = Seconds(0.095);

/// A source that is read here and now.
pub(crate) struct Feed {
    source: Box<dyn Source>,
    pub(crate) tracks: Vec<Track>,
    mirrors: Vec<Mirror>,
    interval: Option<Seconds>,
    /// A model sees no wraps and no updates: between the ends of spans it is read at most this
    /// often, for looking through many processes costs.
    rest: Option<Seconds>,
    last: Option<Seconds>,
    /// Kept between readings, so that none of them allocates.
    raw: Vec<Option<u64>>,
}

impl Feed {
    pub(crate) fn new(source: Box<dyn Source>, interval: Option<Seconds>) -> Self {
        let tracks = tracks(source.channels(), interval);
        let mirrors = Mirror::candidates(source.channels());
        let model = source.channels().iter().all(|it| it.method == Method::Model);
        let rest = model.then_some(MODEL_REST);
        Self { source, tracks, mirrors, interval, rest, last: None, raw: Vec::new() }
    }

    /// Reads every channel; what each says, with the time of the reading. `edge`: for an end of a
    /// span.
    pub(crate) fn read(
        &mut self,
        clock: &dyn Clock,
        slept: bool,
        edge: bool,
        outcomes: &mut Vec<(Seconds, Outcome)>,
    ) {
        let now = clock.now();
        if !edge && self.rest.zip(self.last).is_some_and(|(rest, last)| now - last < rest) {
            outcomes.extend(self.tracks.iter().map(|_| (now, Outcome::Skipped)));
            return;
        }
        self.last = Some(now);
        self.raw.clear();
        for (channel, track) in self.tracks.iter_mut().enumerate() {
            let now = clock.now();
            let reading = self.source.read(channel).map_err(|it| it.reason);
            self.raw.push(reading.as_ref().ok().copied());
            outcomes.push((now, track.advance(now, reading, slept)));
        }
        for mirror in &mut self.mirrors {
            mirror.check(&mut *self.source, &self.raw);
        }
    }

    /// Looks for channels that have appeared; true if there are any.
    pub(crate) fn rescan(&mut self) -> bool {
        if !self.source.rescan() {
            return false;
        }
        let known = self.tracks.len();
        self.tracks.extend(tracks(&self.source.channels()[known..], self.interval));
        let candidates = Mirror::candidates(self.source.channels());
        let new = candidates.into_iter().filter(|it| it.copy().is_some_and(|it| it >= known));
        self.mirrors.extend(new);
        true
    }

    /// For each channel, whether it shows the same counter as an earlier one.
    pub(crate) fn mirrored(&self) -> impl Iterator<Item = bool> {
        (0..self.tracks.len())
            .map(|channel| self.mirrors.iter().any(|it| it.copy() == Some(channel)))
    }
}

fn tracks(channels: &[Channel], interval: Option<Seconds>) -> Vec<Track> {
    channels.iter().map(|it| Track::new(it.clone(), interval)).collect()
}
