//! The table of functions that a plugin's entry answers.

use core::{
    ffi::{CStr, c_char, c_void},
    mem::offset_of,
};

use crate::{RawChannel, channel::text};

/// Version of the interface; a probe built for another one is refused.
pub const ABI: u32 = 1;

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
/// Answers the extension of that name, or null.
pub type ExtensionFn = unsafe extern "C" fn(id: *const c_char) -> *const c_void;
/// Sets an option for the next opening.
pub type SetFn = unsafe extern "C" fn(key: *const c_char, value: *const c_char) -> i32;
/// Why the last reading failed with this code, or null; valid until the next call.
pub type ReasonFn = unsafe extern "C" fn(state: *mut c_void, code: i32) -> *const c_char;
/// The type of a plugin's one symbol, `wattlab_probe`.
pub type Entry = unsafe extern "C" fn() -> *const Table;

/// The name of the extension that is a [`Configure`].
pub const CONFIGURE: &CStr = c"wattlab.configure/1";
/// The name of the extension that is a [`Reason`].
pub const REASON: &CStr = c"wattlab.reason/1";

/// Extension: options. Layout: `wattlab_configure` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Configure {
    pub(crate) set: Option<SetFn>,
}

/// Extension: words for failed readings. Layout: `wattlab_reason` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Reason {
    pub(crate) reason: Option<ReasonFn>,
}

/// The table that a plugin's entry answers. Layout: `wattlab_probe_table` of `probe.h`.
///
/// Safe code can only make one by [`Table::of`], so that a table in Rust hands is one that keeps
/// the contract. The functions are optional only because C can leave a field empty.
#[derive(Debug)]
#[repr(C)]
pub struct Table {
    pub(crate) abi: u32,
    pub(crate) size: u32,
    pub(crate) name: *const c_char,
    pub(crate) open: Option<OpenFn>,
    pub(crate) channels: Option<ChannelsFn>,
    pub(crate) read: Option<ReadFn>,
    pub(crate) close: Option<CloseFn>,
    /// First of the fields that a table may be too short for.
    pub(crate) extension: Option<ExtensionFn>,
}

// SAFETY: a table holds static data and function pointers only.
unsafe impl Sync for Table {}

/// What a table holds, the mandatory part all there.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// As the probe calls itself, up to where that stops being UTF-8.
    pub name: &'static str,
    /// See [`OpenFn`].
    pub open: OpenFn,
    /// See [`ChannelsFn`].
    pub channels: ChannelsFn,
    /// See [`ReadFn`].
    pub read: ReadFn,
    /// See [`CloseFn`].
    pub close: CloseFn,
    /// See [`SetFn`]; `None`: the probe has no options.
    pub set: Option<SetFn>,
    /// See [`ReasonFn`]; `None`: codes are all it tells.
    pub reason: Option<ReasonFn>,
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
    /// Bytes that every table of version 1 has: the fields up to `close`.
    pub const MANDATORY: usize = offset_of!(Self, extension);

    /// Checks what a plugin's entry answered; version and size come first, and nothing else is
    /// touched unless they fit. The table may be shorter than ours (down to
    /// [`MANDATORY`](Self::MANDATORY) bytes) or longer.
    ///
    /// # Errors
    ///
    /// If it is not a table that this crate can call.
    ///
    /// # Safety
    ///
    /// `table` is null or points to two `uint32_t`, version and size, and to a static
    /// `wattlab_probe_table` of that size if the version is [`ABI`].
    pub unsafe fn check(table: *const Self) -> Result<Functions, Refusal> {
        if table.is_null() {
            return Err(Refusal::Null);
        }
        // SAFETY: every version starts with these two numbers.
        let [abi, size] = unsafe { table.cast::<[u32; 2]>().read() };
        if abi != ABI {
            return Err(Refusal::Abi(abi));
        }
        if (size as usize) < Self::MANDATORY {
            return Err(Refusal::Size(size));
        }
        let whole = size as usize >= size_of::<Self>();
        // SAFETY: it is of our version and has these fields; the last is read only if it is there.
        let table = unsafe {
            Self {
                abi,
                size,
                name: (*table).name,
                open: (*table).open,
                channels: (*table).channels,
                read: (*table).read,
                close: (*table).close,
                extension: if whole { (*table).extension } else { None },
            }
        };
        table.functions()
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// If the name or a function is missing.
    pub fn functions(&self) -> Result<Functions, Refusal> {
        let all = || {
            let name = (!self.name.is_null()).then(|| {
                // SAFETY: a table's name is static and nul-terminated.
                text(unsafe { CStr::from_ptr(self.name) }.to_bytes())
            })?;
            Some(Functions {
                name,
                open: self.open?,
                channels: self.channels?,
                read: self.read?,
                close: self.close?,
                // SAFETY: by the contract these names stand for these types.
                set: unsafe { self.extension::<Configure>(CONFIGURE) }.and_then(|it| it.set),
                // SAFETY: the same.
                reason: unsafe { self.extension::<Reason>(REASON) }.and_then(|it| it.reason),
            })
        };
        all().ok_or(Refusal::Incomplete)
    }

    /// # Safety
    ///
    /// The extension of that name is a static `T`.
    unsafe fn extension<T: Copy>(&self, id: &CStr) -> Option<T> {
        // SAFETY: `id` is nul-terminated; the function may be called at any time.
        let found = unsafe { self.extension?(id.as_ptr()) };
        // SAFETY: by the caller's promise.
        (!found.is_null()).then(|| unsafe { found.cast::<T>().read() })
    }
}

/// Exports a [`Probe`](crate::Probe) as the plugin's one symbol.
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
