//! The flags for the images of requests.

use std::path::PathBuf;

/// Photographs in place of random images.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Photographs {
    /// Folder of photographs (JPEG, PNG), which the requests use in turn. The time to read, decode, resize,
    /// crop and normalize a photograph counts as service. By default, requests use random images in
    /// memory.
    #[arg(long = "images", value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Prepare all photographs before the first request and keep them in memory.
    #[arg(long = "cache-images", requires = "folder")]
    pub(super) cached: bool,
}
