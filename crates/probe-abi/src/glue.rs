//! The C functions of a probe written in Rust.

extern crate alloc;
extern crate std;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{
    any::TypeId,
    ffi::{CStr, c_char, c_void},
    ptr,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use crate::{
    ABI, CONFIGURE, Configure, Failure, Options, Probe, ProbeTable, REASON, RawChannel, Reason,
};

/// The code that is returned if a probe panics.
pub const PANICKED: i32 = -127;
/// The code that is returned for an option that the probe does not know.
pub const UNKNOWN_OPTION: i32 = -126;

/// Options for the next opening, with the type of the probe that they are for.
static WAITING: Mutex<Vec<(TypeId, String, String)>> = Mutex::new(Vec::new());

/// What the state of an opened probe points to.
struct State<P> {
    probe: P,
    /// Code and reason of the last failed reading; the reason is nul-terminated.
    failure: Option<(i32, Vec<u8>)>,
}

impl<P> State<P> {
    fn fail(&mut self, failure: Failure) -> i32 {
        let code = failure.code.min(-1);
        let text = failure.reason.bytes().take_while(|byte| *byte != 0);
        self.failure = Some((code, text.chain([0]).collect()));
        code
    }
}

impl ProbeTable {
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
            extension: Some(extension::<P>),
        }
    }
}

unsafe extern "C" fn extension<P: Probe>(id: *const c_char) -> *const c_void {
    // SAFETY: the host passes a nul-terminated name.
    let id = unsafe { CStr::from_ptr(id) };
    if id == CONFIGURE && !P::OPTIONS.is_empty() {
        ptr::from_ref(const { &Configure { set: Some(set::<P>) } }).cast()
    } else if id == REASON {
        ptr::from_ref(const { &Reason { reason: Some(reason::<P>) } }).cast()
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn set<P: Probe>(key: *const c_char, value: *const c_char) -> i32 {
    // SAFETY: the host passes nul-terminated texts.
    let (key, value) = unsafe { (CStr::from_ptr(key), CStr::from_ptr(value)) };
    let key = key.to_string_lossy();
    if !P::OPTIONS.contains(&&*key) {
        // The host stops here, and these options must not affect another opening.
        drop(options::<P>());
        return UNKNOWN_OPTION;
    }
    let option = (TypeId::of::<P>(), key.into_owned(), value.to_string_lossy().into_owned());
    WAITING.lock().unwrap_or_else(PoisonError::into_inner).push(option);
    0
}

fn options<P: Probe>() -> Options {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = waiting.extract_if(.., |(probe, ..)| *probe == TypeId::of::<P>());
    Options(ours.map(|(_, key, value)| (key, value)).collect())
}

unsafe extern "C" fn open<P: Probe>(
    state: *mut *mut c_void,
    reason: *mut c_char,
    size: u32,
) -> i32 {
    let failure = match catch_unwind(|| P::open(&options::<P>())) {
        Ok(Ok(probe)) => {
            let made = Box::new(State { probe, failure: None });
            // SAFETY: the host passes a valid place for one pointer.
            unsafe { state.write(Box::into_raw(made).cast()) };
            return 0;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure { code: PANICKED, reason: "the probe panicked" },
    };
    let end = failure.reason.floor_char_boundary((size as usize).saturating_sub(1));
    if size > 0 {
        // SAFETY: the host passes `size` bytes, and `end` is less than that.
        unsafe {
            ptr::copy_nonoverlapping(failure.reason.as_ptr(), reason.cast::<u8>(), end);
            reason.add(end).write(0);
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
    let state = unsafe { &*state.cast::<State<P>>() };
    let mut count = 0_usize;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        state.probe.channels(&mut |channel| {
            if count < capacity as usize {
                // SAFETY: the host passes places for `capacity` channels, and `count` is less.
                unsafe { out.add(count).write(RawChannel::from(&channel)) };
            }
            count += 1;
        });
    }));
    outcome.map_or(PANICKED, |()| i32::try_from(count).unwrap_or(i32::MAX))
}

unsafe extern "C" fn read<P: Probe>(state: *mut c_void, channel: u32, value: *mut u64) -> i32 {
    // SAFETY: `state` came from `open::<P>` and calls never overlap.
    let state = unsafe { &mut *state.cast::<State<P>>() };
    match catch_unwind(AssertUnwindSafe(|| state.probe.read(channel as usize))) {
        Ok(Ok(raw)) => {
            // SAFETY: the host passes a valid place for one value.
            unsafe { value.write(raw) };
            0
        }
        Ok(Err(failure)) => state.fail(failure),
        Err(_) => state.fail(Failure { code: PANICKED, reason: "the probe panicked" }),
    }
}

unsafe extern "C" fn reason<P: Probe>(state: *mut c_void, code: i32) -> *const c_char {
    // SAFETY: `state` came from `open::<P>` and calls never overlap.
    let state = unsafe { &*state.cast::<State<P>>() };
    match &state.failure {
        Some((last, text)) if *last == code => text.as_ptr().cast(),
        _ => ptr::null(),
    }
}

unsafe extern "C" fn close<P: Probe>(state: *mut c_void) {
    // SAFETY: `state` came from `open::<P>` and is not used again.
    let state = unsafe { Box::from_raw(state.cast::<State<P>>()) };
    // A panic in a destructor must not reach C; the state is lost either way.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
}
