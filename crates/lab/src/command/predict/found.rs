//! Predictions of either model in one form.

use std::{collections::BTreeMap, path::Path};

use anyhow::anyhow;
use record::Origin;
use report::{EvidenceBundle, Phase};

use super::args::Args;
use crate::{
    Failure,
    predict::{
        Coefficients, LayerCost, Model, NetworkLayers, NetworkWork, OwnModel, Prediction, Wanted,
    },
};

/// A prediction and what it rests on.
pub(super) struct Found {
    pub(super) device: String,
    pub(super) is_known: bool,
    /// What the device's price rests on, in words.
    pub(super) device_from: String,
    /// A known device that was perhaps meant.
    pub(super) nearly: Option<String>,
    pub(super) phase: Phase,
    /// What the joules are of.
    pub(super) scope: String,
    /// Origin of the joules that the model is fitted on.
    pub(super) fitted_on: Origin,
    /// Joules for an image.
    pub(super) prediction: Prediction,
    /// The same without the uncertainty of the joules of the runs; `None` if that is not known.
    pub(super) as_recorded: Option<Prediction>,
    /// Half of the 95 % interval of the runs' joules, as a share.
    pub(super) uncertainty: Option<f64>,
    pub(super) work: NetworkWork,
    /// Joules of each layer for an image, in order.
    pub(super) layers: Vec<f64>,
    pub(super) coefficients: Coefficients,
    /// Networks in the fit, and architectures that were left out in turn.
    pub(super) counts: [usize; 2],
    pub(super) median_error: f64,
    pub(super) coverage: f64,
    /// Runs of the journal, and the batch of the prediction.
    pub(super) journal: Option<(usize, usize)>,
    /// What of the journal is left out: the reason and the number of runs.
    pub(super) left_out: BTreeMap<String, usize>,
}

/// Predicts a training from what others measured.
pub(super) fn by_others(name: &str, layers: &NetworkLayers) -> Result<Found, Failure> {
    let bundle = EvidenceBundle::embedded().map_err(Failure::run_time)?;
    let model = Model::fitted(&bundle).ok_or_else(|| {
        Failure::RunTime(anyhow!("the measured trainings are not in this program"))
    })?;
    let device = model
        .devices
        .ratio(name)
        .ok_or_else(|| Failure::RunTime(anyhow!("too few devices were measured")))?;
    let work = layers.sum(LayerCost::in_usual_batch);
    let is_known = model.devices.names().any(|known| known == device.device);
    let calibration = &model.calibration;
    let price = device.log_ratio.exp();
    let each =
        layers.iter().map(|layer| price * model.coefficients.joules(&layer.in_usual_batch()));
    Ok(Found {
        is_known,
        device_from: device.from.clone(),
        nearly: model.devices.nearly(name).filter(|_| !is_known).map(str::to_owned),
        phase: Phase::Training,
        scope: "gpu".to_owned(),
        fitted_on: Origin::Measured,
        prediction: model.predict(&work, &device),
        as_recorded: None,
        uncertainty: None,
        layers: each.collect(),
        work,
        coefficients: model.coefficients,
        counts: [calibration.networks, calibration.groups],
        median_error: calibration.median_error,
        coverage: calibration.coverage,
        journal: None,
        left_out: BTreeMap::new(),
        device: device.device,
    })
}

/// Predicts from the runs of a journal.
pub(super) fn by_journal(
    journal: &Path,
    args: &Args,
    layers: &NetworkLayers,
) -> Result<Found, Failure> {
    let file = if journal.is_dir() { journal.join("journal.jsonl") } else { journal.to_owned() };
    let wanted = Wanted { device: args.device.as_deref(), phase: args.phase.map(Phase::from) };
    let model = OwnModel::of(&file, &wanted)?;
    let batch = args.batch.unwrap_or(model.batch);
    let work = layers.sum(|layer| layer.in_batch(batch));
    let each = layers.iter().map(|layer| model.coefficients.joules(&layer.in_batch(batch)));
    let prediction = model.predict(&work);
    if !(prediction.joules > 0.0 && prediction.joules.is_finite()) {
        return Err(Failure::BadInput(anyhow!(
            "`{}` says nothing about such a network: it has none of the operations that the journal's networks have; \
             use a journal of similar networks",
            file.display()
        )));
    }
    let (conditions, calibration) = (&model.conditions, &model.calibration);
    Ok(Found {
        device: conditions.device().to_owned(),
        is_known: true,
        device_from: conditions.to_string(),
        nearly: None,
        phase: conditions.phase(),
        scope: conditions.domains().to_owned(),
        fitted_on: model.origin(),
        prediction,
        as_recorded: Some(model.as_recorded(&work)),
        uncertainty: Some(model.uncertainty),
        layers: each.collect(),
        work,
        coefficients: model.coefficients,
        counts: [calibration.networks, calibration.groups],
        median_error: calibration.median_error,
        coverage: calibration.coverage,
        journal: Some((model.runs, batch)),
        left_out: model.left_out,
    })
}
