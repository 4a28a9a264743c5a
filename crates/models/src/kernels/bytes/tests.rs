//! Products of bytes against sums of 64 bits, for every set of instructions that the processor has.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::{
    kernels::image::{Activation, AveragePool, ConvShape, MaxPool},
    random::Stream,
};

fn sets() -> impl Iterator<Item = ByteSet> {
    ByteSet::ALL.into_iter().filter(|set| set.is_available())
}

fn bytes(name: &str, count: usize) -> Vec<u8> {
    let values = Stream::new(11, name).uniform(count, 128.0);
    values.into_iter().map(|value| (value + 128.0).clamp(0.0, 255.0) as u8).collect()
}

fn numbers(name: &str, count: usize) -> Vec<f32> {
    Stream::new(12, name).uniform(count, 1.0)
}

/// The numbers that weights become: signed bytes times a scale for each output channel.
fn rounded(weights: &[f32], each: usize) -> Vec<f64> {
    let channel = |weights: &[f32]| {
        let largest = weights.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let scale = largest / 127.0;
        // In single precision: a weight between two bytes is equally near to both.
        let round = |weight: &f32| f64::from((weight / scale).round_ties_even()) * f64::from(scale);
        weights.iter().map(round).collect::<Vec<f64>>()
    };
    weights.chunks_exact(each).flat_map(channel).collect()
}

/// A convolution of numbers with `weights` `[co][kh][kw][ci/groups]`.
fn reference(
    shape: &ConvShape,
    x: &ByteImages,
    scale: ByteScale,
    weights: &[f64],
    bias: &[f32],
) -> Vec<f64> {
    let ConvShape { input, output, kernel: [kh, kw], stride, padding: [top, left], groups } =
        *shape;
    let (rows, columns) = shape.size(x.h, x.w).unwrap();
    let (inputs, outputs) = (input / groups, output / groups);
    let mut out = Vec::new();
    for (image, row, column, o) in (0..x.n).flat_map(|n| {
        (0..rows).flat_map(move |y| {
            (0..columns).flat_map(move |at| (0..output).map(move |o| (n, y, at, o)))
        })
    }) {
        let mut sum = f64::from(bias[o]);
        for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
            let (y, at) = (row * stride + ky, column * stride + kx);
            if y < top || at < left || y - top >= x.h || at - left >= x.w {
                continue;
            }
            for i in 0..inputs {
                let pixel = (image * x.h + y - top) * x.w + at - left;
                let byte = x.values()[pixel * x.c + o / outputs * inputs + i];
                let weight = weights[((o * kh + ky) * kw + kx) * inputs + i];
                sum += f64::from(scale.number(byte)) * weight;
            }
        }
        out.push(sum);
    }
    out
}

fn limited(value: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Relu => value.max(0.0),
        Activation::Relu6 => value.clamp(0.0, 6.0),
        _ => value,
    }
}

/// Whether each byte is the nearest one to its number.
fn nearest(found: &ByteImages, expected: &[f64], scale: ByteScale) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (index, (byte, number)) in found.values().iter().zip(expected).enumerate() {
        let exact = number / f64::from(scale.scale) + f64::from(scale.zero);
        let away = (f64::from(*byte) - exact.clamp(0.0, 255.0)).abs();
        prop_assert!(away < 0.505, "{index}: {byte} for {exact}");
    }
    Ok(())
}

/// The output of every set with 1 and with 3 threads, which must be one and the same.
fn same(run: impl Fn(ByteSet) -> ByteImages + Sync) -> ByteImages {
    let mut first: Option<ByteImages> = None;
    for (set, threads) in sets().flat_map(|set| [(set, 1), (set, 3)]) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = pool.install(|| run(set));
        let first = first.get_or_insert_with(|| out.clone());
        assert_eq!(first.values(), out.values(), "{set:?} with {threads} threads");
    }
    first.unwrap()
}

/// Two tasks for each thread.
fn tasks() -> usize {
    2 * rayon::current_num_threads()
}

