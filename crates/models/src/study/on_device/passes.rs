//! The forward and backward passes of a step, kernel by kernel.

use super::{
    ConvBlock, DeviceTraining, Done, Linear,
    tiles::{columns, parts, pooled, pooled_parts, weights_tile},
};
use crate::{
    device::{Argument, Buffer, DeviceError, Matrix, Product},
    kernels::Dims,
};

impl DeviceTraining {
    /// Computes the logits of the `n` images in `x`.
    pub(super) fn forward(&self, n: usize, training: bool) -> Done {
        let mut x = &self.x;
        for block in &self.blocks {
            self.forward_block(block, x, n, training)?;
            x = &block.out;
        }
        for Linear { shape: [output, input], weight, bias, out, .. } in &self.dense {
            let (left, right) = (matrix(x, *input), self.weights(*weight, *input));
            let right = Matrix { transposed: true, ..right };
            let size = [n, *input, *output];
            self.product(Product::single(size, left, right, out.at(0)))?;
            let len = n * output;
            self.launch(
                "add_bias",
                [len.div_ceil(256), 1, 1],
                &[out.into(), self.parameter(*bias), (*output).into(), len.into()],
            )?;
            x = out;
        }
        Ok(())
    }

    fn weights(&self, at: usize, columns: usize) -> Matrix {
        Matrix { address: self.parameters.at(at), columns, transposed: false }
    }

    fn forward_block(&self, block: &ConvBlock, x: &Buffer, n: usize, training: bool) -> Done {
        let Dims { cout, h, w, .. } = block.dims;
        let (affine, saved) = (self.parameter(block.affine), Argument::from(&block.saved));
        let blocks = self.convolve(
            ["conv_4", "conv_16", "conv_32", "conv_64"],
            block,
            [x, &block.raw],
            n,
            true,
        )?;
        if training {
            let count = n * h * w;
            let partial = (&self.partial).into();
            let running = (&block.running).into();
            let arguments = [partial, affine, running, saved, blocks.into(), count.into()];
            self.launch("norm_batch", [cout, 1, 1], &arguments)?;
        } else {
            let arguments = [(&block.running).into(), affine, saved];
            self.launch("norm_running", [cout, 1, 1], &arguments)?;
        }
        let len = n * pooled(block.dims);
        self.launch(
            "pool",
            [len.div_ceil(256), 1, 1],
            &[
                (&block.raw).into(),
                saved,
                (&block.out).into(),
                (&block.winners).into(),
                cout.into(),
                h.into(),
                w.into(),
                len.into(),
                usize::from(block.relu).into(),
            ],
        )?;
        Ok(())
    }

    /// Launches a block's convolution (`forward`) or the gradient of its input, with the kernel that
    /// fits its outputs best. Returns the number of thread blocks along the pixels.
    fn convolve(
        &self,
        kernels: [&'static str; 4],
        block: &ConvBlock,
        [from, to]: [&Buffer; 2],
        n: usize,
        forward: bool,
    ) -> Result<usize, DeviceError> {
        let Dims { cin, cout, h, w } = block.dims;
        let (cin, cout) = if forward { (cin, cout) } else { (cout, cin) };
        let width = columns(cout);
        let kernel = kernels[match width {
            4 => 0,
            16 => 1,
            32 => 2,
            _ => 3,
        }];
        let blocks = (n * h * w).div_ceil(4096 / width);
        self.launch(
            kernel,
            [blocks, cout.div_ceil(width), 1],
            &[
                from.into(),
                self.parameter(block.weight),
                to.into(),
                (&self.partial).into(),
                n.into(),
                cin.into(),
                cout.into(),
                h.into(),
                w.into(),
            ],
        )?;
        Ok(blocks)
    }

    /// Computes all gradients from that of the logits.
    pub(super) fn backward(&self, n: usize) -> Done {
        for depth in (0..self.dense.len()).rev() {
            let Linear { shape: [output, input], weight, bias, gradient, .. } = &self.dense[depth];
            let (x, below) = match (depth, self.blocks.last()) {
                (0, None) => (&self.x, None),
                (0, Some(block)) => (&block.out, Some(&block.gradient)),
                _ => (&self.dense[depth - 1].out, Some(&self.dense[depth - 1].gradient)),
            };
            let rows = matrix(gradient, *output);
            let (left, right) = (Matrix { transposed: true, ..rows }, matrix(x, *input));
            let to = self.gradients.at(*weight);
            self.product(Product::single([*output, n, *input], left, right, to))?;
            self.launch(
                "column_sums",
                [output.div_ceil(32), 1, 1],
                &[gradient.into(), self.gradient(*bias), n.into(), (*output).into()],
            )?;
            if let Some(below) = below {
                let right = self.weights(*weight, *input);
                self.product(Product::single([n, *output, *input], rows, right, below.at(0)))?;
            }
        }
        for depth in (0..self.blocks.len()).rev() {
            let before = depth.checked_sub(1).map(|depth| &self.blocks[depth]);
            self.backward_block(&self.blocks[depth], before, n)?;
        }
        Ok(())
    }

    fn backward_block(&self, block: &ConvBlock, before: Option<&ConvBlock>, n: usize) -> Done {
        let Dims { cin, cout, h, w } = block.dims;
        let pixels = n * h * w;
        let splits = pooled_parts(cout, n * (h / 2) * (w / 2));
        let (partial, saved) = (Argument::from(&self.partial), Argument::from(&block.saved));
        let (gradient, winners) = (Argument::from(&block.gradient), Argument::from(&block.winners));
        let (raw, back) = (Argument::from(&block.raw), Argument::from(&block.back));
        self.launch(
            "pool_sums",
            [cout, splits, 1],
            &[gradient, winners, raw, saved, partial, n.into(), h.into(), w.into()],
        )?;
        let (affine, affine_gradient) = (self.parameter(block.affine), self.gradient(block.affine));
        self.launch(
            "norm_gradient",
            [cout, 1, 1],
            &[partial, saved, affine, affine_gradient, back, splits.into(), pixels.into()],
        )?;
        let len = pixels * cout;
        self.launch(
            "unpool",
            [len.div_ceil(256), 1, 1],
            &[gradient, winners, back, raw, cout.into(), h.into(), w.into(), len.into()],
        )?;
        let x = before.map_or(&self.x, |block| &block.out);
        let (kernel, k, o, _) = weights_tile(9 * cin, cout);
        let (parts, each) = parts(block.dims, pixels);
        self.launch(
            kernel,
            [(9 * cin).div_ceil(k), cout.div_ceil(o), parts],
            &[
                x.into(),
                raw,
                partial,
                n.into(),
                cin.into(),
                cout.into(),
                h.into(),
                w.into(),
                each.into(),
            ],
        )?;
        let len = 9 * cin * cout;
        self.launch(
            "sum_parts",
            [len.div_ceil(32), 1, 1],
            &[partial, self.gradient(block.weight), parts.into(), len.into()],
        )?;
        if let Some(before) = before {
            let kernels = ["conv_back_4", "conv_back_16", "conv_back_32", "conv_back_64"];
            self.convolve(kernels, block, [&block.raw, &before.gradient], n, false)?;
        }
        Ok(())
    }
}

fn matrix(buffer: &Buffer, columns: usize) -> Matrix {
    Matrix { address: buffer.at(0), columns, transposed: false }
}
