//! The operations that use most of the time, on the CPU. Those of training have hand-written backward passes
//! and keep their buffers from step to step.
//!
//! Training stores images in blocks of 16 with the layout `[N/16][C][H][W][16]`: one AVX-512 register holds
//! one pixel of 16 images, so that no operation of a convolution block combines lanes of a register. Work is
//! split into a fixed number of tasks, and their partial sums are added in order, so that results do not
//! depend on the number of threads. Convolutions of other shapes are matrix products (`columns.rs`). Inference
//! has another layout, see [`image`].
#![expect(unsafe_code, reason = "SIMD kernels over raw blocks")]
#![expect(clippy::too_many_arguments, reason = "a kernel takes its buffers and shapes one by one")]
#![expect(clippy::needless_range_loop, reason = "loops over registers by constant indices")]

mod adam;
mod axis;
mod block16;
pub(crate) mod bytes;
mod columns;
mod conv_block;
pub(crate) mod image;
mod instructions;
mod lanes;
mod linear;
mod loss;
mod matrix;
mod pack;
mod panel;
mod product;
#[cfg(test)]
mod tests;
mod tile;

pub use self::instructions::{InstructionSet, LANES_VARIABLE, LanesError};
pub(crate) use self::{
    adam::{Moments, adam_step, adam_w_step},
    axis::Axis,
    block16::{to_blocks, to_rows},
    columns::Columns,
    conv_block::{BatchNorm, ConvBlock, Dims, Passes},
    linear::Linear,
    loss::{Entropy, cross_entropy, largest},
    matrix::Matrix,
    product::{Out, Product, Right},
};

/// Images in a block.
pub(crate) const LANES: usize = 16;

/// Number of tasks that a batch is split into, for any number of threads.
const TASKS: usize = 8;

use candle_core::{CpuStorage, Layout, Result, Storage, bail};

/// The values of a contiguous float32 tensor on the CPU.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("a kernel needs a contiguous tensor, got {layout:?}"),
    }
}

/// A tensor's storage, if it is on the CPU.
pub(crate) fn cpu_storage(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(cpu) => Ok(cpu),
        _ => bail!("a CPU kernel was given a tensor of another device"),
    }
}

/// A buffer of which each task writes its own part.
#[derive(Clone, Copy)]
struct Parts(*mut f32);

// SAFETY: tasks write disjoint parts.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Parts {
    /// A pointer to the float at an index.
    ///
    /// # Safety
    ///
    /// The index is inside the buffer, and no other task accesses the floats that are read or written
    /// through the pointer.
    unsafe fn at(&self, index: usize) -> *mut f32 {
        // SAFETY: the caller's contract.
        unsafe { self.0.add(index) }
    }
}
