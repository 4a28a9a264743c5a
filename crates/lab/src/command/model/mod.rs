//! `wattlab model`: the networks by themselves.

mod agree;
mod bench;
mod forward;
mod net;
mod profile;
mod train;
mod weights;

use models::vision::{Pretrained, architectures};
use serde_json::json;

use crate::{Failure, output};

/// Subcommands of `wattlab model`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the networks.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Compute a vision network's logits of given images with given weights.
    Forward(forward::Args),
    /// Train one of the study's networks on one batch, step after step.
    Train(train::Args),
    /// Time training or inference on random data.
    Bench(bench::Args),
    /// Compute the same on a device and on the CPU, and compare.
    Agree(agree::Args),
    /// Measure each layer's time and energy on random data.
    Profile(profile::Args),
}

/// Runs it.
///
/// # Errors
///
/// If a file, a size or a setting does not fit the network.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { json } => list(*json),
        Command::Forward(args) => forward::run(args),
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
            .map(|it| {
                json!({
                    "name": it.name,
                    "least_side": it.least_side,
                    "fixed_side": it.fixed_side,
                    "weights": published(it.name).map(|it| it.name).collect::<Vec<_>>(),
                })
            })
            .collect();
        let study: Vec<_> = net::Kind::ALL.iter().map(|it| it.word()).collect();
        return output::print_json(
            &json!({ "schema": "wattlab.models/1", "vision": vision, "study": study }),
        );
    }
    output::print("vision networks (--arch), with the smallest side of an image they take:");
    for it in architectures() {
        let only = if it.fixed_side { " (only)" } else { "" };
        output::print(&format!("  {:<20} {}{only}", it.name, it.least_side));
    }
    output::print("the study's networks (--net):");
    for it in net::Kind::ALL {
        output::print(&format!("  {}", it.word()));
    }
    Ok(())
}

/// What torchvision publishes of a network.
fn published(name: &str) -> impl Iterator<Item = &'static Pretrained> + use<'_> {
    Pretrained::all().iter().filter(move |it| it.architecture == name)
}
