//! Where the images of requests come from.

use std::path::PathBuf;

/// Flags that say so.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Photographs {
    /// Folder of photographs (JPEG, PNG), which the requests ask for in turns: reading, decoding,
    /// resizing, cropping and normalizing one is a part of its service. Random images that lie
    /// ready in memory if left out.
    #[arg(long = "images", value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Prepare every photograph once, before the first request, and keep it in memory.
    #[arg(long = "cache-images", requires = "folder")]
    pub(super) cached: bool,
}
