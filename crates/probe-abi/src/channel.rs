//! The description of a channel, in the form of the C interface and in the form for probes in Rust.

/// What a channel's raw value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Energy since some start.
    Counter = 1,
    /// Power at the time of the reading.
    Power = 2,
}

/// The part of the machine that a channel covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Domain {
    /// None of the other domains.
    Other = 0,
    /// The whole machine.
    System = 1,
    /// The platform, as measured by Intel's psys counter.
    Psys = 2,
    /// A processor package.
    CpuPackage = 3,
    /// The cores of a package.
    CpuCore = 4,
    /// The uncore of a package.
    CpuUncore = 5,
    /// Memory.
    Dram = 6,
    /// A GPU board.
    Gpu = 7,
    /// A die of a package.
    CpuDie = 8,
}

/// A readable quantity, in the form of the C interface. Layout: `wattlab_channel` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawChannel {
    /// The device: UTF-8, nul-terminated.
    pub device: [u8; 64],
    /// The device that contains this one; empty if there is none.
    pub inside: [u8; 64],
    /// A name shared by every way of reading this counter; empty if unknown.
    pub identity: [u8; 64],
    /// A [`Kind`].
    pub kind: u32,
    /// A [`Domain`].
    pub domain: u32,
    /// Joules (counter) or watts (power) per raw unit.
    pub unit: f64,
    /// The counter wraps to 0 when it would reach this; 0 if it never wraps.
    pub range: u64,
    /// Nanoseconds between updates of the value; 0 if unknown.
    pub period_ns: u64,
    /// Nanoseconds over which the sensor averages a power; 0 if it does not.
    pub averaging_ns: u64,
    /// Half-width of the 95 % interval of the sensor's gain, as a share; 0 if unknown.
    pub relative_error: f64,
}

impl RawChannel {
    /// All zeros, to fill a buffer.
    pub const EMPTY: Self = Self {
        device: [0; 64],
        inside: [0; 64],
        identity: [0; 64],
        kind: 0,
        domain: 0,
        unit: 0.0,
        range: 0,
        period_ns: 0,
        averaging_ns: 0,
        relative_error: 0.0,
    };

    /// The device's name, up to its nul or to where it stops being UTF-8.
    #[must_use]
    pub fn device(&self) -> &str {
        text(&self.device)
    }

    /// The name of the device that contains this one, read in the same way.
    #[must_use]
    pub fn inside(&self) -> &str {
        text(&self.inside)
    }

    /// Its identity, read in the same way.
    #[must_use]
    pub fn identity(&self) -> &str {
        text(&self.identity)
    }
}

/// The text up to its nul, or to where it stops being UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    match core::str::from_utf8(&bytes[..end]) {
        Ok(name) => name,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

/// The longest beginning of a text that fits into a field with its nul, cut between characters.
fn field(text: &str) -> [u8; 64] {
    let mut field = [0; 64];
    let end = text.floor_char_boundary(63);
    field[..end].copy_from_slice(&text.as_bytes()[..end]);
    field
}

/// A readable quantity, as a probe written in Rust describes it.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// The device, cut to 63 bytes. Device and domain together must be unique within a probe.
    pub device: &'a str,
    /// The device that contains this one (`package-0` for its cores); empty if there is none.
    pub inside: &'a str,
    /// A name shared by every way of reading this counter (a UUID, a PCI address); empty if unknown.
    pub identity: &'a str,
    /// Counter or power.
    pub kind: Kind,
    /// The part of the machine that it covers.
    pub domain: Domain,
    /// Joules (counter) or watts (power) per raw unit.
    pub unit: f64,
    /// The counter wraps to 0 when it would reach this; 0 if it never wraps.
    pub range: u64,
    /// Nanoseconds between updates of the value; 0 if unknown.
    pub period_ns: u64,
    /// Nanoseconds over which the sensor averages a power; 0 if it does not.
    pub averaging_ns: u64,
    /// Half-width of the 95 % interval of the sensor's gain, as a share; 0 if unknown.
    pub relative_error: f64,
}

impl<'a> Channel<'a> {
    /// A channel whose other fields are 0 or empty.
    #[must_use]
    pub const fn new(kind: Kind, domain: Domain, device: &'a str, unit: f64) -> Self {
        Self {
            device,
            inside: "",
            identity: "",
            kind,
            domain,
            unit,
            range: 0,
            period_ns: 0,
            averaging_ns: 0,
            relative_error: 0.0,
        }
    }
}

impl From<&Channel<'_>> for RawChannel {
    fn from(channel: &Channel<'_>) -> Self {
        Self {
            device: field(channel.device),
            inside: field(channel.inside),
            identity: field(channel.identity),
            kind: channel.kind as u32,
            domain: channel.domain as u32,
            unit: channel.unit,
            range: channel.range,
            period_ns: channel.period_ns,
            averaging_ns: channel.averaging_ns,
            relative_error: channel.relative_error,
        }
    }
}
