//! One piece of a device's memory, and what lies where in it.

use std::{cell::RefCell, rc::Rc};

use super::{Result, shape};

/// Memory in use, in bytes from the beginning.
#[derive(Default)]
pub(super) struct Ranges {
    /// Sorted: from, to.
    used: Vec<(u64, u64)>,
    pub(super) peak: u64,
}

impl Ranges {
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.next_multiple_of(256).max(256);
        let (mut from, mut at) = (0, 0);
        for (index, range) in self.used.iter().enumerate() {
            if range.0 - from >= bytes {
                break;
            }
            (from, at) = (range.1, index + 1);
        }
        self.used.insert(at, (from, from + bytes));
        self.peak = self.peak.max(from + bytes);
        from
    }

    fn give(&mut self, from: u64) {
        self.used.retain(|it| it.0 != from);
    }
}

/// A piece of that memory.
pub(super) struct Piece {
    pub(super) ranges: Rc<RefCell<Ranges>>,
    pub(super) from: u64,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.ranges.borrow_mut().give(self.from);
    }
}

/// Images or rows in the device's memory, channels last.
#[derive(Clone)]
pub(in crate::vision) struct Image {
    #[expect(dead_code, reason = "holds the memory until the last one goes")]
    pub(super) piece: Rc<Piece>,
    pub(super) address: u64,
    pub(in crate::vision) dims: Vec<usize>,
    /// Values from pixel to pixel.
    pub(super) pitch: usize,
}

impl Image {
    pub(super) fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    pub(super) fn pixels(&self) -> usize {
        self.dims[..self.dims.len() - 1].iter().product()
    }

    /// Images, rows, columns, channels.
    pub(in crate::vision) fn sizes(&self) -> Result<[usize; 4]> {
        match self.dims[..] {
            [n, h, w, c] => Ok([n, h, w, c]),
            _ => Err(shape(format!("{:?} is no batch of images", self.dims))),
        }
    }
}
