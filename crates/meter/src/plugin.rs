//! Loads probes from shared libraries; the only unsafe code of this crate.
#![expect(unsafe_code, reason = "calls into probes through the C interface")]

use std::{
    ffi::{CStr, c_char, c_void},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    ptr,
};

use libloading::Library;
use probe_abi::{ABI, Entry, Functions, PANICKED, RawChannel, Refusal, Table};
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
    /// Anybody may change the file or put another in its place, and it would run with our rights.
    #[error(
        "plugin `{}` can be replaced by everybody; run `chmod o-w {}`",
        path.display(),
        culprit.display()
    )]
    WorldWritable {
        /// The plugin.
        path: PathBuf,
        /// What can be written: the file or its folder.
        culprit: PathBuf,
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
    #[error("plugin `{}` speaks abi {found}, this meter speaks {ABI}; build it again", path.display())]
    Abi {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It answers no table, a short one, or one without functions.
    #[error("plugin `{}` answers no table of abi {ABI}: {refusal:?}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
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
        /// What to do about it, in the probe's words.
        remedy: Option<String>,
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
    /// If the file is not a probe of this version, may be written by everybody, or its hardware is
    /// not here ([`LoadError::Open`]).
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let missing = |source| LoadError::File { path: path.to_owned(), source };
        // Also because a bare name would be searched for in the system's folders.
        let path = path.canonicalize().map_err(missing)?;
        if let Some(culprit) = world_writable(&path).map_err(missing)? {
            return Err(LoadError::WorldWritable { path, culprit });
        }
        let fail = |source| LoadError::Library { path: path.clone(), source };
        // SAFETY: loading runs the library's constructors; the user named this file.
        let library = Box::leak(Box::new(unsafe { Library::new(&path) }.map_err(fail)?));
        // SAFETY: the symbol is an `Entry` by the contract of the interface.
        let entry = unsafe { library.get::<Entry>(b"wattlab_probe\0") }.map_err(fail)?;
        // SAFETY: the entry may be called at any time.
        let answer = unsafe { entry() };
        // SAFETY: by the contract the answer starts with version and size and is static; the
        // library is never unloaded.
        match unsafe { Table::check(answer) } {
            Ok(table) => Self::open(table),
            Err(Refusal::Abi(found)) => Err(LoadError::Abi { path, found }),
            Err(refusal) => Err(LoadError::Table { path, refusal }),
        }
    }

    /// Opens a probe that is linked into this program: the way to test one without a file.
    ///
    /// # Errors
    ///
    /// If its hardware is not here or its channels make no sense.
    pub fn open(table: &'static Table) -> Result<Self, LoadError> {
        let name = table.name().to_owned();
        let Some(functions) = table.functions() else {
            return Err(LoadError::Table { path: name.into(), refusal: Refusal::Incomplete });
        };
        let mut state = ptr::null_mut();
        let mut reason = [0_u8; 512];
        // The last byte stays 0 whatever the probe writes.
        let size = (reason.len() - 1) as u32;
        // SAFETY: both places are valid for the sizes that are passed.
        let code =
            unsafe { (functions.open)(&mut state, reason.as_mut_ptr().cast::<c_char>(), size) };
        if code != 0 {
            let text = CStr::from_bytes_until_nul(&reason).unwrap_or_default().to_string_lossy();
            let (reason, remedy) = match text.split_once('\n') {
                Some((reason, remedy)) => (reason.to_owned(), Some(remedy.to_owned())),
                None if text.is_empty() => ("it gives no reason".to_owned(), None),
                None => (text.into_owned(), None),
            };
            return Err(LoadError::Open { name, code, reason, remedy });
        }
        // From here on, dropping the plugin closes it.
        let mut plugin = Self { name, functions, state, channels: Vec::new() };
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
        let count = unsafe { (self.functions.channels)(self.state, raw.as_mut_ptr(), capacity) };
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
        // NaN and negative values tell nothing.
        let relative_error = if raw.relative_error > 0.0 { raw.relative_error } else { 0.0 };
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
            identity: None,
            kind,
            method,
            unit: raw.unit,
            relative_error,
            period: Seconds(raw.period_ns as f64 * 1e-9),
            averaging: Seconds(0.0),
            model: None,
        })
    }
}

/// The file or its folder, if everybody may write there. A sticky folder (like `/tmp`) is fine: in
/// it nobody can replace the files of others.
fn world_writable(path: &Path) -> io::Result<Option<PathBuf>> {
    if fs::metadata(path)?.permissions().mode() & 0o002 != 0 {
        return Ok(Some(path.to_owned()));
    }
    let Some(folder) = path.parent() else { return Ok(None) };
    let mode = fs::metadata(folder)?.permissions().mode();
    Ok((mode & 0o002 != 0 && mode & 0o1000 == 0).then(|| folder.to_owned()))
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
                device: self.channels.get(channel).map(|it| it.device.clone()).unwrap_or_default(),
                reason: match code {
                    PANICKED => "the probe panicked".to_owned(),
                    code => format!("code {code}"),
                },
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
