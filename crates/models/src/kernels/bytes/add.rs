//! The sum of two batches of bytes.

use candle_core::{Result, bail};

use super::{
    images::ByteImages, quantize::ByteScale, round::rounded, set::ByteSet, tasks::each,
    words::by_set,
};

/// Values of a task.
const TASK: usize = 32 * 1024;

/// `a + b`, and the larger of it and 0 if there is a ReLU, at the scale of the output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddBytes {
    set: ByteSet,
    factors: [f32; 2],
    shift: f32,
    low: f32,
}

impl AddBytes {
    /// The sum of bytes of two scales.
    pub(crate) fn new(set: ByteSet, of: [ByteScale; 2], relu: bool, output: ByteScale) -> Self {
        let factors = of.map(|of| f64::from(of.scale) / f64::from(output.scale));
        let moved: f64 =
            of.iter().zip(factors).map(|(of, factor)| factor * f64::from(of.zero)).sum();
        Self {
            set,
            factors: factors.map(|factor| factor as f32),
            shift: (f64::from(output.zero) - moved) as f32,
            low: if relu { f32::from(output.zero) } else { 0.0 },
        }
    }

    /// The sum of two batches of one shape.
    ///
    /// # Errors
    ///
    /// If the shapes differ.
    pub(crate) fn forward(
        self,
        a: &ByteImages,
        b: &ByteImages,
        tasks: usize,
    ) -> Result<ByteImages> {
        let dims = [a.n, a.h, a.w, a.c];
        if dims != [b.n, b.h, b.w, b.c] {
            bail!("images of shape {dims:?} and {:?} cannot be added", [b.n, b.h, b.w, b.c]);
        }
        let (len, Self { set, factors, shift, low }) = (a.len(), self);
        // SAFETY: the tasks cover all values, and each writes its own.
        unsafe {
            ByteImages::written(dims, |to| {
                each(tasks, len.div_ceil(TASK), |task| {
                    let (first, len) = (task * TASK, TASK.min(len - task * TASK));
                    let from = [&a.values()[first..][..len], &b.values()[first..][..len]];
                    add(set, from.map(<[u8]>::as_ptr), to.at(first), len, factors, shift, low);
                });
                Ok(())
            })
        }
    }
}

by_set! {
    /// `to = max(a · factors[0] + b · factors[1] + shift, low)`, rounded.
    ///
    /// # Safety
    ///
    /// All have `len` bytes.
    fn add<V>(
        from: [*const u8; 2], to: *mut u8, len: usize, factors: [f32; 2], shift: f32, low: f32,
    ) {
        let _: usize = V::GROUP;
        // SAFETY: the caller's contract; the output is new. The number is within the bytes.
        unsafe {
            let a = std::slice::from_raw_parts(from[0], len);
            let b = std::slice::from_raw_parts(from[1], len);
            for index in 0..len {
                let value = f32::from(a[index]) * factors[0] + f32::from(b[index]) * factors[1];
                let value = (value + shift).max(low).min(255.0);
                *to.add(index) = rounded(value);
            }
        }
    }
}
