//! `nn`: every operation and its gradients, compared with candle's.

use candle_core::{D, DType, Device, Module, ModuleT, Tensor, Var};
use wattlab_models::nn::{
    self, AvgPool2d, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvBlock, Linear,
    MaxPool2d, VarBuilder,
};

use crate::nn_reference::{agree, close, convolution, gradients, random, values, var, windows};

fn channel(x: &Tensor) -> Tensor {
    x.reshape((1, (), 1, 1)).unwrap()
}

/// Odd shapes, a batch of 1, strides, dilation and groups, with and without a bias.
#[test]
fn convolutions_agree_with_candle() {
    // n, in, out, h, w, kernel, stride, padding, dilation, groups
    for (case, shape) in [
        [1, 1, 1, 3, 3, 3, 1, 0, 1, 1],
        [2, 3, 5, 9, 7, 3, 1, 1, 1, 1],
        [3, 4, 8, 10, 11, 3, 2, 1, 1, 1],
        [1, 6, 4, 8, 8, 5, 1, 2, 1, 2],
        [17, 2, 33, 5, 6, 1, 1, 0, 1, 1],
        [5, 8, 8, 7, 7, 3, 1, 1, 1, 8],
        [2, 8, 16, 9, 9, 3, 2, 1, 1, 4],
        [2, 3, 4, 12, 12, 3, 1, 2, 2, 1],
        [9, 5, 7, 6, 13, 1, 2, 0, 1, 1],
        [1, 40, 3, 96, 50, 7, 1, 3, 1, 1],
        [33, 1, 32, 28, 28, 5, 1, 0, 1, 1],
    ]
    .into_iter()
    .enumerate()
    {
        let [n, input, output, h, w, kernel, stride, padding, dilation, groups] = shape;
        let x = var(&format!("x{case}"), &[n, input, h, w]);
        let weight = var(&format!("w{case}"), &[output, input / groups, kernel, kernel]);
        let bias = var(&format!("b{case}"), &[output]);
        let config = Conv2dConfig { padding, stride, dilation, groups, ..Default::default() };
        let what = format!("{shape:?}");
        let layer = Conv2d::new(weight.as_tensor().clone(), None, config);
        let ours = layer.forward(&x).unwrap();
        let theirs = x.conv2d(&weight, padding, stride, dilation, groups).unwrap();
        close(&what, &ours, &theirs, 1e-5);
        // For these shapes, candle's convolution has a gradient.
        if stride == 1 {
            agree(&what, &ours, &theirs, &[&x, &weight]);
        }
        let theirs = convolution(&x, &weight, [padding, stride, dilation, groups]).unwrap();
        agree(&what, &ours, &theirs, &[&x, &weight]);
        let theirs = theirs.broadcast_add(&channel(&bias)).unwrap();
        let layer = Conv2d::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()), config);
        agree(&what, &layer.forward(&x).unwrap(), &theirs, &[&x, &weight, &bias]);
    }
}

#[test]
fn linear_layers_agree_with_candle() {
    for shape in [vec![1, 5], vec![7, 33], vec![3, 4, 50], vec![2, 3, 2, 9]] {
        let input = *shape.last().unwrap();
        let x = var("x", &shape);
        let (weight, bias) = (var("w", &[37, input]), var("b", &[37]));
        let what = format!("{shape:?}");
        let of = |bias: Option<&Var>| {
            let (weight, bias) =
                (weight.as_tensor().clone(), bias.map(|bias| bias.as_tensor().clone()));
            let ours = Linear::new(weight.clone(), bias.clone()).forward(&x).unwrap();
            (ours, candle_nn::Linear::new(weight, bias).forward(&x).unwrap())
        };
        let (ours, theirs) = of(None);
        agree(&what, &ours, &theirs, &[&x, &weight]);
        let (ours, theirs) = of(Some(&bias));
        agree(&what, &ours, &theirs, &[&x, &weight, &bias]);
    }
}

