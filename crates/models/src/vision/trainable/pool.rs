//! Pools as candle operations with a gradient. Images are `[n][c][h][w]`.
//!
//! candle's own pools have a gradient only if windows do not overlap, and take no padding.

use candle_core::{Module, Result, Tensor};

use super::super::layers::Mode;
use crate::{
    kernels::image::{AveragePool, MaxPool},
    layers::Layers,
    nn,
};

/// The largest value of each window: the largest of each column, then the largest of these in each row.
pub(super) fn max_pool(x: &Tensor, pool: &MaxPool, mode: Mode) -> Result<Tensor> {
    if mode.layers == Layers::Fused && !pool.ceil {
        return nn::MaxPool2d::new(pool.kernel, pool.stride, pool.padding).forward(x);
    }
    max_along(&max_along(x, pool, 2)?, pool, 3)
}

fn max_along(x: &Tensor, pool: &MaxPool, axis: usize) -> Result<Tensor> {
    let size = x.dim(axis)?;
    let outputs = pool.outputs(size)?;
    let x = x.contiguous()?;
    let mut largest: Option<Tensor> = None;
    for tap in 0..pool.kernel {
        // A pixel beyond the edge is replaced by the nearest one, which is in the same window.
        let index = |output: usize| {
            (output * pool.stride + tap).saturating_sub(pool.padding).min(size - 1) as u32
        };
        let indices: Vec<u32> = (0..outputs).map(index).collect();
        let taken = x.index_select(&Tensor::from_vec(indices, outputs, x.device())?, axis)?;
        largest = Some(match largest {
            Some(largest) => largest.maximum(&taken)?,
            None => taken,
        });
    }
    largest.map_or_else(|| Ok(x.clone()), Ok)
}

/// The mean of each window, as a product with a matrix for each axis. Zeros beyond the edge count as pixels.
pub(super) fn average_pool(x: &Tensor, pool: AveragePool, mode: Mode) -> Result<Tensor> {
    if let (Layers::Fused, AveragePool::Windows { kernel, stride, padding }) = (mode.layers, pool) {
        return nn::AvgPool2d::new(kernel, stride, padding).forward(x);
    }
    let (n, c, h, w) = x.dims4()?;
    let (across, down) = (means(pool, w, x)?, means(pool, h, x)?);
    let columns = across.dim(1)?;
    let x = x.contiguous()?.reshape((n * c * h, w))?.matmul(&across)?;
    let x = x.reshape((n, c, h, columns))?.transpose(2, 3)?.contiguous()?;
    let x = x.reshape((n * c * columns, h))?.matmul(&down)?;
    x.reshape((n, c, columns, down.dim(1)?))?.transpose(2, 3)?.contiguous()
}

/// The matrix `[size][outputs]` whose columns are the weights of the windows' pixels.
fn means(pool: AveragePool, size: usize, like: &Tensor) -> Result<Tensor> {
    let outputs = pool.outputs(size)?;
    let mut matrix = vec![0.0_f32; size * outputs];
    for output in 0..outputs {
        let (range, count) = match pool {
            AveragePool::Adaptive(n) => {
                let range = output * size / n..((output + 1) * size).div_ceil(n);
                (range.clone(), range.len())
            }
            AveragePool::Windows { kernel, stride, padding } => {
                let start = output * stride;
                let end = (start + kernel).saturating_sub(padding).min(size);
                (start.saturating_sub(padding)..end, kernel)
            }
        };
        for pixel in range {
            matrix[pixel * outputs + output] = 1.0 / count as f32;
        }
    }
    Tensor::from_vec(matrix, (size, outputs), like.device())
}
