//! Arguments of `wattlab predict`.

use std::path::PathBuf;

use report::Phase;
use units::limits;

/// Arguments of `wattlab predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A vision network: by torchvision's name (see `wattlab model list`), or by the path of a network's file
    /// (`FILE.toml`, `FILE.onnx`).
    #[arg(value_name = "NETWORK")]
    pub(super) network: String,
    /// The GPU that would train the network, such as `Quadro RTX 6000`, `V100`, `A40` or `P100`. For other names,
    /// the interval covers the differences between these [default: `Quadro RTX 6000`]. With `--journal`, the device
    /// of its runs [default: the one with the most architectures].
    #[arg(long, value_name = "NAME")]
    pub(super) device: Option<String>,
    /// Learn from the runs of this journal instead, or of the journal in this folder: what the network would use on
    /// their machine. Their joules may be measured or estimated.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) journal: Option<PathBuf>,
    /// What the network would do; inference needs a journal [default: training, if there are any].
    #[arg(long, value_enum)]
    pub(super) phase: Option<Does>,
    /// Number of images per step or batch [default: that of most of the journal's runs].
    #[arg(long, value_name = "N", requires = "journal", value_parser = limits::BATCH.parser::<usize>())]
    pub(super) batch: Option<usize>,
    /// Side of the images in pixels [default: that for which the network was made].
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    pub(super) image_side: Option<usize>,
    /// Number of images that the network sees; for a training: epochs times images. Without it, joules are per image.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES_SEEN.parser::<u64>())]
    pub(super) images: Option<u64>,
    /// Also show the predicted joules of each layer. Only their sum was tested.
    #[arg(long)]
    pub(super) layers: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub(super) json: bool,
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Does {
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
