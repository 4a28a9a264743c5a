#![doc = include_str!("../README.md")]
#![no_std]
#![expect(unsafe_code, reason = "this crate is the border to C")]

mod glue;

use core::ffi::{CStr, c_char, c_void};

pub use crate::glue::PANICKED;

/// Version of the interface; a probe built for another one is refused.
pub const ABI: u32 = 1;

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
}

/// A readable quantity, as it crosses the border. Layout: `wattlab_channel` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawChannel {
    /// Which device: UTF-8, nul-terminated.
    pub device: [u8; 64],
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
    /// Half-width of the 95 % interval of the sensor's gain, relative; 0: unknown.
    pub relative_error: f64,
}

impl RawChannel {
    /// All zero: for buffers.
    pub const EMPTY: Self = Self {
        device: [0; 64],
        kind: 0,
        domain: 0,
        unit: 0.0,
        range: 0,
        period_ns: 0,
        relative_error: 0.0,
    };

    /// The device's name up to its nul; what is not UTF-8 ends it.
    #[must_use]
    pub fn device(&self) -> &str {
        let end = self.device.iter().position(|it| *it == 0).unwrap_or(self.device.len());
        match core::str::from_utf8(&self.device[..end]) {
            Ok(name) => name,
            Err(error) => core::str::from_utf8(&self.device[..error.valid_up_to()]).unwrap_or(""),
        }
    }
}

/// A readable quantity, as a probe written in Rust describes it.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// Which device; longer names are cut at 63 bytes.
    pub device: &'a str,
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
    /// Half-width of the 95 % interval of the sensor's gain, relative; 0: unknown.
    pub relative_error: f64,
}

/// Why a probe cannot be used or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Negative, chosen by the probe.
    pub code: i32,
    /// For people: what is missing and, after a line break, what to do about it.
    pub reason: &'static str,
}

/// What a probe written in Rust implements; [`export!`] writes the C side.
pub trait Probe: Sized {
    /// Shown to people.
    const NAME: &'static CStr;

    /// Finds the hardware.
    ///
    /// # Errors
    ///
    /// If there is none, with the reason.
    fn open() -> Result<Self, Failure>;

    /// Describes every channel, in the order of their indices.
    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>));

    /// Reads a channel's raw value.
    ///
    /// # Errors
    ///
    /// If it cannot be read now.
    fn read(&mut self, channel: usize) -> Result<u64, Failure>;
}

/// Finds the hardware and creates the state.
pub type OpenFn =
    unsafe extern "C" fn(state: *mut *mut c_void, reason: *mut c_char, size: u32) -> i32;
/// Answers the number of channels and writes at most `capacity` of them.
pub type ChannelsFn =
    unsafe extern "C" fn(state: *mut c_void, out: *mut RawChannel, capacity: u32) -> i32;
/// Reads the raw value of one channel.
pub type ReadFn = unsafe extern "C" fn(state: *mut c_void, channel: u32, value: *mut u64) -> i32;
/// Frees the state.
pub type CloseFn = unsafe extern "C" fn(state: *mut c_void);

/// The table that a plugin's entry answers. Layout: `wattlab_probe_table` of `probe.h`.
///
/// Safe code can only make one by [`Table::of`], so that a table in Rust hands is one that keeps
/// the contract. The functions are optional only because C can leave a field empty.
#[derive(Debug)]
#[repr(C)]
pub struct Table {
    abi: u32,
    size: u32,
    name: *const c_char,
    open: Option<OpenFn>,
    channels: Option<ChannelsFn>,
    read: Option<ReadFn>,
    close: Option<CloseFn>,
}

// SAFETY: a table holds static data and function pointers only.
unsafe impl Sync for Table {}

/// A table's functions, all there.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// See [`OpenFn`].
    pub open: OpenFn,
    /// See [`ChannelsFn`].
    pub channels: ChannelsFn,
    /// See [`ReadFn`].
    pub read: ReadFn,
    /// See [`CloseFn`].
    pub close: CloseFn,
}

/// Why a table is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Null,
    /// It is of this version of the interface.
    Abi(u32),
    /// It has so many bytes, fewer than version 1 began with.
    Size(u32),
    /// A function or the name is missing.
    Incomplete,
}

impl Table {
    /// Checks what a plugin's entry answered; version and size come first, and nothing else is
    /// touched unless they fit.
    ///
    /// # Errors
    ///
    /// If it is not a table that this crate can call.
    ///
    /// # Safety
    ///
    /// `table` is null or points to two `uint32_t`, version and size, and to a static
    /// `wattlab_probe_table` of that size if the version is [`ABI`].
    pub unsafe fn check(table: *const Self) -> Result<&'static Self, Refusal> {
        if table.is_null() {
            return Err(Refusal::Null);
        }
        // SAFETY: every version starts with these two numbers.
        let [abi, size] = unsafe { table.cast::<[u32; 2]>().read() };
        if abi != ABI {
            return Err(Refusal::Abi(abi));
        }
        if (size as usize) < size_of::<Self>() {
            return Err(Refusal::Size(size));
        }
        // SAFETY: it is of our version, at least as long as ours, and static.
        let table = unsafe { &*table };
        if table.name.is_null() || table.functions().is_none() {
            return Err(Refusal::Incomplete);
        }
        Ok(table)
    }

    /// The probe's name, up to where it stops being UTF-8; empty if there is none.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.name.is_null() {
            return "";
        }
        // SAFETY: a table's name is static and nul-terminated.
        let bytes = unsafe { CStr::from_ptr(self.name) }.to_bytes();
        match core::str::from_utf8(bytes) {
            Ok(name) => name,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
        }
    }

    /// Its functions; `None` if one is missing.
    #[must_use]
    pub fn functions(&self) -> Option<Functions> {
        Some(Functions {
            open: self.open?,
            channels: self.channels?,
            read: self.read?,
            close: self.close?,
        })
    }
}

/// The type of a plugin's one symbol, `wattlab_probe`.
pub type Entry = unsafe extern "C" fn() -> *const Table;

/// Exports a [`Probe`] as the plugin's one symbol.
#[macro_export]
macro_rules! export {
    ($probe:ty) => {
        /// The symbol that the meter looks up.
        #[unsafe(no_mangle)]
        pub extern "C" fn wattlab_probe() -> *const $crate::Table {
            const { &$crate::Table::of::<$probe>() }
        }
    };
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "says visibly that it skips")]
mod tests;
