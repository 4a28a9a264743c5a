//! A vision network's state on a device.
//!
//! Weights and images stay in the device's memory. A forward pass is recorded once for each number and
//! size of images, and then replayed as a whole. Before it is recorded, the layers are visited twice: a dry
//! run finds out how much memory the pass needs and uploads the weights, and a second run performs it.
//! All tensors of a pass share one block of memory, in which each occupies a range until it is dropped.
//! One kernel after each product does its batch norm, bias, residual and activation. A convolution larger
//! than 1×1 gathers the pixels under its kernel, a few megabytes at a time so that they stay in the device's
//! cache, and multiplies them.

use std::{collections::HashMap, sync::Arc};

use super::super::{
    device_pass::{DeviceWeights, ForwardPass, bf16},
    error::VisionError,
    layers::Layer,
};
use crate::device::{Accelerator, Argument, Buffer, DeviceError, Precision, Recorded};

type Result<T> = std::result::Result<T, VisionError>;

/// Recordings kept at most. Images that were dropped leave theirs behind.
const RECORDINGS: usize = 256;

/// Uploaded images, which a forward pass selects by index.
pub(in crate::vision) struct DeviceImages {
    buffer: Buffer,
    pub(in crate::vision) count: usize,
    /// Height and width in pixels, and channels.
    size: [usize; 3],
}

/// A network's state on a device.
pub(in crate::vision) struct DeviceNetwork {
    weights: DeviceWeights,
    /// Memory of the forward passes, with its bytes.
    memory: Option<(Buffer, usize)>,
    /// Images of [`DeviceNetwork::forward_once`], with the number of images that there is room for.
    staged: Option<(DeviceImages, usize)>,
    /// Indices of the images of a pass, with the number that there is room for.
    indices: Option<(Buffer, usize)>,
    /// Logits of a pass, with the number that there is room for.
    logits: Option<(Buffer, usize)>,
    /// Keys are the number of images, their size and the address of the uploaded images.
    recordings: HashMap<(usize, [usize; 3], u64), Recording>,
}

/// The recording of a forward pass.
enum Recording {
    /// The recording and the number of classes.
    Recorded(Box<dyn Recorded>, usize),
    /// The device's libraries could not record: every pass is sent to the device anew.
    Refused,
}

impl DeviceNetwork {
    pub(in crate::vision) fn new(accelerator: Arc<Accelerator>, precision: Precision) -> Self {
        Self {
            weights: DeviceWeights::new(accelerator, precision),
            memory: None,
            staged: None,
            indices: None,
            logits: None,
            recordings: HashMap::new(),
        }
    }

    /// Logits of images `[n][h][w][c]` given for this pass only, and the number of classes.
    pub(in crate::vision) fn forward_once(
        &mut self,
        layer: &Layer,
        values: &[f32],
        n: usize,
        size: [usize; 3],
    ) -> Result<(Vec<f32>, usize)> {
        let (images, room) = match self.staged.take() {
            Some((images, room)) if room >= n && images.size == size => {
                (DeviceImages { count: n, ..images }, room)
            }
            _ => (self.upload(values, n, size)?, n),
        };
        if self.weights.precision == Precision::Bf16 {
            images.buffer.write(&values.iter().map(|value| bf16(*value)).collect::<Vec<_>>())?;
        } else {
            images.buffer.write(values)?;
        }
        let indices: Vec<u32> = (0..n as u32).collect();
        let logits = self.forward(layer, &images, &indices);
        self.staged = Some((images, room));
        logits
    }

    /// Copies images `[n][h][w][c]` to the device.
    pub(in crate::vision) fn upload(
        &self,
        values: &[f32],
        count: usize,
        size: [usize; 3],
    ) -> Result<DeviceImages> {
        let buffer = if self.weights.precision == Precision::Bf16 {
            let values: Vec<u16> = values.iter().map(|value| bf16(*value)).collect();
            self.weights.accelerator.upload(&values)?
        } else {
            self.weights.accelerator.upload(values)?
        };
        Ok(DeviceImages { buffer, count, size })
    }

