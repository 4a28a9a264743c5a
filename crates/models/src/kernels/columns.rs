//! Convolutions of images `[n][c][h][w]` by matrix products, with gradients (im2col: Chellapilla, Puri and
//! Simard 2006).
//!
//! A piece of the batch is written as a matrix with one column per output pixel and one row per weight of a
//! filter, in the layout that products read. A batch is split into a fixed number of tasks, whose sums are
//! added in order, so that results do not depend on the number of threads.

use std::{ops::Range, sync::Mutex};

use rayon::prelude::*;

use super::{
    Matrix, Product, TASKS,
    axis::Axis,
    panel::PANEL,
    product::{Out, Right, in_panels},
};

/// Floats of the matrix of a piece, if the piece has more than one row of an image: 512 KiB, half of a core's
/// second-level cache.
const NEAR: usize = 128 * 1024;

/// The shape of a convolution, its input and its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) groups: usize,
    /// Input channels of a group.
    pub(crate) input: usize,
    /// Output channels of a group.
    pub(crate) output: usize,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
}

/// Whole images, or rows of the output of one image.
#[derive(Clone, Copy, Debug)]
struct Piece {
    image: usize,
    images: usize,
    row: usize,
    rows: usize,
}

/// The buffers of a task.
#[derive(Default)]
struct Buffers {
    product: Product,
    /// The input's matrix, `[panels of pixels][filter][PANEL]`.
    panels: Vec<f32>,
    /// A row of a matrix.
    line: Vec<f32>,
    /// A matrix `[output][pixels]`.
    outputs: Vec<f32>,
    /// A matrix `[filter][pixels]`, or the weights' gradient.
    result: Vec<f32>,
}

/// Buffers that no task uses at the moment.
static BUFFERS: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());

/// Runs a task with buffers of its own. They are kept for the next one.
fn with_buffers<T>(task: impl FnOnce(&mut Buffers) -> T) -> T {
    let taken = BUFFERS.lock().map(|mut free| free.pop()).unwrap_or_default();
    let mut buffers = taken.unwrap_or_default();
    let result = task(&mut buffers);
    if let Ok(mut free) = BUFFERS.lock() {
        free.push(buffers);
    }
    result
}

impl Columns {
    /// Weights of a filter.
    fn filter(&self) -> usize {
        self.input * self.rows.kernel * self.columns.kernel
    }

    /// Floats of an image of the input and of the output.
    fn lens(&self) -> (usize, usize) {
        (
            self.groups * self.input * self.rows.size * self.columns.size,
            self.groups * self.output * self.pixels(),
        )
    }

    /// Pixels of the output.
    fn pixels(&self) -> usize {
        self.rows.out * self.columns.out
    }

    /// Images of a task, for any number of threads.
    fn each(images: usize) -> usize {
        images.div_ceil(TASKS).max(1)
    }

    /// The pieces of a range of images.
    fn pieces(&self, images: Range<usize>) -> Vec<Piece> {
        let (all, line) = (self.rows.out, (self.filter() * self.columns.out).max(1));
        let mut pieces = Vec::new();
        if all * line > NEAR {
            let rows = (NEAR / line).max(1);
            for image in images {
                for row in (0..all).step_by(rows) {
                    pieces.push(Piece { image, images: 1, row, rows: rows.min(all - row) });
                }
            }
            return pieces;
        }
        let many = (NEAR / (all * line).max(1)).max(1);
        for image in images.clone().step_by(many) {
            let images = many.min(images.end - image);
            pieces.push(Piece { image, images, row: 0, rows: all });
        }
        pieces
    }

