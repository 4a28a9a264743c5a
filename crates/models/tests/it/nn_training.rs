//! `nn`: a training with our layers has the losses of candle-nn's, for any number of threads.

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use wattlab_models::{
    Adam, DataSpec, load_dataset,
    nn::{self, AdamOptimizer, AdamW, ConvBlock, Optimizer, ParamsAdamW, VarBuilder, VarMap},
};

use crate::nn_reference::{close, random, values, var, windows};

const SIDE: usize = 28;

/// Images and labels of the embedded data set.
fn batch(n: usize) -> (Tensor, Tensor) {
    let spec = DataSpec { name: "shapes-28".into(), train: n, validation: 0, test: 1 };
    let data = load_dataset(&spec, None, 3).unwrap();
    let images = Tensor::from_vec(data.train.images, (n, 1, SIDE, SIDE), &Device::Cpu).unwrap();
    (images, Tensor::from_vec(data.train.labels, n, &Device::Cpu).unwrap())
}

/// The parameters by formula, so that both networks start alike.
fn initial() -> VarMap {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    drop(ours(vb).unwrap());
    {
        let data = vars.data().lock().unwrap();
        for (name, var) in data.iter() {
            if !name.contains("norm") {
                let fan: usize = var.dims().iter().skip(1).product();
                let scale = 1.0 / (fan.max(1) as f64).sqrt();
                var.set(&(random(name, var.dims()) * scale).unwrap()).unwrap();
            }
        }
    }
    vars
}

type Forward = Box<dyn Fn(&Tensor, bool) -> Result<Tensor> + Send>;

fn ours(vb: VarBuilder<'_>) -> Result<Forward> {
    let same = nn::Conv2dConfig { padding: 1, ..Default::default() };
    let conv = nn::conv2d_no_bias(1, 8, 3, same, vb.pp("conv1"))?;
    let block = ConvBlock::new(conv, nn::batch_norm(8, 1e-5, vb.pp("norm1"))?, true, true);
    let strided = nn::Conv2dConfig { stride: 2, groups: 2, padding: 1, ..Default::default() };
    let conv = nn::conv2d(8, 12, 3, strided, vb.pp("conv2"))?;
    let hidden = nn::linear(12 * 3 * 3, 32, vb.pp("hidden"))?;
    let head = nn::linear_no_bias(32, 10, vb.pp("head"))?;
    Ok(Box::new(move |x, train| {
        let x = conv.forward(&block.forward_t(x, train)?)?;
        let x = nn::max_pool2d(&x, 2)?;
        head.forward(&nn::relu(&hidden.forward(&x.flatten_from(1)?)?)?)
    }))
}

fn theirs(vb: VarBuilder<'_>) -> Result<Forward> {
    let same = nn::Conv2dConfig { padding: 1, ..Default::default() };
    let conv1 = candle_nn::conv2d_no_bias(1, 8, 3, same, vb.pp("conv1"))?;
    let norm1 = candle_nn::batch_norm(8, 1e-5, vb.pp("norm1"))?;
    let strided = nn::Conv2dConfig { stride: 2, groups: 2, padding: 1, ..Default::default() };
    let conv2 = candle_nn::conv2d(8, 12, 3, strided, vb.pp("conv2"))?;
    let hidden = candle_nn::linear(12 * 3 * 3, 32, vb.pp("hidden"))?;
    let head = candle_nn::linear_no_bias(32, 10, vb.pp("head"))?;
    // candle's own max-pool has another gradient.
    let pool = |x: &Tensor| windows(x, (2, 2, 0), 0.0)?.max(0);
    Ok(Box::new(move |x, train| {
        // The ReLU after the pool has the same values, and no ties of zeros.
        let x = pool(&norm1.forward_t(&conv1.forward(x)?, train)?)?.relu()?;
        let x = pool(&conv2.forward(&x)?)?;
        head.forward(&hidden.forward(&x.flatten_from(1)?)?.relu()?)
    }))
}

