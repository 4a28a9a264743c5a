//! `wattlab tune compare`: our strategy beside the study's on real trainings, counted in joules.

mod search;
mod training;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use record::{DataSpec, NetworkKind, Origin, StudyNetwork};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::{
    search::{paper_pi, until_as_good},
    training::Trainer,
};
use crate::{
    Failure, data::DataFolder, interrupt::Interrupt, output, progress, seed::derive,
    sensing::Sensing,
};

/// Arguments of `wattlab tune compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Networks of study A: simple-cnn, dense-poly, dense-linear.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "dense-poly,simple-cnn", value_parser = parse_network)]
    network: Vec<NetworkKind>,
    /// Data set.
    #[arg(long, value_name = "NAME", default_value = "shapes-28")]
    dataset: String,
    /// Where data sets are.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Training images.
    #[arg(long, value_name = "N", default_value_t = 2048)]
    images: usize,
    /// Images that accuracy is measured on.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    validation: usize,
    /// Images that the chosen networks are judged on at the end.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    test: usize,
    /// Images a step.
    #[arg(long, value_name = "N", default_value_t = 128)]
    minibatch: usize,
    /// Epochs of a full training.
    #[arg(long, value_name = "N", default_value_t = 25)]
    epochs: u32,
    /// Full trainings of the study's strategy.
    #[arg(long, value_name = "N", default_value_t = 64)]
    trials: u32,
    /// Comparisons of each network.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// Seed of the first one.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first_seed: u64,
    /// Write each comparison down; those that are there are not done again.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take what the study's strategy took from the comparisons of this file, instead of training
    /// for it again.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document on standard output at the end.
    #[arg(long)]
    json: bool,
}

/// A network's name on the command line.
fn parse_network(name: &str) -> Result<NetworkKind, String> {
    serde_json::from_value(json!(name))
        .map_err(|_| format!("`{name}` is none of simple-cnn, dense-poly, dense-linear"))
}

/// What a comparison is of.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Setting {
    network: NetworkKind,
    data: DataSpec,
    minibatch: usize,
    epochs: u32,
    trials: u32,
    seed: u64,
}

/// What a strategy took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq)]
struct Taken {
    /// Largest validation accuracy.
    best: f64,
    /// Test accuracy of the network that had it; not part of the cost.
    test: f64,
    trials: u32,
    epochs: u64,
    /// Of training, and of evaluating wherever a training pauses or ends.
    training_j: f64,
    /// Half-width of the 95 % interval.
    training_uncertainty_j: f64,
    /// Of choosing what to train.
    search_j: f64,
    /// Half-width of the 95 % interval.
    search_uncertainty_j: f64,
    seconds: f64,
}

impl Taken {
    fn joules(&self) -> f64 {
        self.training_j + self.search_j
    }
}

/// A comparison: a line of the file.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Comparison {
    #[serde(flatten)]
    setting: Setting,
    origin: Option<Origin>,
    paper_pi: Taken,
    /// Until it was as good, or had taken as many joules.
    ours: Taken,
}

impl Comparison {
    /// Our share of its joules; none if we were never as good.
    fn share(&self) -> Option<f64> {
        let reached = self.ours.best >= self.paper_pi.best;
        reached.then(|| self.ours.joules() / self.paper_pi.joules())
    }
}

/// Runs it.
///
/// # Errors
///
/// On bad input, or if Ctrl-C was pressed; what was finished is in the file.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    ensure_sizes(args).map_err(Failure::bad_input)?;
    let mut done = load(&args.out).map_err(Failure::bad_input)?;
    let others = args.beside.as_deref().map_or(Ok(Vec::new()), load);
    let others: Vec<Comparison> = others.map_err(Failure::bad_input)?;
    let mut folder = DataFolder::new(args.data_dir.clone());
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    for setting in settings(args) {
        if done.iter().any(|it| it.setting == setting) {
            continue;
        }
        let data = folder.load(&setting.data).map_err(Failure::bad_input)?;
        let trainer = Trainer::new(&setting, &data, &meter, &interrupt);
        let search_seed = derive(setting.seed, "search");
        let (paper_pi, origin) = match others.iter().find(|it| it.setting == setting) {
            Some(known) => (known.paper_pi, known.origin),
            None => paper_pi(&trainer, setting.trials, search_seed)?,
        };
        let ours = until_as_good(&trainer, &paper_pi, search_seed)?;
        let comparison = Comparison { setting, origin, paper_pi, ours };
        append(args, &comparison).map_err(Failure::run_time)?;
        progress::line(&line(&comparison));
        done.push(comparison);
    }
    done.retain(|it| settings(args).contains(&it.setting));
    if args.json {
        let medians = args
            .network
            .iter()
            .map(|network| json!({ "network": network, "median_share": median(&done, *network) }));
        return output::print_json(&json!({
            "schema": "wattlab.tune-compare/1",
            "networks": medians.collect::<Vec<_>>(),
            "comparisons": done,
        }));
    }
    for comparison in &done {
        output::print(&line(comparison));
    }
    for network in &args.network {
        let share = median(&done, *network);
        let share = share.map_or_else(|| "never as good".to_owned(), |it| format!("{it:.3}"));
        output::print(&format!("{}: median share of joules {share}", network.paper_name()));
    }
    Ok(())
}

