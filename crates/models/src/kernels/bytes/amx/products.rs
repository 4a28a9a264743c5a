//! The instructions.

use std::{arch::asm, marker::PhantomData};

use super::ROWS;
use crate::kernels::bytes::words::LANES;

/// The shapes of the eight tiles, as `ldtilecfg` reads them: palette 1, bytes of a row and number of rows.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

/// The tiles of this thread, which have their shapes until the value is dropped.
pub(in crate::kernels::bytes) struct Tiles {
    /// Tiles belong to the thread.
    thread: PhantomData<*const ()>,
}

impl Tiles {
    /// Tiles for `pixels` pixels and `words` words of 32 bits, both from 1 to [`ROWS`].
    ///
    /// # Safety
    ///
    /// [`super::is_available`], and this thread has no other tiles.
    pub(in crate::kernels::bytes) unsafe fn new(pixels: usize, words: usize) -> Self {
        debug_assert!((1..=ROWS).contains(&pixels) && (1..=ROWS).contains(&words));
        let mut shapes =
            Shapes { palette: 1, start: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
        for tile in 0..8 {
            // 0 to 3 are sums, 4 and 5 pixels, 6 and 7 weights.
            let (rows, width) = match tile {
                0..=3 => (pixels, LANES),
                4 | 5 => (pixels, words),
                _ => (words, LANES),
            };
            // Both are at most 64.
            (shapes.rows[tile], shapes.bytes[tile]) = (rows as u8, 4 * width as u16);
        }
        // SAFETY: the processor has tiles; the shapes are valid for palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack)) };
        Self { thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a value exists only on processors with tiles.
        unsafe { asm!("tilerelease", options(nomem, nostack)) };
    }
}

/// The products of one or two tiles of pixels with one or two panels of 16 channels. Distances are in bytes.
#[repr(C)]
pub(in crate::kernels::bytes) struct Products {
    /// Tiles of a kernel row.
    pub(in crate::kernels::bytes) parts: usize,
    /// From a tile of pixels to the next of the same kernel row.
    pub(in crate::kernels::bytes) next: usize,
    /// From a tile of weights to the next one.
    pub(in crate::kernels::bytes) next_weights: usize,
    /// From the end of a kernel row to the beginning of the next.
    pub(in crate::kernels::bytes) gap: isize,
    /// Kernel rows, at least 1.
    pub(in crate::kernels::bytes) segments: usize,
    /// From the window of a pixel to that of the next one.
    pub(in crate::kernels::bytes) step: usize,
    /// Where the window of each tile's first pixel begins.
    pub(in crate::kernels::bytes) pixels: [*const u8; 2],
    /// The weights of each panel.
    pub(in crate::kernels::bytes) weights: [*const i32; 2],
}

/// A loop over the tiles of all kernel rows.
macro_rules! products {
    (
        $of:expr, $to:expr, $pitch:expr;
        $(zero $zero:literal)*; $(step $step:literal)*; $(store $store:literal)*
    ) => {
        asm!(
            $(concat!("tilezero ", $zero),)*
            "2:",
            "mov {left}, [{of}]",
            "3:",
            $($step,)*
            "add {x}, [{of} + 8]",
            "add {y}, [{of} + 8]",
            "add {v}, [{of} + 16]",
            "add {w}, [{of} + 16]",
            "dec {left}",
            "jnz 3b",
            "add {x}, [{of} + 24]",
            "add {y}, [{of} + 24]",
            "dec {segments}",
            "jnz 2b",
            $($store,)*
            of = in(reg) $of,
            left = out(reg) _,
            segments = inout(reg) $of.segments => _,
            x = inout(reg) $of.pixels[0] => _,
            y = inout(reg) $of.pixels[1] => _,
            v = inout(reg) $of.weights[0] => _,
            w = inout(reg) $of.weights[1] => _,
            step = in(reg) $of.step,
            line = in(reg) 4 * LANES,
            to = in(reg) $to,
            pitch = in(reg) $pitch,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

impl Products {
    /// Stores the sums `[pixels][panels][16]`, for `tiles` tiles of pixels and `panels` panels, each 1 or 2.
    ///
    /// # Safety
    ///
    /// The words of each pixel's kernel rows and those of the panels can be read, there is room for the sums, and the
    /// thread's [`Tiles`] have the shapes of the operands; with two tiles of pixels, each has [`ROWS`].
    pub(in crate::kernels::bytes) unsafe fn store(
        &self,
        tiles: usize,
        panels: usize,
        to: *mut i32,
    ) {
        let pitch = 4 * LANES * panels;
        // SAFETY: the caller's contract. The operands of tiles that are left out are changed, but not read.
        unsafe {
            match (tiles, panels) {
                (1, 1) => products!(self, to, pitch;
                    zero "tmm0";
                    step "tileloadd tmm4, [{x} + {step}*1]"
                    step "tileloadd tmm6, [{v} + {line}*1]"
                    step "tdpbusd tmm0, tmm4, tmm6";
                    store "tilestored [{to} + {pitch}*1], tmm0"),
                (1, _) => products!(self, to, pitch;
                    zero "tmm0" zero "tmm1";
                    step "tileloadd tmm4, [{x} + {step}*1]"
                    step "tileloadd tmm6, [{v} + {line}*1]"
                    step "tdpbusd tmm0, tmm4, tmm6"
                    step "tileloadd tmm7, [{w} + {line}*1]"
                    step "tdpbusd tmm1, tmm4, tmm7";
                    store "tilestored [{to} + {pitch}*1], tmm0"
                    store "tilestored [{to} + {pitch}*1 + 64], tmm1"),
                (_, 1) => products!(self, to, pitch;
                    zero "tmm0" zero "tmm2";
                    step "tileloadd tmm6, [{v} + {line}*1]"
                    step "tileloadd tmm4, [{x} + {step}*1]"
                    step "tdpbusd tmm0, tmm4, tmm6"
                    step "tileloadd tmm5, [{y} + {step}*1]"
                    step "tdpbusd tmm2, tmm5, tmm6";
                    store "tilestored [{to} + {pitch}*1], tmm0"
                    store "tilestored [{to} + {pitch}*1 + 1024], tmm2"),
                _ => products!(self, to, pitch;
                    zero "tmm0" zero "tmm1" zero "tmm2" zero "tmm3";
                    step "tileloadd tmm6, [{v} + {line}*1]"
                    step "tileloadd tmm4, [{x} + {step}*1]"
                    step "tdpbusd tmm0, tmm4, tmm6"
                    step "tileloadd tmm7, [{w} + {line}*1]"
                    step "tdpbusd tmm1, tmm4, tmm7"
                    step "tileloadd tmm5, [{y} + {step}*1]"
                    step "tdpbusd tmm2, tmm5, tmm6"
                    step "tdpbusd tmm3, tmm5, tmm7";
                    store "tilestored [{to} + {pitch}*1], tmm0"
                    store "tilestored [{to} + {pitch}*1 + 64], tmm1"
                    store "tilestored [{to} + {pitch}*1 + 2048], tmm2"
                    store "tilestored [{to} + {pitch}*1 + 2112], tmm3"),
            }
        }
    }
}
