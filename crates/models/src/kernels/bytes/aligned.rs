//! Memory that begins at a cache line. A tile of 16 rows of 64 bytes that are not aligned takes twice as long to load.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A cache line: 64 bytes, or a row of weights.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Row(pub(super) [i32; 16]);

/// Bytes of a cache line.
const LINE: usize = size_of::<Row>();

/// Bytes, with room for a number of them that is chosen once.
pub(super) struct AlignedBytes {
    /// Only room: the first `len` bytes of it have values.
    room: Vec<Row>,
    len: usize,
}

impl AlignedBytes {
    /// No bytes, without room.
    pub(super) const fn new() -> Self {
        Self { room: Vec::new(), len: 0 }
    }

    /// No bytes, with room for at least `len`.
    pub(super) fn with_room(len: usize) -> Self {
        Self { room: Vec::with_capacity(len.div_ceil(LINE)), len: 0 }
    }

    /// How many bytes there is room for.
    pub(super) fn room(&self) -> usize {
        self.room.capacity() * LINE
    }

    /// Whether memory with room for `len` bytes would be as large as this.
    pub(super) fn is_as_large_as(&self, len: usize) -> bool {
        self.room() == len.next_multiple_of(LINE)
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes sure that at least `len` bytes have values. The former ones are lost if there were fewer.
    pub(super) fn at_least(&mut self, len: usize) {
        if self.len < len {
            *self = Self::with_room(len);
            self.add_zeros(len);
        }
    }

    /// Adds bytes, for which there must be room.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room() - self.len, "there is no room for these bytes");
        // SAFETY: there is room for the bytes.
        unsafe {
            self.end().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.len += bytes.len();
    }

    /// Adds zeros, for which there must be room.
    pub(super) fn add_zeros(&mut self, count: usize) {
        assert!(count <= self.room() - self.len, "there is no room for these bytes");
        // SAFETY: there is room for the zeros.
        unsafe { self.end().write_bytes(0, count) };
        self.len += count;
    }

    /// A pointer to the place after the last byte.
    fn end(&mut self) -> *mut u8 {
        // SAFETY: there is room for `len` bytes.
        unsafe { self.start().add(self.len) }
    }

    /// A pointer to all the room.
    pub(super) fn start(&mut self) -> *mut u8 {
        self.room.as_mut_ptr().cast()
    }

    /// Says that the first `len` bytes of the room have values.
    ///
    /// # Safety
    ///
    /// They have, and there is room for them.
    pub(super) unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.room());
        self.len = len;
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes of the room have values.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.room.as_mut_ptr().cast(), self.len) }
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        let mut clone = Self::with_room(self.len);
        clone.add(self);
        clone
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, to)
    }
}
