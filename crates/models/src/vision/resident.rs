//! A vision network on a device: weights and images stay there, and a forward pass of so many images is
//! recorded once and then repeated as one thing.
//!
//! A pass is walked twice before it is recorded: once to find out how much memory it needs and to bring
//! weights over, once in earnest. Images and what becomes of them share one piece of memory, in which each
//! lies until it is dropped. Batch norm, biases, residuals and activations follow a product in one kernel;
//! convolutions other than 1×1 are products of the pixels under their kernel, gathered a piece at a time
//! that stays in the device's cache.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use super::{
    VisionError,
    layers::{Layer, Linear},
};
use crate::{
    device::{Argument, Buffer, DeviceError, Matrix, Place, Precision, Product, Recorded},
    kernels::image::{AveragePool, Conv, ConvShape, Depthwise, LayerNorm, MaxPool},
};

type Result<T> = std::result::Result<T, VisionError>;

/// Bytes of gathered pixels at a time, well within the second-level cache of a large GPU.
const NEAR: usize = 24 << 20;

/// What the kernel of attention has room for: tokens of a row, channels of a head.
const TOKENS: usize = 512;
const HEAD: usize = 128;

/// Recorded passes that are kept; images that are gone leave theirs behind.
const PASSES: usize = 256;

/// Images on a device, ready to be taken by their numbers.
pub(super) struct Pool {
    buffer: Buffer,
    pub(super) count: usize,
    pub(super) side: [usize; 2],
}

/// What a network keeps on a device.
pub(super) struct Resident {
    place: Arc<Place>,
    precision: Precision,
    /// By where a layer lies in this process, and what of it.
    kept: RefCell<HashMap<(usize, usize), Buffer>>,
    memory: Option<(Buffer, usize)>,
    /// Images that come for one pass, at one address: how many there is room for.
    staged: Option<(Pool, usize)>,
    numbers: Option<(Buffer, usize)>,
    logits: Option<(Buffer, usize)>,
    /// By images, their size and where they lie.
    passes: HashMap<(usize, [usize; 2], u64), Pass>,
}

enum Pass {
    /// With the classes of its logits.
    Recorded(Box<dyn Recorded>, usize),
    /// The device's libraries could not be recorded.
    Refused,
}

/// Memory in use, in bytes from the beginning.
#[derive(Default)]
struct Ranges {
    /// Sorted: from, to.
    used: Vec<(u64, u64)>,
    peak: u64,
}

impl Ranges {
    fn take(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.next_multiple_of(256).max(256);
        let (mut from, mut at) = (0, 0);
        for (index, range) in self.used.iter().enumerate() {
            if range.0 - from >= bytes {
                break;
            }
            (from, at) = (range.1, index + 1);
        }
        self.used.insert(at, (from, from + bytes));
        self.peak = self.peak.max(from + bytes);
        from
    }

    fn give(&mut self, from: u64) {
        self.used.retain(|it| it.0 != from);
    }
}

/// A piece of that memory.
struct Piece {
    ranges: Rc<RefCell<Ranges>>,
    from: u64,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.ranges.borrow_mut().give(self.from);
    }
}

/// Images or rows in the device's memory, channels last.
#[derive(Clone)]
pub(super) struct Image {
    #[expect(dead_code, reason = "holds the memory until the last one goes")]
    piece: Rc<Piece>,
    address: u64,
    pub(super) dims: Vec<usize>,
    /// Values from pixel to pixel.
    pitch: usize,
}

impl Image {
    fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    fn pixels(&self) -> usize {
        self.dims[..self.dims.len() - 1].iter().product()
    }

    /// Images, rows, columns, channels.
    pub(super) fn sizes(&self) -> Result<[usize; 4]> {
        match self.dims[..] {
            [n, h, w, c] => Ok([n, h, w, c]),
            _ => Err(shape(format!("{:?} is no batch of images", self.dims))),
        }
    }
}

fn shape(text: String) -> VisionError {
    VisionError::Tensor(candle_core::Error::Msg(text))
}

/// A forward pass on its way.
pub(super) struct Walk<'a> {
    resident: &'a Resident,
    ranges: Rc<RefCell<Ranges>>,
    base: u64,
    /// Whether something is done, or only counted.
    real: bool,
}

impl Resident {
    pub(super) fn new(place: Arc<Place>, precision: Precision) -> Self {
        let (kept, passes) = (RefCell::default(), HashMap::new());
        let (memory, staged, numbers, logits) = (None, None, None, None);
        Self { place, precision, kept, memory, staged, numbers, logits, passes }
    }

