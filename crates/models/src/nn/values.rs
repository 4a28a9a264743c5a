//! The values of tensors, and the checks that every operation makes.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Tensor, bail};
use units::limits;

use crate::kernels::{cpu_storage, floats};

/// The tensor, contiguous in memory.
///
/// # Errors
///
/// If its values are not float32, or it is not on the CPU.
pub(super) fn ready(operation: &str, x: &Tensor) -> Result<Tensor> {
    if x.dtype() != DType::F32 {
        bail!(
            "{operation} computes in float32, but got a tensor of type {}; convert it with \
             `to_dtype(DType::F32)`",
            x.dtype().as_str()
        );
    }
    if !x.device().is_cpu() {
        bail!(
            "{operation} runs on the CPU, but got a tensor of another device; move it with \
             `to_device(&Device::Cpu)`, or use the layer of candle-nn"
        );
    }
    x.contiguous()
}

/// Calls a function with the values of a contiguous float32 tensor on the CPU.
pub(super) fn with_values<T>(x: &Tensor, of: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    of(floats(cpu_storage(&storage)?, layout)?)
}

/// A tensor of values on the CPU, without a history of operations.
pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Refuses results that are too large for any memory.
pub(super) fn check_size(operation: &str, shape: &[usize]) -> Result<()> {
    let factors: Vec<u64> = shape.iter().map(|size| *size as u64).collect();
    match limits::VALUES_IN_MEMORY.product(&factors) {
        Ok(_) => Ok(()),
        Err(error) => bail!("{operation}: a result of shape {shape:?} is too large: {error}"),
    }
}

/// The storage of a result.
pub(super) fn storage(values: Vec<f32>) -> CpuStorage {
    CpuStorage::F32(values)
}

/// The values behind a layout, for the forward pass of an operation.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    floats(storage, layout)
}

/// Sum of many values, with 16 partial sums in single precision, which the compiler vectorizes.
pub(super) fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    // Blocks of 4096, so that rounding errors do not grow with the number of values.
    for block in values.chunks(4096) {
        let (chunks, rest) = block.as_chunks::<16>();
        let mut sums = [0.0_f32; 16];
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += of(*value);
            }
        }
        total += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        total += rest.iter().map(|value| f64::from(of(*value))).sum::<f64>();
    }
    total
}

/// Sum of products of two slices of one length, computed like [`sum`].
pub(super) fn dot(left: &[f32], right: &[f32], of: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    for (left, right) in left.chunks(4096).zip(right.chunks(4096)) {
        let ((left, left_rest), (right, right_rest)) =
            (left.as_chunks::<16>(), right.as_chunks::<16>());
        let mut sums = [0.0_f32; 16];
        for (left, right) in left.iter().zip(right) {
            for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(right)) {
                *sum += of(*left, *right);
            }
        }
        total += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        let rest = left_rest.iter().zip(right_rest);
        total += rest.map(|(left, right)| f64::from(of(*left, *right))).sum::<f64>();
    }
    total
}
