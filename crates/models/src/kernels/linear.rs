//! A linear layer: one matrix product forward, two backward.

use rayon::prelude::*;

use super::{Matrix, Product};

/// A layer `[n][input] → [n][output]` with the buffers of its passes, kept from step to step.
pub(crate) struct Linear {
    input: usize,
    output: usize,
    /// `[n][output]`.
    pub(crate) out: Vec<f32>,
    /// The gradient of the input, `[n][input]`.
    pub(crate) input_gradient: Vec<f32>,
    /// `[output][input]`.
    pub(crate) weight_gradient: Vec<f32>,
    /// `[output]`.
    pub(crate) bias_gradient: Vec<f32>,
}

/// Columns that a task sums.
const COLUMNS: usize = 256;

impl Linear {
    pub(crate) fn new(input: usize, output: usize) -> Self {
        let (out, input_gradient) = (Vec::new(), Vec::new());
        let (weight_gradient, bias_gradient) = (Vec::new(), Vec::new());
        Self { input, output, out, input_gradient, weight_gradient, bias_gradient }
    }

    /// `x · weightᵀ + bias` of x `[n][input]`, weight `[output][input]`.
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
        let (left, right) = (Matrix::rows(x, input), Matrix::rows(weight, input).transposed());
        product.compute((n, input, output), left, right, Some(bias), &mut self.out);
    }

    /// All gradients, given that of the output, `[n][output]`; that of the input only if somebody
    /// needs it.
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
        self.weight_gradient.resize(output * input, 0.0);
        let (left, right) = (rows.transposed(), Matrix::rows(x, input));
        product.compute((output, n, input), left, right, None, &mut self.weight_gradient);
        if needs_input_gradient {
            self.input_gradient.resize(n * input, 0.0);
            let right = Matrix::rows(weight, input);
            product.compute((n, output, input), rows, right, None, &mut self.input_gradient);
        }
        self.bias_gradient.clear();
        self.bias_gradient.resize(output, 0.0);
        self.bias_gradient.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, sums)| {
            for row in gradient.chunks_exact(output) {
                let row = &row[chunk * COLUMNS..][..sums.len()];
                sums.iter_mut().zip(row).for_each(|(sum, it)| *sum += it);
            }
        });
    }
}
