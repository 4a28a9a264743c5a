//! Trains one network with candle-nn's layers and with those of `wattlab_models::nn`; only the imports differ.

use std::error::Error;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use wattlab_models::{DataSpec, load_dataset};

/// The network with candle-nn's layers, and a max-pool with the right gradient.
mod with_candle {
    use candle_nn::{AdamW, Conv2d, Linear, conv2d, linear, loss};

    use super::max_of_reshaped as max_pool2d;

    include!("network.rs");
}

/// The network with candle-nn's layers and candle's own max-pool.
mod with_candles_pool {
    use candle_nn::{AdamW, Conv2d, Linear, conv2d, linear, loss};

    use super::candles_pool as max_pool2d;

    include!("network.rs");
}

/// The network with our layers.
mod with_ours {
    use wattlab_models::nn::{AdamW, Conv2d, Linear, conv2d, linear, loss, max_pool2d};

    include!("network.rs");
}

/// Max-pool as maxima of a reshaped tensor.
fn max_of_reshaped(x: &Tensor, size: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    x.reshape(&[n, c, h / size, size, w / size, size][..])?.max(5)?.max(3)
}

fn candles_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    x.max_pool2d(size)
}

/// Images of a batch.
const BATCH: usize = 64;
/// Steps whose time does not count.
const WARM_UP: usize = 3;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let data = load_dataset(
        &DataSpec { name: "shapes-28".into(), train: 1280, validation: 0, test: 1 },
        None,
        1,
    )?;
    let batches = data
        .train
        .images
        .chunks(BATCH * 28 * 28)
        .zip(data.train.labels.chunks(BATCH))
        .map(|(images, labels)| {
            let images = Tensor::from_slice(images, (labels.len(), 1, 28, 28), &Device::Cpu)?;
            Ok((images, Tensor::from_slice(labels, labels.len(), &Device::Cpu)?))
        })
        .collect::<Result<Vec<_>>>()?;

    // All trainings start with the same parameters.
    let first = VarMap::new();
    with_candle::ConvNet::new(VarBuilder::from_varmap(&first, DType::F32, &Device::Cpu))?;
    let (second, third) = (copy(&first)?, copy(&first)?);

    let theirs = with_candle::train(&first, &batches)?;
    let ours = with_ours::train(&second, &batches)?;
    let own_pool = with_candles_pool::train(&third, &batches)?;

    let mut largest = 0.0_f32;
    println!("step  loss with candle-nn  loss with wattlab_models::nn");
    for (step, ((theirs, _), (ours, _))) in theirs.iter().zip(&ours).enumerate() {
        println!("{step:>4}  {theirs:>19.6}  {ours:>28.6}");
        largest = largest.max((theirs - ours).abs() / theirs.abs());
    }
    println!("largest relative difference: {largest:.1e}");

    let x = Var::new(&[[[[1.0_f32, 2.0], [3.0, 4.0]]]], &Device::Cpu)?;
    let gradients = x.max_pool2d(2)?.sum_all()?.backward()?;
    let gradient: Vec<f32> = gradients.get(&x).ok_or("no gradient")?.flatten_all()?.to_vec1()?;
    println!("candle's gradient of max_pool2d of [1, 2, 3, 4]: {gradient:?}, right is [0, 0, 0, 1]");

    let (candle, fast, pool) = (per_step(&theirs), per_step(&ours), per_step(&own_pool));
    println!("candle-nn:                     {:6.1} ms per step of {BATCH} images", 1e3 * candle);
    println!("candle-nn, its own max_pool2d: {:6.1} ms", 1e3 * pool);
    println!("wattlab_models::nn:            {:6.1} ms", 1e3 * fast);
    println!("ratio: {:.1} and {:.1}", candle / fast, pool / fast);
    if cfg!(debug_assertions) {
        println!("This build optimizes candle little; `cargo run --release` compares the speeds.");
    }
    let (start, end) = (ours[0].0, ours[ours.len() - 1].0);
    if largest > 1e-4 || end.is_nan() || end >= start {
        return Err(format!("losses differ by {largest}, or went from {start} to {end}").into());
    }
    Ok(())
}

/// Variables of the same names and values.
fn copy(vars: &VarMap) -> std::result::Result<VarMap, Box<dyn Error>> {
    let copy = VarMap::new();
    let from = vars.data().lock().map_err(|_| "a thread failed")?;
    let mut to = copy.data().lock().map_err(|_| "a thread failed")?;
    for (name, var) in from.iter() {
        to.insert(name.clone(), Var::from_tensor(&var.as_tensor().copy()?.detach())?);
    }
    drop(to);
    Ok(copy)
}

/// Median time of a step in seconds.
fn per_step(steps: &[(f32, f64)]) -> f64 {
    let mut times: Vec<f64> = steps.iter().skip(WARM_UP).map(|(_, seconds)| *seconds).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
