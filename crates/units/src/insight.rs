//! What a search says about its parameters, as plain data: computed by one crate and drawn by another.

/// A share of the variance over the whole search space, in [0, 1], estimated by the trees of a forest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Mean over the trees.
    pub mean: f64,
    /// Standard deviation over the trees.
    pub deviation: f64,
}

/// How much of the variance of the values each parameter explains: functional analysis of variance
/// (Hutter, Hoos and Leyton-Brown 2014).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Importance {
    /// The share of each parameter alone, in the order of the space.
    pub alone: Vec<Share>,
    /// Two parameters' indices, and their share together beyond what each explains alone.
    pub pairs: Vec<(usize, usize, Share)>,
}

/// How values depend on one parameter, averaged over the other parameters (Friedman 2001).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependence {
    /// Values of the parameter.
    pub at: Vec<f64>,
    /// The expected value at each of them, in the unit of the values.
    pub mean: Vec<f64>,
    /// Square root of the posterior variance averaged over the other parameters: an upper bound of the
    /// standard deviation of the mean.
    pub deviation: Vec<f64>,
}
