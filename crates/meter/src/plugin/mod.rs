//! Loads probes from shared libraries; the only unsafe code of this crate.
#![expect(unsafe_code, reason = "calls into probes through the C interface")]

mod describe;
mod error;
mod trust;

use std::{
    ffi::{CStr, CString, c_char, c_void},
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use libloading::Library;
use probe_abi::{Entry, Functions, PANICKED, ProbeTable, RawChannel, Refusal, UNKNOWN_OPTION};

use self::{
    describe::{MOST_CHANNELS, checked_count, described, printable},
    trust::Trusted,
};
pub use self::{error::LoadError, trust::TrustFault};
use crate::source::{Channel, ReadError, Source};

/// The code of a probe that does not return from opening.
pub(crate) const HUNG: i32 = -125;

/// Time limit for loading and opening, which may take long (NVML wakes every GPU). A probe that takes
/// longer counts as hanging.
pub(crate) const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// A library keeps options between setting them and opening, so each probe is opened by one thread
/// at a time. Probes are told apart by the address of their `open` function.
static OPENING: Mutex<Vec<(usize, &'static Mutex<()>)>> = Mutex::new(Vec::new());

fn opening(functions: &Functions) -> &'static Mutex<()> {
    let key = functions.open as usize;
    let mut all = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = all.iter().find(|(known, _)| *known == key) {
        return found;
    }
    // Libraries are never unloaded, so the lock is never freed either.
    let made: &'static Mutex<()> = Box::leak(Box::default());
    all.push((key, made));
    made
}

/// An opened probe. Its library stays loaded until the process ends.
#[derive(Debug)]
pub struct Plugin {
    name: String,
    functions: Functions,
    state: *mut c_void,
    channels: Vec<Channel>,
}

// SAFETY: by the contract of the interface a probe may be called from any thread as long as calls
// do not overlap, and `&mut self` keeps them apart.
unsafe impl Send for Plugin {}

impl Plugin {
    /// Opens a probe from a shared library.
    ///
    /// # Errors
    ///
    /// If the file is not a probe of this version, others may replace it, or its hardware is missing or
    /// does not open within 10 s ([`LoadError::Open`]).
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::load_with(path, &[])
    }

    /// Opens a probe from a shared library, with options as keys and values.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load), and if the probe refuses an option ([`LoadError::Option`]).
    pub fn load_with(path: &Path, options: &[(String, String)]) -> Result<Self, LoadError> {
        Self::load_within(path, options, OPENS_WITHIN)
    }

    /// As [`load_with`](Self::load_with), with another time limit than 10 s. A probe that takes longer
    /// is abandoned with its thread ([`LoadError::Open`]).
    ///
    /// # Errors
    ///
    /// As for [`load_with`](Self::load_with).
    pub fn load_within(
        path: &Path,
        options: &[(String, String)],
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (path, options) = (path.to_owned(), options.to_vec());
        within(&stem, patience, move |name| Self::load_here_as(&path, &options, name))
    }

    /// As [`load_with`](Self::load_with), on this thread and without a time limit.
    pub(crate) fn load_here(path: &Path, options: &[(String, String)]) -> Result<Self, LoadError> {
        Self::load_here_as(path, options, &Mutex::default())
    }

    /// Loads and opens a probe. `name` becomes its name as soon as that is known.
    fn load_here_as(
        path: &Path,
        options: &[(String, String)],
        name: &Mutex<String>,
    ) -> Result<Self, LoadError> {
        let path = trusted_library(path)?;
        let fail = |source| LoadError::Library { path: path.clone(), source };
        // SAFETY: loading runs the library's constructors; the user named this file.
        let library = Box::leak(Box::new(unsafe { Library::new(&path) }.map_err(fail)?));
        // SAFETY: the symbol is an `Entry` by the contract of the interface.
        let entry = unsafe { library.get::<Entry>(b"wattlab_probe\0") }.map_err(fail)?;
        // SAFETY: the entry may be called at any time.
        let answer = unsafe { entry() };
        // SAFETY: by the contract the answer starts with version and size and is static; the
        // library is never unloaded.
        match unsafe { ProbeTable::check(answer) } {
            Ok(functions) => {
                *name.lock().unwrap_or_else(PoisonError::into_inner) = named(&functions);
                Self::start_here(functions, options)
            }
            Err(Refusal::Abi(found)) => Err(LoadError::Abi { path, found }),
            Err(refusal) => Err(LoadError::Table { path, refusal }),
        }
    }

    /// Opens a probe that is linked into this program, which tests it without a file.
    ///
    /// # Errors
    ///
    /// If its hardware is missing or its channels are not valid.
    pub fn open(table: &'static ProbeTable) -> Result<Self, LoadError> {
        Self::open_with(table, &[])
    }

    /// Opens a probe that is linked into this program, with options.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), and if the probe refuses an option.
    pub fn open_with(
        table: &'static ProbeTable,
        options: &[(String, String)],
    ) -> Result<Self, LoadError> {
        let fail = |refusal| LoadError::Table { path: "the program itself".into(), refusal };
        Self::start(table.functions().map_err(fail)?, options)
    }

    fn start(functions: Functions, options: &[(String, String)]) -> Result<Self, LoadError> {
        Self::start_within(functions, options, OPENS_WITHIN)
    }

    fn start_within(
        functions: Functions,
        options: &[(String, String)],
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let options = options.to_vec();
        within(&named(&functions), patience, move |_| Self::start_here(functions, &options))
    }

    fn start_here(functions: Functions, options: &[(String, String)]) -> Result<Self, LoadError> {
        let name = named(&functions);
        let opening = opening(&functions).lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in options {
            set(&functions, key, value).map_err(|reason| LoadError::Option {
                name: name.clone(),
                key: key.clone(),
                value: value.clone(),
                reason,
            })?;
        }
        let mut state = ptr::null_mut();
        let mut reason = [0_u8; 512];
        // The last byte stays 0, whatever the probe writes.
        let size = (reason.len() - 1) as u32;
        // SAFETY: both places are valid for the sizes that are passed.
        let code =
            unsafe { (functions.open)(&mut state, reason.as_mut_ptr().cast::<c_char>(), size) };
        drop(opening);
        if code != 0 {
            let text = CStr::from_bytes_until_nul(&reason).unwrap_or_default();
            let text = text.to_string_lossy();
            let (reason, remedy) = match text.split_once('\n') {
                Some((reason, remedy)) => (printable(reason), Some(printable(remedy))),
                None if text.is_empty() => ("it gives no reason".to_owned(), None),
                None => (printable(&text), None),
            };
            return Err(LoadError::Open { name, code, reason, remedy });
        }
        // From here on, dropping the plugin closes it.
        let mut plugin = Self { name, functions, state, channels: Vec::new() };
        plugin.channels = plugin.list()?;
        Ok(plugin)
    }

    /// The name that the probe gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Vec<Channel>, LoadError> {
        let fail = |problem: String| LoadError::Channel { name: self.name.clone(), problem };
        let mut raw = vec![RawChannel::EMPTY; MOST_CHANNELS];
        let capacity = MOST_CHANNELS as u32;
        // SAFETY: `state` came from `open`; `raw` has room for `capacity` channels.
        let count = unsafe { (self.functions.channels)(self.state, raw.as_mut_ptr(), capacity) };
        let count = checked_count(count).map_err(fail)?;
        raw[..count].iter().map(|channel| described(&self.name, channel).map_err(fail)).collect()
    }

    /// The probe's words for its last failure, or the bare code if it has none.
    fn reason(&self, code: i32) -> String {
        if let Some(reason) = self.functions.reason {
            // SAFETY: `state` came from `open`; the text is read before the next call.
            let text = unsafe {
                let text = reason(self.state, code);
                (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy())
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return format!("{} (code {code})", printable(&text));
            }
        }
        match code {
            PANICKED => "the probe panicked".to_owned(),
            code => format!("code {code}"),
        }
    }
}

