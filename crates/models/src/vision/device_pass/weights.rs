//! A network's weights and tables in a device's memory.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use super::Result;
use crate::device::{Accelerator, Argument, Buffer, Precision};

/// The weights of a network on a device, copied when they are first needed.
pub(in crate::vision) struct DeviceWeights {
    pub(in crate::vision) accelerator: Arc<Accelerator>,
    pub(in crate::vision) precision: Precision,
    /// Keys are an owner (the address of a layer in this process, or a small constant) and the part of
    /// it.
    buffers: RefCell<HashMap<(usize, usize), Buffer>>,
}

impl DeviceWeights {
    pub(in crate::vision) fn new(accelerator: Arc<Accelerator>, precision: Precision) -> Self {
        Self { accelerator, precision, buffers: RefCell::default() }
    }

    /// Bytes of a value.
    pub(super) fn width(&self) -> usize {
        if self.precision == Precision::Bf16 { 2 } else { 4 }
    }

    /// The buffer of an owner's part; `make` creates it the first time.
    pub(super) fn buffer(
        &self,
        owner: usize,
        part: usize,
        make: impl FnOnce(&Accelerator) -> Result<Buffer>,
    ) -> Result<Argument> {
        let mut buffers = self.buffers.borrow_mut();
        if let Some(buffer) = buffers.get(&(owner, part)) {
            return Ok(buffer.into());
        }
        let buffer = make(&self.accelerator)?;
        let argument = Argument::from(&buffer);
        buffers.insert((owner, part), buffer);
        Ok(argument)
    }
}

/// A value rounded to the nearest bfloat16, ties to even.
pub(in crate::vision) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}
