//! A probe that always reads the same power: an example to copy.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};

/// A board that always draws 42 W.
struct Constant;

impl Probe for Constant {
    const NAME: &'static CStr = c"constant";

    fn open(_: &Options) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        describe(Channel::new(Kind::Power, Domain::Other, "board-0", 1e-3));
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        match channel {
            0 => Ok(42_000),
            _ => Err(Failure { code: -2, reason: "no such channel" }),
        }
    }
}

probe_abi::export!(Constant);
