//! The memory of a forward pass: one block, in which tensors get and free ranges.

use std::{cell::RefCell, rc::Rc};

use super::Result;
use crate::vision::error::VisionError;

/// The ranges in use of a block of memory, as byte offsets.
#[derive(Default)]
pub(super) struct Arena {
    /// Start and end of each range, sorted.
    used: Vec<(u64, u64)>,
    /// The largest end so far.
    pub(super) peak: u64,
}

impl Arena {
    /// Takes the first free range that is large enough, and returns its offset.
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.next_multiple_of(256).max(256);
        let (mut start, mut at) = (0, 0);
        for (index, range) in self.used.iter().enumerate() {
            if range.0 - start >= bytes {
                break;
            }
            (start, at) = (range.1, index + 1);
        }
        self.used.insert(at, (start, start + bytes));
        self.peak = self.peak.max(start + bytes);
        start
    }

    fn free(&mut self, start: u64) {
        self.used.retain(|range| range.0 != start);
    }
}

/// A range of the arena; freed when dropped.
pub(super) struct Allocation {
    pub(super) arena: Rc<RefCell<Arena>>,
    pub(super) start: u64,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.arena.borrow_mut().free(self.start);
    }
}

/// A tensor of a forward pass in the device's memory: images or rows, channels last.
#[derive(Clone)]
pub(in crate::vision) struct DeviceTensor {
    #[expect(dead_code, reason = "keeps the memory until the last tensor in it is dropped")]
    pub(super) allocation: Rc<Allocation>,
    pub(super) address: u64,
    pub(in crate::vision) dims: Vec<usize>,
    /// Distance between two pixels, in values.
    pub(in crate::vision) pitch: usize,
}

impl DeviceTensor {
    /// Size of the last axis.
    pub(in crate::vision) fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// Product of the other axes' sizes.
    pub(in crate::vision) fn pixels(&self) -> usize {
        self.dims[..self.dims.len() - 1].iter().product()
    }

    /// Numbers of images, rows, columns and channels.
    ///
    /// # Errors
    ///
    /// If the tensor is not a batch of images.
    pub(in crate::vision) fn sizes(&self) -> Result<[usize; 4]> {
        match self.dims[..] {
            [n, h, w, c] => Ok([n, h, w, c]),
            _ => Err(VisionError::shape(format!(
                "expected a batch of images, got a tensor of shape {:?}",
                self.dims
            ))),
        }
    }
}