    /// Computes the output of images `x` for weights `[groups·output][filter]` and a bias of each output
    /// channel.
    pub(crate) fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (input, output) = self.lens();
        let images = x.len() / input.max(1);
        let mut out = vec![0.0_f32; images * output];
        let each = Self::each(images);
        out.par_chunks_mut((each * output).max(1)).enumerate().for_each(|(task, out)| {
            let first = task * each;
            let images = first..images.min(first + each);
            with_buffers(|buffers| {
                for piece in self.pieces(images) {
                    for group in 0..self.groups {
                        self.multiply(x, weight, bias, piece, group, first, out, buffers);
                    }
                }
            });
        });
        out
    }

    /// Computes the output of a piece and a group. `out` starts at image `first`.
    fn multiply(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        piece: Piece,
        group: usize,
        first: usize,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) {
        let (filter, output) = (self.filter(), self.output);
        let Buffers { product, panels, line, outputs, .. } = buffers;
        let pixels = self.pack(x, piece, group, panels, line);
        let weight = Matrix::rows(&weight[group * output * filter..][..output * filter], filter);
        outputs.resize(output * pixels, 0.0);
        let to = Out::Rows(outputs);
        product.compute((output, filter, pixels), weight, Right::Panels(panels), None, to);
        self.runs(piece, group, first, |at, run, channel| {
            let to = &mut out[at];
            match bias {
                Some(bias) => {
                    let bias = bias[channel];
                    to.iter_mut().zip(&outputs[run]).for_each(|(to, from)| *to = from + bias);
                }
                None => to.copy_from_slice(&outputs[run]),
            }
        });
    }

    /// Visits the output of a piece and a group channel by channel and image by image: the range in the output,
    /// which starts at image `first`; the range in the matrix `[output][pixels]`; and the channel.
    fn runs(
        &self,
        piece: Piece,
        group: usize,
        first: usize,
        mut visit: impl FnMut(Range<usize>, Range<usize>, usize),
    ) {
        let run = piece.rows * self.columns.out;
        for o in 0..self.output {
            let channel = group * self.output + o;
            for image in 0..piece.images {
                let plane = (piece.image - first + image) * self.groups * self.output + channel;
                let at = plane * self.pixels() + piece.row * self.columns.out;
                let from = (o * piece.images + image) * run;
                visit(at..at + run, from..from + run, channel);
            }
        }
    }

    /// Copies the gradient of a piece and a group to a matrix `[output][pixels]`.
    fn gather(&self, gradient: &[f32], piece: Piece, group: usize, to: &mut Vec<f32>) {
        to.resize(self.output * piece.images * piece.rows * self.columns.out, 0.0);
        self.runs(piece, group, 0, |at, run, _| to[run].copy_from_slice(&gradient[at]));
    }

    /// Writes the input's matrix of a piece and a group as `[panels of pixels][filter][PANEL]`. Returns the
    /// number of pixels.
    fn pack(
        &self,
        x: &[f32],
        piece: Piece,
        group: usize,
        panels: &mut Vec<f32>,
        line: &mut Vec<f32>,
    ) -> usize {
        let filter = self.filter();
        let pixels = piece.images * piece.rows * self.columns.out;
        panels.resize(in_panels(filter, pixels), 0.0);
        line.resize(pixels, 0.0);
        for term in 0..filter {
            let (channel, place) = self.term(group, term);
            for image in 0..piece.images {
                let plane = self.plane(piece.image + image, channel);
                let line = &mut line[image * piece.rows * self.columns.out..];
                self.read(&x[plane], piece, place, line);
            }
            for (panel, values) in line.chunks(PANEL).enumerate() {
                panels[(panel * filter + term) * PANEL..][..values.len()].copy_from_slice(values);
            }
        }
        pixels
    }

    /// The channel and the place in the kernel of a weight of a filter.
    fn term(&self, group: usize, term: usize) -> (usize, [usize; 2]) {
        let (rows, columns) = (self.rows.kernel, self.columns.kernel);
        let (channel, place) = (term / (rows * columns), term % (rows * columns));
        (group * self.input + channel, [place / columns, place % columns])
    }

    /// The range of a channel of an image in the input.
    fn plane(&self, image: usize, channel: usize) -> Range<usize> {
        let len = self.rows.size * self.columns.size;
        let start = (image * self.groups * self.input + channel) * len;
        start..start + len
    }

    /// Reads the pixels of a channel that the windows of a piece have at a place of the kernel.
    fn read(&self, plane: &[f32], piece: Piece, place: [usize; 2], line: &mut [f32]) {
        let (width, out) = (self.columns.size, self.columns.out);
        let (inside, start) = self.columns.inside(place[1]);
        for (row, to) in line.chunks_exact_mut(out).enumerate().take(piece.rows) {
            let Some(y) =
                self.rows.source(piece.row + row, place[0]).filter(|_| !inside.is_empty())
            else {
                to.fill(0.0);
                continue;
            };
            to[..inside.start].fill(0.0);
            to[inside.end..].fill(0.0);
            let to = &mut to[inside.clone()];
            let from = &plane[y * width + start..(y + 1) * width];
            if self.columns.stride == 1 {
                to.copy_from_slice(&from[..to.len()]);
            } else {
                let from = from.iter().step_by(self.columns.stride);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Adds values to the pixels of a channel: the transpose of [`Self::read`].
    fn add(&self, plane: &mut [f32], piece: Piece, place: [usize; 2], line: &[f32]) {
        let (width, out) = (self.columns.size, self.columns.out);
        let (inside, start) = self.columns.inside(place[1]);
        if inside.is_empty() {
            return;
        }
        for (row, from) in line.chunks_exact(out).enumerate().take(piece.rows) {
            let Some(y) = self.rows.source(piece.row + row, place[0]) else { continue };
            let from = &from[inside.clone()];
            let to = &mut plane[y * width + start..(y + 1) * width];
            if self.columns.stride == 1 {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            } else {
                let to = to.iter_mut().step_by(self.columns.stride);
                to.zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }

    /// Computes the gradient of the input from that of the output.
    pub(crate) fn input_gradient(&self, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
        let (input, output) = self.lens();
        let images = gradient.len() / output.max(1);
        let mut dx = vec![0.0_f32; images * input];
        let each = Self::each(images);
        dx.par_chunks_mut((each * input).max(1)).enumerate().for_each(|(task, dx)| {
            let first = task * each;
            with_buffers(|buffers| {
                for piece in self.pieces(first..images.min(first + each)) {
                    for group in 0..self.groups {
                        self.scatter(gradient, weight, piece, group, first, dx, buffers);
                    }
                }
            });
        });
        dx
    }

    /// Adds the input's gradient of a piece and a group. `dx` starts at image `first`.
    fn scatter(
        &self,
        gradient: &[f32],
        weight: &[f32],
        piece: Piece,
        group: usize,
        first: usize,
        dx: &mut [f32],
        buffers: &mut Buffers,
    ) {
        let (filter, output) = (self.filter(), self.output);
        let Buffers { product, outputs, result, .. } = buffers;
        self.gather(gradient, piece, group, outputs);
        let run = piece.rows * self.columns.out;
        let pixels = piece.images * run;
        result.resize(filter * pixels, 0.0);
        let weight = Matrix::rows(&weight[group * output * filter..][..output * filter], filter);
        let right = Right::Matrix(Matrix::rows(outputs, pixels));
        let to = Out::Rows(result);
        product.compute((filter, output, pixels), weight.transposed(), right, None, to);
        for term in 0..filter {
            let (channel, place) = self.term(group, term);
            for image in 0..piece.images {
                let plane = self.plane(piece.image - first + image, channel);
                let line = &result[term * pixels + image * run..][..run];
                self.add(&mut dx[plane], piece, place, line);
            }
        }
    }

    /// Computes the gradient of the weights from that of the output.
    pub(crate) fn weight_gradient(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (filter, output) = (self.filter(), self.output);
        let images = gradient.len() / self.lens().1.max(1);
        let each = Self::each(images);
        let len = output * filter;
        let task = |task: usize| {
            let mut sums = vec![0.0_f32; self.groups * len];
            let first = (task * each).min(images);
            with_buffers(|buffers| {
                for piece in self.pieces(first..images.min(first + each)) {
                    for group in 0..self.groups {
                        let Buffers { product, panels, line, outputs, result } = &mut *buffers;
                        let pixels = self.pack(x, piece, group, panels, line);
                        self.gather(gradient, piece, group, outputs);
                        result.resize(len, 0.0);
                        let left = Matrix::rows(outputs, pixels);
                        let to = Out::Rows(result);
                        let right = Right::Turned(panels);
                        product.compute((output, pixels, filter), left, right, None, to);
                        let sums = &mut sums[group * len..][..len];
                        sums.iter_mut().zip(&*result).for_each(|(sum, value)| *sum += value);
                    }
                }
            });
            sums
        };
        let parts: Vec<Vec<f32>> = (0..TASKS).into_par_iter().map(task).collect();
        let mut total = vec![0.0_f32; self.groups * len];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        total
    }
}
