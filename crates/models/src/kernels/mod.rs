//! The operations that joules are spent on, each with a hand-written backward pass where training
//! needs one, on buffers that are kept from step to step.
//!
//! Images of training are blocked by 16, layout `[N/16][C][H][W][16]`: one AVX-512 register holds one
//! pixel of 16 images, so that every operation of a convolution block is a vertical one. Work is split
//! into a fixed number of tasks and their partial sums are added in order, so that results do not
//! depend on the number of threads. Inference has a layout of its own, in [`image`].
#![expect(unsafe_code, reason = "SIMD kernels over raw blocks")]
#![expect(clippy::too_many_arguments, reason = "a kernel takes its buffers and shapes one by one")]
#![expect(clippy::needless_range_loop, reason = "loops over registers by constant indices")]

mod adam;
mod block16;
mod conv_block;
pub(crate) mod image;
mod lanes;
mod linear;
mod loss;
mod pack;
mod panel;
mod product;
#[cfg(test)]
mod tests;
mod tile;

pub(crate) use self::{
    adam::{Moments, adam_step},
    block16::{to_blocks, to_rows},
    conv_block::{BatchNorm, ConvBlock, Dims, Passes},
    linear::Linear,
    loss::{Entropy, cross_entropy, largest},
    product::{Matrix, Product},
};

/// Images in a block.
pub(crate) const LANES: usize = 16;

/// Tasks that a batch is split into, whatever the number of threads.
const TASKS: usize = 8;

use candle_core::{CpuStorage, Layout, Result, Storage, bail};

/// The values of a contiguous float tensor on the CPU.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("a kernel needs a contiguous tensor, got {layout:?}"),
    }
}

/// A tensor's storage, if it is the CPU's.
fn cpu_storage(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(cpu) => Ok(cpu),
        _ => bail!("a CPU kernel was given a tensor of another device"),
    }
}

/// A buffer that tasks write disjoint parts of.
#[derive(Clone, Copy)]
struct Parts(*mut f32);

// SAFETY: each task writes its own part only.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Parts {
    /// From that float on.
    ///
    /// # Safety
    ///
    /// It lies in the buffer, and no other task touches what is read or written from there.
    unsafe fn at(&self, float: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(float) }
    }
}
