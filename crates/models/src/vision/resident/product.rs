//! Products, and what follows them in one kernel.

use super::{Result, bf16, memory::Image, walk::Walk};
use crate::{
    device::{Argument, Matrix, Precision, Product},
    kernels::image::{Conv, ConvShape, Depthwise},
};

/// Bytes of gathered pixels at a time, well within the second-level cache of a large GPU.
const NEAR: usize = 24 << 20;

impl Walk<'_> {
    pub(super) fn depthwise(&self, it: &Depthwise, x: &Image) -> Result<Image> {
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
    pub(in crate::vision) fn linear(
        &self,
        conv: &Conv,
        x: Image,
        kept: Option<&Image>,
    ) -> Result<Image> {
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

    pub(super) fn conv(&self, conv: &Conv, x: Image, kept: Option<&Image>) -> Result<Image> {
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
}
