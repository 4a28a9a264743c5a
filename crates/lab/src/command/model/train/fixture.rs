//! `wattlab model train --net`: trains on a single batch, for comparisons with other implementations.

use std::{ops::ControlFlow, path::Path};

use anyhow::anyhow;
use candle_core::DType;
use models::{Network, Training};
use serde_json::json;

use super::{
    super::{
        forward::tensors,
        net::{Kind, values},
    },
    args::Args,
};
use crate::{Failure, device::device, output};

/// Trains one of the study's networks on the batch of a file.
///
/// # Errors
///
/// If the fixture cannot be read or does not fit the network.
pub(super) fn run(args: &Args, net: Kind, fixture: &Path) -> Result<(), Failure> {
    let shape = args.shape();
    let device = device(&args.device)?;
    let path = fixture.display().to_string();
    let mut fixture = tensors(fixture, "--fixture")?;
    let mut take = |name: &str| {
        fixture
            .remove(name)
            .ok_or_else(|| Failure::bad_input(anyhow!("--fixture `{path}` has no tensor `{name}`")))
    };
    let (images, labels) = (take("images")?, take("labels")?);
    let images = images.flatten_all().and_then(|images| images.to_dtype(DType::F32)?.to_vec1());
    let images: Vec<f32> = images.map_err(Failure::bad_input)?;
    let labels = labels.to_dtype(DType::U32).and_then(|labels| labels.to_vec1());
    let labels: Vec<u32> = labels.map_err(Failure::bad_input)?;
    let features = values(1, shape.channels, shape.side)?;
    if labels.is_empty() || images.len() != labels.len() * features {
        let found = images.len();
        return Err(Failure::bad_input(anyhow!(
            "--fixture `{path}`: `images` has {found} values, expected {} labels × {features}",
            labels.len()
        )));
    }
    // The classifier is the last layer whose weight is a matrix.
    let last = fixture
        .iter()
        .filter_map(|(name, tensor)| {
            let number: u32 =
                name.strip_prefix("layers.")?.strip_suffix(".weight")?.parse().ok()?;
            (tensor.rank() == 2).then(|| (number, tensor.dims()[0]))
        })
        .max();
    let classes = last.map_or(10, |(_, outputs)| outputs);
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(Failure::bad_input(anyhow!(
            "--fixture `{path}`: label {label} is out of range: the network has {classes} classes, \
             numbered from 0"
        )));
    }
    let spec = shape.network(net);
    let mut network =
        Network::new(&spec, shape.channels, shape.side, classes, 0).map_err(Failure::bad_input)?;
    network.load(&fixture).map_err(|error| {
        Failure::bad_input(anyhow!(error).context(format!("--fixture `{path}`")))
    })?;
    let parameters = network.parameters();
    let adam = args.adam();
    let mut training = Training::on_one_batch_on(&device, network, &adam, &images, &labels, 1)
        .map_err(Failure::bad_input)?;
    let history =
        training.fit(args.steps, &mut |_| ControlFlow::Continue(())).map_err(Failure::run_time)?;
    let losses: Vec<Option<f64>> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    if args.json {
        return output::print_json(&json!({ "losses": losses, "parameters": parameters }));
    }
    output::print(&format!("{parameters} parameters"));
    for (step, loss) in losses.iter().enumerate() {
        let loss = loss.map_or("not finite".to_owned(), |loss| format!("{loss:.6}"));
        output::print(&format!("step {step}: {loss}"));
    }
    Ok(())
}
