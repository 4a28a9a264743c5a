//! Convolution with bias, residual and activation, as a matrix product whose left factor is the image.
//!
//! The tests compare it with candle's convolution.

use std::{cell::RefCell, sync::OnceLock};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{
    Activation, ConvShape, NEAR, View, filters,
    window::{Window, windows},
};
use crate::kernels::{
    Parts, cpu_storage,
    panel::{Ahead, MOST, PANEL, Tile, compute},
};

/// Number of panels from which on packing pays.
const PACKED_FROM: usize = 6;
/// Terms of a sum whose pixels are packed at a time.
pub(super) const DEPTH: usize = 768;

/// Number of tasks per thread, so that no thread waits long for the others.
const TASKS_PER_THREAD: usize = 2;

thread_local! {
    /// A task's padded input.
    static BUFFER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A convolution `[n][h][w][ci] → [n][h'][w'][co]` with weights packed for [`compute`].
pub(crate) struct Conv {
    pub(super) shape: ConvShape,
    /// `[groups][panels][k][32]`, where k runs over kernel rows, columns and channels.
    pub(super) weights: Vec<f32>,
    /// `[groups][panels][32]`.
    pub(super) bias: Vec<f32>,
    pub(super) activation: Activation,
    /// The weights for [`Conv::by_tiles`], made when they are needed first.
    filters: OnceLock<Vec<f32>>,
}

impl Conv {
    /// Packs `weights` `[co][ci/groups][kh][kw]` and `bias` `[co]`.
    pub(crate) fn new(
        shape: ConvShape,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
    ) -> Self {
        let ConvShape { input, output, kernel: [kh, kw], groups, .. } = shape;
        let (inputs, outputs) = (input / groups, output / groups);
        let panels = outputs.div_ceil(PANEL);
        let k = kh * kw * inputs;
        let mut packed = vec![0.0; groups * panels * k * PANEL];
        let mut biases = vec![0.0; groups * panels * PANEL];
        for o in 0..output {
            let (group, channel) = (o / outputs, o % outputs);
            let (panel, lane) = (group * panels + channel / PANEL, channel % PANEL);
            biases[panel * PANEL + lane] = bias[o];
            for i in 0..inputs {
                for tap in 0..kh * kw {
                    let to = (panel * k + tap * inputs + i) * PANEL + lane;
                    packed[to] = weights[(o * inputs + i) * kh * kw + tap];
                }
            }
        }
        Self { shape, weights: packed, bias: biases, activation, filters: OnceLock::new() }
    }

    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    pub(crate) fn activation(&self) -> Activation {
        self.activation
    }

    /// Number of terms of an output's sum: kernel rows × columns × channels of its group.
    pub(crate) fn terms(&self) -> usize {
        let ConvShape { input, kernel: [kh, kw], groups, .. } = self.shape;
        kh * kw * input / groups
    }

    /// The number of terms, rounded up so that rows of that many bfloat16 values are multiples of 16 bytes.
    pub(crate) fn depth(&self) -> usize {
        self.terms().next_multiple_of(8)
    }

    /// The weights as rows `[co][depth]`, padded with zeros.
    pub(crate) fn rows(&self, depth: usize) -> Vec<f32> {
        let (output, terms) = (self.shape.output, self.terms());
        let mut rows = vec![0.0; output * depth];
        for o in 0..output {
            let (panel, lane) = self.panel_and_lane(o);
            for term in 0..terms {
                rows[o * depth + term] = self.weights[(panel * terms + term) * PANEL + lane];
            }
        }
        rows
    }

    /// The bias, `[co]`.
    pub(crate) fn biases(&self) -> Vec<f32> {
        let bias = |(panel, lane)| self.bias[panel * PANEL + lane];
        (0..self.shape.output).map(|output| bias(self.panel_and_lane(output))).collect()
    }

    /// A weight of a convolution without groups.
    fn weight(&self, output: usize, input: usize, tap: usize) -> f32 {
        let (panel, lane) = self.panel_and_lane(output);
        let term = tap * self.shape.input + input;
        self.weights[(panel * self.terms() + term) * PANEL + lane]
    }

    /// Number of floats of weights that the convolution of a large image reads.
    pub(crate) fn floats(&self) -> usize {
        let tiled = filters::pays(&self.shape, 64, 64);
        self.weights.len() * if tiled { 4 } else { 1 }
    }

    /// The panel and the lane of an output.
    fn panel_and_lane(&self, output: usize) -> (usize, usize) {
        let outputs = self.shape.output / self.shape.groups;
        let (group, channel) = (output / outputs, output % outputs);
        (group * outputs.div_ceil(PANEL) + channel / PANEL, channel % PANEL)
    }

    /// Whether a residual can be added by the convolution: its activation must be the one that follows the
    /// addition, a ReLU or none.
    pub(crate) fn adds_before(&self, relu: bool) -> bool {
        self.activation == if relu { Activation::Relu } else { Activation::None }
    }

    /// The output for images x; `residual` `[n][h'][w'][co]` is added before the activation.
    pub(crate) fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        x.apply_op1_no_bwd(&With { conv: self, residual })
    }

    fn run(&self, x: View<'_>, residual: Option<View<'_>>) -> Result<(Vec<f32>, [usize; 4])> {
        let shape = &self.shape;
        if x.c != shape.input {
            bail!("the convolution expects images of {} channels, got {}", shape.input, x.c);
        }
        let (rows, columns) = shape.size(x.h, x.w)?;
        let dims = [x.n, rows, columns, shape.output];
        if let Some(View { n, h, w, c, .. }) = residual
            && [n, h, w, c] != dims
        {
            bail!("the residual has shape {:?}, expected {dims:?}", [n, h, w, c]);
        }
        let pixels = x.n * rows * columns;
        let mut out: Vec<f32> = Vec::with_capacity(pixels * shape.output);
        let parts = Parts(out.as_mut_ptr());
        if filters::pays(shape, rows, columns) {
            let filters = self.filters.get_or_init(|| {
                filters::transform_weights(shape, |o, i, tap| self.weight(o, i, tap))
            });
            self.by_tiles(x, (rows, columns), filters, residual, parts);
            // SAFETY: every channel of every pixel has been written.
            unsafe { out.set_len(pixels * shape.output) };
            return Ok((out, dims));
        }
        let wanted = rayon::current_num_threads() * TASKS_PER_THREAD;
        let point = shape.kernel == [1, 1] && shape.padding == [0, 0];
        if point && shape.stride == 1 {
            // Rows do not matter here, so the pixels of all images are one row, which is split into bands.
            let x = x.flat();
            let near = (NEAR / x.c.clamp(1, DEPTH)).max(MOST);
            let each = pixels.div_ceil(pixels.div_ceil(near).max(wanted)).next_multiple_of(MOST);
            let bands: Vec<Band> = (0..pixels)
                .step_by(each)
                .map(|first| Band { first, pixels: each.min(pixels - first) })
                .collect();
            self.tasks(bands.len(), wanted, |index, panels| {
                let band = bands[index];
                let line = Line {
                    from: x.values[band.first * x.pitch..].as_ptr(),
                    step: x.pitch,
                    first: band.first,
                    pixels: band.pixels,
                };
                // SAFETY: the band's pixels are inside x; no other task has the same band and panels.
                unsafe { self.panels(panels, 1, |_| line, &[0], residual, parts) };
            });
        } else {
            let windows = windows(shape, x, rows, wanted.min(x.n * rows));
            self.tasks(windows.len(), wanted, |index, panels| {
                BUFFER.with_borrow_mut(|buffer| {
                    self.window(
                        &windows[index],
                        panels,
                        x,
                        (rows, columns),
                        residual,
                        parts,
                        buffer,
                    );
                });
            });
        }
        // SAFETY: the tasks have written every channel of every pixel.
        unsafe { out.set_len(pixels * shape.output) };
        Ok((out, dims))
    }

    /// Runs `work` for each part of the images and each range of panels. Panels are split into ranges only if
    /// there are too few parts for the threads.
    fn tasks(
        &self,
        parts: usize,
        wanted: usize,
        work: impl Fn(usize, std::ops::Range<usize>) + Sync,
    ) {
        let panels = self.bias.len() / PANEL;
        let splits = wanted.div_ceil(parts.max(1)).clamp(1, panels.max(1));
        let each = panels.div_ceil(splits).max(1);
        let ranges = panels.div_ceil(each);
        (0..parts * ranges).into_par_iter().for_each(|task| {
            let (part, range) = (task / ranges, task % ranges);
            work(part, range * each..((range + 1) * each).min(panels));
        });
    }

    /// Computes some panels of a window.
    fn window(
        &self,
        window: &Window,
        panels: std::ops::Range<usize>,
        x: View<'_>,
        (rows, columns): (usize, usize),
        residual: Option<View<'_>>,
        parts: Parts,
        buffer: &mut Vec<f32>,
    ) {
        let ConvShape { kernel: [kh, kw], stride, groups, .. } = self.shape;
        let source = window.source(&self.shape, x, buffer);
        // A row of the kernel is one contiguous range of memory, unless other groups are in between.
        let segments: Vec<usize> = if groups == 1 && source.column == x.c {
            (0..kh).map(|ky| ky * source.row).collect()
        } else {
            let column = |ky| (0..kw).map(move |kx| (ky, kx));
            (0..kh).flat_map(column).map(|(ky, kx)| ky * source.row + kx * source.column).collect()
        };
        let line = |index: usize| {
            let (image, row) = (index / window.rows, index % window.rows);
            let start = image * source.image + row * stride * source.row;
            Line {
                // SAFETY: the window's rows are inside its source.
                from: unsafe { source.from.add(start) },
                step: stride * source.column,
                first: ((window.image + image) * rows + window.row + row) * columns,
                pixels: columns,
            }
        };
        let lines = window.images * window.rows;
        // SAFETY: the lines are inside the source; no other task has the same lines and panels.
        unsafe { self.panels(panels, lines, line, &segments, residual, parts) };
    }

    /// Computes the products of some lines of pixels with some panels, and applies the activation.
    ///
    /// # Safety
    ///
    /// The segments of the lines' pixels can be read, and nothing else writes these pixels' channels.
    unsafe fn panels(
        &self,
        panels: std::ops::Range<usize>,
        lines: usize,
        line: impl Fn(usize) -> Line,
        segments: &[usize],
        residual: Option<View<'_>>,
        parts: Parts,
    ) {
        let ConvShape { input, output, kernel: [kh, kw], groups, .. } = self.shape;
        let (inputs, outputs) = (input / groups, output / groups);
        let each = outputs.div_ceil(PANEL);
        let k = kh * kw * inputs;
        let bounds = self.activation.bounds().unwrap_or(UNBOUNDED);
        // This depends on the shape only, because the order of a sum must not depend on threads.
        let packed = groups == 1 && each >= PACKED_FROM;
        if packed {
            // SAFETY: the caller's contract.
            unsafe { self.packed(panels.clone(), lines, &line, segments, residual, parts) };
        }
        for panel in panels.clone().filter(|_| !packed) {
            let (group, within) = (panel / each, panel % each * PANEL);
            let channel = group * outputs + within;
            let next = if panel + 1 < panels.end {
                &self.weights[(panel + 1) * k * PANEL..][..k * PANEL]
            } else {
                &[]
            };
            for index in 0..lines {
                let line = line(index);
                let all = line.pixels.div_ceil(MOST);
                let mut done = 0;
                let mut tiles = all;
                while tiles > 0 {
                    // Divide evenly, because a narrow last tile would waste registers.
                    let count = (line.pixels - done).div_ceil(tiles);
                    let first = line.first + done;
                    let tile = Tile {
                        // SAFETY: the caller's contract; a group's channels start at `group · inputs`.
                        from: unsafe { line.from.add(done * line.step + group * inputs) },
                        step: line.step,
                        packed: false,
                        segments,
                        run: k / segments.len(),
                        weights: self.weights[panel * k * PANEL..].as_ptr(),
                        bias: self.bias[panel * PANEL..].as_ptr(),
                        residual: residual.map_or(std::ptr::null(), |view| {
                            view.values[first * view.pitch + channel..].as_ptr()
                        }),
                        residual_pitch: residual.map_or(0, |view| view.pitch),
                        // SAFETY: the output has `output` floats for each pixel.
                        to: unsafe { parts.at(first * output + channel) },
                        pitch: output,
                        channels: (outputs - within).min(PANEL),
                        bounds,
                        ahead: Ahead::of(next, index * all + all - tiles, lines * all, k),
                    };
                    // SAFETY: the caller's contract.
                    unsafe { compute(&tile, count) };
                    done += count;
                    tiles -= 1;
                }
            }
        }
        if self.activation.bounds().is_some() {
            return;
        }
        let channel = |panel: usize| panel / each * outputs + (panel % each * PANEL).min(outputs);
        let (from, to) = (channel(panels.start), channel(panels.end).min(output));
        for index in 0..lines {
            let line = line(index);
            for pixel in line.first..line.first + line.pixels {
                // SAFETY: only this task accesses these channels of this pixel, and it has written them.
                let values = unsafe {
                    std::slice::from_raw_parts_mut(parts.at(pixel * output + from), to - from)
                };
                self.activation.apply(values);
            }
        }
    }
}

/// The bounds of activations that do not limit values.
pub(super) const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

/// Consecutive pixels of a flattened batch.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    pixels: usize,
}

/// Adjacent pixels of the output, whose inputs are evenly spaced.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) from: *const f32,
    /// Floats between the inputs of two adjacent pixels.
    pub(super) step: usize,
    /// Index of the first pixel in the output.
    pub(super) first: usize,
    pub(super) pixels: usize,
}

/// A convolution with a residual, as an operation of candle's.
struct With<'a> {
    conv: &'a Conv,
    residual: Option<&'a Tensor>,
}

impl CustomOp1 for With<'_> {
    fn name(&self) -> &'static str {
        "conv-bias-activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new(storage, layout)?;
        let (out, dims) = match self.residual {
            None => self.conv.run(x, None)?,
            Some(tensor) => {
                let (storage, layout) = tensor.storage_and_layout();
                self.conv.run(x, Some(View::new(cpu_storage(&storage)?, layout)?))?
            }
        };
        Ok((CpuStorage::F32(out), Shape::from(dims.to_vec())))
    }
}
