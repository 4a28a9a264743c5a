//! The study's networks as files.

use record::{NetworkKind, StudyNetwork};
use toml::Value;

use super::{error::NetworkFileError, file::NetworkFile};

const SIMPLE_CNN: &str = include_str!("../../networks/simple-cnn.toml");
const DENSE_POLY: &str = include_str!("../../networks/dense-poly.toml");
const DENSE_LINEAR: &str = include_str!("../../networks/dense-linear.toml");

impl NetworkFile {
    /// A network of the study for images `[channels][side][side]`: the same layers, names of tensors and initial
    /// values as [`crate::Network`].
    ///
    /// # Errors
    ///
    /// If the network is not valid for these images.
    pub fn of_study(
        network: &StudyNetwork,
        channels: usize,
        side: usize,
        classes: usize,
    ) -> Result<Self, NetworkFileError> {
        let linear = ("values.linear", Value::Integer(i64::from(network.linear)));
        let (text, values) = match network.kind {
            NetworkKind::SimpleCnn => {
                let conv = ("values.conv", Value::Integer(i64::from(network.conv)));
                (SIMPLE_CNN, vec![linear, conv, ("values.relu", Value::Boolean(network.relu))])
            }
            NetworkKind::DensePoly => (DENSE_POLY, vec![linear]),
            NetworkKind::DenseLinear => (DENSE_LINEAR, vec![linear]),
        };
        let file = Self::parse(text, network.kind.paper_name())?;
        file.with_all(values)?.for_images(channels, side, classes)
    }
}
