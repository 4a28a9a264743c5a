//! The device that was asked for.

use models::{Device, DeviceError};

use crate::Failure;

/// By its name; one that cannot be had is bad input.
///
/// # Errors
///
/// If there is no such device, or this program cannot use it.
pub fn device(name: &str) -> Result<Device, Failure> {
    Device::named(name).map_err(|error| match error {
        DeviceError::Driver { .. } => Failure::run_time(error),
        error => Failure::bad_input(error),
    })
}

/// What only the CPU does.
#[must_use]
pub fn cpu_only(what: &'static str, device: &Device) -> DeviceError {
    DeviceError::CpuOnly { what, name: device.name().to_owned() }
}
