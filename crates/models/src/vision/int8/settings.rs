//! How a network becomes one of 8-bit integers.

/// How the range of an activation follows from the values on the calibration images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clip {
    /// From the least to the largest value.
    MinMax,
    /// The part of that range for which the mean squared error of the rounded and limited values is least, as in
    /// Banner et al. 2019 ("Post training 4-bit quantization of convolutional networks"), found by trying shares.
    #[default]
    SquaredError,
}

/// Settings of [`VisionNetwork::to_int8`](super::super::VisionNetwork::to_int8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Int8Settings {
    /// The most calibration images to use.
    pub images: usize,
    /// How ranges follow from them.
    pub clip: Clip,
}

impl Default for Int8Settings {
    /// 100 images, and the ranges of least squared error.
    fn default() -> Self {
        Self { images: 100, clip: Clip::default() }
    }
}

/// What a network of 8-bit integers consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Int8Summary {
    /// Convolutions and linear layers, all of which are computed with 8-bit integers.
    pub layers: usize,
    /// Calibration images that were used.
    pub images: usize,
    /// The instructions of the products: `avx512-vnni`, `avx2` or `portable`.
    pub instructions: &'static str,
}
