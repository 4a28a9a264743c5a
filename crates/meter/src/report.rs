//! Turns the sums of a span into its report: energies, intervals and warnings.

use units::{Domain, DomainEnergy, Energy, Joules, Method, Seconds, Warning, WarningKind, Watts};

use crate::{
    attribute::Shares,
    cover::in_total,
    disagreement::disagreements,
    frozen::Frozen,
    source::{Channel, Kind},
    span_accumulator::SpanAccumulator,
    span_report::{Absence, SpanReport},
    uncertainty::{gain, half_width, resolution_variance},
};

/// A span with fewer updates of a sensor than this is too short for it: the two ends alone cause an
/// error of about ten percent.
const FEWEST_UPDATES: f64 = 10.0;

/// A span that has ended, with everything that its report is made from.
pub(crate) struct ClosedSpan<'a> {
    pub(crate) name: &'a str,
    pub(crate) start: Seconds,
    pub(crate) end: Seconds,
    pub(crate) cpu: Seconds,
    pub(crate) own_cpu: Seconds,
    /// Each channel with its sums over the span.
    pub(crate) channels: Vec<(&'a Channel, SpanAccumulator)>,
    /// For each channel, whether it shows the same counter as an earlier one.
    pub(crate) mirrored: Vec<bool>,
    /// For each channel, why its source does not answer; `None` if it does.
    pub(crate) silent: Vec<Option<String>>,
    pub(crate) shares: Option<Shares>,
    /// Warnings that concern every span of the meter.
    pub(crate) standing: &'a [Warning],
}

impl ClosedSpan<'_> {
    pub(crate) fn report(self) -> SpanReport {
        let duration = self.end - self.start;
        let all: Vec<&Channel> = self.channels.iter().map(|(channel, _)| *channel).collect();
        let counted = in_total(&all, &self.mirrored);
        let mut warnings = self.standing.to_vec();
        let (mut domains, mut absent) = (Vec::new(), Vec::new());
        let parts = self.channels.iter().zip(&counted).zip(&self.mirrored).zip(self.silent);
        for ((((channel, accumulator), counts), mirrored), silent) in parts {
            warn(channel, accumulator, duration, *counts, &mut warnings);
            if *mirrored && accumulator.energy > Joules(0.0) {
                let text = format!(
                    "`{}` of probe `{}` shows the same counter as another channel and is not \
                     counted again",
                    channel.device, channel.probe
                );
                warnings.push(Warning::new(WarningKind::Overlap, text));
            }
            // A channel without two good readings has no energy: absent, not 0.
            if accumulator.steps > 0 {
                domains.push(domain_energy(channel, accumulator, duration, *counts));
            } else {
                absent.push(Absence {
                    domain: channel.domain,
                    device: channel.device.clone(),
                    probe: channel.probe.clone(),
                    reason: silent
                        .or_else(|| accumulator.last_failure.clone())
                        .unwrap_or_else(|| "fewer than two readings".to_owned()),
                    in_total: *counts,
                });
            }
        }
        let total = Energy::total(
            domains
                .iter()
                .filter(|domain: &&DomainEnergy| domain.in_total)
                .map(DomainEnergy::energy),
        );
        if total.is_none() {
            let text = "no energy: no sensor could be read and no model was used; `wattlab probes` \
                        says why";
            warnings.push(Warning::new(WarningKind::NoEnergy, text));
        }
        warnings.extend(disagreements(&all, &domains));
        let attribution = self.shares.as_ref().and_then(|shares| shares.of(&domains, duration));
        SpanReport {
            name: self.name.to_owned(),
            start: self.start,
            duration,
            domains,
            total,
            absent,
            attribution,
            cpu_share: self.shares.map(|shares| shares.cpu),
            cpu: self.cpu,
            own_cpu: self.own_cpu,
            warnings,
        }
    }
}

