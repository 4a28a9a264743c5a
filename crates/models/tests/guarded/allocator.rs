//! An allocator that puts every buffer right before a page that nobody may touch, as Electric Fence (Perens 1987)
//! does, so that a kernel that reads or writes one float too many ends the process.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr::{self, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};

const PAGE: usize = 4096;
/// Addresses, not memory: each is used once, so that a freed buffer is never touched unnoticed, either.
const ADDRESSES: usize = 1 << 40;

/// The most guarded buffers at once: Linux allows a process 65,530 stretches of memory (`vm.max_map_count`), and each
/// buffer makes two.
const MOST: usize = 25_000;

/// From this number of bytes on, buffers of any type are guarded.
const LONG: usize = 256;

/// Buffers end at a page without access.
pub(crate) struct Guarded {
    /// The first address; 0 before the first buffer.
    base: AtomicUsize,
    /// The number of addresses in use.
    used: AtomicUsize,
    /// The number of guarded buffers.
    count: AtomicUsize,
}

impl Guarded {
    pub(crate) const fn new() -> Self {
        Self { base: AtomicUsize::new(0), used: AtomicUsize::new(PAGE), count: AtomicUsize::new(0) }
    }

    fn base(&self) -> Option<usize> {
        let base = self.base.load(Ordering::Acquire);
        if base != 0 {
            return Some(base);
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, at an address that the system chooses.
        let new = unsafe { mmap_anonymous(null_mut(), ADDRESSES, ProtFlags::empty(), flags) };
        let new = new.ok()?;
        match self.base.compare_exchange(0, new as usize, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(new as usize),
            Err(first) => {
                // SAFETY: the mapping from above, which nobody else knows.
                unsafe { munmap(new, ADDRESSES) }.ok()?;
                Some(first)
            }
        }
    }

    /// A buffer before a page without access; `None` if there are no addresses left, or too many buffers at once.
    fn guarded(&self, layout: Layout) -> Option<*mut u8> {
        // Floats, and everything long. Texts and boxes are no operands, and there are very many of them.
        let may_be_operand = layout.align() == align_of::<f32>() || layout.size() >= LONG;
        if !may_be_operand || self.count.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        let base = self.base()?;
        let bytes = layout.size().div_ceil(PAGE) * PAGE;
        let first = self.used.fetch_add(bytes + PAGE, Ordering::Relaxed);
        if first + bytes + PAGE > ADDRESSES || layout.align() > PAGE {
            return None;
        }
        let pages = ptr::with_exposed_provenance_mut::<u8>(base + first);
        // SAFETY: these pages are in the mapping, and no other buffer has them.
        unsafe { mprotect(pages.cast(), bytes, MprotectFlags::READ | MprotectFlags::WRITE) }
            .ok()?;
        self.count.fetch_add(1, Ordering::Relaxed);
        let start = (bytes - layout.size()) / layout.align() * layout.align();
        // SAFETY: within the pages.
        Some(unsafe { pages.add(start) })
    }
}

// SAFETY: buffers are disjoint, aligned and as long as asked; those of the system are given back to it.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.guarded(layout) {
            Some(buffer) => {
                // What was never written is noticed: such floats are NaN.
                // SAFETY: the buffer has this many bytes.
                unsafe { buffer.write_bytes(0xff, layout.size()) };
                buffer
            }
            // SAFETY: the caller's contract.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, buffer: *mut u8, layout: Layout) {
        let base = self.base.load(Ordering::Acquire);
        if base == 0 || !(base..base + ADDRESSES).contains(&(buffer as usize)) {
            // SAFETY: the caller's contract; the system gave this buffer.
            return unsafe { System.dealloc(buffer, layout) };
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        let bytes = layout.size().div_ceil(PAGE) * PAGE;
        let pages = ptr::with_exposed_provenance_mut::<u8>(buffer as usize / PAGE * PAGE);
        // SAFETY: all pages of this buffer and of no other, which nobody uses any more. If the system refuses, they
        // stay in use.
        unsafe {
            let _ = madvise(pages.cast(), bytes, Advice::LinuxDontNeed);
            let _ = mprotect(pages.cast(), bytes, MprotectFlags::empty());
        }
    }
}
