//! The operations of `nn` written with candle's own operations, and gradients of both.

use candle_core::{DType, Device, Result, Tensor, Var};

use crate::formula::uniform;

/// Values in ±1.
pub(crate) fn random(name: &str, shape: &[usize]) -> Tensor {
    let values = uniform(name, shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn var(name: &str, shape: &[usize]) -> Var {
    Var::from_tensor(&random(name, shape)).unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1().unwrap()
}

/// Fails unless both tensors are equal up to a share of the largest value.
pub(crate) fn close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        let most = tolerance * (largest + 1e-3);
        assert!(error <= most, "{what}, value {at}: {found}, expected {expected}");
    }
}

/// The output, and the gradients of a weighted sum of it.
pub(crate) fn gradients(out: &Tensor, vars: &[&Var]) -> Vec<Tensor> {
    let weights = random("weights of the outputs", out.dims());
    let loss = (out * weights).unwrap().sum_all().unwrap();
    let found = loss.backward().unwrap();
    vars.iter().map(|var| found.get(var).unwrap().clone()).collect()
}

/// Compares outputs to 1e-5 and gradients to 1e-4.
pub(crate) fn agree(what: &str, ours: &Tensor, theirs: &Tensor, vars: &[&Var]) {
    close(what, ours, theirs, 1e-5);
    let pairs = gradients(ours, vars).into_iter().zip(gradients(theirs, vars));
    for (at, (ours, theirs)) in pairs.enumerate() {
        close(&format!("{what}, gradient {at}"), &ours, &theirs, 1e-4);
    }
}

/// The pixels of each window, `[rows·columns][n][c][h][w]`, with padding of a value.
pub(crate) fn windows(
    x: &Tensor,
    (kernel, stride, padding): (usize, usize, usize),
    value: f32,
) -> Result<Tensor> {
    dilated_windows(x, (kernel, stride, padding, 1), value)
}

/// As [`windows`], with a distance of the pixels that a window reads.
fn dilated_windows(
    x: &Tensor,
    (kernel, stride, padding, dilation): (usize, usize, usize, usize),
    value: f32,
) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let pad = |dims: &[usize]| Tensor::full(value, dims, x.device());
    let mut x = x.contiguous()?;
    if padding > 0 {
        let side = pad(&[n, c, padding, w])?;
        x = Tensor::cat(&[&side, &x, &side], 2)?;
        let side = pad(&[n, c, h + 2 * padding, padding])?;
        x = Tensor::cat(&[&side, &x, &side], 3)?.contiguous()?;
    }
    let places = |size: usize, first: usize| {
        let out = (size + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1;
        Tensor::from_iter((0..out).map(|at| (at * stride + first * dilation) as u32), &Device::Cpu)
    };
    let mut all = Vec::new();
    for y in 0..kernel {
        for column in 0..kernel {
            let rows = x.index_select(&places(h, y)?, 2)?;
            all.push(rows.index_select(&places(w, column)?, 3)?);
        }
    }
    Tensor::stack(&all, 0)
}

/// A convolution by candle's matrix products. candle's own convolution has no gradient for some shapes with a
/// stride.
pub(crate) fn convolution(
    x: &Tensor,
    weight: &Tensor,
    [padding, stride, dilation, groups]: [usize; 4],
) -> Result<Tensor> {
    let (out, input, kernel, _) = weight.dims4()?;
    let all = dilated_windows(x, (kernel, stride, padding, dilation), 0.0)?;
    let (_, n, _, h, w) = all.dims5()?;
    // [n][in][rows·columns][h·w]
    let all =
        all.permute((1, 2, 0, 3, 4))?.contiguous()?.reshape((n, (), kernel * kernel, h * w))?;
    let mut parts = Vec::new();
    for group in 0..groups {
        let x = all.narrow(1, group * input, input)?.contiguous()?;
        let x = x.reshape((n, input * kernel * kernel, h * w))?;
        let each = out / groups;
        let weight = weight.narrow(0, group * each, each)?.contiguous()?;
        let weight = weight.reshape((each, input * kernel * kernel))?.broadcast_left(n)?;
        parts.push(weight.contiguous()?.matmul(&x)?.reshape((n, each, h, w))?);
    }
    Tensor::cat(&parts, 1)
}
