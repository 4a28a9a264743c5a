//! Spans: named stretches of work with their energy.

use record::{Domain, DomainEnergy, Energy, Seconds, SpanEnergy, Warning, WarningKind, Watts};

use crate::{
    cover::in_total,
    meter::Meter,
    source::Kind,
    track::{Sums, Track},
};

/// A stretch of work that is being measured; [`Span::end`] tells what it cost.
///
/// Spans may nest and overlap, also across threads. A dropped span reports nothing.
#[must_use = "a span that is not ended reports nothing"]
#[derive(Debug)]
pub struct Span {
    pub(crate) meter: Meter,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) start: Reading,
}

/// Every channel's sums at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Seconds,
    pub(crate) cpu_ns: u64,
    pub(crate) sums: Vec<Sums>,
}

impl Span {
    /// A span inside this one, named `<this>/<name>`.
    pub fn child(&self, name: &str) -> Self {
        self.meter.span(&format!("{}/{name}", self.name))
    }

    /// Ends the span.
    #[must_use]
    pub fn end(self) -> SpanReport {
        self.meter.clone().end(&self)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.meter.forget(self.id);
    }
}

/// What a span cost.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanReport {
    /// Its path.
    pub name: String,
    /// Since the meter started.
    pub start: Seconds,
    /// Its length.
    pub duration: Seconds,
    /// Energy of each channel.
    pub domains: Vec<DomainEnergy>,
    /// Energy over a disjoint cover of the domains; `None` where nothing could be read.
    pub total: Option<Energy>,
    /// CPU time of this process, all threads.
    pub cpu: Seconds,
    /// Doubts.
    pub warnings: Vec<Warning>,
}

impl From<&SpanReport> for SpanEnergy {
    fn from(report: &SpanReport) -> Self {
        Self {
            name: report.name.clone(),
            start: report.start,
            duration: report.duration,
            energy: report.total,
        }
    }
}

/// The difference of two readings.
pub(crate) fn report(
    name: &str,
    start: &Reading,
    end: &Reading,
    tracks: &[Track],
    peaks: &[Option<Watts>],
) -> SpanReport {
    let duration = end.at - start.at;
    let sums: Vec<Sums> =
        end.sums.iter().zip(&start.sums).map(|(end, start)| end.since(*start)).collect();
    // A channel without a good reading in the span has no energy there: absent, not 0.
    let read: Vec<usize> = (0..tracks.len()).filter(|it| sums[*it].samples > 0).collect();
    let channels: Vec<_> = read.iter().map(|it| &tracks[*it].channel).collect();
    let counted = in_total(&channels);
    let domains: Vec<DomainEnergy> = read
        .iter()
        .zip(counted)
        .map(|(&at, in_total)| domain(&tracks[at], sums[at], duration, peaks[at], in_total))
        .collect();
    SpanReport {
        name: name.to_owned(),
        start: start.at,
        duration,
        total: Energy::total(domains.iter().filter(|it| it.in_total).map(DomainEnergy::energy)),
        domains,
        cpu: Seconds(end.cpu_ns.saturating_sub(start.cpu_ns) as f64 * 1e-9),
        warnings: warnings(tracks, &sums),
    }
}

fn domain(
    track: &Track,
    sums: Sums,
    duration: Seconds,
    peak: Option<Watts>,
    in_total: bool,
) -> DomainEnergy {
    let channel = &track.channel;
    let mean = (duration.0 > 0.0).then(|| sums.energy / duration);
    // Gain; one unit of resolution; and at each end the value may be up to one update old: the
    // difference of two uniform phases lies within ±0.776 periods with 95 % probability.
    let phase = mean.unwrap_or_default() * (channel.period * 0.776);
    let resolution = match channel.kind {
        Kind::Counter { .. } => channel.joules(1),
        Kind::Power => Watts(channel.unit) * duration,
    };
    let uncertainty = sums.energy * channel.relative_error + phase + resolution;
    DomainEnergy {
        domain: channel.domain,
        device: channel.device.clone(),
        probe: channel.probe.clone(),
        origin: channel.method.origin(),
        method: channel.method,
        joules: sums.energy,
        mean_power: mean,
        peak_power: peak,
        uncertainty,
        samples: sums.samples,
        gap: sums.gap,
        in_total,
    }
}

fn warnings(tracks: &[Track], sums: &[Sums]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if tracks.is_empty() {
        warnings.push(Warning::new(
            WarningKind::NoEnergy,
            "nothing can be read or modelled here: there are no joules",
        ));
    }
    for (track, sums) in tracks.iter().zip(sums) {
        let name = format!("`{}` of probe `{}`", track.channel.device, track.channel.probe);
        if let (Domain::CpuProcess, Some(model)) = (track.channel.domain, &track.channel.model) {
            let text = format!("no sensor: the joules are estimated: {model}");
            warnings.push(Warning::new(WarningKind::EstimatedEnergy, text));
        }
        if sums.failures > 0 {
            let kind = WarningKind::ProbeFailed;
            warnings.push(Warning::new(kind, format!("{name}: {} readings failed", sums.failures)));
        }
        if sums.resets > 0 {
            let text = format!("{name} started anew: energy before that is lost");
            warnings.push(Warning::new(WarningKind::SensorGap, text));
        }
        if sums.ambiguous > 0 {
            let text = format!("{name} was not read for so long that it may have wrapped twice");
            warnings.push(Warning::new(WarningKind::SensorGap, text));
        }
    }
    warnings
}
