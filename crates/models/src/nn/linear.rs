//! Linear layers.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Module, Result, Shape, Tensor, bail};
use candle_nn::{Init, VarBuilder, init::DEFAULT_KAIMING_NORMAL};

use super::{
    products::with_product,
    values::{check_size, ready, storage, tensor, values, with_values},
};
use crate::kernels::{Matrix, Out, Right};

/// A linear layer with the interface of [`candle_nn::Linear`].
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer with weights `[out][in]` and a bias `[out]`.
    #[must_use]
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[out][in]`.
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[out]`, if the layer has a bias.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    /// Computes `x · weightᵀ + bias` for x `[…][in]`.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, or x is not float32 on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (x, weight) = (ready("linear", x)?, ready("linear", &self.weight)?);
        let (output, input) = match weight.dims() {
            [output, input] => (*output, *input),
            dims => bail!("linear needs weights with 2 axes, got shape {dims:?}"),
        };
        let mut shape = x.dims().to_vec();
        match shape.last_mut() {
            Some(last) if *last == input => *last = output,
            _ => bail!("linear: x of shape {:?} does not fit {input} inputs", x.dims()),
        }
        check_size("linear", &shape)?;
        let rows = x.elem_count() / input.max(1);
        if input == 0 {
            bail!("linear needs at least 1 input");
        }
        let operation = Product { rows, input, output, shape };
        match &self.bias {
            None => x.apply_op2(&weight, operation),
            Some(bias) => {
                let bias = ready("linear", bias)?;
                if bias.dims() != [output] {
                    bail!("linear: a bias of shape {:?} for {output} outputs", bias.dims());
                }
                x.apply_op3(&weight, &bias, operation)
            }
        }
    }
}

/// A linear layer with a bias: parameters `weight` and `bias`, with candle-nn's initial values.
///
/// # Errors
///
/// If the builder has no such parameters.
pub fn linear(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Linear> {
    linear_b(in_dim, out_dim, true, vb)
}

/// A linear layer without a bias: parameter `weight`, with candle-nn's initial values.
///
/// # Errors
///
/// If the builder has no such parameter.
pub fn linear_no_bias(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Linear> {
    linear_b(in_dim, out_dim, false, vb)
}

/// A linear layer with or without a bias.
///
/// # Errors
///
/// If the builder has no such parameters.
pub fn linear_b(in_dim: usize, out_dim: usize, bias: bool, vb: VarBuilder<'_>) -> Result<Linear> {
    let weight = vb.get_with_hints((out_dim, in_dim), "weight", DEFAULT_KAIMING_NORMAL)?;
    if !bias {
        return Ok(Linear::new(weight, None));
    }
    let bound = 1.0 / (in_dim as f64).sqrt();
    let bias = vb.get_with_hints(out_dim, "bias", Init::Uniform { lo: -bound, up: bound })?;
    Ok(Linear::new(weight, Some(bias)))
}

/// `x · weightᵀ + bias` as an operation of candle.
struct Product {
    rows: usize,
    input: usize,
    output: usize,
    /// The shape of the result.
    shape: Vec<usize>,
}

impl Product {
    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let Self { rows, input, output, ref shape } = *self;
        let mut out = vec![0.0_f32; rows * output];
        let right = Right::Matrix(Matrix::rows(weight, input).transposed());
        with_product(|product| {
            let left = Matrix::rows(x, input);
            product.compute((rows, input, output), left, right, bias, Out::Rows(&mut out));
        });
        (storage(out), Shape::from(shape.as_slice()))
    }

    /// The gradients of the input and of the weights, where they are needed.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Self { rows, input, output, .. } = *self;
        with_values(gradient, |gradient| {
            let gradient = Matrix::rows(gradient, output);
            let of = |dims, left, right: &[f32], to: &mut [f32]| {
                let right = Right::Matrix(Matrix::rows(right, input));
                with_product(|product| {
                    product.compute(dims, left, right, None, Out::Rows(to));
                });
                Ok(())
            };
            let mut dx = None;
            if x.track_op() {
                let mut to = vec![0.0_f32; rows * input];
                with_values(weight, |w| of((rows, output, input), gradient, w, &mut to))?;
                dx = Some(tensor(to, x.dims())?);
            }
            let mut dw = None;
            if weight.track_op() {
                let mut to = vec![0.0_f32; output * input];
                let left = gradient.transposed();
                with_values(x, |x| of((output, rows, input), left, x, &mut to))?;
                dw = Some(tensor(to, weight.dims())?);
            }
            Ok((dx, dw))
        })
    }
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(values(x, x_layout)?, values(weight, weight_layout)?, None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, gradient)
    }
}

impl CustomOp3 for Product {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, weight_layout)?);
        Ok(self.forward(x, weight, Some(values(bias, bias_layout)?)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, weight, gradient)?;
        if !bias.track_op() {
            return Ok((dx, dw, None));
        }
        let mut sums = vec![0.0_f32; self.output];
        with_values(gradient, |gradient| {
            for row in gradient.chunks_exact(self.output.max(1)) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            Ok(())
        })?;
        Ok((dx, dw, Some(tensor(sums, bias.dims())?)))
    }
}
