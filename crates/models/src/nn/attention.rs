//! Scaled dot-product attention (Vaswani et al. 2017) with gradients.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{
    products::with_product,
    values::{check_size, ready, storage, tensor, values, with_values},
};
use crate::kernels::{Matrix, Out, Product, Right, image::softmax_row};

/// Computes `softmax(q · kᵀ · scale + bias) · v`, as `torch.nn.functional.scaled_dot_product_attention` does, for
/// queries `[…][t][d]`, keys `[…][s][d]` and values `[…][s][e]`; the result is `[…][t][e]`. The leading axes (batch
/// and heads) are the same. `scale` is usually 1 / √d.
///
/// The bias is broadcast to `[…][t][s]`; −∞ masks a key. It has no gradient.
///
/// # Errors
///
/// If the shapes do not fit, or a tensor is not float32 on the CPU.
pub fn scaled_dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: Option<&Tensor>,
    scale: f64,
) -> Result<Tensor> {
    let (q, k, v) = (ready("attention", q)?, ready("attention", k)?, ready("attention", v)?);
    let wrong = || {
        candle_core::Error::Msg(format!(
            "attention: queries {:?}, keys {:?} and values {:?} do not fit",
            q.dims(),
            k.dims(),
            v.dims()
        ))
    };
    let split = |x: &Tensor| {
        let (lead, last) = x.dims().split_last_chunk::<2>()?;
        Some((lead.to_vec(), *last))
    };
    let (Some((lead, [t, d])), Some((k_lead, [s, k_d])), Some((v_lead, [v_s, e]))) =
        (split(&q), split(&k), split(&v))
    else {
        return Err(wrong());
    };
    if k_lead != lead || v_lead != lead || k_d != d || v_s != s || s == 0 || d == 0 {
        return Err(wrong());
    }
    let shape = |last: [usize; 2]| [lead.as_slice(), &last].concat();
    check_size("attention", &shape([t, s]))?;
    let bias = match bias {
        Some(bias) => Some(ready("attention", bias)?.broadcast_as(shape([t, s]))?.detach()),
        None => None,
    };
    let bias = bias.map(|bias| bias.contiguous()).transpose()?;
    let heads = lead.iter().product();
    let out = shape([t, e]);
    let scale = scale as f32;
    q.apply_op3(&k, &v, Attention { heads, t, s, d, e, scale, bias, out })
}

/// Attention as an operation of candle.
struct Attention {
    /// Heads of all examples.
    heads: usize,
    /// Queries.
    t: usize,
    /// Keys.
    s: usize,
    /// Width of queries and keys.
    d: usize,
    /// Width of values.
    e: usize,
    scale: f32,
    /// `[…][t][s]`.
    bias: Option<Tensor>,
    /// Shape of the result.
    out: Vec<usize>,
}

impl Attention {
    /// Computes the weights of a head's keys, `[t][s]`.
    fn weights(
        &self,
        q: &[f32],
        k: &[f32],
        bias: Option<&[f32]>,
        product: &mut Product,
    ) -> Vec<f32> {
        let Self { t, s, d, .. } = *self;
        let mut scores = vec![0.0_f32; t * s];
        let right = Right::Matrix(Matrix::rows(k, d).transposed());
        product.compute((t, d, s), Matrix::rows(q, d), right, None, Out::Rows(&mut scores));
        let mut weights = vec![0.0_f32; t * s];
        for (row, (scores, weights)) in
            scores.chunks_exact_mut(s).zip(weights.chunks_exact_mut(s)).enumerate()
        {
            scores.iter_mut().for_each(|score| *score *= self.scale);
            if let Some(bias) = bias {
                scores.iter_mut().zip(&bias[row * s..]).for_each(|(score, bias)| *score += bias);
            }
            softmax_row(scores, weights);
        }
        weights
    }

    /// The part of a buffer that belongs to a head.
    fn part(values: &[f32], head: usize, len: usize) -> &[f32] {
        &values[head * len..(head + 1) * len]
    }

    /// Calls a function with the values of the bias.
    fn with_bias<T>(&self, of: impl FnOnce(Option<&[f32]>) -> Result<T>) -> Result<T> {
        match &self.bias {
            Some(bias) => with_values(bias, |bias| of(Some(bias))),
            None => of(None),
        }
    }

