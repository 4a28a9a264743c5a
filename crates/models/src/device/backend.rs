//! The interface that a device must provide: memory, kernels, matrix products and recordings.

use super::error::DeviceError;

/// How values are stored in memory and how matrix products are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Single precision (32 bits) throughout.
    #[default]
    Single,
    /// Stored in single precision; matrix products round their factors to 11 significant bits
    /// (NVIDIA's TF32). PyTorch's default for convolutions.
    Tf32,
    /// Stored as bfloat16; matrix products are summed in single precision.
    Bf16,
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    /// An address in the device's memory.
    Address(u64),
    /// A 32-bit integer.
    Int(i32),
    /// A 64-bit float.
    Double(f64),
}

impl From<usize> for Argument {
    /// The value must have passed `Accelerator::check_len`, or be bounded by one that has.
    fn from(value: usize) -> Self {
        Self::Int(value as i32)
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// A row-major matrix in the device's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) address: u64,
    /// Distance between the starts of two rows, in values.
    pub(crate) columns: usize,
    /// Whether the product uses its transpose.
    pub(crate) transposed: bool,
}

/// A batch of `count` matrix products `to [m][n] = left [m][k] · right [k][n]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// m, k and n: rows of the result, terms of each sum, columns of the result.
    pub(crate) size: [usize; 3],
    pub(crate) left: Matrix,
    pub(crate) right: Matrix,
    /// Address of the result.
    pub(crate) to: u64,
    /// Distance between the starts of two rows of the result, in values.
    pub(crate) columns: usize,
    pub(crate) precision: Precision,
    pub(crate) count: usize,
    /// Distance from one product of the batch to the next in `left`, `right` and `to`, in values.
    pub(crate) steps: [usize; 3],
}

impl Product {
    /// One product in single precision whose result has contiguous rows.
    pub(crate) fn single(size: [usize; 3], left: Matrix, right: Matrix, to: u64) -> Self {
        let (precision, count, steps) = (Precision::Single, 1, [0; 3]);
        Self { size, left, right, to, columns: size[2], precision, count, steps }
    }
}

/// A recorded sequence of kernels and products.
pub(crate) trait Recorded: Send {
    /// Performs the sequence once more.
    fn replay(&self) -> Result<(), DeviceError>;
}

/// A device's memory and operations. Operations run in the order of the calls; a call may return
/// before its operation is finished, except `read`, which waits.
pub(crate) trait Backend: Send + Sync {
    /// Allocates zeroed memory and returns its address.
    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError>;
    fn free(&self, address: u64);
    /// Copies bytes to the device.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Copies bytes from the device, after all operations before it.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError>;
    /// Starts a grid of thread blocks, 256 threads each.
    fn launch(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<(), DeviceError>;
    fn product(&self, product: Product) -> Result<(), DeviceError>;
    /// Records the operations that `steps` starts, without performing them.
    fn record(
        &self,
        steps: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Box<dyn Recorded>, DeviceError>;
}