    /// Logits of images `[n][h][w][c]` that come for this pass, and how many each has.
    pub(super) fn forward_once(
        &mut self,
        layer: &Layer,
        values: &[f32],
        n: usize,
        side: [usize; 2],
    ) -> Result<(Vec<f32>, usize)> {
        let (pool, room) = match self.staged.take() {
            Some((pool, room)) if room >= n && pool.side == side => {
                (Pool { count: n, ..pool }, room)
            }
            _ => (self.keep(values, n, side)?, n),
        };
        if self.precision == Precision::Bf16 {
            pool.buffer.write(&values.iter().map(|it| bf16(*it)).collect::<Vec<_>>())?;
        } else {
            pool.buffer.write(values)?;
        }
        let numbers: Vec<u32> = (0..n as u32).collect();
        let logits = self.forward(layer, &pool, &numbers);
        self.staged = Some((pool, room));
        logits
    }

    /// Images `[n][h][w][c]`, given as such.
    pub(super) fn keep(&self, values: &[f32], count: usize, side: [usize; 2]) -> Result<Pool> {
        let buffer = if self.precision == Precision::Bf16 {
            let halves: Vec<u16> = values.iter().map(|it| bf16(*it)).collect();
            self.place.upload(&halves)?
        } else {
            self.place.upload(values)?
        };
        Ok(Pool { buffer, count, side })
    }

    /// Logits of the images with these numbers, and how many each has.
    pub(super) fn forward(
        &mut self,
        layer: &Layer,
        pool: &Pool,
        numbers: &[u32],
    ) -> Result<(Vec<f32>, usize)> {
        let n = numbers.len();
        let grown =
            |held: &Option<(Buffer, usize)>, len: usize| held.as_ref().is_none_or(|it| it.1 < len);
        if grown(&self.numbers, n) {
            self.passes.clear();
            self.numbers = Some((self.place.zeros(n)?, n));
        }
        if let Some((buffer, _)) = &self.numbers {
            buffer.write(numbers)?;
        }
        let key = (n, pool.side, pool.buffer.at(0));
        let classes = match self.passes.get(&key) {
            Some(Pass::Recorded(pass, classes)) => {
                pass.replay()?;
                *classes
            }
            Some(Pass::Refused) => self.walk(layer, pool, n, true)?.0,
            None => {
                let (classes, bytes) = self.walk(layer, pool, n, false)?;
                if grown(&self.memory, bytes) || grown(&self.logits, n * classes) {
                    // What was recorded knows the old addresses.
                    self.passes.clear();
                    (self.memory, self.logits) = (None, None);
                    self.memory = Some((self.place.zeros(bytes.div_ceil(4))?, bytes));
                    self.logits = Some((self.place.zeros(n * classes)?, n * classes));
                }
                self.walk(layer, pool, n, true)?;
                if self.passes.len() >= PASSES {
                    self.passes.clear();
                }
                let recorded = self.place.backend().record(&mut || {
                    self.walk(layer, pool, n, true).map(drop).map_err(|error| match error {
                        VisionError::Device(error) => error,
                        error => {
                            DeviceError::Driver { what: "recording", reason: error.to_string() }
                        }
                    })
                });
                let pass = recorded.map_or(Pass::Refused, |it| Pass::Recorded(it, classes));
                self.passes.insert(key, pass);
                classes
            }
        };
        let mut logits = vec![0.0; n * classes];
        if let Some((buffer, _)) = &self.logits {
            buffer.read(&mut logits)?;
        }
        Ok((logits, classes))
    }

    /// Whether passes are repeated as recorded; `None` before there was one.
    pub(super) fn recorded(&self) -> Option<bool> {
        self.passes.values().next().map(|it| matches!(it, Pass::Recorded(..)))
    }

    /// Classes, and bytes that it needs.
    fn walk(&self, layer: &Layer, pool: &Pool, n: usize, real: bool) -> Result<(usize, usize)> {
        let base = self.memory.as_ref().map_or(0, |it| it.0.at(0));
        let walk = Walk { resident: self, ranges: Rc::default(), base, real };
        let [h, w] = pool.side;
        let x = walk.image(&[n, h, w, 3]);
        let numbers = self.numbers.as_ref().map_or(0, |it| it.0.at(0));
        let len = h * w * 3;
        walk.launch(
            ("take_images_f32", "take_images_bf16"),
            [n, len.div_ceil(256), 1],
            &[(&pool.buffer).into(), Argument::Address(numbers), walk.of(&x), len.into()],
        )?;
        let out = walk.layer(layer, x)?;
        let (classes, len) = (out.channels(), out.pixels() * out.channels());
        let logits = self.logits.as_ref().map_or(0, |it| it.0.at(0));
        walk.values(("widen_f32", "widen_bf16"), len, &[walk.of(&out), Argument::Address(logits)])?;
        drop(out);
        let peak = walk.ranges.borrow().peak;
        Ok((classes, peak as usize))
    }
}

