//! Labeled images, in memory or as files, which a network's preparation turns into tensors.

use std::{ops::Range, path::PathBuf};

use candle_core::Tensor;
use rayon::prelude::*;

use super::{error::DataError, pixels::Pixels};
use crate::vision::{PreparedImage, Preprocessing, VisionError};

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabeledImages {
    labels: Vec<u32>,
    source: ImageSource,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ImageSource {
    /// `[n][channels][height][width]`
    Pixels { channels: usize, height: usize, width: usize, values: Vec<u8> },
    /// One JPEG or PNG file for each image.
    Files(Vec<PathBuf>),
}

impl Default for ImageSource {
    fn default() -> Self {
        Self::Files(Vec::new())
    }
}

/// Some images as a network reads them.
#[derive(Debug)]
#[non_exhaustive]
pub struct PreparedBatch {
    /// `[n][channels][crop][crop]`
    pub images: Tensor,
    /// `[n]`
    pub labels: Vec<u32>,
    /// Files whose EXIF data ask for another orientation, which is ignored; with that orientation, 2 to 8.
    pub oriented: Vec<(PathBuf, u16)>,
}

impl LabeledImages {
    pub(super) fn of_pixels(pixels: Pixels, [channels, height, width]: [usize; 3]) -> Self {
        let labels = pixels.labels.into_iter().map(u32::from).collect();
        let values = pixels.pixels;
        Self { labels, source: ImageSource::Pixels { channels, height, width, values } }
    }

    /// Images of files; the labels are as many as the files.
    pub(super) fn of_files(files: Vec<PathBuf>, labels: Vec<u32>) -> Self {
        debug_assert_eq!(files.len(), labels.len());
        Self { labels, source: ImageSource::Files(files) }
    }

    pub(super) fn source(&self) -> &ImageSource {
        &self.source
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The label of each image, below the number of classes.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Channels, height and width of every image in memory; `None` for files, which may differ.
    #[must_use]
    pub fn shape(&self) -> Option<[usize; 3]> {
        match self.source {
            ImageSource::Pixels { channels, height, width, .. } => Some([channels, height, width]),
            ImageSource::Files(_) => None,
        }
    }

    /// The images at some positions.
    ///
    /// # Panics
    ///
    /// If a position is out of range.
    pub(super) fn at(&self, positions: &[usize]) -> Self {
        let labels = positions.iter().map(|position| self.labels[*position]).collect();
        let source = match &self.source {
            ImageSource::Pixels { channels, height, width, values } => {
                let size = channels * height * width;
                let mut taken = Vec::with_capacity(positions.len() * size);
                for position in positions {
                    taken.extend_from_slice(&values[position * size..(position + 1) * size]);
                }
                let (channels, height, width) = (*channels, *height, *width);
                ImageSource::Pixels { channels, height, width, values: taken }
            }
            ImageSource::Files(files) => ImageSource::Files(
                positions.iter().map(|position| files[*position].clone()).collect(),
            ),
        };
        Self { labels, source }
    }

    /// At most that many images, spread evenly, so that all classes of sorted images are among them.
    #[must_use]
    pub fn evenly(&self, most: usize) -> Self {
        let count = most.min(self.len());
        // As large numbers do not fit into `usize` on every machine.
        let position = |index: usize| (index as u128 * self.len() as u128 / count as u128) as usize;
        self.at(&(0..count).map(position).collect::<Vec<_>>())
    }

    /// Prepares the images of a range for a network with that number of channels, 1 or 3, on all threads.
    /// Colors become gray for one channel, and gray becomes three equal colors, both as in Pillow.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, is truncated or is not an image, or the preparation does not fit it.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..self.len()`.
    pub fn prepare(
        &self,
        range: Range<usize>,
        preprocessing: &Preprocessing,
        channels: usize,
    ) -> Result<PreparedBatch, DataError> {
        let labels = self.labels[range.clone()].to_vec();
        let prepared: Vec<PreparedImage> = range
            .clone()
            .into_par_iter()
            .map(|index| self.image(index, preprocessing, channels))
            .collect::<Result<_, _>>()?;
        let oriented = prepared.iter().zip(range).filter_map(|(image, index)| {
            let ImageSource::Files(files) = &self.source else { return None };
            Some((files[index].clone(), image.orientation?))
        });
        let oriented = oriented.collect();
        let images: Vec<Tensor> = prepared.into_iter().map(|prepared| prepared.image).collect();
        let images = Tensor::stack(&images, 0).map_err(VisionError::from)?;
        Ok(PreparedBatch { images, labels, oriented })
    }

    fn image(
        &self,
        index: usize,
        preprocessing: &Preprocessing,
        channels: usize,
    ) -> Result<PreparedImage, VisionError> {
        match &self.source {
            ImageSource::Files(files) => preprocessing.prepare(&files[index], channels),
            ImageSource::Pixels { channels: planes, height, width, values } => {
                let area = height * width;
                let planes = &values[index * planes * area..(index + 1) * planes * area];
                preprocessing.prepare_planes([*height, *width], planes, channels)
            }
        }
    }
}
