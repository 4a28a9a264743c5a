//! Vision Transformer (Dosovitskiy et al. 2020).

use candle_core::{Result, Tensor};

use super::{
    attention::{Attention, perceptron, residual},
    convnext::patches,
    device_pass::{DeviceTensor, ForwardPass},
    error::VisionError,
    layers::{Activation::None, CustomLayer, Layer, Mode},
    trainable::features_last,
    weights::Weights,
};
use crate::profile::LayerKind;

/// Owner of `FirstToken`'s tables on a device. It is not the address of any layer.
const FIRSTS: usize = 3;

/// Epsilon of layer norm.
const EPSILON: f32 = 1e-6;

/// Side of a patch in pixels.
const PATCH: usize = 16;
/// Side of the images in pixels. The position embeddings allow no other size.
pub(super) const SIDE: usize = 224;

/// ViT-B/16, "Base" in table 1 of the paper.
pub(super) fn vit_b_16(w: &mut Weights, classes: usize) -> std::result::Result<Layer, VisionError> {
    transformer(w, classes, [12, 768, 12])
}

/// A transformer, given the numbers of its blocks, of a token's channels and of its heads.
pub(super) fn transformer(
    w: &mut Weights,
    classes: usize,
    [blocks, width, heads]: [usize; 3],
) -> std::result::Result<Layer, VisionError> {
    let tokens = (SIDE / PATCH).pow(2) + 1;
    let mut layers = vec![
        w.conv("conv_proj", patches(3, width, PATCH), None)?,
        Layer::Custom(Box::new(Tokens {
            class: Some(w.trained("class_token", &[1, 1, width], 0.0, 0.02)?),
            positions: Some(w.trained("encoder.pos_embedding", &[1, tokens, width], 0.0, 0.02)?),
        })),
    ];
    for block in 0..blocks {
        let name = format!("encoder.layers.encoder_layer_{block}");
        let of = |part: &str| format!("{name}.{part}");
        let names = (&*of("self_attention.in_proj_weight"), &*of("self_attention.in_proj_bias"));
        let norm = w.layer_norm(&of("ln_1"), width, EPSILON)?;
        let attention = Attention::new(w, names, &of("self_attention.out_proj"), width, heads)?;
        let path = vec![norm, Layer::Custom(Box::new(GlobalAttention(attention)))];
        layers.push(residual(w, path, 0.0));
        layers.push(perceptron(w, &of("ln_2"), &of("mlp"), width, EPSILON, 0.0)?);
    }
    layers.extend([
        Layer::Custom(Box::new(FirstToken)),
        w.layer_norm("encoder.ln", width, EPSILON)?,
        w.linear("heads.head", width, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// Converts patches `[n][h][w][c]` to tokens `[n][1 + h·w][c]`: puts the class token first if there is one, and
/// adds the position embeddings if there are any.
pub(super) struct Tokens {
    /// `[1][1][c]`.
    pub(super) class: Option<Tensor>,
    /// `[1][tokens][c]`.
    pub(super) positions: Option<Tensor>,
}

impl CustomLayer for Tokens {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let mut tokens = x.reshape((n, h * w, c))?;
        if let Some(class) = &self.class {
            tokens = Tensor::cat(&[class.broadcast_as((n, 1, c))?, tokens], 1)?;
        }
        match &self.positions {
            Some(positions) => tokens.broadcast_add(positions),
            Option::None => Ok(tokens),
        }
    }

    fn forward_t(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        features_last(x, |x| self.forward(x))
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let before = usize::from(self.class.is_some());
        let (owner, tokens) = (std::ptr::from_ref(self) as usize, h * w + before);
        // The class token is not a patch. It starts as zeros and is added with its position.
        let index = |i: usize| match (i % tokens).checked_sub(before) {
            Option::None => -1,
            Some(patch) => (i / tokens * h * w + patch) as i32,
        };
        let indices = || (0..n * tokens).map(index).collect();
        let out = pass.gather(&x, &[n, tokens, c], owner, n, indices)?;
        if self.class.is_none() && self.positions.is_none() {
            return Ok(out);
        }
        pass.add_table(&out, owner, tokens * c, || {
            let values = |tensor: &Option<Tensor>| match tensor {
                Some(tensor) => tensor.flatten_all()?.to_vec1::<f32>(),
                Option::None => Ok(Vec::new()),
            };
            let mut table = values(&self.positions)?;
            table.resize(tokens * c, 0.0);
            table.iter_mut().zip(values(&self.class)?).for_each(|(sum, value)| *sum += value);
            Ok(table)
        })?;
        Ok(out)
    }

    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        ("tokens with positions", LayerKind::Other, x.elem_count() as f64)
    }
}

/// Attention over all of an image's tokens.
pub(super) struct GlobalAttention(pub(super) Attention);

impl CustomLayer for GlobalAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, Mode::default())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.0.forward(x, Option::None, mode)
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        self.0.forward_on_device(pass, x, Option::None)
    }

    fn weights(&self) -> usize {
        self.0.weights()
    }

    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        let flops = x.dims3().map_or(0.0, |(n, tokens, _)| self.0.flops(n, tokens));
        ("attention", LayerKind::Attention, flops)
    }
}

/// The first token, `[n][c]`.
pub(super) struct FirstToken;

impl CustomLayer for FirstToken {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()
    }

    fn forward_t(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        self.forward(x)
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        let [n, tokens, c] = x.dims[..] else { return Ok(x) };
        // The layer has no address, because its type has no size. The indices depend on these sizes only.
        let part = n << 16 | tokens;
        let indices = || (0..n).map(|image| (image * tokens) as i32).collect();
        pass.gather(&x, &[n, c], FIRSTS, part, indices)
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("first token", LayerKind::Other, 0.0)
    }
}
