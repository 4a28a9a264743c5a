//! A vision network on a device: weights and images stay there, and a forward pass of so many images is
//! recorded once and then repeated as one thing.
//!
//! A pass is walked twice before it is recorded: once to find out how much memory it needs and to bring
//! weights over, once in earnest. Images and what becomes of them share one piece of memory, in which each
//! lies until it is dropped. Batch norm, biases, residuals and activations follow a product in one kernel;
//! convolutions other than 1×1 are products of the pixels under their kernel, gathered a piece at a time
//! that stays in the device's cache.

mod memory;
mod product;
#[cfg(test)]
mod tests;
mod walk;

use std::{cell::RefCell, collections::HashMap, sync::Arc};

pub(super) use self::{memory::Image, walk::Walk};
use super::{VisionError, layers::Layer};
use crate::device::{Argument, Buffer, DeviceError, Place, Precision, Recorded};

type Result<T> = std::result::Result<T, VisionError>;

/// Recorded passes that are kept; images that are gone leave theirs behind.
const PASSES: usize = 256;

/// Images on a device, ready to be taken by their numbers.
pub(super) struct Pool {
    buffer: Buffer,
    pub(super) count: usize,
    pub(super) side: [usize; 2],
}

/// What a network keeps on a device.
pub(super) struct Resident {
    place: Arc<Place>,
    precision: Precision,
    /// By where a layer lies in this process, and what of it.
    kept: RefCell<HashMap<(usize, usize), Buffer>>,
    memory: Option<(Buffer, usize)>,
    /// Images that come for one pass, at one address: how many there is room for.
    staged: Option<(Pool, usize)>,
    numbers: Option<(Buffer, usize)>,
    logits: Option<(Buffer, usize)>,
    /// By images, their size and where they lie.
    passes: HashMap<(usize, [usize; 2], u64), Pass>,
}

enum Pass {
    /// With the classes of its logits.
    Recorded(Box<dyn Recorded>, usize),
    /// The device's libraries could not be recorded.
    Refused,
}

fn shape(text: String) -> VisionError {
    VisionError::Tensor(candle_core::Error::Msg(text))
}

impl Resident {
    pub(super) fn new(place: Arc<Place>, precision: Precision) -> Self {
        let (kept, passes) = (RefCell::default(), HashMap::new());
        let (memory, staged, numbers, logits) = (None, None, None, None);
        Self { place, precision, kept, memory, staged, numbers, logits, passes }
    }

    /// Logits of images `[n][h][w][c]` that come for this pass, and how many each has.
    pub(super) fn forward_once(
        &mut self,
        layer: &Layer,
        values: &[f32],
        n: usize,
        side: [usize; 2],
    ) -> Result<(Vec<f32>, usize)> {
        let (pool, room) = match self.staged.take() {
            Some((pool, room)) if room >= n && pool.side == side => {
                (Pool { count: n, ..pool }, room)
            }
            _ => (self.keep(values, n, side)?, n),
        };
        if self.precision == Precision::Bf16 {
            pool.buffer.write(&values.iter().map(|it| bf16(*it)).collect::<Vec<_>>())?;
        } else {
            pool.buffer.write(values)?;
        }
        let numbers: Vec<u32> = (0..n as u32).collect();
        let logits = self.forward(layer, &pool, &numbers);
        self.staged = Some((pool, room));
        logits
    }

    /// Images `[n][h][w][c]`, given as such.
    pub(super) fn keep(&self, values: &[f32], count: usize, side: [usize; 2]) -> Result<Pool> {
        let buffer = if self.precision == Precision::Bf16 {
            let halves: Vec<u16> = values.iter().map(|it| bf16(*it)).collect();
            self.place.upload(&halves)?
        } else {
            self.place.upload(values)?
        };
        Ok(Pool { buffer, count, side })
    }

    /// Logits of the images with these numbers, and how many each has.
    pub(super) fn forward(
        &mut self,
        layer: &Layer,
        pool: &Pool,
        numbers: &[u32],
    ) -> Result<(Vec<f32>, usize)> {
        let n = numbers.len();
        let grown =
            |held: &Option<(Buffer, usize)>, len: usize| held.as_ref().is_none_or(|it| it.1 < len);
        if grown(&self.numbers, n) {
            self.passes.clear();
            self.numbers = Some((self.place.zeros(n)?, n));
        }
        if let Some((buffer, _)) = &self.numbers {
            buffer.write(numbers)?;
        }
        let key = (n, pool.side, pool.buffer.at(0));
        let classes = match self.passes.get(&key) {
            Some(Pass::Recorded(pass, classes)) => {
                pass.replay()?;
                *classes
            }
            Some(Pass::Refused) => self.walk(layer, pool, n, true)?.0,
            None => {
                let (classes, bytes) = self.walk(layer, pool, n, false)?;
                if grown(&self.memory, bytes) || grown(&self.logits, n * classes) {
                    // What was recorded knows the old addresses.
                    self.passes.clear();
                    (self.memory, self.logits) = (None, None);
                    self.memory = Some((self.place.zeros(bytes.div_ceil(4))?, bytes));
                    self.logits = Some((self.place.zeros(n * classes)?, n * classes));
                }
                self.walk(layer, pool, n, true)?;
                if self.passes.len() >= PASSES {
                    self.passes.clear();
                }
                let recorded = self.place.backend().record(&mut || {
                    self.walk(layer, pool, n, true).map(drop).map_err(|error| match error {
                        VisionError::Device(error) => error,
                        error => {
                            DeviceError::Driver { what: "recording", reason: error.to_string() }
                        }
                    })
                });
                let pass = recorded.map_or(Pass::Refused, |it| Pass::Recorded(it, classes));
                self.passes.insert(key, pass);
                classes
            }
        };
        let mut logits = vec![0.0; n * classes];
        if let Some((buffer, _)) = &self.logits {
            buffer.read(&mut logits)?;
        }
        Ok((logits, classes))
    }

    /// Whether passes are repeated as recorded; `None` before there was one.
    pub(super) fn recorded(&self) -> Option<bool> {
        self.passes.values().next().map(|it| matches!(it, Pass::Recorded(..)))
    }

    /// Classes, and bytes that it needs.
    fn walk(&self, layer: &Layer, pool: &Pool, n: usize, real: bool) -> Result<(usize, usize)> {
        let base = self.memory.as_ref().map_or(0, |it| it.0.at(0));
        let walk = Walk::new(self, base, real);
        let [h, w] = pool.side;
        let x = walk.image(&[n, h, w, 3]);
        let numbers = self.numbers.as_ref().map_or(0, |it| it.0.at(0));
        let len = h * w * 3;
        walk.launch(
            ("take_images_f32", "take_images_bf16"),
            [n, len.div_ceil(256), 1],
            &[(&pool.buffer).into(), Argument::Address(numbers), walk.of(&x), len.into()],
        )?;
        let out = walk.layer(layer, x)?;
        let (classes, len) = (out.channels(), out.pixels() * out.channels());
        let logits = self.logits.as_ref().map_or(0, |it| it.0.at(0));
        walk.values(("widen_f32", "widen_bf16"), len, &[walk.of(&out), Argument::Address(logits)])?;
        drop(out);
        Ok((classes, walk.peak()))
    }
}

/// Rounded to the nearest bfloat16, ties to even.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}