type Network = fn(VarBuilder<'_>) -> Result<Forward>;
type Loss = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// The losses of a training, and the parameters after it.
fn train<O: Optimizer>(
    network: Network,
    loss: Loss,
    settings: O::Config,
    steps: usize,
) -> (Vec<f32>, Vec<(String, Tensor)>) {
    let vars = initial();
    let forward = network(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu)).unwrap();
    let trained: Vec<Var> = {
        let data = vars.data().lock().unwrap();
        let mut named: Vec<_> = data.iter().filter(|(name, _)| !name.contains("running")).collect();
        named.sort_by_key(|(name, _)| name.as_str());
        named.into_iter().map(|(_, var)| var.clone()).collect()
    };
    let mut optimizer = O::new(trained, settings).unwrap();
    let (images, labels) = batch(32);
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss = loss(&forward(&images, true).unwrap(), &labels).unwrap();
        optimizer.backward_step(&loss).unwrap();
        losses.push(loss.to_scalar().unwrap());
    }
    let last = loss(&forward(&images, false).unwrap(), &labels).unwrap();
    losses.push(last.to_scalar().unwrap());
    let data = vars.data().lock().unwrap();
    let mut state: Vec<(String, Tensor)> =
        data.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    state.sort_by(|a, b| a.0.cmp(&b.0));
    (losses, state)
}

#[test]
fn losses_equal_those_of_candle_nn() {
    let params = || ParamsAdamW { lr: 2e-3, ..Default::default() };
    let (found, _) = train::<AdamW>(ours, nn::loss::cross_entropy, params(), 30);
    let (expected, _) =
        train::<candle_nn::AdamW>(theirs, candle_nn::loss::cross_entropy, params(), 30);
    for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= 1e-4 * expected, "step {step}: {found}, {expected}");
    }
    assert!(found[29] < 0.8 * found[0], "the network learns: {found:?}");
}

#[test]
fn a_training_does_not_depend_on_the_number_of_threads() {
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = Adam { weight_decay: 1e-3, ..Adam::default() };
        pool.install(|| train::<AdamOptimizer>(ours, nn::loss::cross_entropy, settings, 4))
    };
    let (losses, state) = of(1);
    for threads in [2, 5] {
        let (other_losses, other_state) = of(threads);
        assert_eq!(losses, other_losses);
        for ((name, a), (other, b)) in state.iter().zip(&other_state) {
            assert_eq!(name, other);
            assert_eq!(values(a), values(b), "{name} with {threads} threads");
        }
    }
}

/// A function of one variable whose gradient changes its sign.
fn slope(var: &Var) -> Tensor {
    (var.sqr().unwrap() * random("curvature", var.dims())).unwrap().sum_all().unwrap()
}

#[test]
fn adam_w_makes_the_steps_of_candle_nn() {
    let (a, b) = (var("v", &[7, 31]), var("v", &[7, 31]));
    let params = || ParamsAdamW { lr: 0.05, weight_decay: 0.1, ..Default::default() };
    let mut ours = AdamW::new(vec![a.clone()], params()).unwrap();
    let mut theirs = candle_nn::AdamW::new(vec![b.clone()], params()).unwrap();
    for step in 0..20 {
        if step == 10 {
            ours.set_learning_rate(0.01);
            theirs.set_learning_rate(0.01);
        }
        ours.backward_step(&slope(&a)).unwrap();
        theirs.backward_step(&slope(&b)).unwrap();
        close(&format!("step {step}"), &a, &b, 1e-5);
    }
    assert_eq!(ours.learning_rate(), 0.01);
}

#[test]
fn adam_adds_weight_decay_to_the_gradient() {
    let (a, b) = (var("v", &[40]), var("v", &[40]));
    let settings = Adam { learning_rate: 0.05, weight_decay: 0.2, ..Adam::default() };
    let mut ours = AdamOptimizer::new(vec![a.clone()], settings).unwrap();
    let params = ParamsAdamW {
        lr: settings.learning_rate,
        beta1: settings.beta1,
        beta2: settings.beta2,
        eps: settings.epsilon,
        weight_decay: 0.0,
    };
    // AdamW without decay on the penalized function is Adam with an L2 penalty.
    let mut theirs = candle_nn::AdamW::new(vec![b.clone()], params).unwrap();
    for step in 0..20 {
        ours.backward_step(&slope(&a)).unwrap();
        let penalty = (b.sqr().unwrap().sum_all().unwrap() * 0.1).unwrap();
        theirs.backward_step(&(slope(&b) + penalty).unwrap()).unwrap();
        close(&format!("step {step}"), &a, &b, 1e-5);
    }
}

#[test]
fn variables_without_a_gradient_stay_as_they_are() {
    let (a, b) = (var("a", &[4]), var("b", &[4]));
    let before = values(&b);
    let mut optimizer = AdamW::new_lr(vec![a.clone(), b.clone()], 0.1).unwrap();
    optimizer.backward_step(&slope(&a)).unwrap();
    assert_eq!(values(&b), before);
    assert_ne!(values(&a), values(&var("a", &[4])));
}
