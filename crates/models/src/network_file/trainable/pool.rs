//! Pools for every kernel, stride and padding; candle's backward pass knows only windows that do not overlap and
//! leave no pixels over.

use candle_core::{Result, Tensor};
use candle_nn::Module;

use crate::network_file::plan::PlannedWindow;

pub(super) struct MaxPool(pub(super) PlannedWindow);

impl Module for MaxPool {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // The gradient of candle's own max-pool is too small by the factor kernel².
        let shifts = match whole_windows(self.0, x)? {
            Some(x) => places(self.0.kernel, &x)?,
            None => shifts(self.0, x, f32::MIN)?,
        };
        let shifts = shifts.into_iter();
        let largest = shifts.map(Ok).reduce(|a, b| a?.maximum(&b?));
        largest.unwrap_or_else(|| Ok(x.clone()))
    }
}

/// The mean of each window; zeros of the padding count, as in torch by default.
pub(super) struct AveragePool(pub(super) PlannedWindow);

impl Module for AveragePool {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(x) = whole_windows(self.0, x)? {
            return x.avg_pool2d(self.0.kernel);
        }
        let shifts = shifts(self.0, x, 0.0)?.into_iter();
        let sum = shifts.map(Ok).reduce(|a, b| a? + b?);
        sum.unwrap_or_else(|| Ok(x.clone()))? / (self.0.kernel * self.0.kernel) as f64
    }
}

/// The image without the pixels that belong to no window, if windows neither overlap nor leave gaps.
fn whole_windows(window: PlannedWindow, x: &Tensor) -> Result<Option<Tensor>> {
    let PlannedWindow { kernel, stride, padding } = window;
    if kernel != stride || padding > 0 {
        return Ok(None);
    }
    let (.., height, width) = x.dims4()?;
    let whole = |size: usize| size / kernel * kernel;
    Ok(Some(x.narrow(2, 0, whole(height))?.narrow(3, 0, whole(width))?.contiguous()?))
}

/// The same as [`shifts`] for windows that divide the image.
fn places(kernel: usize, x: &Tensor) -> Result<Vec<Tensor>> {
    let (n, channels, height, width) = x.dims4()?;
    let (rows, columns) = (height / kernel, width / kernel);
    let x = x.reshape(vec![n * channels * rows, kernel, columns, kernel])?;
    let mut places = Vec::new();
    for row in 0..kernel {
        let x = x.narrow(1, row, 1)?;
        for column in 0..kernel {
            let place = x.narrow(3, column, 1)?.contiguous()?;
            places.push(place.reshape((n, channels, rows, columns))?);
        }
    }
    Ok(places)
}

/// For each place in the window, the pixels at that place in all windows, `[n][c][rows][columns]`.
fn shifts(window: PlannedWindow, x: &Tensor, border: f32) -> Result<Vec<Tensor>> {
    let PlannedWindow { kernel, stride, padding } = window;
    let mut padded = x.clone();
    for axis in [2, 3] {
        if padding > 0 {
            let mut dims = padded.dims().to_vec();
            dims[axis] = padding;
            let border = Tensor::full(border, dims, x.device())?;
            padded = Tensor::cat(&[&border, &padded, &border], axis)?;
        }
    }
    let along = |axis: usize, first: usize| -> Result<Tensor> {
        let outputs = (padded.dim(axis)? - kernel) / stride + 1;
        let pixels: Vec<u32> =
            (0..outputs).map(|output| (first + output * stride) as u32).collect();
        Tensor::new(pixels, x.device())
    };
    let mut shifts = Vec::new();
    for row in 0..kernel {
        let rows = padded.index_select(&along(2, row)?, 2)?;
        for column in 0..kernel {
            shifts.push(rows.index_select(&along(3, column)?, 3)?);
        }
    }
    Ok(shifts)
}

pub(super) struct GlobalAverage;

impl Module for GlobalAverage {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten_from(2)?.mean(2)
    }
}

/// torch's `AdaptiveAvgPool2d`: output i is the mean of the pixels `⌊i·h/n⌋ .. ⌈(i+1)·h/n⌉`.
pub(super) struct Adaptive(pub(super) usize);

impl Module for Adaptive {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, channels, height, width) = x.dims4()?;
        let side = self.0;
        // `[size][side]`: the share of each pixel in each output.
        let shares = |size: usize| {
            let mut shares = vec![0.0_f32; size * side];
            for output in 0..side {
                let (start, end) = (output * size / side, ((output + 1) * size).div_ceil(side));
                for pixel in start..end {
                    shares[pixel * side + output] = 1.0 / (end - start) as f32;
                }
            }
            Tensor::from_vec(shares, (size, side), x.device())
        };
        let columns =
            x.contiguous()?.reshape((n * channels * height, width))?.matmul(&shares(width)?)?;
        let turned =
            columns.reshape((n * channels, height, side))?.transpose(1, 2)?.contiguous()?;
        let rows = turned.reshape((n * channels * side, height))?.matmul(&shares(height)?)?;
        rows.reshape((n * channels, side, side))?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((n, channels, side, side))
    }
}
