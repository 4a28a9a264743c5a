//! A forward pass under way: its tensors, and the kernels it launches.

use std::{cell::RefCell, rc::Rc};

use super::{
    Result,
    memory::{Allocation, Arena, DeviceTensor},
    weights::DeviceWeights,
};
use crate::{
    device::{Accelerator, Argument},
    vision::error::VisionError,
};

/// Limits of the attention kernel: tokens of a row, and channels of a head.
const TOKENS: usize = 512;
const HEAD: usize = 128;

/// A forward pass under way.
pub(in crate::vision) struct ForwardPass<'a> {
    pub(super) weights: &'a DeviceWeights,
    arena: Rc<RefCell<Arena>>,
    base: u64,
    /// Whether kernels are launched. A dry run only finds out how much memory is needed and uploads
    /// weights.
    pub(super) launches: bool,
}

/// Names of a kernel for 32-bit values and for bfloat16.
pub(in crate::vision) type KernelNames = (&'static str, &'static str);

impl<'a> ForwardPass<'a> {
    /// A pass whose tensors are stored from the address `base` on.
    pub(in crate::vision) fn new(weights: &'a DeviceWeights, base: u64, launches: bool) -> Self {
        Self { weights, arena: Rc::default(), base, launches }
    }
}

impl ForwardPass<'_> {
    /// The most memory that was in use at once, in bytes.
    pub(in crate::vision) fn peak(&self) -> usize {
        self.arena.borrow().peak as usize
    }

    /// Bytes of a value.
    pub(super) fn width(&self) -> usize {
        self.weights.width()
    }

    /// Allocates a tensor.
    pub(in crate::vision) fn tensor(&self, dims: &[usize]) -> DeviceTensor {
        let bytes = (dims.iter().product::<usize>() * self.width()) as u64;
        let start = self.arena.borrow_mut().take(bytes);
        let allocation = Rc::new(Allocation { arena: self.arena.clone(), start });
        let pitch = dims.last().copied().unwrap_or(1);
        DeviceTensor { allocation, address: self.base + start, dims: dims.to_vec(), pitch }
    }

    /// A range of a tensor's channels, without copying.
    pub(in crate::vision) fn channels(
        &self,
        x: &DeviceTensor,
        first: usize,
        count: usize,
    ) -> DeviceTensor {
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = count;
        }
        DeviceTensor { address: x.address + (first * self.width()) as u64, dims, ..x.clone() }
    }

    /// A tensor's address as a kernel's argument.
    pub(in crate::vision) fn address(&self, x: &DeviceTensor) -> Argument {
        Argument::Address(x.address)
    }

    /// Launches a kernel on a grid of thread blocks.
    pub(in crate::vision) fn launch(
        &self,
        names: KernelNames,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<()> {
        if self.launches && !grid.contains(&0) {
            let name = if self.width() == 2 { names.1 } else { names.0 };
            self.weights.accelerator.backend().launch(name, grid, arguments)?;
        }
        Ok(())
    }

    /// Launches a kernel with one thread for each of `len` values; `len` becomes its last argument.
    pub(in crate::vision) fn launch_per_value(
        &self,
        names: KernelNames,
        len: usize,
        arguments: &[Argument],
    ) -> Result<()> {
        Accelerator::check_len(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [len.div_ceil(256), 1, 1], &arguments)
    }

    /// Launches a kernel with one thread for each 16 bytes of `len` values; `len` becomes its last
    /// argument.
    pub(super) fn launch_per_pack(
        &self,
        names: KernelNames,
        len: usize,
        arguments: &[Argument],
    ) -> Result<()> {
        Accelerator::check_len(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [(len * self.width()).div_ceil(16 * 256), 1, 1], &arguments)
    }

    /// Whether pixels with this address, pitch and number of channels consist of aligned packs of 16 bytes.
    pub(super) fn is_packed(&self, (address, pitch): (u64, usize), channels: usize) -> bool {
        let len = 16 / self.width();
        address.is_multiple_of(16) && pitch.is_multiple_of(len) && channels.is_multiple_of(len)
    }

    /// An array of floats on the device. `owner` and `part` identify it; `values` are uploaded the first
    /// time.
    pub(in crate::vision) fn floats(
        &self,
        owner: usize,
        part: usize,
        values: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Argument> {
        self.weights.buffer(owner, part, |accelerator| Ok(accelerator.upload(&values()?)?))
    }

    /// Attention over rows `[rows][tokens][3][width]` of queries, keys and values. Biases
    /// `[count][heads][tokens][tokens]` are added to the scores; row i uses the one at i modulo `count`.
    pub(in crate::vision) fn attend(
        &self,
        x: &DeviceTensor,
        heads: usize,
        bias: Option<(Argument, usize)>,
    ) -> Result<DeviceTensor> {
        let [rows, tokens, wide] = x.dims[..] else {
            return Err(VisionError::shape(format!(
                "expected a batch of tokens, got a tensor of shape {:?}",
                x.dims
            )));
        };
        let width = wide / 3;
        if tokens > TOKENS || width / heads > HEAD {
            return Err(VisionError::shape(format!(
                "attention over {tokens} tokens with heads of {} channels: the device supports at \
                 most {TOKENS} tokens and {HEAD} channels",
                width / heads
            )));
        }
        let out = self.tensor(&[rows, tokens, width]);
        let (bias, count) = bias.unwrap_or((Argument::Address(0), 1));
        let sizes = [count, tokens, heads, width].map(Argument::from);
        self.launch(
            ("attend_f32", "attend_bf16"),
            [rows * heads, tokens.div_ceil(16), 1],
            &[&[self.address(x), bias, self.address(&out)], &sizes[..]].concat(),
        )?;
        Ok(out)
    }

    /// Gathers pixels by their indices into a tensor of shape `dims`; a negative index gives zeros.
    pub(in crate::vision) fn gather(
        &self,
        x: &DeviceTensor,
        dims: &[usize],
        owner: usize,
        part: usize,
        indices: impl FnOnce() -> Vec<i32>,
    ) -> Result<DeviceTensor> {
        let indices =
            self.weights.buffer(owner, part, |accelerator| Ok(accelerator.upload(&indices())?))?;
        let (out, c) = (self.tensor(dims), x.channels());
        let arguments = [self.address(x), indices, self.address(&out), x.pitch.into(), c.into()];
        let len = dims.iter().product();
        self.launch_per_value(("take_pixels_f32", "take_pixels_bf16"), len, &arguments)?;
        Ok(out)
    }

    /// Adds a table of `period` values, repeated, to `x` in place.
    pub(in crate::vision) fn add_table(
        &self,
        x: &DeviceTensor,
        owner: usize,
        period: usize,
        table: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<()> {
        let table = self.floats(owner, usize::MAX, table)?;
        let len = x.pixels() * x.channels();
        let arguments = [self.address(x), table, period.into()];
        self.launch_per_value(("add_table_f32", "add_table_bf16"), len, &arguments)
    }
}
