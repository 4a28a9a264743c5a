//! Variables with initial values from a seed.

use std::sync::PoisonError;

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::{
    Init, VarBuilder, VarMap,
    init::{FanInOut, NormalOrUniform},
    var_builder::SimpleBackend,
};
use rayon::prelude::*;

use crate::random::Stream;

/// Values drawn from one stream.
const CHUNK: usize = 1 << 16;

/// A builder that puts variables (32-bit floats on that device) into a map. Their initial values depend on their
/// names and on the seed alone. candle's own initial values cannot be seeded on the CPU.
///
/// Normal numbers are computed by the method of Box and Muller (1958).
#[must_use]
pub fn variables(map: &VarMap, seed: u64, device: &Device) -> VarBuilder<'static> {
    let backend = Seeded { map: map.clone(), seed };
    VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone())
}

struct Seeded {
    map: VarMap,
    seed: u64,
}

impl SimpleBackend for Seeded {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let mut map = self.map.data().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(variable) = map.get(name) {
            if *variable.shape() != shape {
                let found = variable.shape();
                bail!("variable `{name}` has shape {found:?}, the layer needs {shape:?}");
            }
            return Ok(variable.as_tensor().clone());
        }
        let values = draw(self.seed, name, init, &shape);
        let tensor = Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?;
        let variable = Var::from_tensor(&tensor)?;
        let tensor = variable.as_tensor().clone();
        map.insert(name.to_owned(), variable);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        let map = self.map.data().lock().unwrap_or_else(PoisonError::into_inner);
        match map.get(name) {
            Some(variable) => Ok(variable.as_tensor().clone()),
            None => bail!("there is no variable `{name}`"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.map.data().lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}

/// Initial values of a variable.
fn draw(seed: u64, name: &str, init: Init, shape: &Shape) -> Vec<f32> {
    let mut values = vec![0.0_f32; shape.elem_count()];
    let (normal, center, spread) = match init {
        Init::Const(value) => {
            values.fill(value as f32);
            return values;
        }
        Init::Randn { mean, stdev } => (true, mean, stdev),
        Init::Uniform { lo, up } => (false, f64::midpoint(lo, up), (up - lo) / 2.0),
        Init::Kaiming { dist, fan, non_linearity } => {
            let fan: FanInOut = fan;
            let deviation = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => (true, 0.0, deviation),
                NormalOrUniform::Uniform => (false, 0.0, 3.0_f64.sqrt() * deviation),
            }
        }
    };
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(index, chunk)| {
        let mut stream = Stream::new(seed, &format!("{name}#{index}"));
        let numbers = if normal {
            normal_numbers(&mut stream, chunk.len())
        } else {
            stream.uniform(chunk.len(), 1.0)
        };
        for (value, number) in chunk.iter_mut().zip(numbers) {
            *value = (center + spread * f64::from(number)) as f32;
        }
    });
    values
}

/// Numbers with mean 0 and variance 1.
fn normal_numbers(stream: &mut Stream, count: usize) -> Vec<f32> {
    let pairs = count.div_ceil(2);
    let uniform = stream.uniform(2 * pairs, 1.0);
    let (radii, angles) = uniform.split_at(pairs);
    let mut numbers = Vec::with_capacity(2 * pairs);
    for (radius, angle) in radii.iter().zip(angles) {
        // In (0, 1], because the logarithm of 0 is infinite.
        let share = (1.0 - f64::from(*radius)) / 2.0;
        let radius = (-2.0 * share.ln()).sqrt();
        let (sin, cos) = (std::f64::consts::PI * f64::from(*angle)).sin_cos();
        numbers.extend([(radius * cos) as f32, (radius * sin) as f32]);
    }
    numbers.truncate(count);
    numbers
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics if it cannot continue")]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
        let squares = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
        (mean, (squares / n).sqrt())
    }

    #[test]
    fn initial_values_have_the_distribution_that_a_layer_asks_for() {
        let shape = Shape::from((100, 20, 10, 10));
        let of = |init| draw(1, "weight", init, &shape);
        let (mean, deviation) = moments(&of(Init::Randn { mean: 1.0, stdev: 0.5 }));
        assert!((mean - 1.0).abs() < 5e-3 && (deviation - 0.5).abs() < 5e-3, "{mean} {deviation}");
        let values = of(Init::Uniform { lo: -1.0, up: 3.0 });
        let (mean, deviation) = moments(&values);
        assert!((mean - 1.0).abs() < 2e-2 && (deviation - 2.0 / 3.0_f64.sqrt()).abs() < 2e-2);
        assert!(values.iter().all(|value| (-1.0..=3.0).contains(value)));
        // He et al. 2015: variance 2 / fan-in, for both distributions.
        for init in
            [candle_nn::init::DEFAULT_KAIMING_NORMAL, candle_nn::init::DEFAULT_KAIMING_UNIFORM]
        {
            let (mean, deviation) = moments(&of(init));
            assert!(mean.abs() < 1e-3 && (deviation - (2.0 / 2000.0_f64).sqrt()).abs() < 1e-3);
        }
        assert_eq!(of(Init::Const(0.25)), vec![0.25; 200_000]);
    }

    #[test]
    fn variables_depend_on_name_and_seed_and_are_shared() {
        let map = VarMap::new();
        let get = |map: &VarMap, seed, name: &str| -> Vec<f32> {
            let init = Init::Randn { mean: 0.0, stdev: 1.0 };
            let tensor = variables(map, seed, &Device::Cpu).get_with_hints(5, name, init).unwrap();
            tensor.to_vec1().unwrap()
        };
        let a = get(&map, 1, "a");
        assert_eq!(get(&map, 2, "a"), a);
        assert_ne!(get(&map, 1, "b"), a);
        assert_eq!(get(&VarMap::new(), 1, "a"), a);
        assert_ne!(get(&VarMap::new(), 2, "a"), a);
        let builder = variables(&map, 1, &Device::Cpu);
        let error = builder.get_with_hints(6, "a", Init::Const(0.0)).err().unwrap().to_string();
        assert!(error.contains("`a`") && error.contains("[5]") && error.contains("[6]"), "{error}");
        assert!(builder.contains_tensor("b") && !builder.contains_tensor("c"));
    }
}
