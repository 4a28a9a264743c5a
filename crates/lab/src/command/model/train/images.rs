//! `wattlab model train --arch`: trains a vision network on a data set.

use std::{
    ffi::OsString,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use models::{
    Dataset, TrainEvent,
    fit::{self, Fit, FitError, FitSettings, RateSchedule},
    vision::{has_own_weights, is_file, network_info},
};
use record::EpochOutcome;
use serde_json::json;

use super::{
    args::Args,
    data,
    subject::{Subject, of_catalog, of_file},
};
use crate::{
    Failure,
    device::{cpu_only, device},
    interrupt::Interrupt,
    memory, output,
};

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
    if has_own_weights(arch) {
        return Err(Failure::bad_input(anyhow!(
            "--arch `{arch}` is an ONNX file, which can be run but not trained; describe the network in a `.toml` \
             file"
        )));
    }
    let info = network_info(arch)
        .map_err(|error| Failure::BadInput(anyhow!(error).context(format!("--arch {arch}"))))?;
    // A network in a file takes images of one size.
    let side = args.side.or_else(|| is_file(arch).then_some(info.usual_side));
    let data = data::load(name, settings, &info, side)?;
    // Every layer keeps its outputs of a step.
    let (batch, step_side) = (
        settings.batch.min(data.train.labels.len()),
        side.unwrap_or_else(|| data.side.max(info.least_side)),
    );
    memory::fits(batch, info.channels, step_side, memory::TRAINING)
        .map_err(|error| Failure::BadInput(error.context("--batch and --side")))?;
    let mut subject =
        if is_file(arch) { of_file(args, arch, &data)? } else { of_catalog(args, arch, &data)? };
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

/// Failures that the user can correct are bad input.
fn failure(error: FitError) -> Failure {
    match error {
        FitError::Stopped => Failure::Interrupted,
        FitError::Thread(_) | FitError::File { action: "write", .. } => Failure::run_time(error),
        error => Failure::bad_input(error),
    }
}
