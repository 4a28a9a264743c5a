//! `nn`: wrong tensors give errors that name the problem; tensors that are not contiguous are handled.

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor};
use wattlab_models::{
    Adam,
    nn::{
        self, AdamOptimizer, AdamW, Conv2d, Conv2dConfig, Linear, MaxPool2d, Optimizer,
        ParamsAdamW, VarBuilder, VarMap,
    },
};

use crate::nn_reference::{close, random, values, var};

fn builder(vars: &VarMap) -> VarBuilder<'_> {
    VarBuilder::from_varmap(vars, DType::F32, &Device::Cpu)
}

/// Fails unless the result is an error that contains a text.
fn refused<T>(result: Result<T>, text: &str) {
    match result {
        Ok(_) => panic!("no error, expected one with `{text}`"),
        Err(error) => assert!(error.to_string().contains(text), "{error}"),
    }
}

#[test]
fn wrong_shapes_and_types_are_errors() {
    let vars = VarMap::new();
    let vb = builder(&vars);
    let conv = nn::conv2d(3, 4, 3, Conv2dConfig::default(), vb.pp("conv")).unwrap();
    let linear = nn::linear(5, 2, vb.pp("linear")).unwrap();
    let norm = nn::batch_norm(3, 1e-5, vb.pp("norm")).unwrap();
    let block = nn::conv_block(3, 4, 3, nn::ConvBlockConfig::default(), vb.pp("block")).unwrap();
    let x = |shape: &[usize]| random("x", shape);
    refused(conv.forward(&x(&[3, 8, 8])), "4 axes");
    refused(conv.forward(&x(&[1, 2, 8, 8])), "do not fit weights");
    refused(conv.forward(&x(&[1, 3, 2, 8])), "larger than an image of 2 pixels");
    refused(conv.forward(&x(&[1, 3, 8, 8]).to_dtype(DType::F64).unwrap()), "float32");
    refused(conv.forward(&x(&[1, 3, 8, 8]).to_dtype(DType::U8).unwrap()), "float32");
    refused(linear.forward(&x(&[2, 4])), "does not fit 5 inputs");
    refused(linear.forward(&Tensor::new(1.0_f32, &Device::Cpu).unwrap()), "does not fit");
    refused(linear.forward(&x(&[2, 5]).to_dtype(DType::BF16).unwrap()), "float32");
    refused(norm.forward_t(&x(&[3]), true), "got a shape [3]");
    refused(norm.forward_t(&x(&[2, 4, 5, 5]), false), "got a shape");
    refused(block.forward_t(&x(&[16, 2, 8, 8]), true), "do not fit weights");
    refused(block.forward_t(&x(&[16, 3, 1, 8]), true), "larger than an image");
    refused(nn::max_pool2d(&x(&[2, 2]), 2), "[n][c][h][w]");
    refused(nn::max_pool2d(&x(&[1, 1, 2, 2]), 0), "at least 1");
    refused(MaxPool2d::new(2, 2, 2).forward(&x(&[1, 1, 4, 4])), "more than half");
    refused(nn::avg_pool2d(&x(&[1, 1, 2, 2]), 3), "larger than an image");
    refused(nn::relu(&x(&[2]).to_dtype(DType::F64).unwrap()), "float32");
}

#[test]
fn wrong_settings_are_errors() {
    let vars = VarMap::new();
    let config =
        |groups, stride, padding| Conv2dConfig { groups, stride, padding, ..Default::default() };
    let x = random("x", &[1, 4, 8, 8]);
    refused(nn::conv2d(4, 4, 3, config(0, 1, 0), builder(&vars)), "0 groups");
    refused(nn::conv2d_no_bias(4, 4, 3, config(3, 1, 0), builder(&vars)), "3 groups");
    let weight = random("w", &[4, 4, 3, 3]);
    let of = |config| Conv2d::new(weight.clone(), None, config).forward(&x);
    refused(of(config(0, 1, 0)), "0 groups");
    refused(of(config(usize::MAX, 1, 0)), "groups");
    refused(of(config(1, 0, 0)), "stride 0");
    refused(of(config(1, 1, usize::MAX)), "expected");
    let bias = Conv2d::new(weight.clone(), Some(random("b", &[3])), config(1, 1, 0));
    refused(bias.forward(&x), "a bias of shape [3]");
    let linear = Linear::new(random("w", &[2, 8]), Some(random("b", &[3])));
    refused(linear.forward(&x), "a bias of shape [3]");
    refused(nn::batch_norm(2, -1.0, builder(&vars)), "negative");
    refused(nn::batch_norm(2, f64::NAN, builder(&vars)), "eps");
    let momentum = nn::BatchNormConfig { momentum: 1.5, ..Default::default() };
    refused(nn::batch_norm(2, momentum, builder(&vars)), "momentum");
}

