//! The flags of a live cascade: its networks, their weights, and the labeled images.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use candle_core::Tensor;
use inference_sim::{CascadeRule, SimulationConfig, limits};
use models::{
    Collection, DataError, Precision, collection,
    vision::{VisionError, VisionNetwork},
};

use super::{
    escalation::{Answers, Escalation},
    network::Network,
};
use crate::{
    Failure,
    command::model::{
        eval::{self, SplitName, preparation::Preparation},
        weights::Weights,
    },
    data::{EMBEDDED_SEED, data_folder},
    images::Images,
    memory,
};

/// The trained networks of a cascade and the images that they answer.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// For a description with `[cascade]`: the weights of the small and of the large network; not for ONNX files,
    /// which have their own.
    #[arg(long, value_name = "FILE,FILE", value_delimiter = ',', num_args = 1)]
    weights: Vec<PathBuf>,
    /// For a description with `[cascade]`: the labeled images that requests use in turn, a known data set or a path
    /// as for `wattlab model eval`.
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Folder with the files of known data sets.
    #[arg(long, value_name = "DIR", env = "WATTLAB_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Which images [default: test, or else validation, or else all].
    #[arg(long, value_name = "SPLIT")]
    split: Option<SplitName>,
    /// Use only this many images, spread evenly over all. All are prepared before the first request.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES.parser::<usize>())]
    limit: Option<usize>,
    #[command(flatten)]
    preparation: Preparation,
}

impl Flags {
    /// The networks of a description with their weights and images; without a cascade, the calibrated network.
    pub(super) fn network(
        &self,
        config: &SimulationConfig,
        open: impl FnOnce() -> Result<Network, Failure>,
    ) -> Result<Network, Failure> {
        let bad = |text: String| Failure::BadInput(anyhow!(text));
        let Some(cascade) = &config.cascade else {
            if self.data.is_some() || !self.weights.is_empty() {
                return Err(bad(
                    "--data and --weights are for a description with `[cascade]`: omit them"
                        .to_owned(),
                ));
            }
            return open();
        };
        let Some(data) = &self.data else {
            return Err(bad(
                "--data is missing: a live cascade needs labeled images and trained weights (--weights), because random \
                 ones say nothing about how often the large network is asked"
                    .to_owned(),
            ));
        };
        let (Some(arch), Some(threshold)) = (&cascade.network, cascade.threshold) else {
            return Err(bad(
                "`cascade.network` or `cascade.threshold` is missing: a live queue needs the large network, and the \
                 confidence below which it is asked, as `wattlab simulate calibrate --cascade` writes them"
                    .to_owned(),
            ));
        };
        let small_arch = config.calibration.as_ref().and_then(|known| known.network.clone());
        let small_arch = small_arch.unwrap_or_default();
        if !matches!(self.weights.len(), 0 | 2) {
            return Err(bad(format!(
                "--weights names {} files: expected two, of the small and of the large network",
                self.weights.len()
            )));
        }
        let wrong = |error: DataError| Failure::BadInput(anyhow!(error).context("--data"));
        let folder = data_folder(self.data_dir.clone());
        let found = collection(data, folder.as_deref(), EMBEDDED_SEED).map_err(wrong)?;
        let (_, images) = eval::chosen(&found, self.split, self.limit)?;
        // This starts the threads, and finds the device.
        let network = open()?;
        let trained = |arch: &str, place: usize| -> Result<_, Failure> {
            let weights = Weights::of_file(self.weights.get(place).cloned());
            let (network, published) = eval::network(arch, &weights)?;
            let preprocessing = self.preparation.of(network.info(), published)?;
            let channels = network.info().channels;
            let side = preprocessing.crop as usize;
            memory::fits(images.len(), channels, side, memory::INFERENCE)
                .context("--data: all images are prepared before the first request; use fewer by --limit")
                .map_err(Failure::BadInput)?;
            Ok((network, (preprocessing, channels)))
        };
        let (small, of_small) = trained(&small_arch, 0)?;
        let (large, of_large) = trained(arch, 1)?;
        let prepared = |(preprocessing, channels)| {
            images.prepare(0..images.len(), &preprocessing, channels).map_err(wrong)
        };
        let ready = prepared(of_small)?;
        let other = if of_large == of_small { None } else { Some(prepared(of_large)?.images) };
        for (arch, network, images) in [
            (&small_arch, &small, &ready.images),
            (arch, &large, other.as_ref().unwrap_or(&ready.images)),
        ] {
            check(arch, network, images, &found)?;
        }
        let device = network.device().clone();
        let escalation = Escalation {
            large: large.on(&device, Precision::default()),
            images: other.map(Images::Ready),
            threshold: threshold as f32,
            rule: cascade.rule.unwrap_or(CascadeRule::Mean),
            labels: ready.labels,
            answers: Answers::default(),
        };
        Ok(network.escalating(
            small.on(&device, Precision::default()),
            Images::Ready(ready.images),
            escalation,
        ))
    }
}

/// Checks that a network has the classes of the data, and finite logits.
fn check(
    arch: &str,
    network: &VisionNetwork,
    images: &Tensor,
    found: &Collection,
) -> Result<(), Failure> {
    let rows = || -> Result<Vec<Vec<f32>>, VisionError> {
        Ok(network.forward(&images.narrow(0, 0, 1)?)?.to_vec2::<f32>()?)
    };
    let rows =
        rows().map_err(|error| Failure::BadInput(anyhow!(error).context(arch.to_owned())))?;
    let row = rows.first().map_or(&[][..], Vec::as_slice);
    if row.len() != found.classes.len() {
        return Err(Failure::BadInput(anyhow!(
            "--data `{}` has {} classes, and {arch} with these weights {}; both must have the same",
            found.name,
            found.classes.len(),
            row.len()
        )));
    }
    if row.iter().any(|logit| !logit.is_finite()) {
        return Err(Failure::BadInput(anyhow!(
            "--weights: a logit of {arch} is infinite or not a number; the weights do not belong to this network, or \
             are damaged"
        )));
    }
    Ok(())
}