const OUTPUT: ByteScale = ByteScale { scale: 0.043, zero: 121 };
const RESIDUAL: ByteScale = ByteScale { scale: 0.02, zero: 77 };

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions_are_exact(
        n in 1..4_usize, h in 1..20_usize, w in 1..20_usize,
        input in prop_oneof![1..6_usize, Just(16), Just(31), Just(64), Just(67)],
        output in prop_oneof![1..6_usize, Just(16), Just(33), Just(64), Just(83)],
        kernel in prop_oneof![Just([1, 1]), Just([3, 3]), Just([7, 7]), Just([1, 3]), Just([2, 1])],
        stride in 1..4_usize, padding in 0..4_usize, zero: u8, add: bool,
        activation in activation(),
    ) {
        let padding = [padding.min(kernel[0] / 2), padding.min(kernel[1] / 2)];
        let shape = ConvShape { input, output, kernel, stride, padding, groups: 1 };
        let Ok((rows, columns)) = shape.size(h, w) else { return Ok(()) };
        let x = ByteImages::of([n, h, w, input], &bytes("x", n * h * w * input));
        let terms = kernel[0] * kernel[1] * input;
        let scale = ByteScale { scale: 1.0 / (20.0 * (terms as f32).sqrt()), zero };
        let weights = numbers("w", output * terms);
        let bias = numbers("b", output);
        let mut expected = reference(&shape, &x, scale, &rounded(&weights, terms), &bias);
        let dims = [n, rows, columns, output];
        let residual = ByteImages::of(dims, &bytes("r", expected.len()));
        for (value, byte) in expected.iter_mut().zip(residual.values()) {
            let added = if add { f64::from(RESIDUAL.number(*byte)) } else { 0.0 };
            *value = limited(*value + added, activation);
        }
        let found = same(|set| {
            let to = (activation, Some(OUTPUT));
            let residual_scale = add.then_some(RESIDUAL);
            let conv =
                ByteConv::new(set, shape, (&weights, &bias), scale, residual_scale, to).unwrap();
            conv.forward(&x, add.then_some(&residual), tasks()).unwrap()
        });
        nearest(&found, &expected, OUTPUT)?;
    }

    #[test]
    fn depthwise_convolutions_are_exact(
        n in 1..3_usize, h in 1..20_usize, w in 1..20_usize, c in 1..140_usize,
        side in prop_oneof![Just(1_usize), Just(3), Just(3), Just(5)],
        stride in 1..4_usize, padded: bool, zero: u8, activation in activation(),
    ) {
        let padding = if padded { [side / 2; 2] } else { [0, 0] };
        let shape =
            ConvShape { input: c, output: c, kernel: [side; 2], stride, padding, groups: c };
        if shape.size(h, w).is_err() {
            return Ok(());
        }
        let x = ByteImages::of([n, h, w, c], &bytes("x", n * h * w * c));
        let scale = ByteScale { scale: 0.01, zero };
        let (weights, bias) = (numbers("w", c * side * side), numbers("b", c));
        let mut expected = reference(&shape, &x, scale, &rounded(&weights, side * side), &bias);
        expected.iter_mut().for_each(|value| *value = limited(*value, activation));
        let found = same(|set| {
            let to = (activation, OUTPUT);
            ByteDepthwise::new(set, shape, (&weights, &bias), scale, to).forward(&x, tasks()).unwrap()
        });
        nearest(&found, &expected, OUTPUT)?;
    }

    #[test]
    fn linear_layers_give_numbers(n in 1..9_usize, input in 1..300_usize, output in 1..40_usize) {
        let shape = ConvShape {
            input, output, kernel: [1, 1], stride: 1, padding: [0, 0], groups: 1,
        };
        let x = ByteImages::of([n, 1, 1, input], &bytes("x", n * input));
        let scale = ByteScale { scale: 0.01, zero: 93 };
        let (weights, bias) = (numbers("w", output * input), numbers("b", output));
        let expected = reference(&shape, &x, scale, &rounded(&weights, input), &bias);
        for set in sets() {
            let to = (Activation::None, None);
            let conv = ByteConv::new(set, shape, (&weights, &bias), scale, None, to).unwrap();
            for (found, expected) in conv.numbers(&x, tasks()).unwrap().iter().zip(&expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 2e-5, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn pools_and_sums_are_exact(
        n in 1..3_usize, side in 3..12_usize, c in 1..90_usize, kernel in 2..4_usize,
        stride in 1..3_usize, padding in 0..2_usize, relu: bool,
    ) {
        let x = ByteImages::of([n, side, side, c], &bytes("x", n * side * side * c));
        let pool = MaxPool { kernel, stride, padding, ceil: false };
        let out = same(|set| largest_of(set, &pool, &x, tasks()).unwrap());
        let outputs = pool.outputs(side).unwrap();
        for (index, byte) in out.values().iter().enumerate() {
            let (pixel, channel) = (index / c, index % c);
            let (image, row, column) =
                (pixel / outputs / outputs, pixel / outputs % outputs, pixel % outputs);
            let of = |y: usize, at: usize| x.values()[((image * side + y) * side + at) * c + channel];
            let largest = pool
                .covered(row, side)
                .flat_map(|y| pool.covered(column, side).map(move |at| (y, at)))
                .map(|(y, at)| of(y, at))
                .max();
            prop_assert_eq!(Some(*byte), largest);
        }
        let (input, output) = (ByteScale { scale: 0.1, zero: 40 }, ByteScale { scale: 0.08, zero: 90 });
        for pool in [AveragePool::Adaptive(1), AveragePool::Windows { kernel, stride, padding }] {
            let out = same(|set| ByteMean::new(set, pool, input, output).forward(&x, tasks()).unwrap());
            let outputs = pool.outputs(side).unwrap();
            let mut expected = Vec::new();
            for line in 0..n * outputs {
                let (image, ys) = (line / outputs, pool.covered(line % outputs, side));
                for (column, channel) in
                    (0..outputs).flat_map(|column| (0..c).map(move |channel| (column, channel)))
                {
                    let xs = pool.covered(column, side);
                    let mut sum = 0.0;
                    for (y, at) in ys.clone().flat_map(|y| xs.clone().map(move |at| (y, at))) {
                        let byte = x.values()[((image * side + y) * side + at) * c + channel];
                        sum += f64::from(input.number(byte));
                    }
                    let count = match pool {
                        AveragePool::Adaptive(_) => side * side,
                        AveragePool::Windows { .. } => kernel * kernel,
                    };
                    expected.push(sum / count as f64);
                }
            }
            nearest(&out, &expected, output)?;
        }
        let y = ByteImages::of([n, side, side, c], &bytes("y", x.len()));
        let sum = same(|set| {
            AddBytes::new(set, [input, RESIDUAL], relu, output).forward(&x, &y, tasks()).unwrap()
        });
        let expected: Vec<f64> = (x.values().iter().zip(y.values()))
            .map(|(a, b)| f64::from(input.number(*a)) + f64::from(RESIDUAL.number(*b)))
            .map(|sum| if relu { sum.max(0.0) } else { sum })
            .collect();
        nearest(&sum, &expected, output)?;
    }

    #[test]
    fn numbers_become_the_nearest_bytes(
        n in 1..3_usize, c in 1..5_usize, h in 1..9_usize, w in 1..40_usize,
        least in -3.0..1.0_f32, range in 0.1..5.0_f32,
    ) {
        let scale = ByteScale::covering(least, least + range);
        prop_assert_eq!(scale.number(scale.zero), 0.0);
        let values = numbers("x", n * c * h * w);
        let x = Tensor::from_vec(values.clone(), (n, c, h, w), &Device::Cpu).unwrap();
        let found = same(|set| scale.images(set, &x, tasks()).unwrap());
        for (index, byte) in found.values().iter().enumerate() {
            let (pixel, channel) = (index / c, index % c);
            let (image, within) = (pixel / (h * w), pixel % (h * w));
            let value = values[(image * c + channel) * h * w + within];
            prop_assert!(i32::from(*byte).abs_diff(i32::from(scale.byte(value))) <= 1);
            let error = (scale.number(*byte) - value).abs();
            let (low, high) = (scale.number(0), scale.number(255));
            if (low..high).contains(&value) {
                prop_assert!(error <= scale.scale * 0.501, "{byte} for {value}");
            }
        }
    }
}

/// The largest products of AVX2's instruction for bytes do not fit into its sums of 16 bits.
#[test]
fn the_largest_bytes_do_not_overflow() {
    let shape = ConvShape {
        input: 4608,
        output: 48,
        kernel: [1, 1],
        stride: 1,
        padding: [0, 0],
        groups: 1,
    };
    let x = ByteImages::of([1, 1, 1, 4608], &[255; 4608]);
    let one = ByteScale { scale: 1.0, zero: 0 };
    let weights: Vec<f32> =
        (0..48 * 4608).map(|index| if index / 4608 % 2 == 0 { 127.0 } else { -127.0 }).collect();
    for set in sets() {
        let to = (Activation::None, None);
        let conv = ByteConv::new(set, shape, (&weights, &[0.0; 48]), one, None, to).unwrap();
        let largest = (255 * 127 * 4608) as f32;
        for (channel, found) in conv.numbers(&x, tasks()).unwrap().into_iter().enumerate() {
            assert_eq!(found, if channel % 2 == 0 { largest } else { -largest }, "{set:?}");
        }
    }
}

#[test]
fn images_of_a_wrong_shape_are_refused() {
    let shape =
        ConvShape { input: 2, output: 1, kernel: [3, 3], stride: 1, padding: [0, 0], groups: 1 };
    let one = ByteScale { scale: 1.0, zero: 0 };
    let new = |shape, weights: &[f32], residual| {
        let to = (Activation::None, Some(one));
        ByteConv::new(ByteSet::Portable, shape, (weights, &[0.0]), one, residual, to)
    };
    let conv = new(shape, &[0.0; 18], None).unwrap();
    let of = |dims: [usize; 4]| {
        let x = ByteImages::of(dims, &vec![0; dims.iter().product()]);
        conv.forward(&x, None, 1).unwrap_err().to_string()
    };
    assert!(of([1, 2, 2, 2]).contains("larger than an image of 2×2"), "{}", of([1, 2, 2, 2]));
    assert!(of([1, 4, 4, 3]).contains("expects images of 2 channels, got 3"));
    let x = ByteImages::of([1, 3, 3, 2], &[0; 18]);
    let wrong = ByteImages::of([1, 2, 1, 1], &[0; 2]);
    let adding = new(shape, &[0.0; 18], Some(one)).unwrap();
    let error = adding.forward(&x, Some(&wrong), 1).unwrap_err().to_string();
    assert!(error.contains("the residual has shape"), "{error}");
    assert!(adding.forward(&x, None, 1).unwrap_err().to_string().contains("residual"));
    let large = ConvShape { input: 70_000, kernel: [1, 1], ..shape };
    let error = new(large, &[0.0; 70_000], None).err().unwrap().to_string();
    assert!(error.contains("at most 66311 terms"), "{error}");
    let grouped = ConvShape { groups: 2, ..shape };
    assert!(new(grouped, &[0.0; 18], None).is_err());
}
