//! `wattlab predict`: the joules of a network before it runs.

mod args;
mod found;
mod show;

use anyhow::anyhow;
use models::vision::{VisionNetwork, network_info};

pub(crate) use self::args::Args;
use self::args::Does;
use crate::{
    Failure, output,
    predict::{FITTED_ON, NetworkLayers},
};

/// Runs `wattlab predict`.
///
/// # Errors
///
/// If the network or the journal cannot be read.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.device.as_ref().is_some_and(|device| !device.contains(char::is_alphanumeric)) {
        return Err(Failure::BadInput(anyhow!(
            "--device is `{}`, expected the name of a device, such as `V100`",
            args.device.as_deref().unwrap_or_default()
        )));
    }
    let (side, layers) = layers(args)?;
    let found = match &args.journal {
        Some(journal) => found::by_journal(journal, args, &layers)?,
        None if args.phase == Some(Does::Inference) => {
            return Err(Failure::BadInput(anyhow!(
                "--phase is inference, but the measurements in this program are of trainings; give a \
                 journal of inferences by `--journal FILE`"
            )));
        }
        None => found::by_others(args.device.as_deref().unwrap_or(FITTED_ON), &layers)?,
    };
    if args.json {
        return output::print_json(&show::json(args, side, &layers, &found));
    }
    for line in show::text(args, side, &layers, &found) {
        output::print(&line);
    }
    Ok(())
}

/// The images' side and the network's layers.
fn layers(args: &Args) -> Result<(usize, NetworkLayers), Failure> {
    let arch = args.network.as_str();
    let info = network_info(arch).map_err(Failure::bad_input)?;
    let side = args.image_side.unwrap_or(info.usual_side);
    info.check_size(side, side).map_err(Failure::bad_input)?;
    let network = VisionNetwork::open(arch, None, None, 1).map_err(Failure::bad_input)?;
    Ok((side, NetworkLayers::of_vision(&network, side)?))
}