/// The canonical path of a library that nobody but root, the user and the owner of this program can
/// replace. [`Plugin::load`] loads no other; check one that a plugin loads on behalf of the user.
///
/// # Errors
///
/// If it does not exist, is no file, or others can replace it ([`LoadError::Untrusted`]).
pub fn trusted_library(path: &Path) -> Result<PathBuf, LoadError> {
    let missing = |source| LoadError::File { path: path.to_owned(), source };
    // Without a folder the name would be looked for in the system's folders.
    let path = path.canonicalize().map_err(missing)?;
    // Opening a named pipe would wait for a writer.
    if !path.is_file() {
        return Err(LoadError::NotAFile { path });
    }
    match Trusted::here().fault_of(&path).map_err(missing)? {
        Some((culprit, fault)) => Err(LoadError::Untrusted { path, culprit, fault }),
        None => Ok(path),
    }
}

/// The name that a probe gives itself.
fn named(functions: &Functions) -> String {
    match printable(functions.name) {
        name if name.is_empty() => "nameless".to_owned(),
        name => name,
    }
}

/// Opens a probe on a thread of its own, which is abandoned if it takes longer than `patience`. `open`
/// may give the probe another name than `name`.
fn within(
    name: &str,
    patience: Duration,
    open: impl FnOnce(&Mutex<String>) -> Result<Plugin, LoadError> + Send + 'static,
) -> Result<Plugin, LoadError> {
    let name = Arc::new(Mutex::new(printable(name)));
    let fail = |reason: String, remedy: Option<String>| LoadError::Open {
        name: name.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        code: HUNG,
        reason,
        remedy,
    };
    let (done, opened) = mpsc::channel();
    let theirs = Arc::clone(&name);
    thread::Builder::new()
        .name("wattlab-open".to_owned())
        // A probe that opens after the time limit is dropped, which closes it.
        .spawn(move || drop(done.send(open(&theirs))))
        .map_err(|error| fail(format!("failed to start a thread to open it: {error}"), None))?;
    opened.recv_timeout(patience).unwrap_or_else(|_| {
        let reason = format!("it did not open within {} s", patience.as_secs_f64());
        Err(fail(reason, Some("check whether its device answers".to_owned())))
    })
}

