//! The operations of training, compared with candle's own operations and with finite differences.

use candle_core::{Device, Result, Tensor, Var};
use proptest::prelude::*;
use record::Adam;

use super::{
    product::{Out, Right, in_panels, place_in_panels},
    *,
};
use crate::random::Stream;

/// Values in ±`bound`.
fn random(name: &str, shape: &[usize], bound: f32) -> Tensor {
    let values = Stream::new(11, name).uniform(shape.iter().product(), bound);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn close(
    what: &str,
    found: &Tensor,
    expected: &Tensor,
    tolerance: f32,
) -> std::result::Result<(), TestCaseError> {
    prop_assert_eq!(found.dims(), expected.dims(), "{}", what);
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        let error = (found - expected).abs();
        prop_assert!(error <= tolerance * (largest + 1e-3), "{what}: {found}, not {expected}");
    }
    Ok(())
}

/// Rows `[n][c][h][w]` in blocks `[n/16][c][h][w][16]`.
fn blocked(x: &Tensor) -> Vec<f32> {
    let (_, c, h, w) = x.dims4().unwrap();
    let mut blocks = Vec::new();
    to_blocks(&values(x), c * h * w, &mut blocks);
    blocks
}

fn unblocked(blocks: &[f32], shape: &[usize]) -> Tensor {
    let mut rows = Vec::new();
    to_rows(blocks, shape[0], shape[1..].iter().product(), &mut rows);
    Tensor::from_vec(rows, shape, &Device::Cpu).unwrap()
}

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

/// Convolution, batch norm with the batch's statistics, ReLU and max-pool by candle's own operations.
fn slow_block(x: &Tensor, weight: &Tensor, affine: &Tensor, relu: bool) -> Result<Tensor> {
    let z = x.conv2d(weight, 1, 1, 1, 1)?;
    let mean = z.mean_keepdim((0, 2, 3))?;
    let centered = z.broadcast_sub(&mean)?;
    let variance = centered.sqr()?.mean_keepdim((0, 2, 3))?;
    let channels = affine.dim(1)?;
    let of = |row: usize| affine.get(row)?.reshape((1, channels, 1, 1));
    let y = centered
        .broadcast_div(&(variance + 1e-5)?.sqrt()?)?
        .broadcast_mul(&of(0)?)?
        .broadcast_add(&of(1)?)?;
    slow_pool(&if relu { y.relu()? } else { y })
}

/// The largest of 2×2 pixels. Not by candle's `max_pool2d`, whose gradient is a quarter of the right
/// one (0.11: it multiplies by the mean of the mask of winners).
fn slow_pool(y: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = y.dims4()?;
    let even = y.narrow(2, 0, h / 2 * 2)?.narrow(3, 0, w / 2 * 2)?.contiguous()?;
    let even = even.reshape((n * c, h / 2, 2, w / 2, 2))?;
    let of = |row, column| even.narrow(2, row, 1)?.narrow(4, column, 1);
    let top = of(0, 0)?.maximum(&of(0, 1)?)?;
    top.maximum(&of(1, 0)?.maximum(&of(1, 1)?)?)?.reshape((n, c, h / 2, w / 2))
}

/// The sum of an output times fixed factors, whose gradients are compared.
fn weighted(y: &Tensor) -> Result<Tensor> {
    (y * random("factors", y.dims(), 1.0))?.sum_all()
}

