//! Batch norm, optionally with a ReLU, as an operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::values::{dot, storage, sum, tensor, values, with_values};

/// The planes of a channel in x `[n][channels][pixels]`.
fn planes_of(
    x: &[f32],
    channel: usize,
    channels: usize,
    pixels: usize,
) -> impl Iterator<Item = &[f32]> {
    x.chunks_exact(pixels.max(1)).skip(channel).step_by(channels)
}

/// Mean and biased variance of each channel; without centering, 0 and the mean square.
pub(super) fn moments(
    x: &[f32],
    channels: usize,
    pixels: usize,
    centered: bool,
) -> Vec<(f64, f64)> {
    let n = (x.len() / channels.max(1)) as f64;
    let of = |channel| {
        let all = || planes_of(x, channel, channels, pixels);
        let total = |sums: f64| sums / n;
        let mean =
            if centered { total(all().map(|plane| sum(plane, |value| value)).sum()) } else { 0.0 };
        let center = mean as f32;
        // The squares of small differences: more accurate than the difference of large squares.
        let squares = all().map(|plane| sum(plane, |value| (value - center) * (value - center)));
        let rest = mean - f64::from(center);
        (mean, total(squares.sum()) - rest * rest)
    };
    (0..channels).into_par_iter().map(of).collect()
}

/// Batch norm as an operation of candle on x, γ and β.
pub(super) struct Normalize {
    /// Values of a channel of an example.
    pub(super) pixels: usize,
    /// Whether the statistics are those of the batch, and therefore depend on x.
    pub(super) batch: bool,
    /// Whether the mean depends on x, too.
    pub(super) centered: bool,
    pub(super) relu: bool,
    pub(super) mean: Vec<f64>,
    /// 1 / √(variance + ε).
    pub(super) inverse: Vec<f64>,
}

impl Normalize {
    /// Calls a function with each channel of each example: the channel and its values.
    fn each_plane(&self, values: &mut [f32], of: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let channels = self.mean.len().max(1);
        let pixels = self.pixels.max(1);
        let many = (4096 / pixels).max(1);
        values.par_chunks_mut(many * pixels).enumerate().for_each(|(chunk, values)| {
            for (at, plane) in values.chunks_mut(pixels).enumerate() {
                let index = chunk * many + at;
                of(index % channels, index * pixels, plane);
            }
        });
    }

    /// The gradients of x, γ and β for the gradient that passed the ReLU.
    fn gradients(&self, x: &[f32], gamma: &[f32], g: &[f32]) -> [Vec<f32>; 3] {
        let (channels, pixels) = (self.mean.len(), self.pixels);
        let n = (x.len() / channels.max(1)) as f64;
        // With x̂ = (x − m)·i: dγ = Σ g x̂, dβ = Σ g.
        let of = |channel: usize| {
            let center = self.mean[channel] as f32;
            let beta: f64 = planes_of(g, channel, channels, pixels)
                .map(|plane| sum(plane, |value| value))
                .sum();
            let product: f64 = planes_of(x, channel, channels, pixels)
                .zip(planes_of(g, channel, channels, pixels))
                .map(|(x, g)| dot(x, g, |x, g| (x - center) * g))
                .sum();
            let rest = f64::from(center) - self.mean[channel];
            ((product + rest * beta) * self.inverse[channel], beta)
        };
        let sums: Vec<(f64, f64)> = (0..channels).into_par_iter().map(of).collect();
        let mut dx = vec![0.0_f32; x.len()];
        self.each_plane(&mut dx, |channel, start, dx| {
            let (x, g) = (&x[start..start + dx.len()], &g[start..start + dx.len()]);
            let (d_gamma, d_beta) = sums[channel];
            let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
            let scale = f64::from(gamma[channel]) * inverse;
            // dx = γ·i·(g − dβ/n − x̂·dγ/n); statistics that do not depend on x have no terms.
            let d_gamma = if self.batch { d_gamma } else { 0.0 };
            let d_beta = if self.batch && self.centered { d_beta } else { 0.0 };
            let linear = (scale * d_gamma / n * inverse) as f32;
            let constant = (scale * d_beta / n) as f32;
            let (scale, mean) = (scale as f32, mean as f32);
            for (dx, (x, g)) in dx.iter_mut().zip(x.iter().zip(g)) {
                *dx = scale * g - constant - (x - mean) * linear;
            }
        });
        let column = |of: fn(&(f64, f64)) -> f64| sums.iter().map(|sum| of(sum) as f32).collect();
        [dx, column(|sum| sum.0), column(|sum| sum.1)]
    }
}

impl CustomOp3 for Normalize {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values(x, x_layout)?;
        let (gamma, beta) = (values(gamma, gamma_layout)?, values(beta, beta_layout)?);
        let mut out = vec![0.0_f32; x.len()];
        let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        self.each_plane(&mut out, |channel, start, out| {
            let scale = f64::from(gamma[channel]) * self.inverse[channel];
            let (scale, mean) = (scale as f32, self.mean[channel] as f32);
            let shift = beta[channel];
            for (out, x) in out.iter_mut().zip(&x[start..]) {
                let value = (x - mean) * scale + shift;
                // NaN stays NaN.
                *out = if value < least { least } else { value };
            }
        });
        Ok((storage(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, d_gamma, d_beta] = with_values(x, |x| {
            with_values(gamma, |gamma| {
                with_values(gradient, |g| {
                    if !self.relu {
                        return Ok(self.gradients(x, gamma, g));
                    }
                    let mut passed = g.to_vec();
                    with_values(out, |out| {
                        let pairs = passed.iter_mut().zip(out);
                        pairs.for_each(|(g, out)| *g = if *out > 0.0 { *g } else { 0.0 });
                        Ok(())
                    })?;
                    Ok(self.gradients(x, gamma, &passed))
                })
            })
        })?;
        let of = |needed: &Tensor, values| {
            needed.track_op().then(|| tensor(values, needed.dims())).transpose()
        };
        Ok((of(x, dx)?, of(gamma, d_gamma)?, of(beta, d_beta)?))
    }
}