    fn forward(&self, q: &[f32], k: &[f32], v: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let Self { t, s, d, e, .. } = *self;
        let mut out = vec![0.0_f32; self.heads * t * e];
        out.par_chunks_mut((t * e).max(1)).enumerate().for_each(|(head, out)| {
            let bias = bias.map(|bias| Self::part(bias, head, t * s));
            let (q, k) = (Self::part(q, head, t * d), Self::part(k, head, s * d));
            let v = Self::part(v, head, s * e);
            with_product(|product| {
                let weights = self.weights(q, k, bias, product);
                let right = Right::Matrix(Matrix::rows(v, e));
                product.compute((t, s, e), Matrix::rows(&weights, s), right, None, Out::Rows(out));
            });
        });
        out
    }

    /// The gradients of q, k and v of a head. With P the weights: dv = Pᵀ·g, dP = g·vᵀ,
    /// dS = P ∘ (dP − rows' sums of P ∘ dP) · scale, dq = dS·k, dk = dSᵀ·q.
    fn head(&self, [q, k, v, g]: [&[f32]; 4], bias: Option<&[f32]>, [dq, dk, dv]: [&mut [f32]; 3]) {
        let Self { t, s, d, e, .. } = *self;
        let right = |values, columns| Right::Matrix(Matrix::rows(values, columns));
        with_product(|product| {
            let weights = self.weights(q, k, bias, product);
            let rows = Matrix::rows(&weights, s);
            product.compute((s, t, e), rows.transposed(), right(g, e), None, Out::Rows(dv));
            let mut slopes = vec![0.0_f32; t * s];
            let turned = Right::Matrix(Matrix::rows(v, e).transposed());
            product.compute((t, e, s), Matrix::rows(g, e), turned, None, Out::Rows(&mut slopes));
            for (slopes, weights) in slopes.chunks_exact_mut(s).zip(weights.chunks_exact(s)) {
                let sum: f32 = slopes.iter().zip(weights).map(|(a, b)| a * b).sum();
                for (slope, weight) in slopes.iter_mut().zip(weights) {
                    *slope = weight * (*slope - sum) * self.scale;
                }
            }
            let slopes = Matrix::rows(&slopes, s);
            product.compute((t, s, d), slopes, right(k, d), None, Out::Rows(dq));
            product.compute((s, t, d), slopes.transposed(), right(q, d), None, Out::Rows(dk));
        });
    }

    fn backward(&self, [q, k, v, g]: [&[f32]; 4], bias: Option<&[f32]>) -> [Vec<f32>; 3] {
        let Self { heads, t, s, d, e, .. } = *self;
        let mut dq = vec![0.0_f32; q.len()];
        let mut dk = vec![0.0_f32; k.len()];
        let mut dv = vec![0.0_f32; v.len()];
        if t * e > 0 && heads > 0 {
            dq.par_chunks_mut(t * d)
                .zip(dk.par_chunks_mut(s * d))
                .zip(dv.par_chunks_mut(s * e))
                .enumerate()
                .for_each(|(head, ((dq, dk), dv))| {
                    let bias = bias.map(|bias| Self::part(bias, head, t * s));
                    let (q, k) = (Self::part(q, head, t * d), Self::part(k, head, s * d));
                    let (v, g) = (Self::part(v, head, s * e), Self::part(g, head, t * e));
                    self.head([q, k, v, g], bias, [dq, dk, dv]);
                });
        }
        [dq, dk, dv]
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (values(q, q_layout)?, values(k, k_layout)?, values(v, v_layout)?);
        let out = self.with_bias(|bias| Ok(self.forward(q, k, v, bias)))?;
        Ok((storage(out), Shape::from(self.out.as_slice())))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dq, dk, dv] = with_values(q, |q_values| {
            with_values(k, |k_values| {
                with_values(v, |v_values| {
                    with_values(gradient, |g| {
                        self.with_bias(|bias| {
                            Ok(self.backward([q_values, k_values, v_values, g], bias))
                        })
                    })
                })
            })
        })?;
        let of = |needed: &Tensor, values| {
            needed.track_op().then(|| tensor(values, needed.dims())).transpose()
        };
        Ok((of(q, dq)?, of(k, dk)?, of(v, dv)?))
    }
}