fn settings(args: &Args) -> Vec<Setting> {
    let each = (args.first_seed..args.first_seed.saturating_add(args.seeds))
        .flat_map(|seed| args.network.iter().map(move |it| (seed, *it)));
    each.map(|(seed, network)| Setting {
        network,
        data: DataSpec {
            name: args.dataset.clone(),
            train: args.images,
            validation: args.validation,
            test: args.test,
        },
        minibatch: args.minibatch,
        epochs: args.epochs,
        trials: args.trials,
        seed,
    })
    .collect()
}

impl Setting {
    fn study_network(&self) -> StudyNetwork {
        let conv = if self.network == NetworkKind::SimpleCnn { 2 } else { 0 };
        StudyNetwork { kind: self.network, conv, linear: 3, relu: true }
    }
}

/// Median share of joules, those that were never as good being the largest; none if it is one of
/// them.
fn median(done: &[Comparison], network: NetworkKind) -> Option<f64> {
    let mut shares: Vec<f64> = done
        .iter()
        .filter(|it| it.setting.network == network)
        .map(|it| it.share().unwrap_or(f64::INFINITY))
        .collect();
    shares.sort_by(f64::total_cmp);
    let (low, high) = (shares.len().checked_sub(1)? / 2, shares.len() / 2);
    Some((shares[low] + shares[high]) / 2.0).filter(|it| it.is_finite())
}

fn line(it: &Comparison) -> String {
    let share = it.share().map_or_else(|| "never".to_owned(), |it| format!("{it:.3}"));
    let origin =
        it.origin.map_or_else(|| "unknown".to_owned(), |it| format!("{it:?}").to_lowercase());
    format!(
        "{} seed {}: paper-pi {:.4} (test {:.4}) with {:.0} J ({:.0} J of search); ours {:.4} (test \
         {:.4}) with {:.0} J ({:.0} ± {:.0} J of search, {} trials, {} epochs); share {share}; joules \
         {origin}",
        it.setting.network.paper_name(),
        it.setting.seed,
        it.paper_pi.best,
        it.paper_pi.test,
        it.paper_pi.joules(),
        it.paper_pi.search_j,
        it.ours.best,
        it.ours.test,
        it.ours.joules(),
        it.ours.search_j,
        it.ours.search_uncertainty_j,
        it.ours.trials,
        it.ours.epochs,
    )
}

fn ensure_sizes(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.trials > 0 && args.epochs > 0 && args.test > 0,
        "`--trials`, `--epochs` and `--test` must be at least 1"
    );
    if let Some(file) = args.beside.as_deref().filter(|it| !it.exists()) {
        bail!("`--beside {}` does not exist", file.display());
    }
    Ok(())
}

/// The comparisons of a file; none of one that is not there.
fn load(file: &Path) -> anyhow::Result<Vec<Comparison>> {
    let shown = file.display();
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read `{shown}`")),
    };
    let line = |(index, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| {
            format!("`{shown}` line {} is no comparison; name another file", index + 1)
        })
    };
    text.lines().enumerate().map(line).collect()
}

fn append(args: &Args, comparison: &Comparison) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(comparison)?;
    line.push(b'\n');
    let file = fs::OpenOptions::new().create(true).append(true).open(&args.out);
    let written = file.and_then(|mut it| {
        it.write_all(&line)?;
        it.sync_data()
    });
    written.with_context(|| format!("failed to write `{}`", args.out.display()))
}
