//! The operations of a forward pass on a device: memory, kernels and products, without any layers.

mod memory;
mod pass;
mod product;
mod weights;

pub(super) use self::{
    memory::DeviceTensor,
    pass::{ForwardPass, KernelNames},
    weights::{DeviceWeights, bf16},
};

type Result<T> = std::result::Result<T, super::error::VisionError>;
