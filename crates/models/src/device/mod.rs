//! Devices with memory of their own.
//!
//! A [`Backend`] provides memory, kernels (`study.cu` and `vision.cu`, compiled when this crate is built)
//! and matrix products. It can record a sequence of operations and replay it. `cuda.rs` (feature `cuda`)
//! drives NVIDIA GPUs. The tests have a second backend, `emulated.rs`, that compiles the same kernels for
//! the CPU, so that a machine without a GPU checks everything except speed, cuBLAS and the driver.
#![expect(unsafe_code, reason = "driver calls, and numbers viewed as bytes")]
#![cfg_attr(
    not(any(test, feature = "cuda")),
    expect(dead_code, reason = "no backend is built without the feature `cuda`")
)]

mod accelerator;
mod backend;
mod buffer;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(test)]
mod emulated;
mod error;
#[cfg(any(test, feature = "cuda"))]
mod names;

pub use self::{accelerator::Device, backend::Precision, error::DeviceError};
pub(crate) use self::{
    accelerator::{Accelerator, DeviceSplit},
    backend::{Argument, Matrix, Product, Recorded},
    buffer::Buffer,
};
#[cfg(test)]
pub(crate) use self::{
    accelerator::{emulated, emulated_with_backend},
    names::KERNELS,
};
