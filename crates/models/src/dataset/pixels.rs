//! Images as they are stored in files.

/// Raw images with their labels.
#[derive(Debug, Default)]
pub(super) struct Pixels {
    /// `[n][channels][side][side]`, one byte each.
    pub(super) pixels: Vec<u8>,
    /// `[n]`
    pub(super) labels: Vec<u8>,
}
