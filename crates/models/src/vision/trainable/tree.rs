//! Connected layers as candle operations with a gradient. Images are `[n][c][h][w]`.

use candle_core::{Result, Tensor, bail};

use super::{
    super::layers::{Layer, Mode},
    activation::rectify,
    pool::{average_pool, max_pool},
};

impl Layer {
    /// The layer's output for x. Dropout, stochastic depth and the statistics of batch norm depend on whether
    /// the network is being trained.
    pub(super) fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Custom(layer) => layer.forward_t(x, mode),
            Self::MaxPool(pool) => max_pool(x, pool, mode),
            Self::AveragePool(pool) => average_pool(x, *pool, mode),
            Self::GlobalAvgPool => x.flatten_from(2)?.mean(2),
            Self::Flatten => x.contiguous()?.flatten_from(1),
            Self::Sequence(layers) => {
                layers.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, mode))
            }
            Self::Residual { path, shortcut, relu } => {
                let residual = match shortcut {
                    Some(layer) => layer.forward_t(x, mode)?,
                    None => x.clone(),
                };
                if *relu {
                    return rectify(&(path.forward_to_add(x, mode)? + residual)?, mode);
                }
                path.forward_t(x, mode)? + residual
            }
            Self::Grow(path) => Tensor::cat(&[x, &path.forward_t(x, mode)?], 1),
            Self::Branches(paths) => {
                let parts: Vec<Tensor> =
                    paths.iter().map(|path| path.forward_t(x, mode)).collect::<Result<_>>()?;
                Tensor::cat(&parts, 1)
            }
            Self::HalfAndShuffle(path) => {
                let half = x.dim(1)? / 2;
                let kept = x.narrow(1, 0, half)?.contiguous()?;
                interleave(&kept, &path.forward_t(&x.narrow(1, half, half)?.contiguous()?, mode)?)
            }
            Self::BranchesAndShuffle(a, b) => {
                interleave(&a.forward_t(x, mode)?, &b.forward_t(x, mode)?)
            }
            Self::Gated(path) => {
                let factors = path.forward_t(x, mode)?;
                let (n, c) = factors.dims2()?;
                x.broadcast_mul(&factors.reshape((n, c, 1, 1))?)
            }
            _ => bail!("a layer for inference cannot be trained"),
        }
    }

    /// The layer's output without the last ReLU, which is applied after an addition.
    fn forward_to_add(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Custom(layer) => layer.forward_to_add(x, mode),
            Self::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x =
                        rest.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, mode))?;
                    last.forward_to_add(&x, mode)
                }
                None => Ok(x.clone()),
            },
            _ => self.forward_t(x, mode),
        }
    }
}

/// The channels of a and b in turns: a₀, b₀, a₁, b₁, ….
fn interleave(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = a.dims4()?;
    Tensor::stack(&[a, b], 2)?.reshape((n, 2 * c, h, w))
}
