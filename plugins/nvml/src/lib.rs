//! Energy of NVIDIA GPUs through NVML, found at run time.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use nvml_wrapper::{Nvml, error::NvmlError};
use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};

/// One GPU.
struct Gpu {
    index: u32,
    uuid: String,
    /// Since Volta a GPU counts its energy; older ones tell their power only.
    kind: Kind,
}

/// Every GPU that the driver shows.
struct NvidiaGpus {
    nvml: Nvml,
    gpus: Vec<Gpu>,
}

fn failure(error: &NvmlError) -> Failure {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Failure {
            code: -1,
            reason: "the library `libnvidia-ml.so.1` was not found\ninstall the NVIDIA driver",
        },
        NvmlError::DriverNotLoaded => Failure {
            code: -2,
            reason: "the NVIDIA driver is not loaded\nrun `nvidia-smi` as root: it loads the driver or tells why not",
        },
        NvmlError::NoPermission => Failure {
            code: -3,
            reason: "no permission to read the GPUs\ngive yourself the right to read and write /dev/nvidia*",
        },
        _ => Failure { code: -4, reason: "NVML failed\n`nvidia-smi` tells more" },
    }
}

impl NvidiaGpus {
    fn find(nvml: Nvml) -> Result<Self, NvmlError> {
        let mut gpus = Vec::new();
        for index in 0..nvml.device_count()? {
            let device = nvml.device_by_index(index)?;
            let kind = match device.total_energy_consumption() {
                Ok(_) => Kind::Counter,
                Err(NvmlError::NotSupported) => Kind::Power,
                Err(error) => return Err(error),
            };
            gpus.push(Gpu { index, uuid: device.uuid()?, kind });
        }
        Ok(Self { nvml, gpus })
    }

    fn value(&self, gpu: &Gpu) -> Result<u64, NvmlError> {
        let device = self.nvml.device_by_index(gpu.index)?;
        match gpu.kind {
            Kind::Counter => device.total_energy_consumption(),
            Kind::Power => device.power_usage().map(u64::from),
        }
    }
}

impl Probe for NvidiaGpus {
    const NAME: &'static CStr = c"nvml";

    fn open(_: &Options) -> Result<Self, Failure> {
        let found = Nvml::init().and_then(Self::find).map_err(|error| failure(&error))?;
        if found.gpus.is_empty() {
            return Err(Failure {
                code: -5,
                reason: "the driver shows no GPU\ncheck `nvidia-smi -L`",
            });
        }
        Ok(found)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for gpu in &self.gpus {
            describe(Channel {
                // Not documented by NVIDIA: 100 ms is a cautious assumption.
                period_ns: 100_000_000,
                // NVML's reference states ±5 % for Fermi and Kepler boards and nothing for later
                // ones; the same is assumed for all.
                relative_error: 0.05,
                // Millijoules and milliwatts.
                ..Channel::new(gpu.kind, Domain::Gpu, &gpu.uuid, 1e-3)
            });
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        let gpu = self.gpus.get(channel).ok_or(Failure { code: -6, reason: "no such channel" })?;
        self.value(gpu).map_err(|error| failure(&error))
    }
}

probe_abi::export!(NvidiaGpus);
