//! Device memory owned by the host program.

use std::sync::Arc;

use super::{
    backend::{Argument, Backend},
    error::DeviceError,
};

/// A block of the device's memory; freed when dropped.
pub(crate) struct Buffer {
    backend: Arc<dyn Backend>,
    address: u64,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.backend.free(self.address);
    }
}

impl From<&Buffer> for Argument {
    fn from(buffer: &Buffer) -> Self {
        Self::Address(buffer.address)
    }
}

impl Buffer {
    /// Allocates zeroed memory, at least 4 bytes.
    pub(super) fn zeroed(backend: &Arc<dyn Backend>, bytes: usize) -> Result<Self, DeviceError> {
        let address = backend.allocate(bytes.max(4))?;
        Ok(Self { backend: backend.clone(), address })
    }

    /// Address of the 4-byte number at an index.
    pub(crate) fn at(&self, index: usize) -> u64 {
        self.address + 4 * index as u64
    }

    pub(crate) fn read<T: Plain>(&self, values: &mut [T]) -> Result<(), DeviceError> {
        self.backend.read(self.address, bytes_mut(values))
    }

    pub(crate) fn write<T: Plain>(&self, values: &[T]) -> Result<(), DeviceError> {
        self.backend.write(self.address, bytes(values))
    }
}

/// Numbers that can be copied as bytes.
///
/// # Safety
///
/// The type has no padding, and every bit pattern is a valid value.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: floats have no padding, and every bit pattern is a float.
unsafe impl Plain for f32 {}
// SAFETY: the same holds for integers.
unsafe impl Plain for u16 {}
// SAFETY: the same holds for integers.
unsafe impl Plain for u32 {}
// SAFETY: the same holds for integers.
unsafe impl Plain for i32 {}

fn bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: plain numbers have no padding, so all their bytes are initialized.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: plain numbers have no padding, and any bytes written are valid numbers.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}