/// Passes one option to a probe; on failure returns why the probe refuses it.
fn set(functions: &Functions, key: &str, value: &str) -> Result<(), String> {
    let Some(set) = functions.set else { return Err("it takes no options".to_owned()) };
    let text = |text| CString::new(text).map_err(|_| "it contains a zero byte".to_owned());
    let (key, value) = (text(key)?, text(value)?);
    // SAFETY: both are nul-terminated.
    match unsafe { set(key.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        UNKNOWN_OPTION => Err("it has no such option".to_owned()),
        code => Err(format!("code {code}")),
    }
}

impl Source for Plugin {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let mut value = 0;
        // SAFETY: `state` came from `open`, `value` is a valid place, `&mut self` keeps calls apart.
        let code = unsafe { (self.functions.read)(self.state, channel as u32, &mut value) };
        match code {
            0 => Ok(value),
            code => Err(ReadError {
                probe: self.name.clone(),
                device: self
                    .channels
                    .get(channel)
                    .map(|known| known.device.clone())
                    .unwrap_or_default(),
                reason: self.reason(code),
            }),
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: `state` came from `open` and is not used again.
        unsafe { (self.functions.close)(self.state) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use probe_abi::{Failure, Options, Probe};

    use super::*;

    static FREE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// A probe that opens only when the test lets it.
    struct Hangs;

    impl Probe for Hangs {
        const NAME: &'static CStr = c"hangs";

        fn open(_: &Options) -> Result<Self, Failure> {
            drop(FREE.1.wait_while(FREE.0.lock().unwrap(), |free| !*free).unwrap());
            Ok(Self)
        }

        fn channels(&self, _: &mut dyn FnMut(probe_abi::Channel<'_>)) {}

        fn read(&mut self, _: usize) -> Result<u64, Failure> {
            Ok(0)
        }
    }

    #[test]
    fn a_probe_that_hangs_while_it_opens_is_abandoned() {
        let functions = const { &ProbeTable::of::<Hangs>() }.functions().unwrap();
        let moment = Duration::from_millis(1);
        let error = Plugin::start_within(functions, &[], moment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin `hangs` cannot open its hardware: it did not open within 0.001 s (code -125); \
             check whether its device answers"
        );
        *FREE.0.lock().unwrap() = true;
        FREE.1.notify_all();
        assert!(Plugin::start_within(functions, &[], OPENS_WITHIN).is_ok());
    }
}
