//! The flag `--device`.

use anyhow::anyhow;
use models::{Device, DeviceError};
use record::{Domain, ProbeUse};

use crate::Failure;

/// Opens a device by its name.
///
/// # Errors
///
/// If there is no such device or this program cannot use it (bad input), or if its driver fails (run time).
pub(crate) fn device(name: &str) -> Result<Device, Failure> {
    Device::named(name).map_err(|error| match error {
        DeviceError::Driver { .. } => Failure::run_time(error),
        error => Failure::bad_input(error),
    })
}

/// Checks that a sensor measures the energy of runs on a device. Without it, the energy of the CPU alone would
/// be taken for that of the whole run.
///
/// # Errors
///
/// If the device is a GPU, and no sensor measures a GPU or the whole machine.
pub(crate) fn check_seen(name: &str, probes: &[ProbeUse]) -> Result<(), Failure> {
    let sees = |probe: &ProbeUse| matches!(probe.domain, Domain::Gpu | Domain::System);
    if name == "cpu" || probes.iter().any(sees) {
        return Ok(());
    }
    Err(Failure::bad_input(anyhow!(
        "--device {name}: no sensor measures the GPU's energy, so the energy of a run would be that \
         of the CPU alone; load a probe for GPUs by `--plugin FILE` (see docs/measuring-gpus.md)"
    )))
}

/// The error for an operation that only the CPU supports.
#[must_use]
pub(crate) fn cpu_only(what: &'static str, device: &Device) -> DeviceError {
    DeviceError::CpuOnly { what, name: device.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use record::Method;

    use super::*;

    #[test]
    fn a_gpu_without_a_sensor_is_refused() {
        let uses = |domain| {
            let (probe, device) = ("probe".to_owned(), "0".to_owned());
            vec![ProbeUse { probe, domain, device, method: Method::Counter, model: None }]
        };
        for domain in [Domain::CpuProcess, Domain::CpuPackage, Domain::Dram] {
            check_seen("cpu", &uses(domain)).unwrap();
            let failure = check_seen("cuda", &uses(domain)).unwrap_err();
            assert!(format!("{failure:?}").contains("--plugin"), "{failure:?}");
        }
        assert!(check_seen("cuda:1", &[]).is_err());
        for domain in [Domain::Gpu, Domain::System] {
            check_seen("cuda:1", &uses(domain)).unwrap();
        }
    }
}
