//! What an operator may know before the network runs: its constants.

use std::path::Path;

use candle_core::{DType, Result, Tensor, bail};

use super::super::{layout, node::Node};

/// The constants of a graph by the numbers of their values.
pub(in crate::onnx) struct Context<'a> {
    pub(in crate::onnx) constants: &'a [Option<Tensor>],
    /// The folder of the file.
    pub(in crate::onnx) folder: &'a Path,
}

impl Context<'_> {
    /// A node's input, if it is a constant.
    pub(in crate::onnx) fn constant(&self, node: &Node, index: usize) -> Option<&Tensor> {
        self.constants.get(node.input(index)?)?.as_ref()
    }

    /// The floats of an input, if it is a constant.
    pub(in crate::onnx) fn floats(&self, node: &Node, index: usize) -> Result<Option<Vec<f32>>> {
        match self.constant(node, index) {
            Some(found) if found.dtype() == DType::F32 => layout::values(found).map(Some),
            Some(_) => bail!("input {index} has whole numbers, expected floats"),
            None => Ok(None),
        }
    }
}
