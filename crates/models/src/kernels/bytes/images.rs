//! Images of bytes.

use std::cell::RefCell;

use candle_core::{Result, bail};

use super::aligned::AlignedBytes;

/// Bytes after the last pixel, so that a register of bytes can be read at any pixel.
pub(super) const SLACK: usize = 64;

/// Bytes of the buffers that a thread keeps for later images. The system takes longer to hand out new memory than a
/// small layer takes to fill it.
const KEPT: usize = 32 * 1024 * 1024;

thread_local! {
    /// Buffers of images that were dropped.
    static FREE: RefCell<Vec<AlignedBytes>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer for exactly this many bytes.
fn buffer(len: usize) -> AlignedBytes {
    let kept = FREE.with_borrow_mut(|free| {
        let at = free.iter().rposition(|buffer| buffer.is_as_large_as(len))?;
        Some(free.swap_remove(at))
    });
    let mut buffer = kept.unwrap_or_else(|| AlignedBytes::with_room(len));
    buffer.clear();
    buffer
}

impl Drop for ByteImages {
    fn drop(&mut self) {
        let values = std::mem::replace(&mut self.values, AlignedBytes::new());
        // There is nothing to keep while the thread ends.
        let _ = FREE.try_with(|free| {
            let Ok(mut free) = free.try_borrow_mut() else { return };
            while free.iter().map(AlignedBytes::room).sum::<usize>() + values.room() > KEPT {
                if free.is_empty() {
                    return;
                }
                free.remove(0);
            }
            free.push(values);
        });
    }
}

/// Images `[n][h][w][c]`.
#[derive(Clone, Debug)]
pub(crate) struct ByteImages {
    pub(crate) n: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
    /// The bytes and [`SLACK`] zeros.
    values: AlignedBytes,
}

impl ByteImages {
    /// Images of these bytes.
    #[cfg(test)]
    pub(crate) fn of([n, h, w, c]: [usize; 4], values: &[u8]) -> Self {
        assert_eq!(values.len(), n * h * w * c);
        let mut all = buffer(values.len() + SLACK);
        all.add(values);
        all.add_zeros(SLACK);
        Self { n, h, w, c, values: all }
    }

    /// Images whose bytes `fill` writes.
    ///
    /// # Safety
    ///
    /// `fill` writes all `n·h·w·c` bytes, or fails.
    pub(super) unsafe fn written(
        [n, h, w, c]: [usize; 4],
        fill: impl FnOnce(ByteParts) -> Result<()>,
    ) -> Result<Self> {
        let Some(len) = [h, w, c].into_iter().try_fold(n, usize::checked_mul) else {
            bail!("images of shape {:?} are too large", [n, h, w, c]);
        };
        let mut values = buffer(len + SLACK);
        fill(ByteParts(values.start()))?;
        // SAFETY: there is room for this many bytes, and all of them have been written.
        unsafe {
            values.start().add(len).write_bytes(0, SLACK);
            values.set_len(len + SLACK);
        }
        Ok(Self { n, h, w, c, values })
    }

    /// Number of bytes, without the slack.
    pub(crate) fn len(&self) -> usize {
        self.values.len() - SLACK
    }

    /// The bytes, without the slack.
    pub(crate) fn values(&self) -> &[u8] {
        &self.values[..self.len()]
    }

    /// A pointer to a pixel, from which [`SLACK`] bytes can be read; pixels are numbered over all rows and images.
    pub(super) fn at(&self, pixel: usize) -> *const u8 {
        self.values[pixel * self.c..].as_ptr()
    }

    /// A range of the images.
    pub(crate) fn narrow(&self, first: usize, n: usize) -> Self {
        let each = self.h * self.w * self.c;
        let mut values = buffer(n * each + SLACK);
        values.add(&self.values[first * each..(first + n) * each]);
        values.add_zeros(SLACK);
        Self { n, values, ..*self }
    }

    /// The images of several batches of one shape, one batch after the other.
    pub(crate) fn cat(parts: &[Self]) -> Result<Self> {
        let Some(first) = parts.first() else { bail!("there are no images") };
        let n = parts.iter().map(|part| part.n).sum();
        let mut values = buffer(parts.iter().map(Self::len).sum::<usize>() + SLACK);
        parts.iter().for_each(|part| values.add(part.values()));
        values.add_zeros(SLACK);
        Ok(Self { n, values, ..*first })
    }

    /// Rows of `c·h·w` features, channels first as in PyTorch.
    pub(crate) fn flatten(&self) -> Self {
        let Self { n, h, w, c, .. } = *self;
        let mut values = buffer(self.values.len());
        for image in self.values().chunks_exact((h * w * c).max(1)) {
            for channel in 0..c {
                image[channel..].iter().step_by(c).for_each(|byte| values.add(&[*byte]));
            }
        }
        values.add_zeros(SLACK);
        Self { n, h: 1, w: 1, c: h * w * c, values }
    }
}

/// A buffer of which each task writes its own part.
#[derive(Clone, Copy)]
pub(super) struct ByteParts(*mut u8);

// SAFETY: tasks write disjoint parts.
unsafe impl Send for ByteParts {}
// SAFETY: as above.
unsafe impl Sync for ByteParts {}

impl ByteParts {
    /// The buffer that begins at an address.
    pub(super) fn new(from: *mut u8) -> Self {
        Self(from)
    }

    /// A pointer to the byte at an index.
    ///
    /// # Safety
    ///
    /// The index is inside the buffer, and no other task accesses the bytes that are read or written through the
    /// pointer.
    pub(super) unsafe fn at(self, index: usize) -> *mut u8 {
        // SAFETY: the caller's contract.
        unsafe { self.0.add(index) }
    }
}
