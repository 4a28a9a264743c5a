//! Energy of NVIDIA GPUs through NVML, which is loaded at run time.
#![forbid(unsafe_code)]

use std::ffi::{CStr, OsStr};

use nvml_wrapper::{Nvml, error::NvmlError};
use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};

/// The library that the driver installs, and the name that its development files add.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// Half-width of the 95 % interval of the gain.
///
/// NVML's reference states ±5 % for Fermi and Kepler boards and nothing for later ones. Meters in the
/// supply lines of five boards found nvidia-smi's energy to be 0.940 and 0.951 (RTX 3090), 0.943 (RTX
/// 4090), 0.945 (RTX A5000), 0.943 (A100) and 1.031 (Tesla K40m) of the truth (Yang, Adamek, Armour,
/// SC24, and their published traces). So the truth is 3 % below to 6 % above the reading; the rest
/// is for boards that were not measured.
const GAIN: f64 = 0.1;

/// Nanoseconds over which the reading of a power may be averaged: the driver shows a mean over 1 s on
/// Ampere and later boards, and over 25 ms to 100 ms on others, and does not say which (the same
/// source). The counter is not known to be averaged.
fn averaging_ns(kind: Kind) -> u64 {
    match kind {
        Kind::Power => 1_000_000_000,
        Kind::Counter => 0,
    }
}

/// One GPU.
struct Gpu {
    index: u32,
    /// Its UUID, or `gpu-INDEX` if the UUID cannot be read.
    name: String,
    /// Its UUID, or an empty text.
    identity: String,
    /// A counter since Volta; older GPUs have a power only.
    kind: Kind,
}

/// Every GPU that the driver shows.
struct NvidiaGpus {
    nvml: Nvml,
    gpus: Vec<Gpu>,
    /// GPUs whose power is listed in addition to their counter.
    with_power: Vec<usize>,
}

fn failure(error: &NvmlError) -> Failure {
    let (code, reason) = match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => (
            -1,
            "the library `libnvidia-ml.so.1` was not found\ninstall the NVIDIA driver, or name the library by the option `library`",
        ),
        NvmlError::DriverNotLoaded => (
            -2,
            "the NVIDIA driver is not loaded\nrun `nvidia-smi` as root, which loads the driver or says why it cannot",
        ),
        NvmlError::NoPermission => (
            -3,
            "no permission to read the GPUs\nmake /dev/nvidia* readable and writable for this user",
        ),
        NvmlError::GpuLost => (
            -7,
            "the GPU is lost: it does not answer on the bus\n`dmesg | grep -i xid` says why; reset the GPU or restart the machine",
        ),
        NvmlError::NotSupported => (
            -8,
            "the GPU shows neither energy nor power\nMIG and virtual GPUs have no sensor of their own; measure on the host",
        ),
        NvmlError::FailedToLoadSymbol(_) => {
            (-9, "the driver is too old: its NVML lacks a function\ninstall a newer NVIDIA driver")
        }
        NvmlError::Timeout => {
            (-10, "the driver did not answer in time\nrun `nvidia-smi` for details")
        }
        _ => (-4, "NVML failed\nrun `nvidia-smi` for details"),
    };
    Failure { code, reason }
}

/// Whether a GPU will never show this quantity, because it or its driver is too old.
fn never(error: &NvmlError) -> bool {
    matches!(error, NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_))
}

impl NvidiaGpus {
    fn find(nvml: Nvml) -> Result<Self, Failure> {
        let count = nvml.device_count().map_err(|error| failure(&error))?;
        let mut gpus = Vec::new();
        let mut last =
            Failure { code: -5, reason: "the driver shows no GPU\ncheck `nvidia-smi -L`" };
        for index in 0..count {
            match Gpu::find(&nvml, index) {
                Ok(gpu) => gpus.push(gpu),
                Err(error) => last = failure(&error),
            }
        }
        if gpus.is_empty() { Err(last) } else { Ok(Self { nvml, gpus, with_power: Vec::new() }) }
    }
}

impl Gpu {
    /// A GPU that fails now is listed anyway, so that every report says that it cannot be read. A GPU
    /// that has nothing to read is not listed.
    fn find(nvml: &Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index);
        let uuid = device.as_ref().ok().and_then(|device| device.uuid().ok());
        let mut gpu = Self {
            index,
            name: uuid.clone().unwrap_or_else(|| format!("gpu-{index}")),
            identity: uuid.unwrap_or_default(),
            kind: Kind::Counter,
        };
        if gpu.value(nvml).is_err_and(|error| never(&error)) {
            gpu.kind = Kind::Power;
            if let Err(error) = gpu.value(nvml)
                && never(&error)
            {
                return Err(error);
            }
        }
        Ok(gpu)
    }

    fn value(&self, nvml: &Nvml) -> Result<u64, NvmlError> {
        self.value_of(nvml, self.kind)
    }

    fn value_of(&self, nvml: &Nvml, kind: Kind) -> Result<u64, NvmlError> {
        let device = nvml.device_by_index(self.index)?;
        match kind {
            Kind::Counter => device.total_energy_consumption(),
            Kind::Power => device.power_usage().map(u64::from),
        }
    }
}

impl Probe for NvidiaGpus {
    const NAME: &'static CStr = c"nvml";
    const OPTIONS: &'static [&'static str] = &["library", "power"];

    fn open(options: &Options) -> Result<Self, Failure> {
        let load = |library: &str| Nvml::builder().lib_path(OsStr::new(library)).init();
        let nvml = match options.get("library") {
            Some(library) => load(library),
            None => load(LIBRARIES[0]).or_else(|first| match first {
                NvmlError::LibloadingError(_) => load(LIBRARIES[1]),
                other => Err(other),
            }),
        };
        let mut found = nvml.map_err(|error| failure(&error)).and_then(Self::find)?;
        match options.get("power") {
            None => {}
            Some("beside") => {
                let gpus = found.gpus.iter().enumerate();
                found.with_power = gpus
                    .filter(|(_, gpu)| matches!(gpu.kind, Kind::Counter))
                    .map(|(index, _)| index)
                    .collect();
            }
            Some(_) => {
                return Err(Failure {
                    code: -11,
                    reason: "the option `power` is not `beside`\nremove it, or set `power=beside`",
                });
            }
        }
        Ok(found)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for gpu in &self.gpus {
            describe(Channel {
                identity: &gpu.identity,
                // NVIDIA does not document it; 100 ms is a cautious assumption.
                period_ns: 100_000_000,
                averaging_ns: averaging_ns(gpu.kind),
                relative_error: GAIN,
                // Millijoules and milliwatts.
                ..Channel::new(gpu.kind, Domain::Gpu, &gpu.name, 1e-3)
            });
        }
        for gpu in self.with_power.iter().filter_map(|index| self.gpus.get(*index)) {
            describe(Channel {
                // The same identity as the counter, so that the meter counts one of the two.
                identity: &gpu.identity,
                period_ns: 100_000_000,
                averaging_ns: averaging_ns(Kind::Power),
                relative_error: GAIN,
                ..Channel::new(Kind::Power, Domain::Gpu, &gpu.name, 1e-3)
            });
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        let none = Failure { code: -6, reason: "no such channel" };
        let value = match channel.checked_sub(self.gpus.len()) {
            None => self.gpus[channel].value(&self.nvml),
            Some(position) => {
                let gpu = self.with_power.get(position).and_then(|index| self.gpus.get(*index));
                let gpu = gpu.ok_or(none)?;
                gpu.value_of(&self.nvml, Kind::Power)
            }
        };
        value.map_err(|error| failure(&error))
    }
}

probe_abi::export!(NvidiaGpus);
