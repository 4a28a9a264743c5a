//! A linear layer: one matrix product in the forward pass, two in the backward pass.

use rayon::prelude::*;

use super::{
    Matrix, Product,
    product::{Out, Right, in_panels, place_in_panels},
};

/// A linear layer `[n][input] → [n][output]` with the buffers of its passes.
///
/// Its weights and their gradient are stored in the layout that products read, in panels of outputs
/// `[⌈output/32⌉][input][32]`, so that a step packs neither.
pub(crate) struct Linear {
    input: usize,
    output: usize,
    /// `[n][output]`.
    pub(crate) out: Vec<f32>,
    /// Gradient of the input, `[n][input]`.
    pub(crate) input_gradient: Vec<f32>,
    /// Gradient of the weights, in panels.
    pub(crate) weight_gradient: Vec<f32>,
    /// `[output]`.
    pub(crate) bias_gradient: Vec<f32>,
}

/// Columns of the bias gradient that a task sums.
const COLUMNS: usize = 256;

impl Linear {
    pub(crate) fn new(input: usize, output: usize) -> Self {
        let (out, input_gradient) = (Vec::new(), Vec::new());
        let (weight_gradient, bias_gradient) = (Vec::new(), Vec::new());
        Self { input, output, out, input_gradient, weight_gradient, bias_gradient }
    }

    /// Converts weights `[output][input]` to panels.
    pub(crate) fn pack(&self, weight: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; in_panels(self.input, self.output)];
        for (index, value) in weight.iter().enumerate() {
            let (output, input) = (index / self.input, index % self.input);
            packed[place_in_panels(self.input, input, output)] = *value;
        }
        packed
    }

    /// Converts weights or their gradient from panels to `[output][input]`.
    pub(crate) fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        let place = |at| place_in_panels(self.input, at % self.input, at / self.input);
        (0..self.output * self.input).map(|at| packed[place(at)]).collect()
    }

    /// Computes `out = x · weightᵀ + bias` for x `[n][input]`.
    pub(crate) fn forward(
        &mut self,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        product: &mut Product,
    ) {
        let Self { input, output, .. } = *self;
        let n = x.len() / input;
        self.out.resize(n * output, 0.0);
        let (left, out) = (Matrix::rows(x, input), Out::Rows(&mut self.out));
        product.compute((n, input, output), left, Right::Panels(weight), Some(bias), out);
    }

    /// Computes all gradients from that of the output, `[n][output]`; that of the input only if
    /// `needs_input_gradient`.
    pub(crate) fn backward(
        &mut self,
        x: &[f32],
        gradient: &[f32],
        weight: &[f32],
        needs_input_gradient: bool,
        product: &mut Product,
    ) {
        let Self { input, output, .. } = *self;
        let n = x.len() / input;
        let rows = Matrix::rows(gradient, output);
        self.weight_gradient.resize(in_panels(input, output), 0.0);
        let (left, right) = (Matrix::rows(x, input).transposed(), Right::Matrix(rows));
        let out = Out::Panels(&mut self.weight_gradient);
        product.compute((input, n, output), left, right, None, out);
        if needs_input_gradient {
            self.input_gradient.resize(n * input, 0.0);
            let out = Out::Rows(&mut self.input_gradient);
            product.compute((n, output, input), rows, Right::Turned(weight), None, out);
        }
        self.bias_gradient.clear();
        self.bias_gradient.resize(output, 0.0);
        self.bias_gradient.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, sums)| {
            for row in gradient.chunks_exact(output) {
                let row = &row[chunk * COLUMNS..][..sums.len()];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        });
    }
}