    /// Logits of the images at some indices, and the number of classes.
    pub(in crate::vision) fn forward(
        &mut self,
        layer: &Layer,
        images: &DeviceImages,
        indices: &[u32],
    ) -> Result<(Vec<f32>, usize)> {
        let n = indices.len();
        let too_small = |buffer: &Option<(Buffer, usize)>, needed: usize| {
            buffer.as_ref().is_none_or(|(_, room)| *room < needed)
        };
        if too_small(&self.indices, n) {
            self.recordings.clear();
            self.indices = Some((self.weights.accelerator.zeros(n)?, n));
        }
        if let Some((buffer, _)) = &self.indices {
            buffer.write(indices)?;
        }
        let key = (n, images.size, images.buffer.at(0));
        let classes = match self.recordings.get(&key) {
            Some(Recording::Recorded(recorded, classes)) => {
                recorded.replay()?;
                *classes
            }
            Some(Recording::Refused) => self.visit(layer, images, n, true)?.0,
            None => {
                let (classes, bytes) = self.visit(layer, images, n, false)?;
                if too_small(&self.memory, bytes) || too_small(&self.logits, n * classes) {
                    // Recordings contain the old addresses.
                    self.recordings.clear();
                    (self.memory, self.logits) = (None, None);
                    let accelerator = &self.weights.accelerator;
                    self.memory = Some((accelerator.zeros(bytes.div_ceil(4))?, bytes));
                    self.logits = Some((accelerator.zeros(n * classes)?, n * classes));
                }
                self.visit(layer, images, n, true)?;
                if self.recordings.len() >= RECORDINGS {
                    self.recordings.clear();
                }
                let recorded = self.weights.accelerator.backend().record(&mut || {
                    self.visit(layer, images, n, true).map(drop).map_err(|error| match error {
                        VisionError::Device(error) => error,
                        error => {
                            DeviceError::Driver { what: "recording", reason: error.to_string() }
                        }
                    })
                });
                let recording = recorded
                    .map_or(Recording::Refused, |recorded| Recording::Recorded(recorded, classes));
                self.recordings.insert(key, recording);
                classes
            }
        };
        let mut logits = vec![0.0; n * classes];
        if let Some((buffer, _)) = &self.logits {
            buffer.read(&mut logits)?;
        }
        Ok((logits, classes))
    }

    /// Whether passes are replayed from a recording; `None` before the first pass.
    pub(in crate::vision) fn recorded(&self) -> Option<bool> {
        let recording = self.recordings.values().next()?;
        Some(matches!(recording, Recording::Recorded(..)))
    }

    /// Performs a pass, or only visits its layers. Returns the number of classes and the bytes of memory
    /// that the pass needs.
    fn visit(
        &self,
        layer: &Layer,
        images: &DeviceImages,
        n: usize,
        launches: bool,
    ) -> Result<(usize, usize)> {
        let base = self.memory.as_ref().map_or(0, |(buffer, _)| buffer.at(0));
        let pass = ForwardPass::new(&self.weights, base, launches);
        let [h, w, c] = images.size;
        let x = pass.tensor(&[n, h, w, c]);
        let indices = self.indices.as_ref().map_or(0, |(buffer, _)| buffer.at(0));
        let len = h * w * c;
        pass.launch(
            ("take_images_f32", "take_images_bf16"),
            [n, len.div_ceil(256), 1],
            &[(&images.buffer).into(), Argument::Address(indices), pass.address(&x), len.into()],
        )?;
        let out = layer.forward_on_device(&pass, x)?;
        let (classes, len) = (out.channels(), out.pixels() * out.channels());
        let logits = self.logits.as_ref().map_or(0, |(buffer, _)| buffer.at(0));
        let arguments = [pass.address(&out), Argument::Address(logits)];
        pass.launch_per_value(("widen_f32", "widen_bf16"), len, &arguments)?;
        drop(out);
        Ok((classes, pass.peak()))
    }
}
