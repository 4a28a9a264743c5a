//! A walk over the layers, which tells a device what to do.

use std::{cell::RefCell, rc::Rc};

use super::{
    Resident, Result,
    memory::{Image, Piece, Ranges},
    shape,
};
use crate::{
    device::{Argument, Buffer, Place, Precision},
    kernels::image::{AveragePool, LayerNorm, MaxPool},
    vision::layers::{Layer, Linear},
};

/// What the kernel of attention has room for: tokens of a row, channels of a head.
const TOKENS: usize = 512;
const HEAD: usize = 128;

/// A forward pass on its way.
pub(in crate::vision) struct Walk<'a> {
    pub(super) resident: &'a Resident,
    ranges: Rc<RefCell<Ranges>>,
    base: u64,
    /// Whether something is done, or only counted.
    pub(super) real: bool,
}

/// A kernel for single values and one for halves.
pub(super) type Names = (&'static str, &'static str);

impl<'a> Walk<'a> {
    pub(super) fn new(resident: &'a Resident, base: u64, real: bool) -> Self {
        Self { resident, ranges: Rc::default(), base, real }
    }
}

impl Walk<'_> {
    /// Bytes that it needed at most.
    pub(super) fn peak(&self) -> usize {
        self.ranges.borrow().peak as usize
    }

    pub(super) fn width(&self) -> usize {
        if self.resident.precision == Precision::Bf16 { 2 } else { 4 }
    }

    /// Room for images or rows.
    pub(super) fn image(&self, dims: &[usize]) -> Image {
        let bytes = (dims.iter().product::<usize>() * self.width()) as u64;
        let from = self.ranges.borrow_mut().take(bytes);
        let piece = Rc::new(Piece { ranges: self.ranges.clone(), from });
        let pitch = dims.last().copied().unwrap_or(1);
        Image { piece, address: self.base + from, dims: dims.to_vec(), pitch }
    }

    pub(super) fn of(&self, x: &Image) -> Argument {
        Argument::Address(x.address)
    }

    pub(super) fn launch(
        &self,
        names: Names,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<()> {
        if self.real && !grid.contains(&0) {
            let name = if self.width() == 2 { names.1 } else { names.0 };
            self.resident.place.backend().launch(name, grid, arguments)?;
        }
        Ok(())
    }

    /// A kernel with a thread for each of so many values, which it is told last.
    pub(super) fn values(&self, names: Names, len: usize, arguments: &[Argument]) -> Result<()> {
        Place::fits(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [len.div_ceil(256), 1, 1], &arguments)
    }

    /// A kernel with a thread for 16 bytes, which lie so in all that it reads and writes.
    pub(super) fn packs(&self, names: Names, len: usize, arguments: &[Argument]) -> Result<()> {
        Place::fits(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [(len * self.width()).div_ceil(16 * 256), 1, 1], &arguments)
    }

    /// Whether that many channels of pixels are whole packs of 16 bytes.
    pub(super) fn packed(&self, x: (u64, usize), channels: usize) -> bool {
        let len = 16 / self.width();
        x.0.is_multiple_of(16) && x.1.is_multiple_of(len) && channels.is_multiple_of(len)
    }

    /// Something of a layer, brought over the first time.
    pub(super) fn kept(
        &self,
        of: usize,
        part: usize,
        make: impl FnOnce(&Place) -> Result<Buffer>,
    ) -> Result<Argument> {
        let mut kept = self.resident.kept.borrow_mut();
        if let Some(buffer) = kept.get(&(of, part)) {
            return Ok(buffer.into());
        }
        let buffer = make(&self.resident.place)?;
        let argument = Argument::from(&buffer);
        kept.insert((of, part), buffer);
        Ok(argument)
    }

    pub(super) fn floats(
        &self,
        of: usize,
        part: usize,
        values: impl FnOnce() -> Vec<f32>,
    ) -> Result<Argument> {
        self.kept(of, part, |place| Ok(place.upload(&values())?))
    }

    pub(super) fn layer(&self, layer: &Layer, x: Image) -> Result<Image> {
        match layer {
            Layer::Conv(conv) => self.conv(conv, x, None),
            Layer::Depthwise(it) => self.depthwise(it, &x),
            Layer::Linear(Linear(conv)) => self.linear(conv, x, None),
            Layer::ScaleShift(it) => {
                let (of, out) = (std::ptr::from_ref(it) as usize, self.image(&x.dims));
                let scale = self.floats(of, 0, || it.scale.clone())?;
                let shift = self.floats(of, 1, || it.shift.clone())?;
                let c = x.channels();
                let arguments =
                    [self.of(&x), scale, shift, self.of(&out), x.pitch.into(), c.into()];
                let len = x.pixels() * c;
                self.values(("scale_shift_f32", "scale_shift_bf16"), len, &arguments)?;
                Ok(out)
            }
            Layer::LayerNorm(it) => self.layer_norm(it, &x),
            Layer::MaxPool(it) => {
                let MaxPool { kernel, stride, padding, .. } = *it;
                let [_, h, w, _] = x.sizes()?;
                let sizes = [it.outputs(h)?, it.outputs(w)?];
                self.pool(
                    ("largest_of_f32", "largest_of_bf16"),
                    &x,
                    sizes,
                    [kernel, stride, padding],
                )
            }
            Layer::AveragePool(it) => {
                let [_, h, w, _] = x.sizes()?;
                let sizes = [it.outputs(h)?, it.outputs(w)?];
                let window = match *it {
                    AveragePool::Windows { kernel, stride, padding } => [kernel, stride, padding],
                    AveragePool::Adaptive(_) => [0, 0, 0],
                };
                self.pool(("mean_of_f32", "mean_of_bf16"), &x, sizes, window)
            }
            Layer::GlobalAvgPool => {
                let [n, h, w, c] = x.sizes()?;
                let out = self.image(&[n, c]);
                self.launch(
                    ("global_mean_f32", "global_mean_bf16"),
                    [c.div_ceil(32), n, 1],
                    &[self.of(&x), self.of(&out), x.pitch.into(), (h * w).into(), c.into()],
                )?;
                Ok(out)
            }
            Layer::Flatten => {
                let [n, h, w, c] = x.sizes()?;
                let out = self.image(&[n, c * h * w]);
                let arguments =
                    [self.of(&x), self.of(&out), x.pitch.into(), (h * w).into(), c.into()];
                let len = n * c * h * w;
                self.values(("channels_first_f32", "channels_first_bf16"), len, &arguments)?;
                Ok(out)
            }
            Layer::Sequence(layers) => layers.iter().try_fold(x, |x, it| self.layer(it, x)),
            Layer::Residual { path, shortcut, relu } => {
                let kept = match shortcut {
                    Some(it) => self.layer(it, x.clone())?,
                    None => x.clone(),
                };
                self.onto(path, x, &kept, *relu)
            }
            Layer::Grow(path) => {
                let grown = self.layer(path, x.clone())?;
                self.together(&[x, grown])
            }
            Layer::Branches(paths) => {
                let parts: Vec<Image> =
                    paths.iter().map(|it| self.layer(it, x.clone())).collect::<Result<_>>()?;
                drop(x);
                self.together(&parts)
            }
            Layer::HalfAndShuffle(path) => {
                let half = x.channels() / 2;
                let kept = self.channels(&x, 0, half);
                let other = self.layer(path, self.channels(&x, half, half))?;
                self.shuffled(&kept, &other)
            }
            Layer::BranchesAndShuffle(a, b) => {
                let (a, b) = (self.layer(a, x.clone())?, self.layer(b, x)?);
                self.shuffled(&a, &b)
            }
            Layer::Gated(path) => {
                let factors = self.layer(path, x.clone())?;
                let [n, h, w, c] = x.sizes()?;
                let out = self.image(&x.dims);
                let (x_at, factors) = (self.of(&x), self.of(&factors));
                let arguments =
                    [x_at, factors, self.of(&out), x.pitch.into(), (h * w).into(), c.into()];
                self.values(("gate_f32", "gate_bf16"), n * h * w * c, &arguments)?;
                Ok(out)
            }
            Layer::Special(it) => it.resident(self, x),
        }
    }

    /// `relu?(layer(x) + kept)`, in the last product's own kernel where there is one.
    fn onto(&self, layer: &Layer, x: Image, kept: &Image, relu: bool) -> Result<Image> {
        match layer {
            Layer::Conv(conv) if conv.adds_before(relu) => self.conv(conv, x, Some(kept)),
            Layer::Linear(Linear(conv)) if conv.adds_before(relu) => {
                self.linear(conv, x, Some(kept))
            }
            Layer::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x = rest.iter().try_fold(x, |x, it| self.layer(it, x))?;
                    self.onto(last, x, kept, relu)
                }
                None => Ok(x),
            },
            _ => {
                let x = self.layer(layer, x)?;
                let (out, c) = (self.image(&x.dims), x.channels());
                let arguments = [
                    self.of(&x),
                    self.of(kept),
                    self.of(&out),
                    x.pitch.into(),
                    kept.pitch.into(),
                    c.into(),
                    usize::from(relu).into(),
                ];
                self.values(("add_f32", "add_bf16"), x.pixels() * c, &arguments)?;
                Ok(out)
            }
        }
    }

    /// Some of an image's channels, where they lie.
    fn channels(&self, x: &Image, first: usize, count: usize) -> Image {
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = count;
        }
        Image { address: x.address + (first * self.width()) as u64, dims, ..x.clone() }
    }

    fn together(&self, parts: &[Image]) -> Result<Image> {
        let Some(first) = parts.first() else { return Err(shape("no branches".to_owned())) };
        let mut dims = first.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = parts.iter().map(Image::channels).sum();
        }
        let out = self.image(&dims);
        let mut before = 0;
        for part in parts {
            let c = part.channels();
            let to = self.channels(&out, before, c);
            let pitches = [part.pitch.into(), out.pitch.into()];
            let arguments = [self.of(part), self.of(&to), pitches[0], pitches[1], c.into()];
            self.values(("place_f32", "place_bf16"), part.pixels() * c, &arguments)?;
            before += c;
        }
        Ok(out)
    }

    fn shuffled(&self, a: &Image, b: &Image) -> Result<Image> {
        let (c, mut dims) = (a.channels(), a.dims.clone());
        if let Some(last) = dims.last_mut() {
            *last = 2 * c;
        }
        let out = self.image(&dims);
        let arguments =
            [self.of(a), self.of(b), self.of(&out), a.pitch.into(), b.pitch.into(), c.into()];
        self.values(("interleave_f32", "interleave_bf16"), a.pixels() * 2 * c, &arguments)?;
        Ok(out)
    }

    fn pool(
        &self,
        names: Names,
        x: &Image,
        [rows, columns]: [usize; 2],
        window: [usize; 3],
    ) -> Result<Image> {
        let [n, h, w, c] = x.sizes()?;
        let out = self.image(&[n, rows, columns, c]);
        let [kernel, stride, padding] = window.map(Argument::from);
        let [pitch, h, w, channels, down, across] =
            [x.pitch, h, w, c, rows, columns].map(Argument::from);
        let (x, to) = (self.of(x), self.of(&out));
        let arguments = [x, to, pitch, h, w, channels, down, across, kernel, stride, padding];
        self.values(names, n * rows * columns * c, &arguments)?;
        Ok(out)
    }

    fn layer_norm(&self, it: &LayerNorm, x: &Image) -> Result<Image> {
        let (of, out) = (std::ptr::from_ref(it) as usize, self.image(&x.dims));
        let gamma = self.floats(of, 0, || it.gamma.clone())?;
        let beta = self.floats(of, 1, || it.beta.clone())?;
        let (pixels, c) = (x.pixels(), x.channels());
        self.launch(
            ("layer_norm_f32", "layer_norm_bf16"),
            [pixels.div_ceil(8), 1, 1],
            &[
                self.of(x),
                gamma,
                beta,
                self.of(&out),
                x.pitch.into(),
                c.into(),
                pixels.into(),
                f64::from(it.epsilon).into(),
            ],
        )?;
        Ok(out)
    }

    /// Rows `[rows][tokens][3][width]` of queries, keys and values; `bias` `[count][heads][tokens][tokens]`
    /// goes round the rows.
    pub(in crate::vision) fn attend(
        &self,
        x: &Image,
        heads: usize,
        bias: Option<(Argument, usize)>,
    ) -> Result<Image> {
        let [rows, tokens, wide] = x.dims[..] else {
            return Err(shape(format!("{:?} is no batch of tokens", x.dims)));
        };
        let width = wide / 3;
        if tokens > TOKENS || width / heads > HEAD {
            return Err(shape(format!(
                "attention of {tokens} tokens in heads of {}: the device takes {TOKENS} of {HEAD}",
                width / heads
            )));
        }
        let out = self.image(&[rows, tokens, width]);
        let (bias, count) = bias.unwrap_or((Argument::Address(0), 1));
        let sizes = [count, tokens, heads, width].map(Argument::from);
        self.launch(
            ("attend_f32", "attend_bf16"),
            [rows * heads, tokens.div_ceil(16), 1],
            &[&[self.of(x), bias, self.of(&out)], &sizes[..]].concat(),
        )?;
        Ok(out)
    }

    /// Pixels by their numbers, as `dims`; zeros for numbers below 0.
    pub(in crate::vision) fn take(
        &self,
        x: &Image,
        dims: &[usize],
        of: usize,
        part: usize,
        numbers: impl FnOnce() -> Vec<i32>,
    ) -> Result<Image> {
        let numbers = self.kept(of, part, |place| Ok(place.upload(&numbers())?))?;
        let (out, c) = (self.image(dims), x.channels());
        let arguments = [self.of(x), numbers, self.of(&out), x.pitch.into(), c.into()];
        let len = dims.iter().product();
        self.values(("take_pixels_f32", "take_pixels_bf16"), len, &arguments)?;
        Ok(out)
    }

    /// Plus a table that is repeated, in place: for what nobody else holds.
    pub(in crate::vision) fn add_table(
        &self,
        x: &Image,
        of: usize,
        period: usize,
        table: impl FnOnce() -> Vec<f32>,
    ) -> Result<()> {
        let table = self.floats(of, usize::MAX, table)?;
        let len = x.pixels() * x.channels();
        self.values(("add_table_f32", "add_table_bf16"), len, &[self.of(x), table, period.into()])
    }

    /// A table of a layer's own.
    pub(in crate::vision) fn table(
        &self,
        of: usize,
        part: usize,
        values: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Argument> {
        self.kept(of, part, |place| Ok(place.upload(&values()?)?))
    }
}
