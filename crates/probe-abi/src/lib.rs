#![doc = include_str!("../README.md")]
#![no_std]
#![expect(unsafe_code, reason = "this crate is the interface to C")]

mod channel;
mod glue;
mod probe;
mod table;

pub use crate::{
    channel::{Channel, Domain, Kind, RawChannel},
    glue::{PANICKED, UNKNOWN_OPTION},
    probe::{Failure, Options, Probe},
    table::{
        ABI, CONFIGURE, ChannelsFn, CloseFn, Configure, Entry, ExtensionFn, Functions, OpenFn,
        ProbeTable, REASON, ReadFn, Reason, ReasonFn, Refusal, SetFn,
    },
};

#[cfg(test)]
mod tests;
