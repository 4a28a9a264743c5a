//! Spans: named stretches of work with their energy.

use record::{Domain, DomainEnergy, Energy, Seconds, SpanEnergy, Warning, WarningKind, Watts};

use crate::{
    cover::in_total,
    meter::Meter,
    source::{Channel, Kind},
    tally::Tally,
};

/// A span of fewer updates of a sensor than this is too short for it: the two ends alone make an
/// error of some ten percent.
const FEWEST_UPDATES: f64 = 10.0;

/// A stretch of work that is being measured; [`Span::end`] tells what it cost.
///
/// Spans may nest and overlap, also across threads. A dropped span reports nothing.
#[must_use = "a span that is not ended reports nothing"]
#[derive(Debug)]
pub struct Span {
    pub(crate) meter: Meter,
    pub(crate) id: u64,
    pub(crate) name: String,
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
    /// Energy of each channel that could be read.
    pub domains: Vec<DomainEnergy>,
    /// Energy over a disjoint cover of the domains; `None` where nothing could be read.
    pub total: Option<Energy>,
    /// CPU time of this process, all threads, without its children.
    pub cpu: Seconds,
    /// Doubts.
    pub warnings: Vec<Warning>,
}

impl From<SpanReport> for SpanEnergy {
    fn from(report: SpanReport) -> Self {
        Self::from(&report)
    }
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

/// A span that has ended, before it is told.
pub(crate) struct Ended<'a> {
    pub(crate) name: &'a str,
    pub(crate) start: Seconds,
    pub(crate) end: Seconds,
    pub(crate) cpu: Seconds,
    /// Each with its sums over the span.
    pub(crate) channels: Vec<(&'a Channel, Tally)>,
    /// What is wrong with the meter all the time.
    pub(crate) standing: &'a [Warning],
}

impl Ended<'_> {
    pub(crate) fn report(self) -> SpanReport {
        let duration = self.end - self.start;
        let all: Vec<&Channel> = self.channels.iter().map(|it| it.0).collect();
        let counted = in_total(&all);
        let mut warnings = self.standing.to_vec();
        let mut domains = Vec::new();
        for ((channel, tally), in_total) in self.channels.iter().zip(counted) {
            warn(channel, tally, duration, in_total, &mut warnings);
            // A channel without two good readings has no energy: absent, not 0.
            if tally.steps > 0 {
                domains.push(domain_energy(channel, tally, duration, in_total));
            }
        }
        let total = Energy::total(
            domains.iter().filter(|it: &&DomainEnergy| it.in_total).map(DomainEnergy::energy),
        );
        if total.is_none() {
            let text = "nothing could be read or modelled: there are no joules; `wattlab probes` \
                        tells why";
            warnings.push(Warning::new(WarningKind::NoEnergy, text));
        }
        SpanReport {
            name: self.name.to_owned(),
            start: self.start,
            duration,
            domains,
            total,
            cpu: self.cpu,
            warnings,
        }
    }
}

fn domain_energy(
    channel: &Channel,
    tally: &Tally,
    duration: Seconds,
    in_total: bool,
) -> DomainEnergy {
    let mean = (duration.0 > 0.0).then(|| tally.energy / duration);
    // Gain; one unit of resolution; and at each end the value may be up to one update old: the
    // difference of two uniform phases lies within ±0.776 periods with 95 % probability.
    let phase = mean.unwrap_or_default() * (channel.period * 0.776);
    let resolution = match channel.kind {
        Kind::Counter { .. } => channel.joules(1),
        Kind::Power => Watts(channel.unit) * duration,
    };
    let gain = tally.energy * channel.relative_error;
    DomainEnergy {
        domain: channel.domain,
        device: channel.device.clone(),
        probe: channel.probe.clone(),
        origin: channel.method.origin(),
        method: channel.method,
        joules: tally.energy,
        mean_power: mean,
        peak_power: tally.peak,
        uncertainty: gain + phase + resolution + tally.sway() + tally.doubt,
        samples: tally.samples,
        gap: tally.gap,
        in_total,
    }
}

fn warn(
    channel: &Channel,
    tally: &Tally,
    duration: Seconds,
    in_total: bool,
    warnings: &mut Vec<Warning>,
) {
    let name = format!("`{}` of probe `{}`", channel.device, channel.probe);
    let mut tell = |kind, text: String| warnings.push(Warning::new(kind, text));
    if let (Domain::CpuProcess, Some(model)) = (channel.domain, &channel.model) {
        let text = format!("no sensor of the processor: its joules are estimated: {model}");
        tell(WarningKind::EstimatedEnergy, text);
    }
    if tally.failures > 0 {
        let reason = tally.last_failure.as_deref().unwrap_or_default();
        let text = format!("{name}: {} readings failed, the last with: {reason}", tally.failures);
        tell(WarningKind::ProbeFailed, text);
    }
    if tally.steps == 0 {
        let lacks = if in_total { "; the total lacks it" } else { "" };
        let text = format!("{name} could not be read: it has no joules here{lacks}");
        tell(WarningKind::SensorGap, text);
    } else if tally.gap > Seconds(0.0) {
        let text = format!("{name}: no reading covers {:.3} of {duration:.3}", tally.gap);
        tell(WarningKind::SensorGap, text);
    }
    if tally.resets > 0 {
        let text = format!("{name} started anew: what it counted before that is lost");
        tell(WarningKind::SensorGap, text);
    }
    if tally.wraps_in_doubt > 0 {
        let text = format!("{name} was not read for so long that it may have wrapped once more");
        tell(WarningKind::SensorGap, text);
    }
    if tally.implausible > 0 {
        let text = format!("{name} rose faster than hardware of its kind can draw");
        tell(WarningKind::SensorGap, text);
    }
    if tally.steps > 0 && duration < channel.period * FEWEST_UPDATES {
        let text = format!(
            "{name} is updated every {} only: {duration:.6} is too short for it",
            channel.period
        );
        tell(WarningKind::BelowResolution, text);
    }
}