/// Rounded to the nearest bfloat16, ties to even.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// A kernel for single values and one for halves.
type Names = (&'static str, &'static str);

impl Walk<'_> {
    fn width(&self) -> usize {
        if self.resident.precision == Precision::Bf16 { 2 } else { 4 }
    }

    /// Room for images or rows.
    fn image(&self, dims: &[usize]) -> Image {
        let bytes = (dims.iter().product::<usize>() * self.width()) as u64;
        let from = self.ranges.borrow_mut().take(bytes);
        let piece = Rc::new(Piece { ranges: self.ranges.clone(), from });
        let pitch = dims.last().copied().unwrap_or(1);
        Image { piece, address: self.base + from, dims: dims.to_vec(), pitch }
    }

    fn of(&self, x: &Image) -> Argument {
        Argument::Address(x.address)
    }

    fn launch(&self, names: Names, grid: [usize; 3], arguments: &[Argument]) -> Result<()> {
        if self.real && !grid.contains(&0) {
            let name = if self.width() == 2 { names.1 } else { names.0 };
            self.resident.place.backend().launch(name, grid, arguments)?;
        }
        Ok(())
    }

    /// A kernel with a thread for each of so many values, which it is told last.
    fn values(&self, names: Names, len: usize, arguments: &[Argument]) -> Result<()> {
        Place::fits(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [len.div_ceil(256), 1, 1], &arguments)
    }

    /// A kernel with a thread for 16 bytes, which lie so in all that it reads and writes.
    fn packs(&self, names: Names, len: usize, arguments: &[Argument]) -> Result<()> {
        Place::fits(len)?;
        let arguments = [arguments, &[len.into()]].concat();
        self.launch(names, [(len * self.width()).div_ceil(16 * 256), 1, 1], &arguments)
    }

    /// Whether that many channels of pixels are whole packs of 16 bytes.
    fn packed(&self, x: (u64, usize), channels: usize) -> bool {
        let len = 16 / self.width();
        x.0.is_multiple_of(16) && x.1.is_multiple_of(len) && channels.is_multiple_of(len)
    }

    /// Something of a layer, brought over the first time.
    fn kept(
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

    fn floats(
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

    fn depthwise(&self, it: &Depthwise, x: &Image) -> Result<Image> {
        let [n, h, w, c] = x.sizes()?;
        let ConvShape { kernel: [kh, kw], stride, padding: [ph, pw], .. } = *it.shape();
        let (rows, columns) = it.shape().size(h, w)?;
        let out = self.image(&[n, rows, columns, c]);
        let of = std::ptr::from_ref(it) as usize;
        let weights = self.floats(of, 0, || it.weights().to_vec())?;
        let bias = self.floats(of, 1, || it.bias().to_vec())?;
        let sizes = [x.pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns];
        let mut arguments = vec![self.of(x), weights, bias, self.of(&out)];
        arguments.extend(sizes.map(Argument::from));
        arguments.push((it.activation() as usize).into());
        self.values(("depthwise_f32", "depthwise_bf16"), n * rows * columns * c, &arguments)?;
        Ok(out)
    }

    /// A linear layer over the last axis.
    pub(super) fn linear(&self, conv: &Conv, x: Image, kept: Option<&Image>) -> Result<Image> {
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = conv.shape().output;
        }
        let out = self.image(&dims);
        let rows = x.pixels();
        // Images whose pixels lie apart are rows that lie apart.
        let matrix = Matrix { address: x.address, columns: x.pitch, transposed: false };
        self.product(conv, matrix, (rows, x.channels()), 1, (&out, 0))?;
        self.finish(conv, &out, kept)?;
        Ok(out)
    }

    fn conv(&self, conv: &Conv, x: Image, kept: Option<&Image>) -> Result<Image> {
        let [n, h, w, c] = x.sizes()?;
        let ConvShape { output, kernel: [kh, kw], stride, padding: [ph, pw], groups, .. } =
            *conv.shape();
        if [kh, kw, stride, ph, pw, groups] == [1, 1, 1, 0, 0, 1] && c % 8 == 0 {
            return self.linear(conv, x, kept);
        }
        let (rows, columns) = conv.shape().size(h, w)?;
        let out = self.image(&[n, rows, columns, output]);
        let depth = conv.depth();
        // Whole images at a time.
        let image = rows * columns * groups * depth;
        let most = (NEAR / (image * self.width()).max(1)).clamp(1, n.max(1));
        let gathered = self.image(&[most * image]);
        for first in (0..n).step_by(most) {
            let count = most.min(n - first);
            let pixels = count * rows * columns;
            let from = x.address + (first * h * w * x.pitch * self.width()) as u64;
            let sizes = [x.pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns, groups, depth];
            let mut arguments = vec![Argument::Address(from), self.of(&gathered)];
            arguments.extend(sizes.map(Argument::from));
            let whole = depth == conv.terms() && self.packed((from, x.pitch), c / groups);
            if whole {
                let names = ("patches_wide_f32", "patches_wide_bf16");
                self.packs(names, count * image, &arguments)?;
            } else {
                self.values(("patches_f32", "patches_bf16"), count * image, &arguments)?;
            }
            let matrix = Matrix { address: gathered.address, columns: depth, transposed: false };
            let before = first * rows * columns * output;
            self.product(conv, matrix, (pixels, depth), groups, (&out, before))?;
        }
        drop((gathered, x));
        self.finish(conv, &out, kept)?;
        Ok(out)
    }

    /// Rows times weights, to the rows of `to` from that value on.
    fn product(
        &self,
        conv: &Conv,
        rows: Matrix,
        (m, terms): (usize, usize),
        groups: usize,
        (to, before): (&Image, usize),
    ) -> Result<()> {
        let of = std::ptr::from_ref(conv) as usize;
        let precision = self.resident.precision;
        let depth = if terms == conv.depth() { terms } else { conv.terms() };
        let weights = self.kept(of, depth, |place| {
            let rows = conv.rows(depth);
            Ok(if precision == Precision::Bf16 {
                place.upload(&rows.into_iter().map(bf16).collect::<Vec<_>>())?
            } else {
                place.upload(&rows)?
            })
        })?;
        if !self.real {
            return Ok(());
        }
        let Argument::Address(weights) = weights else { return Ok(()) };
        let output = conv.shape().output;
        let outputs = output / groups;
        self.resident.place.backend().product(Product {
            size: [m, depth, outputs],
            left: rows,
            right: Matrix { address: weights, columns: depth, transposed: true },
            to: to.address + (before * self.width()) as u64,
            columns: output,
            precision,
            count: groups,
            steps: [m * depth, outputs * depth, outputs],
        })?;
        Ok(())
    }

    /// Bias, residual and activation behind a product.
    fn finish(&self, conv: &Conv, out: &Image, kept: Option<&Image>) -> Result<()> {
        let of = std::ptr::from_ref(conv) as usize;
        let bias = self.floats(of, usize::MAX, || conv.biases())?;
        let (residual, pitch) = kept.map_or((0, 0), |it| (it.address, it.pitch));
        let c = out.channels();
        let arguments = [
            self.of(out),
            bias,
            Argument::Address(residual),
            pitch.into(),
            c.into(),
            (conv.activation() as usize).into(),
        ];
        let len = out.pixels() * c;
        if self.packed((out.address, out.pitch), c) && self.packed((residual, pitch), c) {
            return self.packs(("finish_wide_f32", "finish_wide_bf16"), len, &arguments);
        }
        self.values(("finish_f32", "finish_bf16"), len, &arguments)
    }

    /// Rows `[rows][tokens][3][width]` of queries, keys and values; `bias` `[count][heads][tokens][tokens]`
    /// goes round the rows.
    pub(super) fn attend(
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
    pub(super) fn take(
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
    pub(super) fn add_table(
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
    pub(super) fn table(
        &self,
        of: usize,
        part: usize,
        values: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Argument> {
        self.kept(of, part, |place| Ok(place.upload(&values()?)?))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Precision,
        device::emulated,
        kernels::image::{Activation, Conv},
        study::Stream,
        vision::{
            Architecture, VisionNetwork, architectures, layers::Layer, random_images,
            weights::Shape,
        },
    };

    /// The largest distance of logits there from those on the CPU, over the largest logit, of a first pass
    /// and of one that is repeated; nothing without a compiler.
    fn distance(name: &str, side: usize, precision: Precision) -> Option<f32> {
        let device = emulated()?;
        let there = VisionNetwork::random(name, 10, 3).unwrap().on(&device, precision);
        let here = VisionNetwork::random(name, 10, 3).unwrap();
        let images = random_images(3, side, 5).unwrap();
        let (kept, images) = (there.keep(&images).unwrap(), here.keep(&images).unwrap());
        let mut worst = 0.0_f32;
        for numbers in [[2, 0], [1, 2]] {
            let ours = there.run(&kept, Some(&numbers)).unwrap().to_vec2::<f32>().unwrap().concat();
            let theirs =
                here.run(&images, Some(&numbers)).unwrap().to_vec2::<f32>().unwrap().concat();
            assert_eq!(ours.len(), theirs.len());
            let top = theirs.iter().fold(0.0_f32, |top, it| top.max(it.abs()));
            let far = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / top);
            worst = far.fold(worst, |worst, it| if it > worst || it.is_nan() { it } else { worst });
        }
        assert_eq!(there.recorded(), Some(true));
        // Images that come for one pass.
        let images = random_images(2, side, 6).unwrap();
        let logits = |it: &VisionNetwork| it.forward(&images).unwrap().to_vec2::<f32>().unwrap();
        let (ours, theirs) = (logits(&there), logits(&here));
        let top = theirs.concat().iter().fold(0.0_f32, |top, it| top.max(it.abs()));
        for (a, b) in ours.concat().iter().zip(theirs.concat()) {
            worst = if (a - b).abs() / top > worst { (a - b).abs() / top } else { worst };
        }
        Some(worst)
    }

    /// The smallest side that it takes, and some pixels.
    fn side(name: &str) -> usize {
        Architecture::named(name).unwrap().least_side.max(20)
    }

    #[test]
    fn every_kind_of_layer_computes_as_on_the_cpu() {
        for name in [
            "squeezenet1_1",
            "shufflenet_v2_x0_5",
            "mobilenet_v3_large",
            "efficientnet_b0",
            "googlenet",
        ] {
            let Some(distance) = distance(name, side(name), Precision::Single) else { return };
            assert!(distance < 1e-3, "{name}: {distance}");
        }
    }

    #[test]
    fn groups_of_channels_compute_as_on_the_cpu() {
        let Some(device) = emulated() else { return };
        let shape = Shape { groups: 4, ..Shape::same(24, 40, 3, 2) };
        let numbers = |count: usize, seed| Stream::new(seed, "numbers").uniform(count, 0.5);
        let of = |at: u64| {
            Conv::new(shape, &numbers(40 * 6 * 9, at), &numbers(40, at + 1), Activation::Silu)
        };
        let network = |device: &crate::Device| {
            let layer = Layer::Sequence(vec![
                Layer::Conv(Conv::new(
                    Shape::same(3, 24, 1, 1),
                    &numbers(72, 1),
                    &numbers(24, 2),
                    Activation::Relu,
                )),
                Layer::Conv(of(3)),
                Layer::GlobalAvgPool,
            ]);
            let architecture = Architecture::named("resnet18").unwrap();
            VisionNetwork { architecture, layer, parameters: 0, resident: None }
                .on(device, Precision::Single)
        };
        let images = random_images(2, 9, 4).unwrap();
        let run = |device: &crate::Device| {
            network(device).forward(&images).unwrap().to_vec2::<f32>().unwrap().concat()
        };
        for (a, b) in run(&device).iter().zip(run(&crate::Device::cpu())) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn windows_of_attention_shift_as_on_the_cpu() {
        // 60 pixels are 15 tokens: padded, shifted, merged from an odd number.
        let Some(distance) = distance("swin_t", 60, Precision::Single) else { return };
        assert!(distance < 1e-3, "{distance}");
    }

    #[test]
    fn halves_are_close() {
        for name in ["shufflenet_v2_x0_5", "squeezenet1_1"] {
            let Some(distance) = distance(name, side(name), Precision::Bf16) else { return };
            assert!(distance > 1e-6 && distance < 0.05, "{name}: {distance}");
        }
    }

    #[test]
    #[ignore = "minutes: all networks at their smallest size"]
    fn all_networks_compute_as_on_the_cpu() {
        for it in architectures() {
            let Some(distance) = distance(it.name, side(it.name), Precision::Single) else {
                return;
            };
            assert!(distance < 1e-3, "{}: {distance}", it.name);
        }
    }
}
