//! `wattlab model`: run, train, time and profile single networks.

mod agree;
mod bench;
pub(super) mod eval;
mod forward;
mod net;
mod profile;
mod train;
pub(super) mod weights;

use models::{
    NetworkFile,
    vision::{Pretrained, architectures, network_info},
};
use serde_json::json;

use crate::{Failure, output};

/// Subcommands of `wattlab model`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List all networks.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Compute the logits of a vision network for given images and weights.
    Forward(forward::Args),
    /// Measure the accuracy, calibration and energy of a vision network on labeled images.
    Eval(eval::Args),
    /// Measure a cascade: a small network answers first, and a large one when it is not confident.
    Cascade(eval::cascade::Args),
    /// Train one of the study's networks on a single batch, and print the loss of each step.
    Train(train::Args),
    /// Measure the speed of training or inference on random data.
    Bench(bench::Args),
    /// Compare the results of a device with those of the CPU.
    Agree(agree::Args),
    /// Measure the time and energy of each layer on random data.
    Profile(profile::Args),
}

/// Runs `wattlab model`.
///
/// # Errors
///
/// If a file, a size or a setting does not fit the network.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { json } => list(*json),
        Command::Forward(args) => forward::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Cascade(args) => eval::cascade::run(args),
        Command::Train(args) => train::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Agree(args) => agree::run(args),
        Command::Profile(args) => profile::run(args),
    }
}

fn list(json: bool) -> Result<(), Failure> {
    if json {
        let vision: Vec<_> = architectures()
            .iter()
            .map(|network| {
                let weights = published(network.name).map(|weights| weights.name);
                json!({
                    "name": network.name,
                    "least_side": network.least_side,
                    "fixed_side": network.fixed_side,
                    "weights": weights.collect::<Vec<_>>(),
                })
            })
            .collect();
        let files = NetworkFile::built_in_names();
        let study: Vec<_> = net::Kind::ALL.iter().map(|kind| kind.word()).collect();
        return output::print_json(&json!({
            "schema": "wattlab.models/1",
            "vision": vision,
            "files": files,
            "study": study,
        }));
    }
    output::print("vision networks (--arch), with the smallest side of their images in pixels:");
    for network in architectures() {
        let only = if network.fixed_side { " (no other size)" } else { "" };
        output::print(&format!("  {:<20} {}{only}", network.name, network.least_side));
    }
    output::print(
        "networks in files that come with the program (--arch), with the side of their images:",
    );
    for name in NetworkFile::built_in_names() {
        let info = network_info(name).map_err(Failure::run_time)?;
        output::print(&format!("  {name:<20} {}", info.usual_side));
    }
    output::print("the study's networks (--net):");
    for kind in net::Kind::ALL {
        output::print(&format!("  {}", kind.word()));
    }
    Ok(())
}

/// The weights that torchvision publishes for a network.
fn published(name: &str) -> impl Iterator<Item = &'static Pretrained> + use<'_> {
    Pretrained::all().iter().filter(move |weights| weights.architecture == name)
}
