//! From sums to a report: amounts, intervals, doubts.

use units::{Domain, DomainEnergy, Energy, Joules, Method, Seconds, Warning, WarningKind, Watts};

use crate::{
    attribute::Shares,
    cover::{disagreements, in_total},
    source::{Channel, Kind},
    span::{Absence, SpanReport},
    tally::Tally,
    uncertainty::{half_width, resolution_variance},
};

/// A span of fewer updates of a sensor than this is too short for it: the two ends alone make an
/// error of some ten percent.
const FEWEST_UPDATES: f64 = 10.0;

/// A span that has ended, before it is told.
pub(crate) struct Ended<'a> {
    pub(crate) name: &'a str,
    pub(crate) start: Seconds,
    pub(crate) end: Seconds,
    pub(crate) cpu: Seconds,
    pub(crate) own_cpu: Seconds,
    /// Each with its sums over the span.
    pub(crate) channels: Vec<(&'a Channel, Tally)>,
    /// For each channel, whether it shows the same counter as an earlier one.
    pub(crate) mirrored: Vec<bool>,
    /// For each channel whose source does not answer, that in words.
    pub(crate) silent: Vec<Option<String>>,
    pub(crate) shares: Option<Shares>,
    /// What is wrong with the meter all the time.
    pub(crate) standing: &'a [Warning],
}

impl Ended<'_> {
    pub(crate) fn report(self) -> SpanReport {
        let duration = self.end - self.start;
        let all: Vec<&Channel> = self.channels.iter().map(|it| it.0).collect();
        let counted = in_total(&all, &self.mirrored);
        let mut warnings = self.standing.to_vec();
        let (mut domains, mut absent) = (Vec::new(), Vec::new());
        let parts = self.channels.iter().zip(&counted).zip(&self.mirrored).zip(self.silent);
        for ((((channel, tally), counts), mirrored), silent) in parts {
            warn(channel, tally, duration, *counts, &mut warnings);
            if *mirrored && tally.energy > Joules(0.0) {
                let text = format!(
                    "`{}` of probe `{}` shows the same counter as another: it is counted once",
                    channel.device, channel.probe
                );
                warnings.push(Warning::new(WarningKind::Overlap, text));
            }
            // A channel without two good readings has no energy: absent, not 0.
            if tally.steps > 0 {
                domains.push(domain_energy(channel, tally, duration, *counts));
            } else {
                absent.push(Absence {
                    domain: channel.domain,
                    device: channel.device.clone(),
                    probe: channel.probe.clone(),
                    reason: silent
                        .or_else(|| tally.last_failure.clone())
                        .unwrap_or_else(|| "fewer than two readings".to_owned()),
                    in_total: *counts,
                });
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
        warnings.extend(disagreements(&domains));
        let attribution = self.shares.and_then(|it| it.of(&domains, duration));
        SpanReport {
            name: self.name.to_owned(),
            start: self.start,
            duration,
            domains,
            total,
            absent,
            attribution,
            cpu: self.cpu,
            own_cpu: self.own_cpu,
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
    let resolution = match channel.kind {
        Kind::Counter { .. } => channel.joules(1),
        Kind::Power => Watts(channel.unit) * duration,
    };
    let mut random = tally.error(channel, duration);
    random.variance += resolution_variance(resolution);
    let gain = tally.energy * channel.relative_error;
    let mut uncertainty = half_width(random, gain, tally.doubt);
    // Nothing counted is less than one unit, not nothing: the interval includes both.
    if tally.energy < resolution && uncertainty < resolution {
        uncertainty = resolution;
    }
    DomainEnergy {
        domain: channel.domain,
        device: channel.device.clone(),
        probe: channel.probe.clone(),
        origin: channel.method.origin(),
        method: channel.method,
        joules: tally.energy,
        mean_power: mean,
        peak_power: tally.peak,
        uncertainty,
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
    if let (Method::Model, Some(model)) = (channel.method, &channel.model) {
        let what = if channel.domain == Domain::CpuProcess {
            "the processor"
        } else {
            channel.domain.word()
        };
        let text = format!("no sensor of {what}: its joules are estimated: {model}");
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
        let text = format!(
            "{name} fell as no wrap can: it started anew, and what it counted just before is lost, \
             or it was misread"
        );
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