/// A matrix in panels of its columns.
fn panels(matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut packed = vec![0.0; in_panels(rows, columns)];
    for (index, value) in matrix.iter().enumerate() {
        packed[place_in_panels(rows, index / columns, index % columns)] = *value;
    }
    packed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Outputs and all three gradients; the batch need not fill its last block.
    #[test]
    fn a_block_is_candles(
        images in 1..40_usize, cin in 1..5_usize, cout in 1..10_usize,
        // An odd side leaves a row and a column that the pool does not see.
        h in 2..9_usize, w in 2..9_usize, relu in any::<bool>(),
    ) {
        let rows = random("x", &[images, cin, h, w], 1.0);
        let weight = Var::from_tensor(&random("w", &[cout, cin, 3, 3], 0.5)).unwrap();
        let affine = Var::from_tensor(&random("a", &[2, cout], 1.0)).unwrap();

        let slow_x = Var::from_tensor(&rows).unwrap();
        let slow = slow_block(&slow_x, &weight, &affine, relu).unwrap();
        let slow_gradients = weighted(&slow).unwrap().backward().unwrap();

        let mut block = ConvBlock::new(Dims { cin, cout, h, w }, relu, true);
        let x = blocked(&rows);
        block.forward(&x, images, &values(&weight), &values(&affine), true);
        close("output", &unblocked(&block.out, slow.dims()), &slow, 1e-4)?;
        block.backward(&x, &blocked(&random("factors", slow.dims(), 1.0)), &values(&weight));
        let found = unblocked(&block.input_gradient, rows.dims());
        close("input", &found, slow_gradients.get(&slow_x).unwrap(), 2e-3)?;
        let found = tensor(&block.weight_gradient, weight.dims());
        close("weight", &found, slow_gradients.get(&weight).unwrap(), 2e-3)?;
        let found = tensor(&block.affine_gradient, affine.dims());
        close("affine", &found, slow_gradients.get(&affine).unwrap(), 2e-3)?;
    }

    #[test]
    fn linear_layers_agree_with_candle(n in 1..40_usize, k in 1..70_usize, m in 1..40_usize) {
        let x = Var::from_tensor(&random("x", &[n, k], 1.0)).unwrap();
        let weight = Var::from_tensor(&random("w", &[m, k], 1.0)).unwrap();
        let bias = Var::from_tensor(&random("b", &[m], 1.0)).unwrap();
        let slow = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let slow_gradients = weighted(&slow).unwrap().backward().unwrap();
        let (mut layer, mut product) = (Linear::new(k, m), Product::default());
        let packed = layer.pack(&values(&weight));
        prop_assert_eq!(layer.unpack(&packed), values(&weight));
        layer.forward(&values(&x), &packed, &values(&bias), &mut product);
        close("output", &tensor(&layer.out, &[n, m]), &slow, 1e-5)?;
        let g = values(&random("factors", &[n, m], 1.0));
        layer.backward(&values(&x), &g, &packed, true, &mut product);
        let of = |var: &Var| slow_gradients.get(var).unwrap().clone();
        close("x", &tensor(&layer.input_gradient, &[n, k]), &of(&x), 1e-5)?;
        let found = layer.unpack(&layer.weight_gradient);
        close("weight", &tensor(&found, &[m, k]), &of(&weight), 1e-5)?;
        close("bias", &tensor(&layer.bias_gradient, &[m]), &of(&bias), 1e-5)?;
    }

    /// With more terms than one block and more columns than one task. All layouts and numbers of threads give
    /// equal bits.
    #[test]
    fn products_agree_with_candle(
        m in 1..600_usize, k in 0..1100_usize, n in 1..250_usize, threads in 1..4_usize,
    ) {
        let (a, b) = (random("a", &[m, k.max(1)], 1.0), random("b", &[k.max(1), n], 1.0));
        let (a, b) = (a.narrow(1, 0, k).unwrap(), b.narrow(0, 0, k).unwrap());
        let mut product = Product::default();
        let (left, right) = (values(&a.contiguous().unwrap()), values(&b.contiguous().unwrap()));
        let turned = values(&a.t().unwrap().contiguous().unwrap());
        let side = panels(&right, [k, n]);
        let other = values(&b.t().unwrap().contiguous().unwrap());
        let other = panels(&other, [n, k]);
        let right = Right::Matrix(Matrix::rows(&right, n));
        let mut run = |left, right, threads: usize| {
            let mut out = vec![f32::NAN; m * n];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let to = Out::Rows(&mut out);
            pool.install(|| product.compute((m, k, n), left, right, None, to));
            let mut packed = vec![0.0; in_panels(m, n)];
            product.compute((m, k, n), left, right, None, Out::Panels(&mut packed));
            assert_eq!(packed, panels(&out, [m, n]));
            out
        };
        let rows = Matrix::rows(&left, k);
        let found = run(rows, right, threads);
        prop_assert_eq!(&found, &run(Matrix::rows(&turned, m).transposed(), right, 1));
        prop_assert_eq!(&found, &run(rows, Right::Panels(&side), 1));
        prop_assert_eq!(&found, &run(rows, Right::Turned(&other), 1));
        if k > 0 {
            let expected = a.contiguous().unwrap().matmul(&b.contiguous().unwrap()).unwrap();
            close("product", &tensor(&found, &[m, n]), &expected, 1e-5)?;
        } else {
            prop_assert!(found.iter().all(|value| *value == 0.0));
        }
    }

    /// Compared with −log softmax by candle's operations.
    #[test]
    fn cross_entropy_agrees_with_candle(n in 1..20_usize, classes in 1..12_usize, size in 0.1..50.0_f32) {
        let logits = Var::from_tensor(&random("x", &[n, classes], size)).unwrap();
        let labels: Vec<u32> = (0..n).map(|i| ((i * 7) % classes) as u32).collect();
        let labels = Tensor::from_vec(labels, n, &Device::Cpu).unwrap();
        let top = logits.max_keepdim(1).unwrap();
        let shifted = logits.broadcast_sub(&top).unwrap();
        let sums = shifted.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
        let log_softmax = shifted.broadcast_sub(&sums).unwrap();
        let picked = log_softmax.gather(&labels.unsqueeze(1).unwrap(), 1).unwrap();
        let slow = picked.mean_all().unwrap().neg().unwrap();
        let mut gradient = Vec::new();
        let labels = labels.to_vec1().unwrap();
        let found = cross_entropy(&values(&logits), classes, &labels, &mut gradient);
        close("loss", &tensor(&[found.mean], &[]), &slow, 1e-5)?;
        let expected = slow.backward().unwrap().remove(logits.as_tensor()).unwrap();
        close("gradient", &tensor(&gradient, &[n, classes]), &expected, 1e-4)?;
    }

    /// Compared with Kingma and Ba's algorithm in double precision, with weight decay added to the gradient.
    #[test]
    fn adam_agrees_with_its_algorithm(len in 1..50_usize, decay in 0.0..0.1_f64, steps in 1..6_u32) {
        let settings = Adam {
            learning_rate: 1e-2, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: decay,
        };
        let start = random("values", &[len], 1.0);
        let mut expected: Vec<f64> = values(&start).into_iter().map(f64::from).collect();
        let mut found = values(&start);
        let mut moments = [Moments::default()];
        let (mut first, mut second) = (vec![0.0; len], vec![0.0; len]);
        for step in 1..=steps {
            let gradient = random(&format!("gradient {step}"), &[len], 1.0);
            let of = values(&gradient);
            adam_step(&settings, step, [(&mut found[..], &of[..])], &mut moments);
            for (i, g) in values(&gradient).into_iter().enumerate() {
                let g = f64::from(g) + decay * expected[i];
                first[i] = 0.9 * first[i] + 0.1 * g;
                second[i] = 0.99 * second[i] + 0.01 * g * g;
                let m = first[i] / (1.0 - 0.9_f64.powi(step as i32));
                let v: f64 = second[i] / (1.0 - 0.99_f64.powi(step as i32));
                expected[i] -= 1e-2 * m / (v.sqrt() + 1e-8);
            }
        }
        for (found, expected) in found.into_iter().zip(expected) {
            prop_assert!((f64::from(found) - expected).abs() < 1e-5, "{found}, not {expected}");
        }
    }
}

