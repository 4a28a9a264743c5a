//! The table of functions that a plugin exports.

use core::{
    ffi::{CStr, c_char, c_void},
    fmt,
    mem::offset_of,
};

use crate::{RawChannel, channel::text};

/// Version of the interface. A probe that was built for another version is refused.
pub const ABI: u32 = 1;

/// Finds the hardware and creates the state.
pub type OpenFn =
    unsafe extern "C" fn(state: *mut *mut c_void, reason: *mut c_char, size: u32) -> i32;
/// Returns the number of channels and writes at most `capacity` of them.
pub type ChannelsFn =
    unsafe extern "C" fn(state: *mut c_void, out: *mut RawChannel, capacity: u32) -> i32;
/// Reads the raw value of one channel.
pub type ReadFn = unsafe extern "C" fn(state: *mut c_void, channel: u32, value: *mut u64) -> i32;
/// Frees the state.
pub type CloseFn = unsafe extern "C" fn(state: *mut c_void);
/// Returns the extension of that name, or null.
pub type ExtensionFn = unsafe extern "C" fn(id: *const c_char) -> *const c_void;
/// Sets an option for the next opening.
pub type SetFn = unsafe extern "C" fn(key: *const c_char, value: *const c_char) -> i32;
/// Returns why the last reading failed with this code, or null. The text is valid until the next call.
pub type ReasonFn = unsafe extern "C" fn(state: *mut c_void, code: i32) -> *const c_char;
/// The type of a plugin's one symbol, `wattlab_probe`.
pub type Entry = unsafe extern "C" fn() -> *const ProbeTable;

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

/// Extension: reasons of failed readings. Layout: `wattlab_reason` of `probe.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Reason {
    pub(crate) reason: Option<ReasonFn>,
}

/// The table that a plugin's entry returns. Layout: `wattlab_probe_table` of `probe.h`.
///
/// Safe code can make a table only with [`ProbeTable::of`], so a table that was made in Rust keeps the
/// contract. The functions are optional only because C can leave a field empty.
#[derive(Debug)]
#[repr(C)]
pub struct ProbeTable {
    pub(crate) abi: u32,
    pub(crate) size: u32,
    pub(crate) name: *const c_char,
    pub(crate) open: Option<OpenFn>,
    pub(crate) channels: Option<ChannelsFn>,
    pub(crate) read: Option<ReadFn>,
    pub(crate) close: Option<CloseFn>,
    /// The first field that a table of this version may lack.
    pub(crate) extension: Option<ExtensionFn>,
}

// SAFETY: a table holds static data and function pointers only.
unsafe impl Sync for ProbeTable {}

/// The functions of a table that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// The name that the probe gives itself, up to where it stops being UTF-8.
    pub name: &'static str,
    /// See [`OpenFn`].
    pub open: OpenFn,
    /// See [`ChannelsFn`].
    pub channels: ChannelsFn,
    /// See [`ReadFn`].
    pub read: ReadFn,
    /// See [`CloseFn`].
    pub close: CloseFn,
    /// See [`SetFn`]; `None` if the probe has no options.
    pub set: Option<SetFn>,
    /// See [`ReasonFn`]; `None` if the probe gives codes only.
    pub reason: Option<ReasonFn>,
}

/// Why a table cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The plugin returned null instead of a table.
    Null,
    /// The table was built for this other version of the interface.
    Abi(u32),
    /// The table has this many bytes, fewer than every table of this version has.
    Size(u32),
    /// The name or a function is missing.
    Incomplete,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("it returned no table"),
            Self::Abi(found) => write!(f, "its version is {found}, expected {ABI}"),
            Self::Size(found) => {
                write!(f, "it has {found} bytes, expected at least {}", ProbeTable::MANDATORY)
            }
            Self::Incomplete => f.write_str("its name or a function is missing"),
        }
    }
}

impl ProbeTable {
    /// Number of bytes that every table of version 1 has: the fields up to `close`.
    pub const MANDATORY: usize = offset_of!(Self, extension);

    /// Checks what a plugin's entry returned. It reads the version and the size first, and the rest
    /// only if those are valid. The table may be shorter than `Self` (down to
    /// [`MANDATORY`](Self::MANDATORY) bytes) or longer.
    ///
    /// # Errors
    ///
    /// If it is no table that this crate can call.
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
        // SAFETY: it has this version and these fields; the last one is read only if it exists.
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

    /// The table's functions.
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
                // SAFETY: by the contract the extensions of these names have these types.
                set: unsafe { self.extension::<Configure>(CONFIGURE) }.and_then(|table| table.set),
                // SAFETY: the same.
                reason: unsafe { self.extension::<Reason>(REASON) }.and_then(|table| table.reason),
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
        pub extern "C" fn wattlab_probe() -> *const $crate::ProbeTable {
            const { &$crate::ProbeTable::of::<$probe>() }
        }
    };
}
