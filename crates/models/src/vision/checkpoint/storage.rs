//! Tensors out of storages.

use candle_core::{DType, Device, Tensor};

use super::pickle::{Kind, Storage, View};

impl Kind {
    /// Of floats.
    pub(super) fn dtype(self) -> Option<DType> {
        match self {
            Self::F64 => Some(DType::F64),
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::Bf16 => Some(DType::BF16),
            Self::Whole(_) => None,
        }
    }
}

impl Storage {
    pub(super) fn bytes(&self) -> Result<usize, String> {
        let each = match self.kind {
            Kind::F64 => 8,
            Kind::F32 => 4,
            Kind::F16 | Kind::Bf16 => 2,
            Kind::Whole(bytes) => usize::from(bytes),
        };
        let beyond = || format!("storage `{}` has {} numbers", self.key, self.length);
        self.length.checked_mul(each).ok_or_else(beyond)
    }
}

/// A tensor, as float32 and compact whatever its strides, out of its storage's bytes.
pub(super) fn tensor(view: &View, dtype: DType, bytes: &[u8]) -> Result<Tensor, String> {
    let beyond = || format!("shape {:?} lies beyond its storage", view.shape);
    let size = dtype.size_in_bytes();
    let length = bytes.len() / size;
    let count = view.shape.iter().try_fold(1_usize, |all, it| all.checked_mul(*it));
    let count = count.ok_or_else(beyond)?;
    let last = last(view).ok_or_else(beyond)?;
    // More numbers than there are would mean an axis that repeats them: no trained tensor has one.
    let fits = last < length && count <= length && view.shape.len() == view.strides.len();
    if count == 0 || !fits {
        return Err(beyond());
    }
    let gathered: Vec<u8>;
    let numbers = if compact(&view.shape) == view.strides {
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
        .and_then(|it| it.to_dtype(DType::F32))
        .map_err(|error| error.to_string())
}

/// The place of the last number.
fn last(view: &View) -> Option<usize> {
    view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (size, stride)| {
        at.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
    })
}

/// The strides of a tensor whose last axis is contiguous.
fn compact(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
