//! Matrix products of a forward pass, and the kernel that follows each.

use super::{Result, memory::DeviceTensor, pass::ForwardPass, weights::bf16};
use crate::{
    device::{Argument, Matrix, Precision, Product},
    kernels::image::{Conv, ConvShape, Depthwise},
};

/// Bytes of pixels gathered at a time, well below the second-level cache of a large GPU.
const GATHERED: usize = 24 << 20;

impl ForwardPass<'_> {
    pub(in crate::vision) fn depthwise(
        &self,
        conv: &Depthwise,
        x: &DeviceTensor,
    ) -> Result<DeviceTensor> {
        let [n, h, w, c] = x.sizes()?;
        let ConvShape { kernel: [kh, kw], stride, padding: [ph, pw], .. } = *conv.shape();
        let (rows, columns) = conv.shape().size(h, w)?;
        let out = self.tensor(&[n, rows, columns, c]);
        let owner = std::ptr::from_ref(conv) as usize;
        let weights = self.floats(owner, 0, || Ok(conv.weights().to_vec()))?;
        let bias = self.floats(owner, 1, || Ok(conv.bias().to_vec()))?;
        let sizes = [x.pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns];
        let mut arguments = vec![self.address(x), weights, bias, self.address(&out)];
        arguments.extend(sizes.map(Argument::from));
        arguments.push((conv.activation() as usize).into());
        let len = n * rows * columns * c;
        self.launch_per_value(("depthwise_f32", "depthwise_bf16"), len, &arguments)?;
        Ok(out)
    }

    /// A linear layer over the last axis; `residual` is added to its output.
    pub(in crate::vision) fn linear(
        &self,
        conv: &Conv,
        x: DeviceTensor,
        residual: Option<&DeviceTensor>,
    ) -> Result<DeviceTensor> {
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = conv.shape().output;
        }
        let out = self.tensor(&dims);
        let rows = x.pixels();
        let matrix = Matrix { address: x.address, columns: x.pitch, transposed: false };
        self.product(conv, matrix, (rows, x.channels()), 1, (&out, 0))?;
        self.finish(conv, &out, residual)?;
        Ok(out)
    }

    /// A convolution; `residual` is added to its output.
    pub(in crate::vision) fn conv(
        &self,
        conv: &Conv,
        x: DeviceTensor,
        residual: Option<&DeviceTensor>,
    ) -> Result<DeviceTensor> {
        let [n, h, w, c] = x.sizes()?;
        let ConvShape { output, kernel: [kh, kw], stride, padding: [ph, pw], groups, .. } =
            *conv.shape();
        if [kh, kw, stride, ph, pw, groups] == [1, 1, 1, 0, 0, 1] && c % 8 == 0 {
            return self.linear(conv, x, residual);
        }
        let (rows, columns) = conv.shape().size(h, w)?;
        let out = self.tensor(&[n, rows, columns, output]);
        let depth = conv.depth();
        // The number of images gathered at a time; images are not split.
        let image = rows * columns * groups * depth;
        let most = (GATHERED / (image * self.width()).max(1)).clamp(1, n.max(1));
        let gathered = self.tensor(&[most * image]);
        for first in (0..n).step_by(most) {
            let count = most.min(n - first);
            let pixels = count * rows * columns;
            let from = x.address + (first * h * w * x.pitch * self.width()) as u64;
            let sizes = [x.pitch, h, w, c, kh, kw, stride, ph, pw, rows, columns, groups, depth];
            let mut arguments = vec![Argument::Address(from), self.address(&gathered)];
            arguments.extend(sizes.map(Argument::from));
            let len = count * image;
            if depth == conv.terms() && self.is_packed((from, x.pitch), c / groups) {
                let names = ("patches_wide_f32", "patches_wide_bf16");
                self.launch_per_pack(names, len, &arguments)?;
            } else {
                self.launch_per_value(("patches_f32", "patches_bf16"), len, &arguments)?;
            }
            let matrix = Matrix { address: gathered.address, columns: depth, transposed: false };
            let before = first * rows * columns * output;
            self.product(conv, matrix, (pixels, depth), groups, (&out, before))?;
        }
        drop((gathered, x));
        self.finish(conv, &out, residual)?;
        Ok(out)
    }

    /// Multiplies rows with a convolution's weights; the result starts at value `before` of `to`.
    fn product(
        &self,
        conv: &Conv,
        rows: Matrix,
        (m, terms): (usize, usize),
        groups: usize,
        (to, before): (&DeviceTensor, usize),
    ) -> Result<()> {
        let owner = std::ptr::from_ref(conv) as usize;
        let precision = self.weights.precision;
        let depth = if terms == conv.depth() { terms } else { conv.terms() };
        let weights = self.weights.buffer(owner, depth, |accelerator| {
            let rows = conv.rows(depth);
            Ok(if precision == Precision::Bf16 {
                accelerator.upload(&rows.into_iter().map(bf16).collect::<Vec<_>>())?
            } else {
                accelerator.upload(&rows)?
            })
        })?;
        if !self.launches {
            return Ok(());
        }
        let Argument::Address(weights) = weights else { return Ok(()) };
        let output = conv.shape().output;
        let outputs = output / groups;
        self.weights.accelerator.backend().product(Product {
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

    /// Adds the bias and the residual to a product and applies the activation, in one kernel.
    fn finish(
        &self,
        conv: &Conv,
        out: &DeviceTensor,
        residual: Option<&DeviceTensor>,
    ) -> Result<()> {
        let owner = std::ptr::from_ref(conv) as usize;
        let bias = self.floats(owner, usize::MAX, || Ok(conv.biases()))?;
        let (residual, pitch) = residual.map_or((0, 0), |x| (x.address, x.pitch));
        let c = out.channels();
        let arguments = [
            self.address(out),
            bias,
            Argument::Address(residual),
            pitch.into(),
            c.into(),
            (conv.activation() as usize).into(),
        ];
        let len = out.pixels() * c;
        if self.is_packed((out.address, out.pitch), c) && self.is_packed((residual, pitch), c) {
            return self.launch_per_pack(("finish_wide_f32", "finish_wide_bf16"), len, &arguments);
        }
        self.launch_per_value(("finish_f32", "finish_bf16"), len, &arguments)
    }
}
