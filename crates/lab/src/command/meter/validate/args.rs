//! Arguments of `wattlab meter validate`.

use std::path::PathBuf;

/// Arguments of `wattlab meter validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document.
    #[arg(long)]
    pub(super) json: bool,
    /// Also print the cases that pass.
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Instead replay recorded GPU power sensors, and compare the energies with those of a power meter
    /// that was recorded beside them. DIR has a folder for each recording, named BOARD-LOAD, with
    /// `nvidia_smi.csv` (columns `time_s`, `power_draw_w` and optionally `power_draw_instant_w`) and
    /// `meter.csv` or `meter.csv.gz` (`time_s`, `watts`).
    #[arg(long, value_name = "DIR")]
    pub(super) real: Option<PathBuf>,
    /// Print the table of `--real` as Markdown.
    #[arg(long, requires = "real", conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Draw the power meter, plain integration, and the estimate with its interval into this SVG file.
    #[arg(long, value_name = "FILE", requires = "real")]
    pub(super) svg: Option<PathBuf>,
    /// The recording that `--svg` draws [default: the one that gains most from the reconstruction].
    #[arg(long, value_name = "NAME", requires = "svg")]
    pub(super) trace: Option<String>,
}
