//! `wattlab tune compare`: our search against the published one on real trainings, in joules.

mod comparison;
mod search;
mod training;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use record::{DataSpec, NetworkKind, Origin};
use serde_json::json;
use units::{limits, read_text};

use self::{
    comparison::{Comparison, Setting},
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
    /// Networks to tune: simple-cnn, dense-poly, dense-linear.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "dense-poly,simple-cnn", value_parser = parse_network)]
    network: Vec<NetworkKind>,
    /// Data set to train on.
    #[arg(long, value_name = "NAME", default_value = "shapes-28")]
    dataset: String,
    /// Folder with the data sets.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Number of training images.
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = limits::IMAGES.parser::<usize>())]
    images: usize,
    /// Number of validation images, on which trials are compared.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = limits::IMAGES.parser::<usize>())]
    validation: usize,
    /// Number of test images, on which the chosen networks are evaluated at the end.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = limits::IMAGES.parser::<usize>())]
    test: usize,
    /// Images per training step.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = limits::BATCH.parser::<usize>())]
    minibatch: usize,
    /// Epochs of a full training.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = limits::EPOCHS.parser::<u32>())]
    epochs: u32,
    /// Full trainings of the published search.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = limits::TRIALS.parser::<u32>())]
    trials: u32,
    /// Comparisons per network, each with its own seed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = limits::REPETITIONS.parser::<u64>())]
    seeds: u64,
    /// Seed of the first comparison.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first_seed: u64,
    /// Append each comparison to this file; comparisons that are in it already are not repeated.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take the results of the published search from the comparisons in this file, instead of training
    /// again.
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
    serde_json::from_value(json!(name)).map_err(|_| {
        format!(
            "unknown network `{name}`; available networks: simple-cnn, dense-poly, dense-linear"
        )
    })
}

/// Runs the subcommand.
///
/// # Errors
///
/// On bad input, or if Ctrl-C was pressed. Finished comparisons are in the file.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args).map_err(Failure::bad_input)?;
    let mut done = load(&args.out).map_err(Failure::bad_input)?;
    let others = args.beside.as_deref().map_or(Ok(Vec::new()), load);
    let others: Vec<Comparison> = others.map_err(Failure::bad_input)?;
    let mut folder = DataFolder::new(args.data_dir.clone());
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    for setting in settings(args) {
        if done.iter().any(|comparison| comparison.setting == setting) {
            continue;
        }
        let data = folder.load(&setting.data).map_err(Failure::bad_input)?;
        let trainer = Trainer::new(&setting, &data, &meter, &interrupt);
        let search_seed = derive(setting.seed, "search");
        let (paper_pi, origin) = match others.iter().find(|other| other.setting == setting) {
            Some(known) => (known.paper_pi, known.origin),
            None => paper_pi(&trainer, setting.trials, search_seed)?,
        };
        let ours = until_as_good(&trainer, &paper_pi, search_seed)?;
        let comparison = Comparison { setting, origin, paper_pi, ours };
        append(args, &comparison).map_err(Failure::run_time)?;
        progress::line(&line(&comparison));
        done.push(comparison);
    }
    done.retain(|comparison| settings(args).contains(&comparison.setting));
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
        let share =
            share.map_or_else(|| "none, never as good".to_owned(), |share| format!("{share:.3}"));
        output::print(&format!("{}: median share of joules {share}", network.paper_name()));
    }
    Ok(())
}

fn settings(args: &Args) -> Vec<Setting> {
    let each = (args.first_seed..args.first_seed.saturating_add(args.seeds))
        .flat_map(|seed| args.network.iter().map(move |network| (seed, *network)));
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

/// The median share of joules, where comparisons in which ours was never as good count as the largest;
/// `None` if the median is one of those, or there is no comparison.
fn median(done: &[Comparison], network: NetworkKind) -> Option<f64> {
    let mut shares: Vec<f64> = done
        .iter()
        .filter(|comparison| comparison.setting.network == network)
        .map(|comparison| comparison.share().unwrap_or(f64::INFINITY))
        .collect();
    shares.sort_by(f64::total_cmp);
    let (low, high) = (shares.len().checked_sub(1)? / 2, shares.len() / 2);
    Some((shares[low] + shares[high]) / 2.0).filter(|share| share.is_finite())
}

fn line(comparison: &Comparison) -> String {
    let Comparison { setting, origin, paper_pi, ours } = comparison;
    let share = comparison.share();
    let share =
        share.map_or_else(|| "none, never as good".to_owned(), |share| format!("{share:.3}"));
    format!(
        "{} seed {}: published search accuracy {:.4} (test {:.4}) with {:.0} J ({:.0} J of search); \
         ours {:.4} (test {:.4}) with {:.0} J ({:.0} ± {:.0} J of search, {} trials, {} epochs); \
         share of joules {share}; joules {}",
        setting.network.paper_name(),
        setting.seed,
        paper_pi.best,
        paper_pi.test,
        paper_pi.joules(),
        paper_pi.search_j,
        ours.best,
        ours.test,
        ours.joules(),
        ours.search_j,
        ours.search_uncertainty_j,
        ours.trials,
        ours.epochs,
        origin.map_or("unknown", Origin::word),
    )
}

fn check(args: &Args) -> anyhow::Result<()> {
    if let Some(file) = args.beside.as_deref().filter(|file| !file.exists()) {
        bail!("`--beside {}` does not exist", file.display());
    }
    Ok(())
}

/// The comparisons of a file; none if it does not exist.
fn load(file: &Path) -> anyhow::Result<Vec<Comparison>> {
    let shown = file.display();
    let text = match read_text(file, limits::CONFIG_BYTES.max()) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read `{shown}`")),
    };
    let line = |(index, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| {
            format!("`{shown}` line {} is not a comparison; name another file", index + 1)
        })
    };
    text.lines().enumerate().map(line).collect()
}

fn append(args: &Args, comparison: &Comparison) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(comparison)?;
    line.push(b'\n');
    let file = fs::OpenOptions::new().create(true).append(true).open(&args.out);
    let written = file.and_then(|mut file| {
        file.write_all(&line)?;
        file.sync_data()
    });
    written.with_context(|| format!("failed to write `{}`", args.out.display()))
}
