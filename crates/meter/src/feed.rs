//! A source with what is known of each of its channels.

use std::sync::Arc;

use units::{Method, Seconds};

use crate::{
    clock::Clock,
    host::{Answer, Health, Hosted},
    mirror::Mirror,
    source::{Channel, Source},
    track::{Outcome, Track},
};

/// Time between two readings of a model.
const MODEL_REST: Seconds = Seconds(0.095);

/// What one channel of a feed said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) channel: usize,
    pub(crate) at: Seconds,
    pub(crate) outcome: Outcome,
}

/// A source and its channels' tracks.
pub(crate) struct Feed {
    pub(crate) tracks: Vec<Track>,
    interval: Option<Seconds>,
    place: Place,
}

enum Place {
    /// Read here and now.
    Here(Here),
    /// Read by a thread of its own.
    Apart(Arc<Hosted>),
}

struct Here {
    source: Box<dyn Source>,
    mirrors: Vec<Mirror>,
    /// A model sees no wraps and no updates: between the ends of spans it is read at most this
    /// often, for looking through many processes costs.
    rest: Option<Seconds>,
    last: Option<Seconds>,
    /// Kept between readings, so that none of them allocates.
    raw: Vec<Option<u64>>,
}

impl Feed {
    /// Of a source that answers within microseconds.
    pub(crate) fn here(source: Box<dyn Source>, interval: Option<Seconds>) -> Self {
        let tracks = tracks(source.channels(), interval);
        let mirrors = Mirror::candidates(source.channels());
        let model = source.channels().iter().all(|it| it.method == Method::Model);
        let rest = model.then_some(MODEL_REST);
        let here = Here { source, mirrors, rest, last: None, raw: Vec::new() };
        Self { tracks, interval, place: Place::Here(here) }
    }

    /// Of a source that may be slow, or hang.
    pub(crate) fn apart(hosted: Hosted, interval: Option<Seconds>) -> Self {
        let tracks = tracks(hosted.channels(), interval);
        Self { tracks, interval, place: Place::Apart(Arc::new(hosted)) }
    }

    /// The source, if it has a thread of its own.
    pub(crate) fn hosted(&self) -> Option<&Arc<Hosted>> {
        match &self.place {
            Place::Here(_) => None,
            Place::Apart(hosted) => Some(hosted),
        }
    }

    /// Reads every channel, or asks for it and takes what has come since; what each says, in order
    /// of time. `edge`: for an end of a span.
    pub(crate) fn read(
        &mut self,
        clock: &dyn Clock,
        slept: bool,
        edge: bool,
        said: &mut Vec<Said>,
    ) {
        match &mut self.place {
            Place::Here(here) => here.read(&mut self.tracks, clock, slept, edge, said),
            Place::Apart(hosted) => {
                let mut answers = Vec::new();
                hosted.take(&mut answers);
                if !edge {
                    hosted.ask();
                }
                self.take(answers, slept, said);
            }
        }
    }

    /// Takes what a thread of its own has read.
    pub(crate) fn take(&mut self, answers: Vec<Answer>, slept: bool, said: &mut Vec<Said>) {
        for Answer { channel, at, reading, .. } in answers {
            let Some(track) = self.tracks.get_mut(channel) else { continue };
            // Two who wait at once may hand in their answers in the wrong order.
            if track.is_before(at) {
                let outcome = track.advance(at, reading.map_err(|it| it.reason), slept);
                said.push(Said { channel, at, outcome });
            }
        }
    }

    /// Looks for channels that have appeared; true if there are any.
    pub(crate) fn rescan(&mut self) -> bool {
        let Place::Here(here) = &mut self.place else { return false };
        if !here.source.rescan() {
            return false;
        }
        let known = self.tracks.len();
        self.tracks.extend(tracks(&here.source.channels()[known..], self.interval));
        let candidates = Mirror::candidates(here.source.channels());
        let new = candidates.into_iter().filter(|it| it.later() >= known);
        here.mirrors.extend(new);
        true
    }

    /// For each channel, whether it shows the same counter as an earlier one.
    pub(crate) fn mirrored(&self) -> impl Iterator<Item = bool> {
        let mirrors: &[Mirror] = match &self.place {
            Place::Here(here) => &here.mirrors,
            Place::Apart(_) => &[],
        };
        (0..self.tracks.len())
            .map(move |channel| mirrors.iter().any(|it| it.copy() == Some(channel)))
    }

    /// For each channel, why nothing comes, if the source does not answer.
    pub(crate) fn silent(&self) -> impl Iterator<Item = Option<String>> {
        let silence = match self.hosted().map(|it| it.health()) {
            Some(Health::Quarantined { failures, .. }) => Some(format!(
                "it did not answer, or failed too often, and is left alone for a while, for the \
                 {failures}. time"
            )),
            Some(Health::Stale) => Some("it did not answer in time".to_owned()),
            Some(Health::Well) | None => None,
        };
        std::iter::repeat_n(silence, self.tracks.len())
    }
}

impl Here {
    fn read(
        &mut self,
        tracks: &mut [Track],
        clock: &dyn Clock,
        slept: bool,
        edge: bool,
        said: &mut Vec<Said>,
    ) {
        let now = clock.now();
        if !edge && self.rest.zip(self.last).is_some_and(|(rest, last)| now - last < rest) {
            return;
        }
        self.last = Some(now);
        self.raw.clear();
        for (channel, track) in tracks.iter_mut().enumerate() {
            let at = clock.now();
            let reading = self.source.read(channel).map_err(|it| it.reason);
            self.raw.push(reading.as_ref().ok().copied());
            said.push(Said { channel, at, outcome: track.advance(at, reading, slept) });
        }
        for mirror in &mut self.mirrors {
            mirror.check(&self.raw);
        }
    }
}

fn tracks(channels: &[Channel], interval: Option<Seconds>) -> Vec<Track> {
    channels.iter().map(|it| Track::new(it.clone(), interval)).collect()
}
