//! The trait that a probe written in Rust implements.

extern crate alloc;

use alloc::{string::String, vec::Vec};
use core::ffi::CStr;

use crate::Channel;

/// Why a probe cannot be used or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A negative number that the probe chooses.
    pub code: i32,
    /// Text for people: what is missing and, after a line break, what to do about it.
    pub reason: &'static str,
}

/// The options that the user set for this opening.
#[derive(Clone, Debug, Default)]
pub struct Options(pub(crate) Vec<(String, String)>);

impl Options {
    /// The value of a key; the last one if it was set more than once.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// A probe written in Rust; [`export!`](crate::export) writes its C functions.
pub trait Probe: Sized + 'static {
    /// The name that is shown to people.
    const NAME: &'static CStr;

    /// The keys of its options; the meter refuses any other.
    const OPTIONS: &'static [&'static str] = &[];

    /// Finds the hardware.
    ///
    /// # Errors
    ///
    /// If there is none, or an option's value is not valid.
    fn open(options: &Options) -> Result<Self, Failure>;

    /// Calls `describe` for every channel, in the order of their indices.
    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>));

    /// Reads the raw value of a channel, given by its index.
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
