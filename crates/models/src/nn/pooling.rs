//! Max and average pooling.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, Layout, Module, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::values::{ready, storage, tensor, values, with_values};
use crate::kernels::Axis;

/// A max-pool layer with torch's meaning: padding counts as −∞, and the gradient goes to the first of equal
/// values.
///
/// candle's own `Tensor::max_pool2d` has another gradient: it divides it by the number of pixels of a window,
/// and gives it to every largest value; and it has none if windows overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
}

/// An average-pool layer with torch's defaults: padding counts as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d {
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
}

impl MaxPool2d {
    /// A pool with square windows.
    #[must_use]
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self::with_sizes((kernel, kernel), (stride, stride), (padding, padding))
    }

    /// A pool with rows and columns of windows, strides and padding.
    #[must_use]
    pub fn with_sizes(
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Self {
        Self { kernel, stride, padding }
    }
}

impl AvgPool2d {
    /// A pool with square windows.
    #[must_use]
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self::with_sizes((kernel, kernel), (stride, stride), (padding, padding))
    }

    /// A pool with rows and columns of windows, strides and padding.
    #[must_use]
    pub fn with_sizes(
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Self {
        Self { kernel, stride, padding }
    }
}

impl Module for MaxPool2d {
    /// Pools images `[n][c][h][w]`.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, the padding is more than half a window, or x is not float32 on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (x, planes) = prepared("max pool", x, self.kernel, self.stride, self.padding)?;
        x.apply_op1(Largest { planes, winners: Mutex::default() })
    }
}

impl Module for AvgPool2d {
    /// Pools images `[n][c][h][w]`.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, the padding is more than half a window, or x is not float32 on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (x, planes) = prepared("average pool", x, self.kernel, self.stride, self.padding)?;
        x.apply_op1(Average { planes })
    }
}

/// Largest values of square or rectangular windows that do not overlap, as `Tensor::max_pool2d` computes them.
///
/// # Errors
///
/// As for [`MaxPool2d`].
pub fn max_pool2d(x: &Tensor, kernel: impl candle_core::ToUsize2) -> Result<Tensor> {
    let kernel = kernel.to_usize2();
    MaxPool2d::with_sizes(kernel, kernel, (0, 0)).forward(x)
}

/// Largest values of windows at a stride, as `Tensor::max_pool2d_with_stride` computes them.
///
/// # Errors
///
/// As for [`MaxPool2d`].
pub fn max_pool2d_with_stride(
    x: &Tensor,
    kernel: impl candle_core::ToUsize2,
    stride: impl candle_core::ToUsize2,
) -> Result<Tensor> {
    MaxPool2d::with_sizes(kernel.to_usize2(), stride.to_usize2(), (0, 0)).forward(x)
}

/// Means of windows that do not overlap, as `Tensor::avg_pool2d` computes them.
///
/// # Errors
///
/// As for [`AvgPool2d`].
pub fn avg_pool2d(x: &Tensor, kernel: impl candle_core::ToUsize2) -> Result<Tensor> {
    let kernel = kernel.to_usize2();
    AvgPool2d::with_sizes(kernel, kernel, (0, 0)).forward(x)
}

/// Means of windows at a stride, as `Tensor::avg_pool2d_with_stride` computes them.
///
/// # Errors
///
/// As for [`AvgPool2d`].
pub fn avg_pool2d_with_stride(
    x: &Tensor,
    kernel: impl candle_core::ToUsize2,
    stride: impl candle_core::ToUsize2,
) -> Result<Tensor> {
    AvgPool2d::with_sizes(kernel.to_usize2(), stride.to_usize2(), (0, 0)).forward(x)
}

