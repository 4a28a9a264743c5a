//! Adam and AdamW in one pass over each tensor.

use std::sync::Mutex;

use candle_core::{
    CpuStorage, DType, InplaceOp2, Layout, Result, Tensor, Var, backprop::GradStore, bail,
};
use candle_nn::{Optimizer, ParamsAdamW};
use record::Adam;
use units::limits::{self, Limit};

use super::values::values;
use crate::kernels::{Moments, adam_step, adam_w_step};

/// Adam (Kingma and Ba 2015) with torch's weight decay: it is added to the gradient (L2 penalty). The settings
/// are [`Adam`]'s.
#[derive(Debug)]
pub struct AdamOptimizer(Steps);

/// AdamW (Loshchilov and Hutter 2019) with the interface of [`candle_nn::AdamW`]: weight decay does not pass
/// through the moments.
#[derive(Debug)]
pub struct AdamW {
    steps: Steps,
    params: ParamsAdamW,
}

/// Variables with their moments, and the number of steps so far.
#[derive(Debug)]
struct Steps {
    settings: Adam,
    vars: Vec<(Var, Mutex<Moments>)>,
    count: u32,
}

impl Optimizer for AdamOptimizer {
    type Config = Adam;

    /// # Errors
    ///
    /// If a setting is out of range, or a variable is not float32 on the CPU. Variables of integers are left
    /// out.
    fn new(vars: Vec<Var>, config: Adam) -> Result<Self> {
        Ok(Self(Steps::new(vars, config)?))
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        self.0.step(grads, false)
    }

    fn learning_rate(&self) -> f64 {
        self.0.settings.learning_rate
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.0.settings.learning_rate = lr;
    }
}

impl AdamOptimizer {
    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Adam {
        &self.0.settings
    }
}

impl Optimizer for AdamW {
    type Config = ParamsAdamW;

    /// # Errors
    ///
    /// If a parameter is out of range, or a variable is not float32 on the CPU. Variables of integers are left
    /// out.
    fn new(vars: Vec<Var>, params: ParamsAdamW) -> Result<Self> {
        Ok(Self { steps: Steps::new(vars, settings(&params))?, params })
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        self.steps.settings = settings(&self.params);
        self.steps.step(grads, true)
    }

    fn learning_rate(&self) -> f64 {
        self.params.lr
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.params.lr = lr;
    }
}

impl AdamW {
    /// AdamW with a learning rate and candle-nn's other defaults.
    ///
    /// # Errors
    ///
    /// If the learning rate is out of range, or a variable is not float32 on the CPU.
    pub fn new_lr(vars: Vec<Var>, learning_rate: f64) -> Result<Self> {
        Self::new(vars, ParamsAdamW { lr: learning_rate, ..ParamsAdamW::default() })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &ParamsAdamW {
        &self.params
    }

    /// Changes the parameters of later steps.
    pub fn set_params(&mut self, params: ParamsAdamW) {
        self.params = params;
    }
}

/// candle-nn's parameters in our terms.
fn settings(params: &ParamsAdamW) -> Adam {
    Adam {
        learning_rate: params.lr,
        beta1: params.beta1,
        beta2: params.beta2,
        epsilon: params.eps,
        weight_decay: params.weight_decay,
    }
}

/// Refuses a setting outside its range.
fn check(limit: &Limit<f64>, key: &str, value: f64) -> Result<()> {
    match limit.check(value) {
        Ok(_) => Ok(()),
        Err(error) => bail!("{}", error.of_key(key)),
    }
}

impl Steps {
    fn new(vars: Vec<Var>, settings: Adam) -> Result<Self> {
        check(&limits::LEARNING_RATE, "learning_rate", settings.learning_rate)?;
        check(&limits::DECAY, "beta1", settings.beta1)?;
        check(&limits::DECAY, "beta2", settings.beta2)?;
        check(&limits::COEFFICIENT, "epsilon", settings.epsilon)?;
        check(&limits::COEFFICIENT, "weight_decay", settings.weight_decay)?;
        let mut kept = Vec::with_capacity(vars.len());
        for var in vars {
            if !var.dtype().is_float() {
                continue;
            }
            if var.dtype() != DType::F32 || !var.device().is_cpu() {
                bail!(
                    "this optimizer trains float32 variables on the CPU, but got {} of shape {:?} on \
                     {:?}; use candle-nn's optimizer for it",
                    var.dtype().as_str(),
                    var.dims(),
                    var.device().location()
                );
            }
            kept.push((var, Mutex::default()));
        }
        Ok(Self { settings, vars: kept, count: 0 })
    }

    fn step(&mut self, grads: &GradStore, decoupled: bool) -> Result<()> {
        let Self { settings, vars, count } = self;
        *count = count.saturating_add(1);
        for (var, moments) in vars {
            let Some(gradient) = grads.get(var) else { continue };
            let gradient: Tensor = gradient.contiguous()?;
            if gradient.dims() != var.dims() {
                bail!(
                    "a gradient of shape {:?} for a variable of shape {:?}",
                    gradient.dims(),
                    var.dims()
                );
            }
            let step = Step { settings, decoupled, count: *count, moments };
            var.inplace_op2(&gradient, &step)?;
        }
        Ok(())
    }
}

/// A step of one variable as an operation of candle.
struct Step<'a> {
    settings: &'a Adam,
    /// AdamW.
    decoupled: bool,
    count: u32,
    moments: &'a Mutex<Moments>,
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        var: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = values(gradient, gradient_layout)?;
        let (CpuStorage::F32(all), Some((start, end))) = (var, layout.contiguous_offsets()) else {
            bail!("adam: a variable is not a contiguous float32 tensor");
        };
        let Ok(mut moments) = self.moments.lock() else {
            bail!("adam: another thread failed while it used this optimizer");
        };
        let tensors = [(&mut all[start..end], gradient)];
        let moments = std::slice::from_mut(&mut *moments);
        if self.decoupled {
            adam_w_step(self.settings, self.count, tensors, moments);
        } else {
            adam_step(self.settings, self.count, tensors, moments);
        }
        Ok(())
    }
}
