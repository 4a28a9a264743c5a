//! Energy of NVIDIA GPUs through NVML, found at run time.
#![forbid(unsafe_code)]

use std::ffi::{CStr, OsStr};

use nvml_wrapper::{Nvml, error::NvmlError};
use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};

/// What the driver installs, and what its development files add.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// One GPU.
struct Gpu {
    index: u32,
    /// Its UUID, or `gpu-INDEX` if the driver does not tell it.
    name: String,
    /// The UUID again, or nothing.
    identity: String,
    /// Since Volta a GPU counts its energy; older ones tell their power only.
    kind: Kind,
}

/// Every GPU that the driver shows.
struct NvidiaGpus {
    nvml: Nvml,
    gpus: Vec<Gpu>,
    /// GPUs whose power is shown beside their counter.
    beside: Vec<usize>,
}

fn failure(error: &NvmlError) -> Failure {
    let (code, reason) = match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => (
            -1,
            "the library `libnvidia-ml.so.1` was not found\ninstall the NVIDIA driver, or name the library by the option `library`",
        ),
        NvmlError::DriverNotLoaded => (
            -2,
            "the NVIDIA driver is not loaded\nrun `nvidia-smi` as root: it loads the driver or tells why not",
        ),
        NvmlError::NoPermission => (
            -3,
            "no permission to read the GPUs\ngive yourself the right to read and write /dev/nvidia*",
        ),
        NvmlError::GpuLost => (
            -7,
            "the GPU is lost: it fell off the bus\n`dmesg | grep -i xid` tells why; reset the GPU or restart the machine",
        ),
        NvmlError::NotSupported => (
            -8,
            "the GPU tells neither energy nor power\nMIG and virtual GPUs have no sensor of their own: read the host's",
        ),
        NvmlError::FailedToLoadSymbol(_) => {
            (-9, "the driver is too old: its NVML lacks a function\ninstall a newer NVIDIA driver")
        }
        NvmlError::Timeout => (-10, "the driver did not answer in time\n`nvidia-smi` tells more"),
        _ => (-4, "NVML failed\n`nvidia-smi` tells more"),
    };
    Failure { code, reason }
}

/// Whether a GPU will never tell this quantity, because it or its driver is too old for it.
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
        if gpus.is_empty() { Err(last) } else { Ok(Self { nvml, gpus, beside: Vec::new() }) }
    }
}

impl Gpu {
    /// A GPU that fails now is taken all the same: a missing one would go unnoticed, one that
    /// cannot be read is told. Left out are those that have nothing to read.
    fn find(nvml: &Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index);
        let uuid = device.as_ref().ok().and_then(|it| it.uuid().ok());
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
                found.beside = gpus
                    .filter(|(_, it)| matches!(it.kind, Kind::Counter))
                    .map(|it| it.0)
                    .collect();
            }
            Some(_) => {
                return Err(Failure {
                    code: -11,
                    reason: "the option `power` takes `beside` only\nleave it out, or say `power=beside`",
                });
            }
        }
        Ok(found)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for gpu in &self.gpus {
            describe(Channel {
                identity: &gpu.identity,
                // Not documented by NVIDIA: 100 ms is a cautious assumption.
                period_ns: 100_000_000,
                // NVML's reference states ±5 % for Fermi and Kepler boards and nothing for later
                // ones; the same is assumed for all.
                relative_error: 0.05,
                // Millijoules and milliwatts.
                ..Channel::new(gpu.kind, Domain::Gpu, &gpu.name, 1e-3)
            });
        }
        for gpu in self.beside.iter().filter_map(|it| self.gpus.get(*it)) {
            describe(Channel {
                // One identity: the meter counts one of the two.
                identity: &gpu.identity,
                period_ns: 100_000_000,
                relative_error: 0.05,
                ..Channel::new(Kind::Power, Domain::Gpu, &gpu.name, 1e-3)
            });
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        let none = Failure { code: -6, reason: "no such channel" };
        let value = match channel.checked_sub(self.gpus.len()) {
            None => self.gpus[channel].value(&self.nvml),
            Some(beside) => {
                let gpu = self.beside.get(beside).and_then(|it| self.gpus.get(*it)).ok_or(none)?;
                gpu.value_of(&self.nvml, Kind::Power)
            }
        };
        value.map_err(|error| failure(&error))
    }
}

probe_abi::export!(NvidiaGpus);
