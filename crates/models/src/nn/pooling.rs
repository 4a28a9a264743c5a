//! Max and average pools: layers and functions.

use std::sync::Mutex;

use candle_core::{Module, Result, Tensor, bail};

use super::{
    planes::{Average, Largest, Planes},
    values::ready,
};
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
