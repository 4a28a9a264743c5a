//! Tensors that a network begins with.

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};
use candle_nn::VarMap;

use super::{
    error::NetworkFileError,
    file::NetworkFile,
    plan::{PlannedTensor, Start},
};
use crate::random::Stream;

impl NetworkFile {
    /// Initial values of all tensors as PyTorch initializes them by default, drawn from a seed. Those of the
    /// study's networks equal those of [`crate::Network::new`].
    ///
    /// # Errors
    ///
    /// If the tensor library fails.
    pub fn initial_state(&self, seed: u64) -> Result<HashMap<String, Tensor>, NetworkFileError> {
        let tensors = self.plan().tensors().into_iter();
        tensors
            .map(|tensor| {
                let value = draw(&tensor, seed).map_err(|source| self.fail(source))?;
                Ok((tensor.name, value))
            })
            .collect()
    }

    /// Variables on the CPU with the values of [`NetworkFile::initial_state`], replaced by those of `state`
    /// where it has them. A `VarBuilder` made of them trains from exactly these values.
    ///
    /// # Errors
    ///
    /// If a tensor of `state` has another shape or cannot be converted.
    pub fn variables(
        &self,
        state: &HashMap<String, Tensor>,
        seed: u64,
    ) -> Result<VarMap, NetworkFileError> {
        let fail = |source| self.fail(source);
        let variables = VarMap::new();
        for tensor in self.plan().tensors() {
            let value = match state.get(&tensor.name) {
                Some(given) if given.dims() == tensor.shape => {
                    given.to_dtype(candle_core::DType::F32).map_err(fail)?
                }
                Some(given) => {
                    return Err(fail(candle_core::Error::Msg(format!(
                        "state dict: tensor `{}` is of shape {:?}, expected shape {:?}",
                        tensor.name,
                        given.dims(),
                        tensor.shape
                    ))));
                }
                None => draw(&tensor, seed).map_err(fail)?,
            };
            let variable = Var::from_tensor(&value).map_err(fail)?;
            let mut data =
                variables.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            data.insert(tensor.name, variable);
        }
        Ok(variables)
    }
}

fn draw(tensor: &PlannedTensor, seed: u64) -> candle_core::Result<Tensor> {
    let count = tensor.shape.iter().product();
    let values = match tensor.start {
        Start::Uniform(bound) => Stream::new(seed, &tensor.name).uniform(count, bound as f32),
        Start::Constant(value) => vec![value as f32; count],
    };
    Tensor::from_vec(values, tensor.shape.as_slice(), &Device::Cpu)
}
