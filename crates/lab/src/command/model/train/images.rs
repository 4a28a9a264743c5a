//! `wattlab model train --arch`: trains a vision network on a data set.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use candle_core::{Device, Tensor};
use models::{
    Dataset, Layers, Masks, NetworkFile, TrainEvent,
    fit::{self, Fit, FitError, FitInput, FitSettings, RateSchedule},
    nn::{ModuleT, VarBuilder, VarMap},
    vision::{Architecture, Pretrained, head_variables, read_weights, trainable},
};
use record::EpochOutcome;
use serde_json::json;
use units::limits;

use super::{Args, data};
use crate::{
    Failure,
    device::{cpu_only, device},
    interrupt::Interrupt,
    output,
};

/// Flags of `wattlab model train --arch`.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// With --arch: the data set (see `wattlab datasets`).
    #[arg(long, value_name = "NAME", requires = "arch")]
    data: Option<String>,
    /// Folder with the files of the data set.
    #[arg(long, value_name = "DIR", requires = "data")]
    data_dir: Option<PathBuf>,
    /// Number of training images, from the first on [default: all].
    #[arg(long, value_name = "N", requires = "data", value_parser = limits::IMAGES.parser::<usize>())]
    train_images: Option<usize>,
    /// Number of test images, from the first on [default: all].
    #[arg(long, value_name = "N", requires = "data", value_parser = limits::IMAGES_OR_NONE.parser::<usize>())]
    test_images: Option<usize>,
    /// With --arch: passes over the training images.
    #[arg(long, default_value_t = 10, value_parser = limits::EPOCHS.parser::<u32>())]
    epochs: u32,
    /// With --arch: images of one optimizer step.
    #[arg(long, default_value_t = 32, value_parser = limits::BATCH.parser::<usize>())]
    batch: usize,
    /// With --arch: let the learning rate fall to 0 along half a cosine.
    #[arg(long, requires = "arch")]
    cosine: bool,
    /// With --arch: determines the initial weights, the order of the images and what dropout leaves out.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// With --arch: initial weights, a state dict (`.safetensors`, or PyTorch's `.pth`) [default: random].
    #[arg(long, value_name = "FILE", requires = "arch")]
    weights: Option<PathBuf>,
    /// Begin with a new classifier for the classes of the data set, whatever the classifier of --weights.
    #[arg(long, requires = "weights")]
    new_head: bool,
    /// Train the classifier only. All other layers stay as they are, statistics of batch norm included.
    #[arg(long, requires = "weights")]
    freeze: bool,
    /// With --arch: whose layers compute: `fused` (our kernels) or `candle` (candle-nn's).
    #[arg(long, default_value = "fused")]
    engine: Engine,
    /// Write the weights to this safetensors file after each epoch. With FILE.state beside it, the same command
    /// continues an interrupted training; that file is removed at the end.
    #[arg(long, value_name = "FILE", requires = "arch")]
    out: Option<PathBuf>,
}

/// Whose layers compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// candle-nn's layers.
    Candle,
    /// Our kernels, and candle's where we have none.
    Fused,
}

impl Engine {
    fn layers(self) -> Layers {
        match self {
            Self::Candle => Layers::Candle,
            Self::Fused => Layers::Fused,
        }
    }
}

/// A network that can be trained.
struct Subject {
    network: Box<dyn ModuleT + Send>,
    variables: VarMap,
    masks: Masks,
    input: FitInput,
    parameters: usize,
    /// Names of the variables that are trained; `None` for all.
    only: Option<Vec<String>>,
}

/// Trains a vision network.
///
/// # Errors
///
/// If a file, a size or a setting does not fit the network, or the training is interrupted.
pub(super) fn run(args: &Args, arch: &str) -> Result<(), Failure> {
    let settings = &args.images;
    let device = device(&args.device)?;
    if device.name() != "cpu" {
        return Err(Failure::bad_input(cpu_only("training of vision networks", &device)));
    }
    let Some(name) = &settings.data else {
        return Err(Failure::bad_input(anyhow!("--arch needs a data set: --data NAME")));
    };
    let counts = [settings.train_images, settings.test_images];
    let data = data::load(name, settings.data_dir.as_ref(), counts)?;
    let mut subject = if Path::new(arch).extension().is_some_and(|extension| extension == "toml") {
        of_file(args, arch, &data)?
    } else {
        of_catalog(args, arch, &data)?
    };
    let mut fitted = FitSettings::new(settings.epochs, settings.batch, settings.seed);
    fitted.adam = args.adam();
    fitted.schedule = if settings.cosine { RateSchedule::Cosine } else { RateSchedule::Constant };
    train(args, &data, &mut subject, fitted)
}

