//! What a probe written in Rust implements.

extern crate alloc;

use alloc::{string::String, vec::Vec};
use core::ffi::CStr;

use crate::Channel;

/// Why a probe cannot be used or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Negative, chosen by the probe.
    pub code: i32,
    /// For people: what is missing and, after a line break, what to do about it.
    pub reason: &'static str,
}

/// What the user set for this opening.
#[derive(Clone, Debug, Default)]
pub struct Options(pub(crate) Vec<(String, String)>);

impl Options {
    /// The value of a key, the last one if it was set twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(it, _)| it == key).map(|(_, value)| value.as_str())
    }
}

/// What a probe written in Rust implements; [`export!`](crate::export) writes the C side.
pub trait Probe: Sized + 'static {
    /// Shown to people.
    const NAME: &'static CStr;

    /// The keys of the options it understands; the meter refuses any other.
    const OPTIONS: &'static [&'static str] = &[];

    /// Finds the hardware.
    ///
    /// # Errors
    ///
    /// If there is none or an option's value is of no use, with the reason.
    fn open(options: &Options) -> Result<Self, Failure>;

    /// Describes every channel, in the order of their indices.
    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>));

    /// Reads a channel's raw value.
    ///
    /// # Errors
    ///
    /// If it cannot be read now.
    fn read(&mut self, channel: usize) -> Result<u64, Failure>;
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