/// The gradients of a whole block, compared with central differences.
#[test]
fn gradients_agree_with_finite_differences() {
    let (images, cin, cout, side) = (5, 2, 3, 4);
    let x = blocked(&random("x", &[images, cin, side, side], 1.0));
    let (weight, affine) = (random("w", &[cout, cin, 3, 3], 0.5), random("a", &[2, cout], 1.0));
    let (weight, affine) = (values(&weight), values(&affine));
    let factors = random("factors", &[images, cout, side / 2, side / 2], 1.0);
    let mut block = ConvBlock::new(Dims { cin, cout, h: side, w: side }, true, false);
    block.forward(&x, images, &weight, &affine, true);
    block.backward(&x, &blocked(&factors), &weight);
    let gradients = [block.weight_gradient.clone(), block.affine_gradient.clone()];
    let mut loss = |weight: &[f32], affine: &[f32]| {
        block.forward(&x, images, weight, affine, true);
        let y = unblocked(&block.out, factors.dims());
        let y = values(&y).into_iter().zip(values(&factors));
        y.map(|(y, factor)| f64::from(y) * f64::from(factor)).sum::<f64>()
    };
    let mut checked = 0;
    for (which, gradients) in gradients.iter().enumerate() {
        for (index, found) in gradients.iter().enumerate() {
            let mut moved = |by: f32| {
                let mut at = [weight.clone(), affine.clone()];
                at[which][index] += by;
                loss(&at[0], &at[1])
            };
            let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            // The value that a max-pool chooses may change between the two points, but this is rare.
            checked += usize::from((f64::from(*found) - slope).abs() < 0.02 + 0.02 * slope.abs());
        }
    }
    let all = weight.len() + affine.len();
    assert!(checked * 20 >= all * 19, "only {checked} of {all} gradients agree");
}

/// Runs the tests of this module's operations again in processes of their own, because a process uses a single
/// instruction set.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn every_instruction_set_of_the_processor_passes_these_tests() {
    let name = "every_instruction_set_of_the_processor_passes_these_tests";
    for set in InstructionSet::ALL {
        if set == InstructionSet::current() {
            continue;
        }
        if !set.is_available() {
            eprintln!("skipped: this processor has no {}", set.name());
            continue;
        }
        let program = std::env::current_exe().unwrap();
        let arguments = ["kernels::", "--skip", name];
        let out = std::process::Command::new(program)
            .args(arguments)
            .env(LANES_VARIABLE, set.name())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{}: {text}", set.name());
        assert!(!text.contains("running 0 tests"), "{}: {text}", set.name());
    }
}