fn domain_energy(
    channel: &Channel,
    accumulator: &SpanAccumulator,
    duration: Seconds,
    in_total: bool,
) -> DomainEnergy {
    let mut joules = accumulator.energy;
    let mut peak = accumulator.peak;
    // A model of parts that are shared, such as the two threads of a core, may claim more than there
    // is.
    if let (Method::Model, Some(highest)) = (channel.method, channel.highest) {
        let most = highest * accumulator.covered();
        joules = if joules < most { joules } else { most };
        peak = peak.map(|peak| if peak < highest { peak } else { highest });
    }
    let mean = (duration.0 > 0.0).then(|| joules / duration);
    let resolution = match channel.kind {
        Kind::Counter { .. } => channel.joules(1),
        Kind::Power => Watts(channel.unit) * duration,
    };
    let mut random = accumulator.error(channel, duration);
    random.variance += resolution_variance(resolution);
    let frozen = Frozen::of(channel, accumulator);
    let doubt = accumulator.doubt + frozen.map_or(Joules(0.0), |frozen| frozen.doubt);
    let mut uncertainty = half_width(random, joules * gain(channel), doubt);
    // A counter that did not move has counted less than one unit, which the interval must include.
    if joules < resolution && uncertainty < resolution {
        uncertainty = resolution;
    }
    DomainEnergy {
        domain: channel.domain,
        device: channel.device.clone(),
        probe: channel.probe.clone(),
        origin: channel.method.origin(),
        method: channel.method,
        joules,
        mean_power: mean,
        peak_power: peak,
        uncertainty,
        samples: accumulator.samples,
        gap: accumulator.gap,
        in_total,
    }
}

fn warn(
    channel: &Channel,
    accumulator: &SpanAccumulator,
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
        let text = format!("no sensor measures {what}; its energy is estimated: {model}");
        tell(WarningKind::EstimatedEnergy, text);
    }
    if accumulator.failures > 0 {
        let reason = accumulator.last_failure.as_deref().unwrap_or_default();
        let failures = accumulator.failures;
        let text = format!("failed readings of {name}: {failures}, the last one: {reason}");
        tell(WarningKind::ProbeFailed, text);
    }
    if accumulator.steps == 0 {
        let lacks = if in_total { "; the total does not include it" } else { "" };
        let text = format!("{name} could not be read and has no energy in this span{lacks}");
        tell(WarningKind::SensorGap, text);
    } else if accumulator.gap > Seconds(0.0) {
        let text = format!("{name}: no reading covers {:.3} of {duration:.3}", accumulator.gap);
        tell(WarningKind::SensorGap, text);
    }
    let frozen = Frozen::of(channel, accumulator);
    if let Some(text) = frozen.and_then(|frozen| frozen.text(channel)) {
        tell(WarningKind::SensorGap, format!("{name}: {text}"));
    }
    for text in strange_values(accumulator) {
        tell(WarningKind::SensorGap, format!("{name}: {text}"));
    }
    if accumulator.steps > 0 && duration < channel.period * FEWEST_UPDATES {
        let text = format!(
            "{name} is updated only every {}; a span of {duration:.6} is too short for it",
            channel.period
        );
        tell(WarningKind::BelowResolution, text);
    }
}

/// What is strange about a counter's values, in words.
fn strange_values(accumulator: &SpanAccumulator) -> Vec<String> {
    let events = accumulator.events;
    let mut texts = Vec::new();
    if events.resets > 0 {
        texts.push(format!(
            "the counter decreased by an amount that wrap-around cannot explain ({} times); it was \
             reset or stepped back, and what it had counted since the reading before is lost",
            events.resets
        ));
    }
    if events.jumps > 0 {
        texts.push(format!(
            "the counter increased by more than such hardware can draw ({} times); the increase is \
             not counted",
            events.jumps
        ));
    }
    if events.misread > 0 {
        texts.push(format!(
            "the counter showed a wrong value for a while ({} times) and went on from the old one; \
             nothing is lost",
            events.misread
        ));
    }
    if accumulator.ends_in_doubt() {
        let text = "the counter's last value does not follow from the one before; it was reset or \
                    misread";
        texts.push(text.to_owned());
    }
    if events.wraps > 0 {
        let text = "it was not read for so long that its counter may have wrapped more than once";
        texts.push(text.to_owned());
    }
    texts
}
