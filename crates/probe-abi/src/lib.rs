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
    /// For people: what is missing and what to do about it.
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

/// The table that a plugin's entry answers. Layout: `wattlab_probe_table` of `probe.h`.
#[derive(Debug)]
#[repr(C)]
pub struct Table {
    /// [`ABI`] of the probe's build.
    pub abi: u32,
    /// `size_of::<Table>()` of the probe's build; fields are only added at the end.
    pub size: u32,
    /// Static, UTF-8, nul-terminated.
    pub name: *const c_char,
    /// Finds the hardware and creates the state.
    pub open: unsafe extern "C" fn(state: *mut *mut c_void, reason: *mut c_char, size: u32) -> i32,
    /// Answers the number of channels and writes at most `capacity` of them.
    pub channels:
        unsafe extern "C" fn(state: *mut c_void, out: *mut RawChannel, capacity: u32) -> i32,
    /// Reads the raw value of one channel.
    pub read: unsafe extern "C" fn(state: *mut c_void, channel: u32, value: *mut u64) -> i32,
    /// Frees the state.
    pub close: unsafe extern "C" fn(state: *mut c_void),
}

// SAFETY: a table holds static data and function pointers only.
unsafe impl Sync for Table {}

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
