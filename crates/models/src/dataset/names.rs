//! Names of the data sets that need no files.

use super::shapes;

/// The first images of Fashion-MNIST.
pub(super) const FASHION: &str = "fashion-mnist-small";

/// Names of the data sets that need no files.
#[must_use]
pub fn embedded_names() -> [&'static str; 3] {
    let [small, colored] = shapes::NAMES;
    [small, colored, FASHION]
}
