//! The studies' claims on other people's measurements.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "says that something was skipped")]

mod adapters;
mod cells;

use std::path::PathBuf;

/// The folder with the published files, where it exists.
fn published() -> Option<PathBuf> {
    let shared = std::env::var_os("WATTLAB_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("evidence");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}
