//! The C side of a probe written in Rust.

extern crate alloc;
extern crate std;

use alloc::boxed::Box;
use core::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{ABI, Channel, Failure, Probe, RawChannel, Table};

/// The code of a probe that panicked.
pub const PANICKED: i32 = -127;

impl Table {
    /// The table of a probe written in Rust.
    #[must_use]
    pub const fn of<P: Probe>() -> Self {
        Self {
            abi: ABI,
            size: size_of::<Self>() as u32,
            name: P::NAME.as_ptr(),
            open: Some(open::<P>),
            channels: Some(channels::<P>),
            read: Some(read::<P>),
            close: Some(close::<P>),
        }
    }
}

unsafe extern "C" fn open<P: Probe>(
    state: *mut *mut c_void,
    reason: *mut c_char,
    size: u32,
) -> i32 {
    let failure = match catch_unwind(P::open) {
        Ok(Ok(probe)) => {
            // SAFETY: the host passes a valid place for one pointer.
            unsafe { state.write(Box::into_raw(Box::new(probe)).cast()) };
            return 0;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure { code: PANICKED, reason: "the probe panicked" },
    };
    let text = failure.reason.as_bytes();
    let length = text.len().min((size as usize).saturating_sub(1));
    if size > 0 {
        // SAFETY: the host passes `size` bytes, and `length` is less than that.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), reason.cast::<u8>(), length);
            reason.add(length).write(0);
        }
    }
    failure.code.min(-1)
}

unsafe extern "C" fn channels<P: Probe>(
    state: *mut c_void,
    out: *mut RawChannel,
    capacity: u32,
) -> i32 {
    // SAFETY: `state` came from `open::<P>` and calls never overlap.
    let probe = unsafe { &*state.cast::<P>() };
    let mut count = 0_usize;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        probe.channels(&mut |channel| {
            if count < capacity as usize {
                // SAFETY: the host passes places for `capacity` channels, and `count` is less.
                unsafe { out.add(count).write(raw(&channel)) };
            }
            count += 1;
        });
    }));
    outcome.map_or(PANICKED, |()| i32::try_from(count).unwrap_or(i32::MAX))
}

fn raw(channel: &Channel<'_>) -> RawChannel {
    let mut device = [0; 64];
    let name = channel.device.as_bytes();
    let length = name.len().min(63);
    device[..length].copy_from_slice(&name[..length]);
    RawChannel {
        device,
        kind: channel.kind as u32,
        domain: channel.domain as u32,
        unit: channel.unit,
        range: channel.range,
        period_ns: channel.period_ns,
        relative_error: channel.relative_error,
    }
}

unsafe extern "C" fn read<P: Probe>(state: *mut c_void, channel: u32, value: *mut u64) -> i32 {
    // SAFETY: `state` came from `open::<P>` and calls never overlap.
    let probe = unsafe { &mut *state.cast::<P>() };
    match catch_unwind(AssertUnwindSafe(|| probe.read(channel as usize))) {
        Ok(Ok(raw)) => {
            // SAFETY: the host passes a valid place for one value.
            unsafe { value.write(raw) };
            0
        }
        Ok(Err(failure)) => failure.code.min(-1),
        Err(_) => PANICKED,
    }
}

unsafe extern "C" fn close<P: Probe>(state: *mut c_void) {
    // SAFETY: `state` came from `open::<P>` and is not used again.
    let probe = unsafe { Box::from_raw(state.cast::<P>()) };
    // A panic in a destructor must not cross the border; the state is lost either way.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(probe)));
}
