//! `wattlab predict`: the joules of a network before it runs.

mod found;
mod show;

use std::path::PathBuf;

use anyhow::anyhow;
use models::vision::{VisionNetwork, network_info};
use report::Phase;
use units::limits;

use crate::{
    Failure, output,
    predict::{FITTED_ON, NetworkLayers},
};

/// Arguments of `wattlab predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A vision network: by torchvision's name (see `wattlab model list`), or by the path of a network's file
    /// (`FILE.toml`, `FILE.onnx`).
    #[arg(value_name = "NETWORK")]
    network: String,
    /// The GPU that would train the network, such as `Quadro RTX 6000`, `V100`, `A40` or `P100`. For other names,
    /// the interval covers the differences between these [default: `Quadro RTX 6000`]. With `--journal`, the device
    /// of its runs [default: the one with the most architectures].
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Learn from the runs of this journal instead, or of the journal in this folder: what the network would use on
    /// their machine. Their joules may be measured or estimated.
    #[arg(long, value_name = "FILE|DIR")]
    journal: Option<PathBuf>,
    /// What the network would do; inference needs a journal [default: training, if there are any].
    #[arg(long, value_enum)]
    phase: Option<Does>,
    /// Number of images per step or batch [default: that of most of the journal's runs].
    #[arg(long, value_name = "N", requires = "journal", value_parser = limits::BATCH.parser::<usize>())]
    batch: Option<usize>,
    /// Side of the images in pixels [default: that for which the network was made].
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    image_side: Option<usize>,
    /// Number of images that the network sees; for a training: epochs times images. Without it, joules are per image.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES_SEEN.parser::<u64>())]
    images: Option<u64>,
    /// Also show the predicted joules of each layer. Only their sum was tested.
    #[arg(long)]
    layers: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Does {
    /// It is trained.
    Training,
    /// It answers.
    Inference,
}

impl From<Does> for Phase {
    fn from(does: Does) -> Self {
        match does {
            Does::Training => Self::Training,
            Does::Inference => Self::Inference,
        }
    }
}

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
