//! Saving and continuing a training.

use std::{collections::HashMap, path::Path, sync::PoisonError};

use candle_core::{DType, Device, Tensor};
use record::EpochOutcome;
use sha2::{Digest, Sha256};

use super::{
    error::FitError,
    file::{read, write},
    settings::{FitSettings, RateSchedule},
    trainer::Fit,
};
use crate::{dataset::Dataset, kernels::Moments};

impl Fit<'_> {
    /// Writes everything that [`Fit::load_state`] needs to continue after the last finished epoch. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save_state(&self, path: &Path, data: &Dataset) -> Result<(), FitError> {
        let mut tensors = HashMap::new();
        let mut put = |name: String, values: &[f64]| {
            let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
            tensors.insert(name, tensor);
            Ok::<_, FitError>(())
        };
        let epochs = &self.history.epochs;
        let losses: Vec<f64> = epochs.iter().map(|epoch| epoch.loss.unwrap_or(f64::NAN)).collect();
        let accuracies: Vec<f64> = epochs.iter().map(|epoch| epoch.accuracy).collect();
        put("losses".to_owned(), &losses)?;
        put("accuracies".to_owned(), &accuracies)?;
        let fingerprint = self.fingerprint(data);
        tensors.insert("settings".to_owned(), Tensor::new(&fingerprint[..], &Device::Cpu)?);
        tensors.insert("steps".to_owned(), Tensor::new(&[self.steps as i64][..], &Device::Cpu)?);
        for (variable, moments) in self.names.iter().zip(self.optimizer.moments()) {
            let moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            for (kind, values) in ["first", "second"].into_iter().zip(moments.parts()) {
                let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
                tensors.insert(format!("{kind}/{variable}"), tensor);
            }
        }
        let variables = self.all.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, variable) in variables.iter() {
            tensors.insert(format!("weights/{name}"), variable.as_tensor().clone());
        }
        write(&tensors, path)
    }

    /// Continues from a file of [`Fit::save_state`]. The outcome is that of a training without interruption.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is that of a training with another network, other settings or other data.
    pub fn load_state(&mut self, path: &Path, data: &Dataset) -> Result<(), FitError> {
        let tensors = read(path)?;
        let fail = |reason: String| FitError::State { path: path.to_owned(), reason };
        let get = |name: &str| {
            tensors.get(name).ok_or_else(|| fail(format!("it has no tensor `{name}`")))
        };
        if get("settings")?.flatten_all()?.to_vec1::<u8>()? != self.fingerprint(data) {
            let text = "it was written with other settings, another seed, network or data set; delete it, or \
                        use the same settings";
            return Err(fail(text.to_owned()));
        }
        let losses = get("losses")?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let accuracies = get("accuracies")?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let steps = get("steps")?.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let variables = self.all.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, variable) in variables.iter() {
            let given = get(&format!("weights/{name}"))?;
            if given.dims() != variable.dims() {
                return Err(fail(format!("`{name}` has shape {:?}", given.dims())));
            }
            variable.set(given)?;
        }
        let mut moments = Vec::new();
        for name in &self.names {
            let count = variables.get(name).map_or(0, |variable| variable.elem_count());
            let part = |kind: &str| -> Result<Vec<f32>, FitError> {
                let values: Vec<f32> =
                    get(&format!("{kind}/{name}"))?.to_dtype(DType::F32)?.to_vec1()?;
                match values.len() {
                    len if len == count || len == 0 => Ok(values),
                    len => Err(fail(format!("`{kind}/{name}` has {len} values, expected {count}"))),
                }
            };
            moments.push(Moments::of(part("first")?, part("second")?));
        }
        self.steps = steps.first().copied().unwrap_or(0).max(0) as u64;
        self.optimizer.restore(u32::try_from(self.steps).unwrap_or(u32::MAX), moments);
        let epochs = losses.into_iter().zip(accuracies);
        self.history.epochs = epochs
            .map(|(loss, accuracy)| EpochOutcome {
                loss: Some(loss).filter(|loss| loss.is_finite()),
                accuracy,
            })
            .collect();
        let diverged = self.history.epochs.iter().position(|epoch| epoch.loss.is_none());
        self.history.diverged_in_epoch = diverged.map(|epoch| epoch as u32);
        Ok(())
    }

    /// SHA-256 of everything that determines the outcome except the initial weights. The number of epochs counts
    /// only if the learning rate depends on it.
    fn fingerprint(&self, data: &Dataset) -> Vec<u8> {
        let FitSettings { epochs, batch, adam, schedule, seed } = &self.settings;
        let epochs = if *schedule == RateSchedule::Constant { &0 } else { epochs };
        let names = &self.names;
        let text =
            format!("{epochs} {batch} {adam:?} {schedule:?} {seed} {} {names:?}", data.sha256);
        Sha256::digest(text).to_vec()
    }
}