#[test]
fn batch_norm_agrees_with_candle_in_training_and_evaluation() {
    for shape in [vec![2, 3, 4, 5], vec![1, 2, 3, 3], vec![19, 5], vec![4, 2, 70, 61]] {
        let features = shape[1];
        let x = var("x", &shape);
        let x = Var::from_tensor(&((x.as_tensor() * 3.0).unwrap() + 2.0).unwrap()).unwrap();
        let (gamma, beta) = (var("gamma", &[features]), var("beta", &[features]));
        for remove_mean in [true, false] {
            let config = BatchNormConfig { remove_mean, eps: 1e-3, momentum: 0.3, affine: true };
            let tensors = || {
                let variance = random("var", &[features]).abs().unwrap();
                let named = [
                    ("weight".to_owned(), gamma.as_tensor().clone()),
                    ("bias".to_owned(), beta.as_tensor().clone()),
                    ("running_mean".to_owned(), random("mean", &[features])),
                    ("running_var".to_owned(), variance),
                ];
                VarBuilder::from_tensors(named.into(), DType::F32, &Device::Cpu)
            };
            let ours = nn::batch_norm(features, config, tensors()).unwrap();
            let theirs = candle_nn::batch_norm(features, config, tensors()).unwrap();
            for train in [true, false, true] {
                let what = format!("{shape:?}, train {train}, centered {remove_mean}");
                let found = ours.forward_t(&x, train).unwrap();
                let expected = theirs.forward_t(&x, train).unwrap();
                agree(&what, &found, &expected, &[&x, &gamma, &beta]);
                close(&what, ours.running_mean(), theirs.running_mean(), 1e-5);
                close(&what, ours.running_var(), theirs.running_var(), 1e-5);
            }
        }
    }
}

#[test]
fn batch_norm_of_a_single_value_keeps_its_running_variance_finite() {
    let tensor = |value: f32| Tensor::full(value, 2, &Device::Cpu).unwrap();
    let norm = BatchNorm::new_no_bias(2, tensor(0.0), tensor(1.0), 1e-5).unwrap();
    let out = norm.forward_train(&random("x", &[1, 2])).unwrap();
    assert_eq!(values(&out), [0.0, 0.0]);
    assert!(values(norm.running_var()).iter().all(|value| (value - 0.9).abs() < 1e-6));
}

#[test]
fn pools_agree_with_their_definition() {
    for (n, c, h, w, kernel, stride, padding) in [
        (1, 1, 2, 2, 2, 2, 0),
        (2, 3, 6, 8, 2, 2, 0),
        (3, 20, 7, 9, 2, 2, 0),
        (1, 2, 9, 9, 3, 2, 1),
        (2, 3, 8, 7, 3, 1, 1),
        (5, 1, 10, 10, 5, 3, 2),
        (2, 2, 4, 4, 4, 4, 0),
    ] {
        let what = format!("{n} {c} {h} {w}, {kernel} {stride} {padding}");
        let x = var(&what, &[n, c, h, w]);
        let all = windows(&x, (kernel, stride, padding), f32::NEG_INFINITY).unwrap();
        let ours = MaxPool2d::new(kernel, stride, padding).forward(&x).unwrap();
        agree(&format!("max {what}"), &ours, &all.max(0).unwrap(), &[&x]);
        let all = windows(&x, (kernel, stride, padding), 0.0).unwrap();
        let ours = AvgPool2d::new(kernel, stride, padding).forward(&x).unwrap();
        agree(&format!("average {what}"), &ours, &all.mean(0).unwrap(), &[&x]);
    }
}

