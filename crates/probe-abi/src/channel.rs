//! What can be read, as it crosses the border and as a probe in Rust describes it.

/// What a channel's raw value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Energy since some start.
    Counter = 1,
    /// Power now.
    Power = 2,
}

/// The part of the machine that a channel covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Domain {
    /// None of those below.
    Other = 0,
    /// The whole machine.
    System = 1,
    /// The platform.
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

/// A readable quantity, as it crosses the border. Layout: `wattlab_channel` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawChannel {
    /// Which device: UTF-8, nul-terminated.
    pub device: [u8; 64],
    /// The device this one lies inside; empty: none.
    pub inside: [u8; 64],
    /// What every way to read this counter shares; empty: unknown.
    pub identity: [u8; 64],
    /// A [`Kind`].
    pub kind: u32,
    /// A [`Domain`].
    pub domain: u32,
    /// Joules (counter) or watts (power) of one raw unit.
    pub unit: f64,
    /// The counter wraps to 0 when it would reach this; 0: never.
    pub range: u64,
    /// Nanoseconds between updates of the value; 0: unknown.
    pub period_ns: u64,
    /// Nanoseconds over which the sensor averages a power; 0: it does not.
    pub averaging_ns: u64,
    /// Half-width of the 95 % interval of the sensor's gain, relative; 0: unknown.
    pub relative_error: f64,
}

impl RawChannel {
    /// All zero: for buffers.
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

    /// The device's name up to its nul; what is not UTF-8 ends it.
    #[must_use]
    pub fn device(&self) -> &str {
        text(&self.device)
    }

    /// The name of the device it lies inside, read the same way.
    #[must_use]
    pub fn inside(&self) -> &str {
        text(&self.inside)
    }

    /// Its identity, read the same way.
    #[must_use]
    pub fn identity(&self) -> &str {
        text(&self.identity)
    }
}

/// Up to the nul, or to where it stops being UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|it| *it == 0).unwrap_or(bytes.len());
    match core::str::from_utf8(&bytes[..end]) {
        Ok(name) => name,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

/// The longest beginning of a text that leaves room for a nul, cut between characters.
fn field(text: &str) -> [u8; 64] {
    let mut field = [0; 64];
    let end = text.floor_char_boundary(63);
    field[..end].copy_from_slice(&text.as_bytes()[..end]);
    field
}

/// A readable quantity, as a probe written in Rust describes it.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// Which device; texts are cut at 63 bytes. Together with the domain, unique within a probe.
    pub device: &'a str,
    /// The device this one lies inside (`package-0` of its cores); empty: none.
    pub inside: &'a str,
    /// What every way to read this counter shares (a UUID, a PCI address); empty: unknown.
    pub identity: &'a str,
    /// Counter or power.
    pub kind: Kind,
    /// What it covers.
    pub domain: Domain,
    /// Joules (counter) or watts (power) of one raw unit.
    pub unit: f64,
    /// The counter wraps to 0 when it would reach this; 0: never.
    pub range: u64,
    /// Nanoseconds between updates of the value; 0: unknown.
    pub period_ns: u64,
    /// Nanoseconds over which the sensor averages a power; 0: it does not.
    pub averaging_ns: u64,
    /// Half-width of the 95 % interval of the sensor's gain, relative; 0: unknown.
    pub relative_error: f64,
}

impl<'a> Channel<'a> {
    /// A channel of which nothing more is known: its other fields are 0 and empty.
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
