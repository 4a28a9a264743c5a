//! Vision Transformer (Dosovitskiy et al. 2020).

use candle_core::{Result, Tensor};

use super::{
    VisionError,
    attention::{Attention, perceptron, residual},
    convnext::patches,
    layers::{Activation::None, Layer, Special},
    resident::{Image, Walk},
    weights::Weights,
};
use crate::profile::LayerKind;

/// Where firsts are kept on a device: no address of a layer.
const FIRSTS: usize = 3;

/// Of layer norm.
const EPSILON: f32 = 1e-6;

/// Pixels of a patch's side; of an image's side, which position embeddings fix.
const PATCH: usize = 16;
pub(super) const SIDE: usize = 224;

/// ViT-B/16: the paper's table 1, "Base".
const BLOCKS: usize = 12;
const WIDTH: usize = 768;
const HEADS: usize = 12;

pub(super) fn vit_b_16(w: &mut Weights, classes: usize) -> std::result::Result<Layer, VisionError> {
    let tokens = (SIDE / PATCH).pow(2) + 1;
    let mut layers = vec![
        w.conv("conv_proj", patches(3, WIDTH, PATCH), None)?,
        Layer::Special(Box::new(Tokens {
            class: w.trained("class_token", &[1, 1, WIDTH], 0.0, 0.02)?,
            positions: w.trained("encoder.pos_embedding", &[1, tokens, WIDTH], 0.0, 0.02)?,
        })),
    ];
    for block in 0..BLOCKS {
        let name = format!("encoder.layers.encoder_layer_{block}");
        let of = |part: &str| format!("{name}.{part}");
        let names = (&*of("self_attention.in_proj_weight"), &*of("self_attention.in_proj_bias"));
        let norm = w.layer_norm(&of("ln_1"), WIDTH, EPSILON)?;
        let attention = Attention::new(w, names, &of("self_attention.out_proj"), WIDTH, HEADS)?;
        layers.push(residual(vec![norm, Layer::Special(Box::new(Global(attention)))]));
        layers.push(perceptron(w, &of("ln_2"), &of("mlp"), WIDTH, EPSILON)?);
    }
    layers.extend([
        Layer::Special(Box::new(First)),
        w.layer_norm("encoder.ln", WIDTH, EPSILON)?,
        w.linear("heads.head", WIDTH, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// Patches `[n][h][w][c]` to tokens `[n][1 + h·w][c]`: a learned one first, each with its position.
struct Tokens {
    class: Tensor,
    positions: Tensor,
}

impl Special for Tokens {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let class = self.class.broadcast_as((n, 1, c))?;
        Tensor::cat(&[class, x.reshape((n, h * w, c))?], 1)?.broadcast_add(&self.positions)
    }

    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let (of, tokens) = (std::ptr::from_ref(self) as usize, h * w + 1);
        // The learned token is no pixel: it comes with its position.
        let number = |it: usize| match it % tokens {
            0 => -1,
            token => (it / tokens * h * w + token - 1) as i32,
        };
        let out =
            walk.take(&x, &[n, tokens, c], of, n, || (0..n * tokens).map(number).collect())?;
        let class = self.class.flatten_all()?.to_vec1::<f32>()?;
        let mut table = self.positions.flatten_all()?.to_vec1::<f32>()?;
        table.iter_mut().zip(class).for_each(|(to, it)| *to += it);
        walk.add_table(&out, of, tokens * c, || table)?;
        Ok(out)
    }

    fn about(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        ("tokens with positions", LayerKind::Other, x.elem_count() as f64)
    }
}

/// Attention over all of an image's tokens.
struct Global(Attention);

impl Special for Global {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x, Option::None)
    }

    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError> {
        self.0.resident(walk, x, Option::None)
    }

    fn about(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        let flops = x.dims3().map_or(0.0, |(n, tokens, _)| self.0.flops(n, tokens));
        ("attention", LayerKind::Attention, flops)
    }
}

/// The first token, `[n][c]`.
struct First;

impl Special for First {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()
    }

    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError> {
        let [n, tokens, c] = x.dims[..] else { return Ok(x) };
        // It has no address of its own, and what it takes depends on these alone.
        let part = n << 16 | tokens;
        let firsts = || (0..n).map(|it| (it * tokens) as i32).collect();
        walk.take(&x, &[n, c], FIRSTS, part, firsts)
    }

    fn about(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("first token", LayerKind::Other, 0.0)
    }
}
