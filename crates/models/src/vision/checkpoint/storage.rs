//! Tensors from the bytes of their storages.

use candle_core::{DType, Device, Tensor};

use super::pickle::{NumberType, Storage, TensorView};

impl NumberType {
    /// candle's type for floats; `None` for numbers that are not used.
    pub(super) fn dtype(self) -> Option<DType> {
        match self {
            Self::F64 => Some(DType::F64),
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::Bf16 => Some(DType::BF16),
            Self::Unused(_) => None,
        }
    }
}

impl Storage {
    /// Size in bytes.
    pub(super) fn bytes(&self) -> Result<usize, String> {
        let each = self.kind.bytes();
        let too_large = || format!("storage `{}` has {} numbers, too many", self.key, self.length);
        self.length.checked_mul(each).ok_or_else(too_large)
    }
}

/// Reads a tensor from its storage's bytes and converts it to contiguous float32.
pub(super) fn tensor(view: &TensorView, dtype: DType, bytes: &[u8]) -> Result<Tensor, String> {
    let beyond = || format!("shape {:?} is larger than its storage", view.shape);
    let size = dtype.size_in_bytes();
    let length = bytes.len() / size;
    let count = view.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let count = count.ok_or_else(beyond)?;
    let last = last(view).ok_or_else(beyond)?;
    // A shape with more numbers than the storage would need an axis of stride 0, which no trained tensor
    // has.
    let fits = last < length && count <= length && view.shape.len() == view.strides.len();
    if count == 0 || !fits {
        return Err(beyond());
    }
    let gathered: Vec<u8>;
    let numbers = if contiguous(&view.shape) == view.strides {
        &bytes[view.offset * size..][..count * size]
    } else {
        let numbers = (0..count).flat_map(|index| {
            let (mut at, mut left) = (view.offset, index);
            for (size, stride) in view.shape.iter().zip(&view.strides).rev() {
                at += left % size * stride;
                left /= size;
            }
            &bytes[at * size..][..size]
        });
        gathered = numbers.copied().collect();
        &gathered
    };
    Tensor::from_raw_buffer(numbers, dtype, &view.shape, &Device::Cpu)
        .and_then(|tensor| tensor.to_dtype(DType::F32))
        .map_err(|error| error.to_string())
}

/// Index of the last number in the storage; `None` if it overflows.
fn last(view: &TensorView) -> Option<usize> {
    view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (size, stride)| {
        at.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
    })
}

/// The strides of a contiguous tensor.
fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
