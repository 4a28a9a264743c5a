//! Chooses the channels that add up to a total: parts of the machine that do not overlap.

use units::{Domain, Method};

use crate::source::Channel;

/// Whether a sensor of this domain makes a model of the processor unnecessary.
pub(crate) fn covers_processor(domain: Domain) -> bool {
    is_processor(domain) || matches!(domain, Domain::System | Domain::Psys)
}

/// For each channel, whether it is part of the total.
///
/// - A part of a channel that exists (the cores of a package) is contained in that one already.
/// - The whole machine, or else the platform, overlaps the rest. If a sensor measures the processor
///   itself, it does not count, unless that sensor is a part of it (the rails of a module whose input
///   is measured). Otherwise it stands for all that it contains: the machine for everything, the
///   platform for processor and memory but not for a GPU board with its own supply.
/// - What a power supply takes contains what it gives.
/// - A model of the process's share of the processor counts if no sensor measures the processor, and
///   a model of any part only if no sensor contains that part.
/// - If two probes, or two kinds of chip behind one probe, read the same kind of domain, the first
///   counts: for the processor, its memory and the whole machine by kind, for everything else by
///   device. Of channels with equal identities (which are spelled alike here) the first counts.
/// - A socket whose counter is the same as another's (`mirrored`) does not count.
/// - What is known only as [`Domain::Other`] may be contained in anything. It counts only if nothing
///   else does.
///
/// The result depends on which channels exist, never on which could be read in a span: a total must
/// not silently change its meaning.
pub(crate) fn in_total(channels: &[&Channel], mirrored: &[bool]) -> Vec<bool> {
    let machine = Machine::new(channels, mirrored);
    let alone = |at: usize| machine.places[at].outer.is_none() && !machine.repeats(at);
    let known: Vec<bool> =
        (0..channels.len()).map(|at| alone(at) && machine.counts(channels[at])).collect();
    if known.contains(&true) {
        return known;
    }
    (0..channels.len()).map(|at| channels[at].domain == Domain::Other && alone(at)).collect()
}

/// Which sensors measure which part of a machine.
struct Machine<'a> {
    channels: &'a [&'a Channel],
    mirrored: &'a [bool],
    /// Of each channel.
    places: Vec<Place>,
    /// The whole machine stands for everything.
    by_machine: bool,
    /// The platform stands for processor and memory.
    by_platform: bool,
    /// A sensor measures the processor itself.
    processor: bool,
    /// A sensor measures a whole package.
    package: bool,
}

/// What contains a channel.
#[derive(Clone, Copy)]
struct Place {
    outer: Option<usize>,
    /// Whether it is a part of a sensor of the whole machine.
    in_machine: bool,
}

impl<'a> Machine<'a> {
    fn new(channels: &'a [&'a Channel], mirrored: &'a [bool]) -> Self {
        let outer = |channel: &Channel| {
            let inside = channel.inside.as_ref()?;
            channels
                .iter()
                .position(|outer| outer.probe == channel.probe && outer.device == *inside)
        };
        let mut places: Vec<Place> = channels
            .iter()
            .map(|channel| Place { outer: outer(channel), in_machine: false })
            .collect();
        for at in 0..places.len() {
            // At most as many steps as there are channels, whatever a plugin says.
            let outers = std::iter::successors(places[at].outer, |outer| places[*outer].outer);
            places[at].in_machine =
                outers.take(channels.len()).any(|outer| channels[outer].domain == Domain::System);
        }
        let (by_machine, by_platform, processor, package) = (false, false, false, false);
        let mut this =
            Self { channels, mirrored, places, by_machine, by_platform, processor, package };
        this.processor = this.any(|channel| is_processor(channel.domain));
        this.package = this.any(|channel| channel.domain == Domain::CpuPackage);
        this.by_machine = this.any(|channel| channel.domain == Domain::System) && !this.processor;
        this.by_platform = this.any(|channel| channel.domain == Domain::Psys)
            && !this.processor
            && !this.by_machine;
        this
    }

    /// The channels that are no part of a sensor of the whole machine.
    fn own(&self) -> impl Iterator<Item = &'a Channel> + Clone {
        let own =
            |(channel, place): (&&'a Channel, &Place)| (!place.in_machine).then_some(*channel);
        self.channels.iter().zip(&self.places).filter_map(own)
    }

    fn any(&self, test: impl FnMut(&'a Channel) -> bool) -> bool {
        self.own().any(test)
    }

    /// Whether an earlier channel shows the same energy.
    fn repeats(&self, at: usize) -> bool {
        let channel = self.channels[at];
        let repeated = |earlier: &&Channel| {
            let nameless = earlier.identity.is_none() || channel.identity.is_none();
            (earlier.identity.is_some() && earlier.identity == channel.identity)
                || (nameless && is_plugin_of(channel, earlier))
                || (earlier.domain == channel.domain && earlier.device == channel.device)
        };
        self.mirrored[at] || self.channels[..at].iter().any(repeated) || !self.comes_first(channel)
    }

    /// Whether no other family of sensors comes before its own. Probes and chips name the parts of a
    /// processor differently, so there the kind of domain decides.
    fn comes_first(&self, channel: &Channel) -> bool {
        if !(covers_processor(channel.domain) || channel.domain == Domain::Dram) {
            return true;
        }
        let mut alike = self.own().filter(|other| other.domain == channel.domain);
        let first = alike.clone().find(|other| !other.overlap.output).or_else(|| alike.next());
        first.is_none_or(|first| family(first) == family(channel))
    }

    /// Whether its domain counts on this machine.
    fn counts(&self, channel: &Channel) -> bool {
        let contains = |sensor: &Channel| {
            sensor.method != Method::Model && sensor.overlap.contains.contains(&channel.domain)
        };
        if channel.method == Method::Model && self.any(contains) {
            return false;
        }
        match channel.domain {
            Domain::System => self.by_machine,
            Domain::Psys => self.by_platform,
            Domain::CpuProcess => !self.processor && !self.by_machine && !self.by_platform,
            Domain::CpuPackage => true,
            Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie => !self.package,
            Domain::Dram => !self.by_machine && !self.by_platform,
            Domain::Other => channel.overlap.apart && !self.by_machine,
            _ => !self.by_machine,
        }
    }
}

/// The sensors that a channel belongs to: its probe, and the kind of chip.
pub(crate) fn family(channel: &Channel) -> (&str, Option<&str>) {
    (&channel.probe, channel.overlap.family.as_deref())
}

/// Whether a plugin has the name of the driver that another probe reads, as `amdgpu` has: boards
/// without an address are then the same.
fn is_plugin_of(channel: &Channel, earlier: &Channel) -> bool {
    channel.domain == Domain::Gpu
        && earlier.probe != channel.probe
        && earlier.overlap.family.as_deref() == Some(channel.probe.as_str())
}

/// Whether this is the processor or a part of it, rather than something that contains it.
fn is_processor(domain: Domain) -> bool {
    matches!(domain, Domain::CpuPackage | Domain::CpuDie | Domain::CpuCore | Domain::CpuUncore)
}

#[cfg(test)]
mod tests;