/// The tensor in memory, and its planes.
fn prepared(
    operation: &str,
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<(Tensor, Planes)> {
    let x = ready(operation, x)?;
    let [n, c, h, w] = match x.dims() {
        [n, c, h, w] => [*n, *c, *h, *w],
        dims => bail!("{operation} needs images [n][c][h][w], got shape {dims:?}"),
    };
    if padding.0 > kernel.0 / 2 || padding.1 > kernel.1 / 2 {
        bail!("{operation}: padding {padding:?} is more than half of a window of {kernel:?}");
    }
    let rows = Axis::new(h, kernel.0, stride.0, padding.0, 1)?;
    let columns = Axis::new(w, kernel.1, stride.1, padding.1, 1)?;
    Ok((x, Planes { n, c, rows, columns }))
}

/// The planes of a batch: one per image and channel.
#[derive(Clone, Copy, Debug)]
struct Planes {
    n: usize,
    c: usize,
    rows: Axis,
    columns: Axis,
}

impl Planes {
    /// Pixels of a plane of the input and of the output.
    fn lens(&self) -> (usize, usize) {
        (self.rows.size * self.columns.size, self.rows.out * self.columns.out)
    }

    fn shape(&self) -> Shape {
        Shape::from((self.n, self.c, self.rows.out, self.columns.out))
    }

    /// Whether windows are 2 × 2 pixels that do not overlap.
    fn simple(&self) -> bool {
        [self.rows, self.columns]
            .iter()
            .all(|axis| (axis.kernel, axis.stride, axis.padding) == (2, 2, 0))
    }
}

/// Planes that a task works on.
const PLANES: usize = 16;

/// Max-pool as an operation of candle.
struct Largest {
    planes: Planes,
    /// For each output, the pixel of its plane that was the largest.
    winners: Mutex<Vec<u32>>,
}

impl Largest {
    /// Pools one plane.
    fn plane(&self, x: &[f32], out: &mut [f32], winners: &mut [u32]) {
        let Planes { rows, columns, .. } = self.planes;
        let width = columns.size;
        for row in 0..rows.out {
            let range = row * columns.out..(row + 1) * columns.out;
            let (out, winners) = (&mut out[range.clone()], &mut winners[range]);
            if self.planes.simple() {
                let (upper, lower) = (&x[2 * row * width..], &x[(2 * row + 1) * width..]);
                let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                let results = out.iter_mut().zip(winners);
                for (at, ((out, winner), (upper, lower))) in results.zip(pairs).enumerate() {
                    let first = 2 * (row * width + at);
                    let mut best = (upper[0], first);
                    for (value, pixel) in [
                        (upper[1], first + 1),
                        (lower[0], first + width),
                        (lower[1], first + width + 1),
                    ] {
                        best = if value > best.0 || value.is_nan() { (value, pixel) } else { best };
                    }
                    (*out, *winner) = (best.0, best.1 as u32);
                }
                continue;
            }
            let (ys, y) = rows.places(row);
            for (column, (out, winner)) in out.iter_mut().zip(winners).enumerate() {
                let (xs, first) = columns.places(column);
                let mut best = (f32::NEG_INFINITY, y * width + first);
                for y in y..y + ys.len() {
                    for (at, value) in x[y * width + first..][..xs.len()].iter().enumerate() {
                        if *value > best.0 || value.is_nan() {
                            best = (*value, y * width + first + at);
                        }
                    }
                }
                (*out, *winner) = (best.0, best.1 as u32);
            }
        }
    }
}

impl CustomOp1 for Largest {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let (input, output) = self.planes.lens();
        let planes = self.planes.n * self.planes.c;
        let mut out = vec![0.0_f32; planes * output];
        let mut winners = vec![0_u32; planes * output];
        out.par_chunks_mut(PLANES * output)
            .zip(winners.par_chunks_mut(PLANES * output))
            .zip(x.par_chunks((PLANES * input).max(1)))
            .for_each(|((out, winners), x)| {
                let planes = out.chunks_mut(output).zip(winners.chunks_mut(output));
                for ((out, winners), x) in planes.zip(x.chunks(input.max(1))) {
                    self.plane(x, out, winners);
                }
            });
        match self.winners.lock() {
            Ok(mut kept) => *kept = winners,
            Err(_) => bail!("max pool: another thread failed while it used this operation"),
        }
        Ok((storage(out), self.planes.shape()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let Ok(winners) = self.winners.lock() else {
            bail!("max pool: another thread failed while it used this operation");
        };
        let (input, output) = self.planes.lens();
        let mut dx = vec![0.0_f32; x.elem_count()];
        with_values(gradient, |gradient| {
            dx.par_chunks_mut((PLANES * input).max(1))
                .zip(winners.par_chunks(PLANES * output))
                .zip(gradient.par_chunks(PLANES * output))
                .for_each(|((dx, winners), gradient)| {
                    let planes = winners.chunks(output).zip(gradient.chunks(output));
                    for (dx, (winners, gradient)) in dx.chunks_mut(input.max(1)).zip(planes) {
                        for (winner, gradient) in winners.iter().zip(gradient) {
                            dx[*winner as usize] += gradient;
                        }
                    }
                });
            Ok(())
        })?;
        Ok(Some(tensor(dx, x.dims())?))
    }
}

/// Average pool as an operation of candle.
struct Average {
    planes: Planes,
}

impl Average {
    /// Calls a function with each window of a plane: its number, and the range of each of its rows.
    fn windows(&self, mut of: impl FnMut(usize, std::ops::Range<usize>)) {
        let Planes { rows, columns, .. } = self.planes;
        for row in 0..rows.out {
            let (ys, y) = rows.places(row);
            for column in 0..columns.out {
                let (xs, x) = columns.places(column);
                for y in y..y + ys.len() {
                    let start = y * columns.size + x;
                    of(row * columns.out + column, start..start + xs.len());
                }
            }
        }
    }

    /// 1 / pixels of a window.
    fn share(&self) -> f32 {
        1.0 / (self.planes.rows.kernel * self.planes.columns.kernel) as f32
    }
}

impl CustomOp1 for Average {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let (input, output) = self.planes.lens();
        let share = self.share();
        let mut out = vec![0.0_f32; self.planes.n * self.planes.c * output];
        let tasks = out.par_chunks_mut(PLANES * output);
        tasks.zip(x.par_chunks((PLANES * input).max(1))).for_each(|(out, x)| {
            for (out, x) in out.chunks_mut(output).zip(x.chunks(input.max(1))) {
                self.windows(|window, range| out[window] += x[range].iter().sum::<f32>());
                out.iter_mut().for_each(|out| *out *= share);
            }
        });
        Ok((storage(out), self.planes.shape()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (input, output) = self.planes.lens();
        let share = self.share();
        let mut dx = vec![0.0_f32; x.elem_count()];
        with_values(gradient, |gradient| {
            let tasks = dx.par_chunks_mut((PLANES * input).max(1));
            tasks.zip(gradient.par_chunks(PLANES * output)).for_each(|(dx, gradient)| {
                let planes = dx.chunks_mut(input.max(1)).zip(gradient.chunks(output));
                for (dx, gradient) in planes {
                    self.windows(|window, range| {
                        let part = gradient[window] * share;
                        dx[range].iter_mut().for_each(|dx| *dx += part);
                    });
                }
            });
            Ok(())
        })?;
        Ok(Some(tensor(dx, x.dims())?))
    }
}
