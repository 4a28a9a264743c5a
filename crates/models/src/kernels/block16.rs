//! Between rows of images and blocks of 16.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{LANES, floats};

/// Images `[n][features]` as blocks `[⌈n/16⌉][features][16]`; missing images are zeros.
pub(crate) fn to_blocks(rows: &[f32], features: usize) -> Vec<f32> {
    let blocks = rows.len().div_ceil(features * LANES);
    let mut out = vec![0.0; blocks * features * LANES];
    out.par_chunks_mut(features * LANES).zip(rows.par_chunks(features * LANES)).for_each(
        |(block, rows)| {
            for (lane, row) in rows.chunks_exact(features).enumerate() {
                for (feature, value) in row.iter().enumerate() {
                    block[feature * LANES + lane] = *value;
                }
            }
        },
    );
    out
}

/// Blocks as rows: x `[N/16][c][h][w][16]` to `[images][c·h·w]`.
#[derive(Clone, Copy)]
pub(crate) struct Blocked {
    /// Images in the batch; the rest of the last block is dropped.
    pub(crate) images: usize,
}

impl CustomOp1 for Blocked {
    fn name(&self) -> &'static str {
        "blocks-to-rows"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout)?;
        let dims = layout.dims();
        let Some((LANES, inner)) = dims.split_last().map(|(last, rest)| (*last, &rest[1..])) else {
            bail!("blocks-to-rows expects [b, ..., {LANES}], got {dims:?}");
        };
        let features: usize = inner.iter().product();
        if self.images.div_ceil(LANES) != dims[0] {
            bail!("{} images do not fill {} blocks", self.images, dims[0]);
        }
        let mut out = vec![0.0; self.images * features];
        out.par_chunks_mut(features * LANES).zip(x.par_chunks(features * LANES)).for_each(
            |(rows, block)| {
                for (lane, row) in rows.chunks_exact_mut(features).enumerate() {
                    for (feature, value) in row.iter_mut().enumerate() {
                        *value = block[feature * LANES + lane];
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), Shape::from((self.images, features))))
    }

    fn bwd(&self, arg: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let features = gradient.dim(1)?;
        let gradient = gradient.contiguous()?;
        let (storage, layout) = gradient.storage_and_layout();
        let blocks = to_blocks(super::cpu_floats(&storage, layout)?, features);
        Ok(Some(Tensor::from_vec(blocks, arg.dims(), arg.device())?))
    }
}
