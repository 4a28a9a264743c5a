//! `wattlab model train`: trains on a single batch, for comparisons with other implementations, or a vision network
//! on a data set.

mod args;
mod data;
mod fixture;
mod images;
mod subject;

use anyhow::anyhow;

pub(crate) use self::args::Args;
use crate::Failure;

/// Runs `wattlab model train`.
///
/// # Errors
///
/// If a file, a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match (args.net, &args.fixture, &args.arch) {
        (Some(net), Some(fixture), None) => fixture::run(args, net, fixture),
        (None, _, Some(arch)) => images::run(args, arch),
        _ => Err(Failure::bad_input(anyhow!(
            "give a network by --net with --fixture, or by --arch with --data"
        ))),
    }
}
