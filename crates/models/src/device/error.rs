//! Errors of devices.

/// Why a device cannot be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is not that of a device.
    #[error("unknown device `{name}`: expected `cpu`, `cuda` or `cuda:N` with the GPU's number N")]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// The program was built without the feature that this device needs.
    #[error(
        "device `{name}`: this program was built without CUDA; build it with `--features cuda` \
         (`cargo xtask cuda-toolkit` fetches the compiler that this needs), or use `cpu`"
    )]
    NotBuilt {
        /// The device as given.
        name: String,
    },
    /// A shared library that the device needs was not found.
    #[error("device `{name}` needs the library `{library}`, which was not found: {remedy}")]
    Library {
        /// The device as given.
        name: String,
        /// File name of the library.
        library: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The GPU's number is too large.
    #[error("no device `{name}`: the driver reports {count} GPUs, numbered from 0")]
    Absent {
        /// The device as given.
        name: String,
        /// Number of GPUs that the driver reports.
        count: usize,
    },
    /// A call of the driver or of one of its libraries failed.
    #[error("{what} failed on the device: {reason}")]
    Driver {
        /// The operation that failed.
        what: &'static str,
        /// The library's own description of the failure.
        reason: String,
    },
    /// An array is longer than the kernels' 32-bit indices can address.
    #[error(
        "an array of {values} values is too large for the device's kernels (at most 2147483647); \
         use a smaller minibatch"
    )]
    TooLarge {
        /// Length of the array.
        values: usize,
    },
    /// The operation exists on the CPU only.
    #[error("{what} is not available on device `{name}`; use `cpu`")]
    CpuOnly {
        /// The operation.
        what: &'static str,
        /// The device.
        name: String,
    },
}