#[test]
fn wrong_labels_are_errors() {
    let logits = random("logits", &[3, 4]);
    let of = |labels: &[i64]| {
        let labels = Tensor::from_slice(labels, labels.len(), &Device::Cpu).unwrap();
        nn::loss::cross_entropy(&logits, &labels)
    };
    refused(of(&[0, 1, 4]), "the label 4 is not below 4");
    refused(of(&[0, 1, -1]), "the label -1");
    refused(of(&[0, 1]), "labels of shape [2]");
    let floats = Tensor::new(&[0.0_f32, 1.0, 2.0], &Device::Cpu).unwrap();
    refused(nn::loss::cross_entropy(&logits, &floats), "integer");
    let none = Tensor::zeros((0, 4), DType::F32, &Device::Cpu).unwrap();
    let labels = Tensor::zeros(0, DType::U32, &Device::Cpu).unwrap();
    refused(nn::loss::cross_entropy(&none, &labels), "labels of shape [0]");
    refused(nn::loss::cross_entropy(&random("x", &[3]), &floats), "[n][classes]");
}

#[test]
fn wrong_attention_is_an_error() {
    let x = |shape: &[usize]| random("x", shape);
    let of = |q: &[usize], k: &[usize], v: &[usize], bias: Option<&Tensor>| {
        nn::scaled_dot_product_attention(&x(q), &x(k), &x(v), bias, 1.0)
    };
    refused(of(&[4], &[4], &[4], None), "do not fit");
    refused(of(&[2, 3], &[2, 4], &[2, 3], None), "do not fit");
    refused(of(&[2, 3], &[5, 3], &[4, 3], None), "do not fit");
    refused(of(&[2, 2, 3], &[5, 3], &[5, 3], None), "do not fit");
    refused(of(&[2, 3], &[0, 3], &[0, 3], None), "do not fit");
    assert!(of(&[2, 3], &[5, 3], &[5, 3], Some(&x(&[3, 5]))).is_err());
}

#[test]
fn wrong_optimizer_settings_and_variables_are_errors() {
    let v = || vec![var("v", &[3])];
    let adam = |change: fn(&mut Adam)| {
        let mut settings = Adam::default();
        change(&mut settings);
        AdamOptimizer::new(v(), settings)
    };
    refused(adam(|settings| settings.beta1 = 1.0), "`beta1` is 1");
    refused(adam(|settings| settings.learning_rate = f64::NAN), "`learning_rate`");
    refused(adam(|settings| settings.weight_decay = -1.0), "`weight_decay`");
    let params = ParamsAdamW { eps: f64::INFINITY, ..Default::default() };
    refused(AdamW::new(v(), params), "`epsilon`");
    let double = candle_core::Var::zeros(3, DType::F64, &Device::Cpu).unwrap();
    refused(AdamW::new_lr(vec![double], 0.1), "float32");
    let integers = candle_core::Var::zeros(3, DType::U32, &Device::Cpu).unwrap();
    assert!(AdamW::new_lr(vec![integers], 0.1).is_ok());
}

#[test]
fn tensors_that_are_not_contiguous_give_the_results_of_contiguous_ones() {
    let vars = VarMap::new();
    let vb = builder(&vars);
    let conv = nn::conv2d(3, 4, 3, Conv2dConfig::default(), vb.pp("conv")).unwrap();
    let norm = nn::batch_norm(3, 1e-5, vb.pp("norm")).unwrap();
    let linear = nn::linear(6, 2, vb.pp("linear")).unwrap();
    let turned = random("x", &[2, 6, 5, 3]).permute((0, 3, 2, 1)).unwrap();
    assert!(!turned.is_contiguous());
    let straight = turned.contiguous().unwrap();
    let both = |of: &dyn Fn(&Tensor) -> Tensor| close("", &of(&turned), &of(&straight), 0.0);
    both(&|x| conv.forward(x).unwrap());
    both(&|x| norm.forward_t(x, false).unwrap());
    both(&|x| linear.forward(x).unwrap());
    both(&|x| nn::max_pool2d(x, 2).unwrap());
    both(&|x| nn::avg_pool2d(x, 2).unwrap());
    both(&|x| nn::relu(x).unwrap());
    both(&|x| nn::scaled_dot_product_attention(x, x, x, None, 0.5).unwrap());
    // A gradient that is not contiguous.
    let x = var("x", &[2, 3, 6, 6]);
    let out = conv.forward(&x).unwrap().t().unwrap();
    let weights = random("weights", out.dims());
    let found = (out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(found.get(&x).unwrap().dims(), x.dims());
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let vars = VarMap::new();
    let vb = builder(&vars);
    let conv = nn::conv2d(3, 4, 3, Conv2dConfig::default(), vb.pp("conv")).unwrap();
    let linear = nn::linear(6, 2, vb.pp("linear")).unwrap();
    let none = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    assert_eq!(conv.forward(&none(&[0, 3, 8, 8])).unwrap().dims(), [0, 4, 6, 6]);
    assert_eq!(linear.forward(&none(&[0, 6])).unwrap().dims(), [0, 2]);
    assert_eq!(nn::max_pool2d(&none(&[0, 3, 8, 8]), 2).unwrap().dims(), [0, 3, 4, 4]);
    let loss = conv.forward(&none(&[0, 3, 8, 8])).unwrap().sum_all().unwrap();
    let found = loss.backward().unwrap();
    assert!(values(found.get(conv.weight()).unwrap()).iter().all(|value| *value == 0.0));
}
