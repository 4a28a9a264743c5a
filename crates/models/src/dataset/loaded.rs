//! A data set in memory, ready for training.

use sha2::{Digest, Sha256};

use super::content::hex;

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// `[n][channels][side][side]`, scaled to [0, 1] without further normalization, as in the study.
    pub images: Vec<f32>,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u32>,
}

/// A data set, ready for training.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the data set, or its path.
    pub name: String,
    /// Colors of a pixel: 1 for gray; 3 for red, green and blue.
    pub channels: usize,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Number of classes.
    pub classes: usize,
    /// Images to train on.
    pub train: Split,
    /// Images to choose hyper-parameters by.
    pub validation: Split,
    /// Images to compute the final accuracy on.
    pub test: Split,
    /// SHA-256 of the pixels and labels above, in hex.
    pub sha256: String,
}

/// Builds splits and the checksum of all of them.
pub(super) struct Splits {
    hash: Sha256,
    classes: usize,
}

impl Splits {
    pub(super) fn new(classes: usize) -> Self {
        Self { hash: Sha256::new(), classes }
    }

    /// A split of pixels, one byte each, and their labels.
    pub(super) fn split(&mut self, pixels: &[u8], labels: &[u32]) -> Split {
        self.hash.update((labels.len() as u64).to_le_bytes());
        self.hash.update(pixels);
        for label in labels {
            // One byte for each label, as in the files, unless there are more classes than that.
            let bytes = label.to_le_bytes();
            self.hash.update(if self.classes <= 256 { &bytes[..1] } else { &bytes });
        }
        Split {
            images: pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect(),
            labels: labels.to_vec(),
        }
    }

    /// The checksum in hex.
    pub(super) fn sha256(self) -> String {
        hex(&self.hash.finalize())
    }
}
