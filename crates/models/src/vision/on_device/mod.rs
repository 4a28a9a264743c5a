//! Vision networks on a device.

mod layers;
mod network;
#[cfg(test)]
mod tests;

pub(super) use self::network::{DeviceImages, DeviceNetwork};
