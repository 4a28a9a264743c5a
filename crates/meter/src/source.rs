//! Sources: what can be read, in raw values.

use units::{Domain, Joules, Method, Seconds, Watts};

/// What a raw value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Energy since some start; wraps at `range` raw units, if at all.
    Counter {
        /// See [`crate::Counter`].
        range: Option<u64>,
    },
    /// Power now.
    Power,
}

/// A readable quantity of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// The source's name.
    pub probe: String,
    /// What it covers.
    pub domain: Domain,
    /// Which device: `package-0`, a GPU's UUID, ….
    pub device: String,
    /// The device this one lies inside, for a sub-domain: `package-0` of its cores.
    pub inside: Option<String>,
    /// What two ways of reading one counter share (`rapl/package-0`, a GPU's UUID): channels of one
    /// identity are copies of each other.
    pub identity: Option<String>,
    /// Counter or power.
    pub kind: Kind,
    /// How readings become joules.
    pub method: Method,
    /// Joules (counter) or watts (power) of one raw unit.
    pub unit: f64,
    /// Half-width of the 95 % interval of the sensor's gain, relative.
    pub relative_error: f64,
    /// Time between updates of the value; 0 if it is always fresh.
    pub period: Seconds,
    /// Time over which the sensor averages a power before it shows it; 0 if it does not.
    pub averaging: Seconds,
    /// For a model: which, in words.
    pub model: Option<String>,
}

impl Channel {
    /// A channel of its own: inside no other, always fresh, without an error of its gain.
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
            relative_error: 0.0,
            period: Seconds(0.0),
            averaging: Seconds(0.0),
            model: None,
        }
    }

    /// The power that so many raw units are.
    #[must_use]
    pub fn watts(&self, raw: u64) -> Watts {
        Watts(raw as f64 * self.unit)
    }

    /// The energy of so many raw units of a counter.
    #[must_use]
    pub fn joules(&self, raw: u64) -> Joules {
        Joules(raw as f64 * self.unit)
    }
}

/// Why a channel could not be read this time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("probe `{probe}` failed to read `{device}`: {reason}")]
pub struct ReadError {
    /// The source.
    pub probe: String,
    /// The channel's device.
    pub device: String,
    /// In words.
    pub reason: String,
}

/// Why a source is not there, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

/// Something that can be read: a tree of files, a plugin, a model.
pub trait Source: Send {
    /// Its channels. Their order never changes; new ones come at the end.
    fn channels(&self) -> &[Channel];

    /// Looks for channels that were not there before; true if there are any.
    fn rescan(&mut self) -> bool {
        false
    }

    /// Reads one channel's raw value.
    ///
    /// # Errors
    ///
    /// If it cannot be read now; it may be readable again later.
    fn read(&mut self, channel: usize) -> Result<u64, ReadError>;
}
