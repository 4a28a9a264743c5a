//! The command line of `wattlab reproduce`.

use std::path::PathBuf;

use clap::ValueEnum;
use report::Target;
use units::limits;

use crate::{
    budget::StudyBudget, engine::EngineFlag, everyday::Everyday, output, sensing::Sensing,
};

/// Arguments of `wattlab reproduce`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Profile that says what to run: `quick`, `standard`, `paper`, or a TOML file.
    #[arg(long, default_value = "quick", value_name = "NAME|FILE")]
    pub(super) profile: String,
    /// Run only the experiments for these research questions, such as `1,4`.
    #[arg(long, value_delimiter = ',', value_parser = limits::QUESTION.parser::<u8>())]
    pub(super) rq: Vec<u8>,
    /// Train on this data set instead of the profile's data sets.
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Option<String>,
    /// Folder with the files of the data sets.
    #[arg(long, value_name = "DIR", env = "WATTLAB_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Folder for journal, results and report; if it holds a journal, the study continues.
    #[arg(long, default_value = "target/reproduce", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Where to execute the runs.
    #[arg(long, default_value = "local")]
    pub(super) executor: ExecutorKind,
    /// Number of runs at once: local processes, each with processors of its own, or Slurm jobs.
    #[arg(long, value_parser = limits::WORKERS.parser::<u16>())]
    pub(super) workers: Option<u16>,
    /// First move damaged lines of the journal to another file; their runs are repeated.
    #[arg(long)]
    pub(super) repair: bool,
    /// Override the profile's random seed.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Time or energy that the runs may use, such as `5min`, `3h` or `20kJ`: the study ends when its verdicts are
    /// decided or the budget is used [default: the profile's `budget`; without one, every run is done].
    #[arg(long, value_name = "AMOUNT")]
    pub(super) budget: Option<StudyBudget>,
    /// Print what would run and what it would cost, and exit; needs no data.
    #[arg(long)]
    pub(super) plan: bool,
    /// With `--plan`, also predict the GPU joules of the trainings on this device, as `wattlab predict` does.
    #[arg(long, value_name = "NAME", requires = "plan")]
    pub(super) on: Option<String>,
    /// Device that trains and runs the networks: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    pub(super) device: String,
    /// What computes the trainings [default: the profile's `engine`]. `candle` needs `--device cpu`.
    #[arg(long)]
    pub(super) engine: Option<EngineFlag>,
    #[command(flatten)]
    pub(super) sensing: Sensing,
    /// Count only what sensors measure; add no estimates for parts without a sensor.
    #[arg(long, conflicts_with = "estimate")]
    pub(super) measured: bool,
    /// Write the study's progress to this file, in the OpenMetrics format, and keep it up to date.
    #[arg(long, value_name = "FILE")]
    pub(super) metrics: Option<PathBuf>,
    /// Send the study's progress to an OpenTelemetry collector, at `http://HOST:4318/v1/metrics`.
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
    /// Analyze what others measured instead: the studies' own raw files, beside the runs in `--out`, and the
    /// data sets of `datasets/evidence`.
    #[arg(long, requires = "reference")]
    pub(super) published: bool,
    /// Folder with the studies' raw files (`rq1_trials.csv`, `rq2_*.csv`, `rq2_published.json`), or with
    /// folders of other measurements (`NAME/*.csv`) and their adapters (`*.toml`). May be given several
    /// times.
    #[arg(long, value_name = "DIR", requires = "published")]
    pub(super) reference: Vec<PathBuf>,
    /// Test accuracy for which RQ1 shows the energy that each strategy needs; by default 0.95 of the best
    /// accuracy found.
    #[arg(long, value_name = "SHARE", value_parser = output::target)]
    pub(super) target: Option<Target>,
    #[command(flatten)]
    pub(super) everyday: Everyday,
    /// Print the content of `results.json`.
    #[arg(long)]
    pub(super) json: bool,
}

/// Where to execute the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExecutorKind {
    /// On this machine.
    Local,
    /// On a Slurm cluster.
    Slurm,
}
