//! The network that `wattlab model train --arch` trains.

use std::{collections::HashMap, path::Path};

use anyhow::anyhow;
use candle_core::{Device, Tensor};
use models::{
    Dataset, Engine, Layers, Masks, NetworkFile,
    fit::{self, FitInput},
    nn::{ModuleT, VarBuilder, VarMap},
    vision::{Architecture, Pretrained, head_variables, read_weights, trainable},
};

use super::args::Args;
use crate::Failure;

/// A network that can be trained.
pub(super) struct Subject {
    pub(super) network: Box<dyn ModuleT + Send>,
    pub(super) variables: VarMap,
    pub(super) masks: Masks,
    pub(super) input: FitInput,
    pub(super) parameters: usize,
    /// Names of the variables that are trained; `None` for all.
    pub(super) only: Option<Vec<String>>,
}

/// A network of the catalog.
pub(super) fn of_catalog(args: &Args, arch: &str, data: &Dataset) -> Result<Subject, Failure> {
    let settings = &args.images;
    let fail = |error| Failure::BadInput(anyhow!("{error}").context(format!("--arch {arch}")));
    let info = Architecture::named(arch).map_err(|error| fail(error.to_string()))?.info();
    let side = args.side.unwrap_or_else(|| data.side.max(info.least_side));
    info.check_size(side, side).map_err(|error| fail(format!("{error}; use --side")))?;
    let (variables, masks) = (VarMap::new(), Masks::new(settings.seed));
    let builder = fit::variables(&variables, settings.seed, &Device::Cpu);
    let network = trainable(
        arch,
        data.classes,
        &builder,
        &masks,
        Layers::from(Engine::from(settings.engine)),
    )
    .map_err(|error| fail(error.to_string()))?;
    if let Some(path) = &settings.weights {
        network.load(&variables, weights(path)?, settings.new_head).map_err(|error| {
            let classes = data.classes;
            Failure::BadInput(anyhow!(error).context(format!(
                "--weights `{}` for {classes} classes; --new-head begins with a new classifier",
                path.display()
            )))
        })?;
    }
    let only = match settings.freeze {
        true => Some(head_variables(arch).map_err(|error| fail(error.to_string()))?),
        false => None,
    };
    let parameters = network.parameters();
    let network = if settings.freeze { network.frozen() } else { network };
    // The normalization that torchvision's weights expect.
    let usual = Pretrained::default_of(arch).or_else(|| Pretrained::default_of("resnet18"));
    let input = match usual {
        Some(weights) => FitInput::normalized(
            side,
            weights.preprocessing.mean.to_vec(),
            weights.preprocessing.deviation.to_vec(),
        ),
        None => FitInput::plain(info.channels, side),
    };
    let network = Box::new(network);
    Ok(Subject { network, variables, masks, input, parameters, only })
}

/// The network of a file.
pub(super) fn of_file(args: &Args, arch: &str, data: &Dataset) -> Result<Subject, Failure> {
    let settings = &args.images;
    let fail = |error: anyhow::Error| Failure::BadInput(error.context(format!("--arch {arch}")));
    let file = NetworkFile::read(Path::new(arch)).map_err(|error| fail(anyhow!(error)))?;
    let (side, classes) = (args.side.unwrap_or_else(|| file.side()), data.classes);
    if side != file.side() || classes > file.classes() {
        return Err(fail(anyhow!(
            "the network takes images of {0}×{0} pixels of {1} classes, got {side}×{side} pixels of {classes} \
             classes; change the file, or --side",
            file.side(),
            file.classes()
        )));
    }
    if settings.new_head || settings.freeze {
        let text =
            "--new-head and --freeze need a network of the catalog, whose classifier is known";
        return Err(fail(anyhow!(text)));
    }
    let state: HashMap<String, Tensor> = match &settings.weights {
        Some(path) => weights(path)?,
        None => HashMap::new(),
    };
    let file = file.with_dropout_seed(settings.seed);
    let variables = file.variables(&state, settings.seed).map_err(|error| fail(anyhow!(error)))?;
    let builder = VarBuilder::from_varmap(&variables, candle_core::DType::F32, &Device::Cpu);
    let network = file
        .trainable(&builder, Layers::from(Engine::from(settings.engine)))
        .map_err(|error| fail(anyhow!(error)))?;
    Ok(Subject {
        network,
        variables,
        masks: Masks::new(settings.seed),
        input: FitInput::plain(file.channels(), side),
        parameters: file.parameters(),
        only: None,
    })
}

/// The tensors of a file.
fn weights(path: &Path) -> Result<HashMap<String, Tensor>, Failure> {
    read_weights(path).map_err(|error| Failure::BadInput(anyhow!(error).context("--weights")))
}
