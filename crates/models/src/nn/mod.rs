//! Our kernels as operations and layers of candle, with gradients: a candle network trains fast on CPUs after a
//! change of its imports.
//!
//! The layers have the names, constructors, parameter names and initial values of candle-nn's, so that
//! `use candle_nn::{…}` becomes `use wattlab_models::nn::{…}`. What has no kernel of ours (`VarMap`,
//! `VarBuilder`, `Dropout`, …) is candle-nn's own and offered here as well. Tensors are candle's, float32 on the
//! CPU, images `[n][c][h][w]`; tensors that are not contiguous are copied first. Results do not depend on the
//! number of threads.
//!
//! ```
//! use candle_core::{DType, Device, Result, Tensor};
//! use wattlab_models::nn::{
//!     AdamW, Conv2d, Linear, Module, Optimizer, VarBuilder, VarMap, conv2d, linear, loss, max_pool2d,
//! };
//!
//! struct Network {
//!     conv: Conv2d,
//!     head: Linear,
//! }
//!
//! impl Network {
//!     fn new(vb: VarBuilder<'_>) -> Result<Self> {
//!         let conv = conv2d(1, 6, 3, Default::default(), vb.pp("conv"))?;
//!         Ok(Self { conv, head: linear(6 * 3 * 3, 4, vb.pp("head"))? })
//!     }
//! }
//!
//! impl Module for Network {
//!     fn forward(&self, images: &Tensor) -> Result<Tensor> {
//!         let x = max_pool2d(&self.conv.forward(images)?, 2)?.relu()?;
//!         self.head.forward(&x.flatten_from(1)?)
//!     }
//! }
//!
//! let vars = VarMap::new();
//! let network = Network::new(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
//! let mut optimizer = AdamW::new_lr(vars.all_vars(), 0.01)?;
//! let images = Tensor::rand(0.0_f32, 1.0, (16, 1, 8, 8), &Device::Cpu)?;
//! let labels = Tensor::arange(0_u32, 16, &Device::Cpu)?.to_vec1::<u32>()?;
//! let labels = Tensor::from_iter(labels.into_iter().map(|label| label % 4), &Device::Cpu)?;
//! let mut losses = Vec::new();
//! for _ in 0..50 {
//!     let loss = loss::cross_entropy(&network.forward(&images)?, &labels)?;
//!     optimizer.backward_step(&loss)?;
//!     losses.push(loss.to_scalar::<f32>()?);
//! }
//! assert!(losses[49] < losses[0]);
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! Where a layer differs from candle's:
//!
//! - Gradients of max-pool and ReLU at ties are torch's (see [`MaxPool2d`], [`relu`]).
//! - Gradients exist only for variables and what depends on them. candle also computes those of a batch of
//!   images, which nobody reads.
//! - Windows may overlap, and convolutions may have groups and dilation, also backward.
//! - Second derivatives are not available.

mod activation;
mod attention;
mod block;
mod convolution;
mod linear;
pub mod loss;
mod normalization;
mod optimizer;
mod pooling;
mod products;
mod values;

pub use candle_nn::{
    Activation, BatchNormConfig, Conv2dConfig, Dropout, Embedding, Func, FuncT, Init, LayerNorm,
    LayerNormConfig, Module, ModuleT, Optimizer, ParamsAdamW, SGD, Sequential, VarBuilder, VarMap,
    embedding, func, func_t, init, layer_norm, layer_norm_no_bias, ops, seq, var_builder, var_map,
};

pub use self::{
    activation::relu,
    attention::scaled_dot_product_attention,
    block::{ConvBlock, ConvBlockConfig, conv_block},
    convolution::{Conv2d, conv2d, conv2d_no_bias, convolve},
    linear::{Linear, linear, linear_b, linear_no_bias},
    normalization::{BatchNorm, batch_norm},
    optimizer::{AdamOptimizer, AdamW},
    pooling::{
        AvgPool2d, MaxPool2d, avg_pool2d, avg_pool2d_with_stride, max_pool2d,
        max_pool2d_with_stride,
    },
};
pub use record::Adam;
