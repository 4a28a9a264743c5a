//! A network of the catalog that can be trained.

use std::collections::{HashMap, HashSet};

use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use units::limits;

use super::super::{
    catalog::Architecture,
    error::VisionError,
    layers::{Layer, Mode},
    names::current_name,
    network::state_dict,
    state_names::check_unused,
    weights::{Variables, Weights},
};
use crate::{layers::Layers, masks::Masks};

/// A vision network for training by candle: logits `[n][classes]` of images `[n][3][side][side]`.
pub struct TrainableNetwork {
    architecture: &'static Architecture,
    layer: Layer,
    parameters: usize,
    frozen: bool,
    layers: Layers,
}

/// Builds a network of the catalog on the variables of a builder, which have torchvision's names. Variables that
/// the builder does not have yet get torchvision's initial values. `masks` decide what dropout and stochastic
/// depth leave out.
///
/// The auxiliary classifiers of GoogLeNet and Inception v3 are left out, as everywhere in this crate.
///
/// # Errors
///
/// If the name is unknown, the number of classes is out of range, or a variable has another shape.
///
/// # Examples
///
/// ```
/// use candle_core::Device;
/// use candle_nn::{ModuleT, VarMap};
/// use wattlab_models::{Layers, Masks, fit, vision};
///
/// let variables = VarMap::new();
/// let builder = fit::variables(&variables, 1, &Device::Cpu);
/// let network = vision::trainable("shufflenet_v2_x0_5", 10, &builder, &Masks::new(1), Layers::Fused)?;
/// let images = vision::random_images(2, 32, 1)?;
/// assert_eq!(network.forward_t(&images, false)?.dims(), [2, 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn trainable(
    name: &str,
    classes: usize,
    variables: &VarBuilder<'static>,
    masks: &Masks,
    layers: Layers,
) -> std::result::Result<TrainableNetwork, VisionError> {
    limits::CLASSES.check(classes)?;
    let architecture = Architecture::named(name)?;
    let variables =
        Variables { network: architecture.name, builder: variables.clone(), masks: masks.clone() };
    let mut weights = Weights::variables(variables);
    let layer = (architecture.build)(&mut weights, classes)?;
    let parameters = weights.parameters();
    Ok(TrainableNetwork { architecture, layer, parameters, frozen: false, layers })
}

/// Names of the variables whose shape depends on the number of classes: those of the classifier, the head of the
/// network.
///
/// # Errors
///
/// If the name is unknown.
pub fn head_variables(name: &str) -> std::result::Result<Vec<String>, VisionError> {
    let (one, two) = (state_dict(name, 1)?, state_dict(name, 2)?);
    let pairs = one.into_iter().zip(two);
    Ok(pairs.filter(|(one, two)| one.1 != two.1).map(|(one, _)| one.0).collect())
}

impl TrainableNetwork {
    /// Number of trained parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The network's entry in the catalog.
    #[must_use]
    pub fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    /// The network with all layers before its classifier frozen: they stay in evaluation mode, batch norm and
    /// dropout included, and get no gradient.
    #[must_use]
    pub fn frozen(self) -> Self {
        Self { frozen: true, ..self }
    }

    /// Sets variables to the tensors of a torchvision state dict. With `new_head`, the classifier keeps its
    /// values, whatever the state dict has. Counts of batches and auxiliary classifiers are skipped.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, has another shape, or belongs to no variable.
    pub fn load(
        &self,
        variables: &VarMap,
        tensors: HashMap<String, Tensor>,
        new_head: bool,
    ) -> std::result::Result<(), VisionError> {
        let mut tensors: HashMap<String, Tensor> =
            tensors.into_iter().map(|(name, tensor)| (current_name(name), tensor)).collect();
        let head = head_variables(self.architecture.name)?;
        let data = variables.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut names: Vec<&String> = data.keys().collect();
        names.sort();
        for name in names {
            let (variable, given) = (&data[name], tensors.remove(name));
            if new_head && head.contains(name) {
                continue;
            }
            let expected = variable.dims().to_vec();
            let fail = |found| VisionError::State { name: name.clone(), found, expected };
            let Some(given) = given else { return Err(fail("missing".to_owned())) };
            if given.dims() != variable.dims() {
                return Err(fail(format!("of shape {:?}", given.dims())));
            }
            variable.set(&given.to_dtype(variable.dtype())?.to_device(variable.device())?)?;
        }
        check_unused(self.architecture.name, &tensors, &HashSet::new())
    }
}

impl ModuleT for TrainableNetwork {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let (_, _, height, width) = images.dims4()?;
        self.architecture.info().check_size(height, width).map_err(candle_core::Error::wrap)?;
        let mode = |train| Mode { train, layers: self.layers };
        let Layer::Sequence(layers) = &self.layer else {
            return self.layer.forward_t(images, mode(train));
        };
        // The classifier is the last layer with variables.
        let head = layers.iter().rposition(|layer| matches!(layer, Layer::Custom(_)));
        let (body, head) = layers.split_at(head.unwrap_or(layers.len()));
        let x = body.iter().try_fold(images.clone(), |x, layer| {
            layer.forward_t(&x, mode(train && !self.frozen))
        })?;
        let x = if self.frozen { x.detach() } else { x };
        head.iter().try_fold(x, |x, layer| layer.forward_t(&x, mode(train)))
    }
}
