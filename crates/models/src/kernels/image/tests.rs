//! The operations of inference, compared with candle's own operations.

use candle_core::{D, Device, Result, Tensor};
use proptest::prelude::*;

use super::*;
use crate::random::Stream;

/// Values in ±1.
fn random(name: &str, shape: &[usize]) -> Tensor {
    let values = Stream::new(7, name).uniform(shape.iter().product(), 1.0);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn channels_last(x: &Tensor) -> Tensor {
    x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

/// candle's convolution, with different paddings for rows and columns.
fn reference(x: &Tensor, weight: &Tensor, bias: &Tensor, shape: &ConvShape) -> Result<Tensor> {
    let [rows, columns] = shape.padding;
    let x = x.pad_with_zeros(2, rows, rows)?.pad_with_zeros(3, columns, columns)?;
    let out = x.conv2d(weight, 0, shape.stride, 1, shape.groups)?;
    Ok(channels_last(&out.broadcast_add(&bias.reshape((1, shape.output, 1, 1))?)?))
}

fn close(found: &Tensor, expected: &Tensor) -> std::result::Result<(), TestCaseError> {
    prop_assert_eq!(found.dims(), expected.dims());
    for (found, expected) in values(found).into_iter().zip(values(expected)) {
        prop_assert!(
            (found - expected).abs() <= 2e-4 * (1.0 + expected.abs()),
            "{found} {expected}"
        );
    }
    Ok(())
}

/// A shape of a convolution, and a batch that it accepts.
fn convolutions() -> impl Strategy<Value = (ConvShape, [usize; 3])> {
    prop_oneof![3 => any_convolutions(), 1 => tiled_convolutions()]
}

/// Convolutions that are computed in tiles (`winograd.rs`), if the image is not tiny.
fn tiled_convolutions() -> impl Strategy<Value = (ConvShape, [usize; 3])> {
    (1..4_usize, 1..6_usize, 0..3_usize, 1..6_usize, 3..40_usize, 3..24_usize).prop_map(
        |(inputs, outputs, padding, n, h, w)| {
            let (input, output) = (16 * inputs, 16 * outputs);
            let (kernel, padding) = ([3, 3], [padding, padding / 2]);
            (ConvShape { input, output, kernel, stride: 1, padding, groups: 1 }, [n, h, w])
        },
    )
}

fn any_convolutions() -> impl Strategy<Value = (ConvShape, [usize; 3])> {
    let kernel = prop::sample::select(vec![[1, 1], [3, 3], [5, 5], [1, 7], [7, 1], [2, 2]]);
    let sizes = (1..4_usize, 1..20_usize, 1..20_usize);
    (kernel, 1..4_usize, any::<bool>(), 1..4_usize, 1..24_usize, 1..24_usize, sizes).prop_map(
        |(kernel, stride, padded, groups, inputs, outputs, (n, h, w))| {
            let padding = if padded { kernel.map(|size| size / 2) } else { [0, 0] };
            let (input, output) = (inputs * groups, outputs * groups);
            let shape = ConvShape { input, output, kernel, stride, padding, groups };
            (shape, [n, h.max(kernel[0]), w.max(kernel[1])])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn convolutions_agree_with_candle((shape, [n, h, w]) in convolutions(), relu in any::<bool>()) {
        let ConvShape { input, output, kernel: [kh, kw], groups, .. } = shape;
        let x = random("x", &[n, input, h, w]);
        let (weight, bias) = (random("w", &[output, input / groups, kh, kw]), random("b", &[output]));
        let activation = if relu { Activation::Relu } else { Activation::None };
        let mut expected = reference(&x, &weight, &bias, &shape).unwrap();
        let residual = random("r", expected.dims());
        let conv = Conv::new(shape, &values(&weight), &values(&bias), activation);
        let found = conv.forward(&channels_last(&x), Some(&residual)).unwrap();
        expected = (expected + residual).unwrap();
        close(&found, &if relu { expected.relu().unwrap() } else { expected })?;
    }

    #[test]
    fn depthwise_convolutions_agree_with_candle(
        (shape, [n, h, w]) in convolutions(), channels in 1..40_usize,
    ) {
        let shape = ConvShape { input: channels, output: channels, groups: channels, ..shape };
        let [kh, kw] = shape.kernel;
        let x = random("x", &[n, channels, h, w]);
        let (weight, bias) = (random("w", &[channels, 1, kh, kw]), random("b", &[channels]));
        let operation =
            Depthwise::new(shape, &values(&weight), &values(&bias), Activation::HardSwish);
        let found = channels_last(&x).apply_op1_no_bwd(&operation).unwrap();
        let expected = reference(&x, &weight, &bias, &shape).unwrap();
        let mut activated = values(&expected);
        Activation::HardSwish.apply(&mut activated);
        close(&found, &Tensor::from_vec(activated, expected.dims(), &Device::Cpu).unwrap())?;
    }

    /// Also for images whose channels are a part of wider pixels.
    #[test]
    fn the_rest_of_the_batch_and_the_threads_change_no_bit_of_an_image((shape, [n, h, w]) in convolutions(), threads in 1..5_usize) {
        let ConvShape { input, output, kernel: [kh, kw], groups, .. } = shape;
        let wide = random("x", &[n, h, w, input + 3]);
        let x = wide.narrow(D::Minus1, 2, input).unwrap();
        let weight = random("w", &[output, input / groups, kh, kw]);
        let conv = Conv::new(shape, &values(&weight), &vec![0.5; output], Activation::Silu);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = pool.install(|| conv.forward(&x, None)).unwrap();
        for image in 0..n {
            let one = x.narrow(0, image, 1).unwrap().contiguous().unwrap();
            let alone = conv.forward(&one, None).unwrap();
            prop_assert_eq!(values(&alone), values(&all.narrow(0, image, 1).unwrap()));
        }
    }

    #[test]
    fn pools_agree_with_candle(
        n in 1..3_usize, c in 1..20_usize, h in 4..16_usize, w in 4..16_usize,
        kernel in 1..4_usize, stride in 1..4_usize,
    ) {
        let x = random("x", &[n, c, h, w]);
        let last = channels_last(&x);
        let pool = MaxPool { kernel, stride, padding: 0, ceil: false };
        let expected = x.max_pool2d_with_stride(kernel, stride).unwrap();
        close(&last.apply_op1_no_bwd(&pool).unwrap(), &channels_last(&expected))?;
        let pool = AveragePool::Windows { kernel, stride, padding: 0 };
        let expected = x.avg_pool2d_with_stride(kernel, stride).unwrap();
        close(&last.apply_op1_no_bwd(&pool).unwrap(), &channels_last(&expected))?;
        let expected = x.mean((D::Minus2, D::Minus1)).unwrap();
        close(&last.apply_op1_no_bwd(&GlobalAverage).unwrap(), &expected)?;
        let all = AveragePool::Adaptive(1);
        let found = last.apply_op1_no_bwd(&all).unwrap().reshape((n, c)).unwrap();
        close(&found, &expected)?;
    }

    #[test]
    fn layer_norms_agree_with_their_formula(rows in 1..9_usize, c in 1..70_usize) {
        let x = (random("x", &[rows, c]) * 5.0).unwrap();
        let (gamma, beta) = (random("gamma", &[c]), random("beta", &[c]));
        let norm = LayerNorm { gamma: values(&gamma), beta: values(&beta), epsilon: 1e-5 };
        let centered = x.broadcast_sub(&x.mean_keepdim(1).unwrap()).unwrap();
        let variance = centered.sqr().unwrap().mean_keepdim(1).unwrap();
        let expected = centered.broadcast_div(&(variance + 1e-5).unwrap().sqrt().unwrap()).unwrap();
        let expected = expected.broadcast_mul(&gamma).unwrap().broadcast_add(&beta).unwrap();
        close(&x.apply_op1_no_bwd(&norm).unwrap(), &expected)?;
    }

    /// The formula is computed by candle's products and exponentials.
    #[test]
    fn attention_agrees_with_its_formula(
        rows in 1..5_usize, tokens in 1..70_usize, heads in 1..4_usize, head in 1..70_usize,
        biases in 0..3_usize,
    ) {
        let width = heads * head;
        let x = (random("x", &[rows, tokens, 3 * width]) * 2.0).unwrap();
        let bias = random("bias", &[biases.max(1), heads, tokens, tokens]);
        let parts = x.reshape((rows, tokens, 3, heads, head)).unwrap();
        let part = |index: usize| {
            let part = parts.narrow(2, index, 1).unwrap().squeeze(2).unwrap();
            part.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let mut scores = part(0).matmul(&part(1).t().unwrap().contiguous().unwrap()).unwrap();
        if biases > 0 {
            let index: Vec<u32> = (0..rows).map(|row| (row % biases) as u32).collect();
            let index = Tensor::from_vec(index, rows, &Device::Cpu).unwrap();
            scores = (scores + bias.index_select(&index, 0).unwrap()).unwrap();
        }
        let exponentials = scores.exp().unwrap();
        let sums = exponentials.sum_keepdim(3).unwrap();
        let weights = exponentials.broadcast_div(&sums).unwrap();
        let expected = weights.matmul(&part(2)).unwrap().transpose(1, 2).unwrap();
        let expected = expected.contiguous().unwrap().reshape((rows, tokens, width)).unwrap();
        let attend = Attend { heads, bias: (biases > 0).then_some(&bias) };
        close(&x.apply_op1_no_bwd(&attend).unwrap(), &expected)?;
    }

    #[test]
    fn channels_are_interleaved_and_gated(n in 1..3_usize, side in 1..9_usize, c in 1..40_usize) {
        let wide = random("x", &[n, side, side, 2 * c]);
        let (a, b) = (wide.narrow(3, 0, c).unwrap(), wide.narrow(3, c, c).unwrap());
        let stacked = Tensor::stack(&[&a, &b], 4).unwrap();
        let expected = stacked.reshape((n, side, side, 2 * c)).unwrap();
        close(&a.apply_op2_no_bwd(&b, &Interleave).unwrap(), &expected)?;
        let factors = random("f", &[n, c]);
        let expected = a.broadcast_mul(&factors.reshape((n, 1, 1, c)).unwrap()).unwrap();
        close(&a.apply_op2_no_bwd(&factors, &Gate).unwrap(), &expected)?;
    }
}

/// Values that are not finite stay visible: no pixel that depends on one becomes a number.
#[test]
fn a_pixel_that_is_no_number_reaches_all_pixels_that_depend_on_it() {
    let shape =
        ConvShape { input: 16, output: 16, kernel: [3, 3], stride: 1, padding: [1, 1], groups: 1 };
    let weights = values(&random("w", &[16, 16, 3, 3]));
    for (bad, activation) in [(f32::NAN, Activation::Relu), (f32::INFINITY, Activation::None)] {
        let mut image = values(&random("x", &[1, 9, 9, 16]));
        image[(4 * 9 + 4) * 16 + 3] = bad;
        let image = Tensor::from_vec(image, (1, 9, 9, 16), &Device::Cpu).unwrap();
        let conv = Conv::new(shape, &weights, &[0.0; 16], activation);
        let out = values(&conv.forward(&image, None).unwrap());
        for (y, x) in (3..6).flat_map(|y| (3..6).map(move |x| (y, x))) {
            let pixel = &out[(y * 9 + x) * 16..][..16];
            assert!(pixel.iter().all(|value| !value.is_finite()), "{bad} at {y}, {x}: {pixel:?}");
        }
        assert!(out[..16].iter().all(|value| value.is_finite()), "a tile far from it");
    }
}

#[test]
fn windows_beyond_the_edge_are_pooled_as_in_pytorch() {
    let x = Tensor::arange(0.0_f32, 25.0, &Device::Cpu).unwrap().reshape((1, 5, 5, 1)).unwrap();
    let x = (x - 30.0).unwrap();
    let pool = |kernel, stride, padding, ceil| {
        let pool = MaxPool { kernel, stride, padding, ceil };
        values(&(x.apply_op1_no_bwd(&pool).unwrap() + 30.0).unwrap())
    };
    // torch.nn.functional.max_pool2d(x, 3, 2, 1): padding counts as −∞, not as 0.
    assert_eq!(pool(3, 2, 1, false), [6.0, 8.0, 9.0, 16.0, 18.0, 19.0, 21.0, 23.0, 24.0]);
    // torch.nn.functional.max_pool2d(x, 2, 2, ceil_mode=True)
    assert_eq!(pool(2, 2, 0, true), [6.0, 8.0, 9.0, 16.0, 18.0, 19.0, 21.0, 23.0, 24.0]);
}

#[test]
fn images_of_a_wrong_shape_are_refused() {
    let shape =
        ConvShape { input: 2, output: 1, kernel: [3, 3], stride: 1, padding: [0, 0], groups: 1 };
    let conv = Conv::new(shape, &[0.0; 18], &[0.0], Activation::None);
    let of = |dims: &[usize]| conv.forward(&random("x", dims), None).unwrap_err().to_string();
    assert!(of(&[1, 2, 2, 2]).contains("larger than an image of 2×2"), "{}", of(&[1, 2, 2, 2]));
    assert!(of(&[1, 4, 4, 3]).contains("expects images of 2 channels, got 3"));
    let residual = random("r", &[1, 1, 1, 1]);
    let error = conv.forward(&random("x", &[1, 4, 4, 2]), Some(&residual)).unwrap_err();
    assert!(error.to_string().contains("the residual has shape [1, 1, 1, 1]"), "{error}");
}
