//! The operations that training spends its joules on, as candle custom operations with
//! hand-written backward passes.
//!
//! Images are blocked by 16, layout `[N/16][C][H][W][16]`: one AVX-512 register holds one pixel of
//! 16 images, so that every operation of a convolution block is a vertical one. Work is split into a
//! fixed number of tasks and their partial sums are added in order, so that results do not depend on
//! the number of threads.
#![expect(unsafe_code, reason = "SIMD kernels over raw blocks, and calls into the gemm crate")]
#![expect(clippy::too_many_arguments, reason = "a kernel takes its buffers and shapes one by one")]
#![expect(clippy::needless_range_loop, reason = "loops over registers by constant indices")]

mod adam;
mod block16;
mod conv_block;
pub(crate) mod image;
mod lanes;
mod linear;
mod loss;
#[cfg(test)]
mod tests;
mod tile;

pub(crate) use self::{
    adam::{AdamStep, Moments},
    block16::{Blocked, to_blocks},
    conv_block::{BatchNorm, ConvBlock},
    linear::Linear,
    loss::{CrossEntropy, largest},
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

/// The same of a tensor's storage.
fn cpu_floats<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    floats(cpu_storage(storage)?, layout)
}

fn cpu_storage(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(cpu) => Ok(cpu),
        _ => bail!("a CPU kernel was given a tensor of another device"),
    }
}