fn train(
    args: &Args,
    data: &Dataset,
    subject: &mut Subject,
    settings: FitSettings,
) -> Result<(), Failure> {
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let Subject { network, variables, masks, input, parameters, only } = subject;
    let mut fit =
        Fit::new(network.as_mut(), variables, settings).map_err(failure)?.with_masks(masks);
    if let Some(names) = only {
        fit = fit.only(names).map_err(failure)?;
    }
    let state = args.images.out.as_deref().map(state_file);
    if let Some(state) = state.as_deref().filter(|state| state.exists()) {
        fit.load_state(state, data).map_err(failure)?;
        output::line(&format!("continuing after {} epochs", fit.history().epochs.len()));
    }
    while !fit.finished() {
        let observe = &mut |_: TrainEvent| match interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let outcome = fit.epoch(data, input, observe).map_err(failure)?;
        if !args.json {
            let epoch = fit.history().epochs.len() - 1;
            output::print(&format!("epoch {epoch}: {}", text(outcome)));
        }
        if let (Some(out), Some(state)) = (&args.images.out, &state) {
            fit.save_state(state, data).map_err(failure)?;
            fit::save_variables(variables, out).map_err(failure)?;
        }
    }
    let test = fit.accuracy(data, &data.test, input).map_err(failure)?;
    if let Some(state) = state.filter(|state| state.exists()) {
        fs::remove_file(&state)
            .with_context(|| format!("failed to remove `{}`", state.display()))
            .map_err(Failure::RunTime)?;
    }
    let history = fit.history();
    if args.json {
        let losses: Vec<Option<f64>> = history.epochs.iter().map(|epoch| epoch.loss).collect();
        let accuracies: Vec<f64> = history.epochs.iter().map(|epoch| epoch.accuracy).collect();
        return output::print_json(&json!({
            "losses": losses,
            "accuracies": accuracies,
            "test_accuracy": test,
            "diverged_in_epoch": history.diverged_in_epoch,
            "parameters": *parameters,
            "classes": data.classes,
            "side": input.side,
            "mean": input.mean,
            "deviation": input.deviation,
        }));
    }
    if let Some(epoch) = history.diverged_in_epoch {
        output::print(&format!("the loss stopped being a number in epoch {epoch}"));
    }
    if let Some(test) = test {
        output::print(&format!("accuracy on test images: {:.2} %", 100.0 * test));
    }
    Ok(())
}

fn text(epoch: EpochOutcome) -> String {
    let loss = epoch.loss.map_or("not finite".to_owned(), |loss| format!("{loss:.4}"));
    format!("loss {loss}, training accuracy {:.2} %", 100.0 * epoch.accuracy)
}

/// The file from which a training continues.
fn state_file(out: &Path) -> PathBuf {
    let mut name: OsString = out.as_os_str().to_owned();
    name.push(".state");
    PathBuf::from(name)
}

/// A network of the catalog.
fn of_catalog(args: &Args, arch: &str, data: &Dataset) -> Result<Subject, Failure> {
    let settings = &args.images;
    let fail = |error| Failure::BadInput(anyhow!("{error}").context(format!("--arch {arch}")));
    let info = Architecture::named(arch).map_err(|error| fail(error.to_string()))?.info();
    let side = args.side.unwrap_or_else(|| data.side.max(info.least_side));
    info.check_size(side, side).map_err(|error| fail(format!("{error}; use --side")))?;
    let (variables, masks) = (VarMap::new(), Masks::new(settings.seed));
    let builder = fit::variables(&variables, settings.seed, &Device::Cpu);
    let network = trainable(arch, data.classes, &builder, &masks, settings.engine.layers())
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
fn of_file(args: &Args, arch: &str, data: &Dataset) -> Result<Subject, Failure> {
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
    let network =
        file.trainable(&builder, settings.engine.layers()).map_err(|error| fail(anyhow!(error)))?;
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

/// Failures that the user can correct are bad input.
fn failure(error: FitError) -> Failure {
    match error {
        FitError::Stopped => Failure::Interrupted,
        FitError::Thread(_) | FitError::File { action: "write", .. } => Failure::run_time(error),
        error => Failure::bad_input(error),
    }
}