#[test]
fn pools_have_the_outputs_of_candles_methods() {
    let x = var("x", &[2, 3, 9, 8]);
    for (kernel, stride) in [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((1, 3), (2, 1))] {
        let theirs = x.max_pool2d_with_stride(kernel, stride).unwrap();
        let ours = nn::max_pool2d_with_stride(&x, kernel, stride).unwrap();
        close("max pool", &ours, &theirs, 0.0);
        let theirs = x.avg_pool2d_with_stride(kernel, stride).unwrap();
        let ours = nn::avg_pool2d_with_stride(&x, kernel, stride).unwrap();
        close("average pool", &ours, &theirs, 1e-6);
    }
    // candle computes this gradient, because these windows do not overlap and cover the image.
    let x = var("x", &[2, 3, 6, 8]);
    let theirs = x.avg_pool2d(2).unwrap();
    agree("average pool", &nn::avg_pool2d(&x, 2).unwrap(), &theirs, &[&x]);
}

#[test]
fn the_gradient_of_a_max_pool_goes_to_the_first_of_equal_values() {
    // torch.nn.functional.max_pool2d(torch.ones(1, 1, 2, 4), 2).sum().backward()
    let x = Var::ones((1, 1, 2, 4), DType::F32, &Device::Cpu).unwrap();
    let out = nn::max_pool2d(&x, 2).unwrap().sum_all().unwrap();
    let found = out.backward().unwrap();
    assert_eq!(values(found.get(&x).unwrap()), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn relu_agrees_with_candle_except_at_zero() {
    let x = var("x", &[3, 17, 5]);
    agree("relu", &nn::relu(&x).unwrap(), &x.relu().unwrap(), &[&x]);
    let zero = Var::new(&[0.0_f32, -0.0, f32::NAN], &Device::Cpu).unwrap();
    let out = nn::relu(&zero).unwrap();
    assert!(values(&out)[2].is_nan());
    assert_eq!(values(&gradients(&out, &[&zero])[0])[..2], [0.0, 0.0]);
}

#[test]
fn attention_agrees_with_its_formula() {
    for (lead, t, s, d, e) in [
        (vec![1], 1, 1, 1, 1),
        (vec![2, 3], 5, 7, 4, 9),
        (vec![], 17, 40, 33, 8),
        (vec![3, 1], 64, 64, 16, 16),
    ] {
        let shape = |last: [usize; 2]| [lead.as_slice(), &last].concat();
        let (q, k) = (var("q", &shape([t, d])), var("k", &shape([s, d])));
        let v = var("v", &shape([s, e]));
        let scale = 1.0 / (d as f64).sqrt();
        let mask: Vec<f32> = (0..t * s)
            .map(|at| if at % s > at / s + s / 2 { f32::NEG_INFINITY } else { 0.25 })
            .collect();
        let mask = Tensor::from_vec(mask, (t, s), &Device::Cpu).unwrap();
        for bias in [None, Some(&mask)] {
            let mut scores = (q.matmul(&k.t().unwrap()).unwrap() * scale).unwrap();
            if let Some(bias) = bias {
                scores = scores.broadcast_add(bias).unwrap();
            }
            let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
            let theirs = weights.matmul(&v).unwrap();
            let ours = nn::scaled_dot_product_attention(&q, &k, &v, bias, scale).unwrap();
            agree(&format!("{lead:?} {t} {s} {d} {e}"), &ours, &theirs, &[&q, &k, &v]);
        }
    }
}

#[test]
fn cross_entropy_agrees_with_candle() {
    for (n, classes) in [(1, 2), (7, 10), (64, 1000)] {
        let logits = var("logits", &[n, classes]);
        let labels: Vec<u32> = (0..n).map(|at| (at * 7 % classes) as u32).collect();
        let labels = Tensor::from_vec(labels, n, &Device::Cpu).unwrap();
        let ours = nn::loss::cross_entropy(&logits, &labels).unwrap();
        let theirs = candle_nn::loss::cross_entropy(&logits, &labels).unwrap();
        agree(&format!("{n} {classes}"), &ours, &theirs, &[&logits]);
        let signed = labels.to_dtype(DType::I64).unwrap();
        let again = nn::loss::cross_entropy(&logits, &signed).unwrap();
        assert_eq!(values(&again), values(&ours));
    }
}

/// Shapes that the fused operation computes, and others.
#[test]
fn convolution_blocks_agree_with_candles_layers() {
    // n, in, out, h, w, kernel, stride
    for shape in [
        [16, 3, 9, 8, 8, 3, 1],
        [8, 1, 4, 7, 5, 3, 1],
        [33, 5, 16, 6, 9, 3, 1],
        [20, 16, 7, 4, 4, 3, 1],
        [2, 3, 8, 8, 8, 3, 1],
        [1, 2, 3, 6, 6, 3, 1],
        [9, 4, 6, 9, 9, 3, 2],
        [8, 4, 6, 9, 9, 5, 1],
    ] {
        let [n, input, output, h, w, kernel, stride] = shape;
        let x = var("x", &[n, input, h, w]);
        let weight = var("w", &[output, input, kernel, kernel]);
        let (gamma, beta) = (var("gamma", &[output]), var("beta", &[output]));
        let config = Conv2dConfig { padding: 1, stride, ..Default::default() };
        let mean = random("mean", &[output]);
        let variance = (random("variance", &[output]).abs().unwrap() + 0.5).unwrap();
        let tensor = |var: &Var| var.as_tensor().clone();
        for (relu, pool) in [(true, true), (false, true), (true, false)] {
            let conv = Conv2d::new(tensor(&weight), None, config);
            let (gamma_, beta_) = (tensor(&gamma), tensor(&beta));
            let (mean, variance) = (mean.clone(), variance.clone());
            let ours = BatchNorm::new(
                output,
                mean.clone(),
                variance.clone(),
                gamma_.clone(),
                beta_.clone(),
                1e-5,
            );
            let block = ConvBlock::new(conv, ours.unwrap(), relu, pool);
            let norm =
                candle_nn::BatchNorm::new(output, mean, variance, gamma_, beta_, 1e-5).unwrap();
            for train in [true, false, true] {
                let z = convolution(&x, &weight, [1, stride, 1, 1]).unwrap();
                let mut theirs = norm.forward_t(&z, train).unwrap();
                if relu {
                    theirs = theirs.relu().unwrap();
                }
                if pool {
                    // Ties of zeros have no gradient in ours, because the ReLU stops it.
                    theirs = windows(&theirs, (2, 2, 0), 0.0).unwrap().max(0).unwrap();
                    theirs = if relu { theirs.relu().unwrap() } else { theirs };
                }
                let ours = block.forward_t(&x, train).unwrap();
                let what = format!("{shape:?}, relu {relu}, pool {pool}, train {train}");
                close(&what, &ours, &theirs, 1e-5);
                close(&what, block.norm().running_mean(), norm.running_mean(), 1e-5);
                close(&what, block.norm().running_var(), norm.running_var(), 1e-5);
                let weights = random("weights of the outputs", ours.dims());
                // Where the output is 0, candle's ReLU passes the gradient and ours does not.
                let weights = if relu {
                    (weights * ours.gt(0.0).unwrap().to_dtype(DType::F32).unwrap()).unwrap()
                } else {
                    weights
                };
                let of =
                    |out: &Tensor| (out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
                let (found, expected) = (of(&ours), of(&theirs));
                for var in [&x, &weight, &gamma, &beta] {
                    let (found, expected) = (found.get(var).unwrap(), expected.get(var).unwrap());
                    close(&format!("{what}, gradient"), found, expected, 1e-4);
                }
            }
        }
    }
}

#[test]
fn a_second_backward_pass_gives_the_same_gradients() {
    let x = var("x", &[16, 2, 6, 6]);
    let vars = nn::VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let block = nn::conv_block(2, 4, 3, nn::ConvBlockConfig::default(), vb).unwrap();
    let first = block.forward_t(&x, true).unwrap();
    // The second pass has buffers of its own while the first output is alive.
    let other = block.forward_t(&(x.as_tensor() * 2.0).unwrap(), true).unwrap();
    let before = gradients(&first, &[&x]);
    gradients(&other, &[&x]);
    assert_eq!(values(&gradients(&first, &[&x])[0]), values(&before[0]));
}
