//! Loads probes from shared libraries; the only unsafe code of this crate.
#![expect(unsafe_code, reason = "calls into probes through the C interface")]

use std::{
    ffi::{CStr, c_char, c_void},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    ptr,
};

use libloading::Library;
use probe_abi::{ABI, Entry, RawChannel, Table};
use record::{Domain, Method, Seconds};

use crate::source::{Channel, Kind, ReadError, Source};

/// More channels than this are not believed.
const MOST_CHANNELS: usize = 1024;

/// Why a probe could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be looked at.
    #[error("failed to find plugin `{}`; check the path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Anybody may change the file, and it would run with our rights.
    #[error("plugin `{}` can be written by everybody; run `chmod o-w` on it", path.display())]
    WorldWritable {
        /// The file.
        path: PathBuf,
    },
    /// Not a shared library, or it lacks the symbol `wattlab_probe`.
    #[error("failed to load plugin `{}`", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// Built for another version of the interface.
    #[error("plugin `{name}` speaks abi {found}, this meter speaks {ABI}; build it again")]
    Abi {
        /// As the probe calls itself.
        name: String,
        /// Its version.
        found: u32,
    },
    /// Its table is shorter than version 1's.
    #[error("plugin `{name}` has a table of {found} bytes, expected at least {expected}; build it again")]
    Size {
        /// As the probe calls itself.
        name: String,
        /// Its size.
        found: u32,
        /// Ours.
        expected: usize,
    },
    /// It answers no table or a table without functions.
    #[error("plugin `{}` answers no table", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
    },
    /// Its hardware is not here.
    #[error("plugin `{name}` cannot open its hardware: {reason} (code {code})")]
    Open {
        /// As the probe calls itself.
        name: String,
        /// Negative, chosen by the probe.
        code: i32,
        /// In the probe's words.
        reason: String,
    },
    /// A channel makes no sense.
    #[error("plugin `{name}`: {problem}")]
    Channel {
        /// As the probe calls itself.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// An opened probe. Its library stays loaded until the process ends.
#[derive(Debug)]
pub struct Plugin {
    name: String,
    table: &'static Table,
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
    /// If the file is not a probe of this version, may be written by everybody, or its hardware is
    /// not here ([`LoadError::Open`]).
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let metadata = std::fs::metadata(path)
            .map_err(|source| LoadError::File { path: path.to_owned(), source })?;
        if metadata.permissions().mode() & 0o002 != 0 {
            return Err(LoadError::WorldWritable { path: path.to_owned() });
        }
        // A bare name would be searched for in the system's folders.
        let path = path
            .canonicalize()
            .map_err(|source| LoadError::File { path: path.to_owned(), source })?;
        let fail = |source| LoadError::Library { path: path.clone(), source };
        // SAFETY: loading runs the library's constructors; the user named this file.
        let library = Box::leak(Box::new(unsafe { Library::new(&path) }.map_err(fail)?));
        // SAFETY: the symbol is an `Entry` by the contract of the interface.
        let entry = unsafe { library.get::<Entry>(b"wattlab_probe\0") }.map_err(fail)?;
        // SAFETY: the entry may be called at any time; the library is never unloaded.
        let table = unsafe { entry() };
        if table.is_null() {
            return Err(LoadError::NoTable { path });
        }
        // SAFETY: the table is static, not null, and starts with `abi` and `size`, which are read
        // before anything else is believed.
        Self::open(unsafe { &*table })
    }

    /// Opens a probe that is linked into this program: the way to test one without a file.
    ///
    /// # Errors
    ///
    /// As [`Plugin::load`].
    pub fn open(table: &'static Table) -> Result<Self, LoadError> {
        if table.abi != ABI {
            return Err(LoadError::Abi { name: name_of(table), found: table.abi });
        }
        let name = name_of(table);
        if (table.size as usize) < size_of::<Table>() {
            let expected = size_of::<Table>();
            return Err(LoadError::Size { name, found: table.size, expected });
        }
        let mut state = ptr::null_mut();
        let mut reason = [0_u8; 256];
        let size = (reason.len() - 1) as u32;
        // SAFETY: both places are valid for the sizes that are passed.
        let code = unsafe { (table.open)(&mut state, reason.as_mut_ptr().cast::<c_char>(), size) };
        if code != 0 {
            let text = CStr::from_bytes_until_nul(&reason).unwrap_or_default();
            let reason = match text.to_string_lossy() {
                text if text.is_empty() => "it gives no reason".to_owned(),
                text => text.into_owned(),
            };
            return Err(LoadError::Open { name, code, reason });
        }
        let mut plugin = Self { name, table, state, channels: Vec::new() };
        plugin.channels = plugin.list()?;
        Ok(plugin)
    }

    /// As the probe calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Vec<Channel>, LoadError> {
        let fail = |problem: String| LoadError::Channel { name: self.name.clone(), problem };
        let mut raw = vec![RawChannel::EMPTY; MOST_CHANNELS];
        let capacity = MOST_CHANNELS as u32;
        // SAFETY: `state` came from `open`; `raw` has room for `capacity` channels.
        let count = unsafe { (self.table.channels)(self.state, raw.as_mut_ptr(), capacity) };
        let count = usize::try_from(count)
            .map_err(|_| fail(format!("listing its channels failed with code {count}")))?;
        if count > MOST_CHANNELS {
            return Err(fail(format!("{count} channels, expected at most {MOST_CHANNELS}")));
        }
        raw[..count].iter().map(|it| self.channel(it).map_err(fail)).collect()
    }

    fn channel(&self, raw: &RawChannel) -> Result<Channel, String> {
        let device = raw.device().to_owned();
        let (kind, method) = match raw.kind {
            1 => {
                let range = (raw.range > 0).then_some(raw.range);
                (Kind::Counter { range }, Method::Counter)
            }
            2 => (Kind::Power, Method::IntegratedPower),
            other => return Err(format!("channel `{device}` is of kind {other}, expected 1 or 2")),
        };
        if !(raw.unit.is_finite() && raw.unit > 0.0) {
            return Err(format!("channel `{device}` has unit {}, expected above 0", raw.unit));
        }
        Ok(Channel {
            probe: self.name.clone(),
            domain: match raw.domain {
                1 => Domain::System,
                2 => Domain::Psys,
                3 => Domain::CpuPackage,
                4 => Domain::CpuCore,
                5 => Domain::CpuUncore,
                6 => Domain::Dram,
                7 => Domain::Gpu,
                _ => Domain::Other,
            },
            device,
            inside: None,
            kind,
            method,
            unit: raw.unit,
            relative_error: if raw.relative_error.is_finite() { raw.relative_error.max(0.0) } else { 0.0 },
            period: Seconds(raw.period_ns as f64 * 1e-9),
            model: None,
        })
    }
}

fn name_of(table: &Table) -> String {
    if table.name.is_null() {
        return "unnamed".to_owned();
    }
    // SAFETY: the name is static and nul-terminated by the contract, and not null.
    unsafe { CStr::from_ptr(table.name) }.to_string_lossy().into_owned()
}

impl Source for Plugin {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let mut value = 0;
        // SAFETY: `state` came from `open`, `value` is a valid place, `&mut self` keeps calls apart.
        let code = unsafe { (self.table.read)(self.state, channel as u32, &mut value) };
        match code {
            0 => Ok(value),
            code => Err(ReadError {
                probe: self.name.clone(),
                device: self.channels.get(channel).map(|it| it.device.clone()).unwrap_or_default(),
                reason: format!("code {code}"),
            }),
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: `state` came from `open` and is not used again.
        unsafe { (self.table.close)(self.state) }
    }
}
