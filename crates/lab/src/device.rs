//! The device that was asked for.

use anyhow::anyhow;
use models::{Device, DeviceError};
use record::{Domain, ProbeUse};

use crate::Failure;

/// By its name; one that cannot be had is bad input.
///
/// # Errors
///
/// If there is no such device, or this program cannot use it.
pub(crate) fn device(name: &str) -> Result<Device, Failure> {
    Device::named(name).map_err(|error| match error {
        DeviceError::Driver { .. } => Failure::run_time(error),
        error => Failure::bad_input(error),
    })
}

/// Whether a sensor sees the joules of networks that run there: those of the processor alone, measured
/// or estimated, would pass for a whole run's.
///
/// # Errors
///
/// If it is a GPU, and neither it nor the whole machine has a sensor.
pub(crate) fn check_seen(name: &str, probes: &[ProbeUse]) -> Result<(), Failure> {
    let sees = |it: &ProbeUse| matches!(it.domain, Domain::Gpu | Domain::System);
    if name == "cpu" || probes.iter().any(sees) {
        return Ok(());
    }
    Err(Failure::bad_input(anyhow!(
        "--device {name}: no sensor sees a GPU here, and without its joules a run's would be those of \
         the processor alone; load the probe of GPUs by `--plugin` (docs/measuring-gpus.md)"
    )))
}

/// What only the CPU does.
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
