//! Sources: what can be read, in raw values.

use units::{Domain, Joules, Method, Seconds, Watts};

/// What a raw value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Energy since some start.
    Counter {
        /// The counter wraps to 0 when it would reach this many raw units; `None` if it never wraps.
        range: Option<u64>,
    },
    /// Power at the time of the reading.
    Power,
}

/// A readable quantity of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// The source's name.
    pub probe: String,
    /// The part of the machine that it covers.
    pub domain: Domain,
    /// The device: `package-0`, a GPU's UUID, and so on.
    pub device: String,
    /// The device that contains this one, for a sub-domain: `package-0` for its cores. `None` if it
    /// is in no other.
    pub inside: Option<String>,
    /// A name shared by every way of reading the same counter (`rapl/package-0`, a GPU's UUID or PCI
    /// address). Channels with equal identities are copies, and one of them is counted. The usual
    /// spellings of a PCI address are equal: `pci/0000:05:00.0` is `00000000:05:00.0`. `None` if
    /// unknown.
    pub identity: Option<String>,
    /// Counter or power.
    pub kind: Kind,
    /// How readings become joules.
    pub method: Method,
    /// Joules (counter) or watts (power) per raw unit.
    pub unit: f64,
    /// Half-width of the 95 % interval of the sensor's gain, as a share: 0.05 for ±5 %. `None` if it
    /// is not known; then the meter assumes ±10 %, except for the counters of processors.
    pub relative_error: Option<f64>,
    /// Time between updates of the value; 0 if every reading is fresh.
    pub period: Seconds,
    /// Time over which the sensor averages a power before it shows it; 0 if it does not.
    pub averaging: Seconds,
    /// A description of the model; `None` for a sensor.
    pub model: Option<String>,
    /// The most that it can draw. A reading above that is refused, and a model's energy is cut
    /// there. `None` if it is not known; then the meter assumes a limit for its domain.
    pub highest: Option<Watts>,
    /// How it overlaps the channels of other sensors, if that is known.
    pub overlap: Overlap,
}

/// How a channel overlaps those of other sensors. The default is for a sensor of which no more is
/// known than its [`Domain`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlap {
    /// The kind of chip or driver behind it, if a probe reads several kinds: `amd_energy` and
    /// `amd_hsmp_hwmon` both see the sockets. Of two families that see the same part of the machine,
    /// the first counts. `None`: the probe is its own family.
    pub family: Option<String>,
    /// For [`Domain::Other`]: it is known to be a part of the machine that no other domain contains,
    /// so it counts beside them.
    pub apart: bool,
    /// For [`Domain::System`]: it is what a power supply gives, which is contained in what the supply
    /// takes.
    pub output: bool,
    /// Domains that it contains besides its own: the memory of a module, the graphics of an APU. No
    /// model of such a part is added to it.
    pub contains: Vec<Domain>,
}

impl Channel {
    /// A channel that is in no other device and always fresh, of whose gain nothing is known.
    #[must_use]
    pub fn new(
        probe: &str,
        domain: Domain,
        device: &str,
        kind: Kind,
        method: Method,
        unit: f64,
    ) -> Self {
        Self {
            probe: probe.to_owned(),
            domain,
            device: device.to_owned(),
            inside: None,
            identity: None,
            kind,
            method,
            unit,
            relative_error: None,
            period: Seconds(0.0),
            averaging: Seconds(0.0),
            model: None,
            highest: None,
            overlap: Overlap::default(),
        }
    }

    /// The power that a number of raw units stands for.
    #[must_use]
    pub fn watts(&self, raw: u64) -> Watts {
        Watts(raw as f64 * self.unit)
    }

    /// The energy that a number of raw units of a counter stands for.
    #[must_use]
    pub fn joules(&self, raw: u64) -> Joules {
        Joules(raw as f64 * self.unit)
    }

    /// What makes this description unusable, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if !UNITS.contains(&self.unit) {
            let (low, high) = (UNITS.start(), UNITS.end());
            return Some(format!("unit {}, expected {low:e} to {high:e}", self.unit));
        }
        if self.kind == (Kind::Counter { range: Some(0) }) {
            return Some("range 0, expected 1 or more, or none".to_owned());
        }
        if let Some(highest) = self.highest.filter(|highest| highest.0.is_nan() || highest.0 <= 0.0)
        {
            return Some(format!("highest {highest}, expected more than 0 W, or none"));
        }
        let numbers = [
            ("relative_error", self.relative_error.unwrap_or(0.0)),
            ("period", self.period.0),
            ("averaging", self.averaging.0),
        ];
        let (name, value) =
            numbers.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))?;
        Some(format!("{name} {value}, expected a finite number from 0 on"))
    }
}

/// A raw unit is between 1 fJ (or fW) and 1 GJ (or GW): a wide guess at what hardware shows.
pub(crate) const UNITS: std::ops::RangeInclusive<f64> = 1e-15..=1e9;

/// Why a channel could not be read this time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("probe `{probe}` failed to read `{device}`: {reason}")]
pub struct ReadError {
    /// The source.
    pub probe: String,
    /// The channel's device.
    pub device: String,
    /// The reason, in words.
    pub reason: String,
}

/// Why a source is not available, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

/// Something that can be read: a tree of files, a plugin, a model, or your own sensor.
///
/// A source reports raw values only. The meter follows counters through their wraps, converts
/// units, integrates powers and computes intervals, all from what [`Source::channels`] says.
/// Hand a source to a meter with [`Builder::source`](crate::Builder::source).
pub trait Source: Send {
    /// Its channels. Their order never changes; new channels are added at the end.
    fn channels(&self) -> &[Channel];

    /// Whether a reading may take longer than some microseconds or hang. Such a source is read on a
    /// thread of its own, so that it delays no other; one that never blocks is read by the thread
    /// that begins or ends a span, which is closer to the span's ends.
    fn may_block(&self) -> bool {
        true
    }

    /// Looks for channels that were not there before, and returns whether there are any. It is
    /// called once a second, and only if the source does not block.
    fn rescan(&mut self) -> bool {
        false
    }

    /// Reads the raw value of one channel, given by its index in [`Source::channels`].
    ///
    /// # Errors
    ///
    /// If it cannot be read now; it may be readable again later.
    fn read(&mut self, channel: usize) -> Result<u64, ReadError>;
}
