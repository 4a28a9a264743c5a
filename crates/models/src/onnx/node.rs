//! A node of a graph: an operation with its settings, inputs and outputs.

use std::collections::HashMap;

use candle_core::{Result, bail};

use super::proto::{AttributeProto, TensorProto};
use crate::kernels::image::Activation;

/// A node. Values are numbered.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// The operator; those that only fusing makes have lowercase names.
    pub(super) operator: String,
    /// The file's version of the operators.
    pub(super) opset: i64,
    pub(super) attributes: HashMap<String, AttributeProto>,
    pub(super) inputs: Vec<Option<usize>>,
    pub(super) outputs: Vec<Option<usize>>,
    pub(super) fused: Fused,
}

/// What has become part of a node.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// A factor and a summand for each output channel.
    pub(super) affine: Option<(Vec<f32>, Vec<f32>)>,
    /// Whether the node's last input is added to its output.
    pub(super) residual: bool,
    pub(super) activation: Activation,
    /// The operators of the nodes that have become part of it.
    pub(super) operators: Vec<String>,
}

impl Default for Fused {
    fn default() -> Self {
        Self { affine: None, residual: false, activation: Activation::None, operators: Vec::new() }
    }
}

/// The numbers that ONNX gives to the types of attributes.
mod kind {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const INT: i32 = 2;
    pub(super) const STRING: i32 = 3;
    pub(super) const TENSOR: i32 = 4;
    pub(super) const FLOATS: i32 = 6;
    pub(super) const INTS: i32 = 7;
}

impl Node {
    /// An attribute of a kind, if the node has it.
    fn attribute(&self, name: &str, kind: i32) -> Result<Option<&AttributeProto>> {
        match self.attributes.get(name) {
            Some(found) if found.kind == kind || found.kind == 0 => Ok(Some(found)),
            Some(found) => {
                bail!("attribute `{name}` has type {}, expected type {kind}", found.kind)
            }
            None => Ok(None),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.attribute(name, kind::INT)?.map_or(default, |found| found.i))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.attribute(name, kind::FLOAT)?.map_or(default, |found| found.f))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        Ok(self.attribute(name, kind::INTS)?.map(|found| found.ints.clone()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.attribute(name, kind::FLOATS)?.map(|found| found.floats.clone()))
    }

    pub(super) fn text(&self, name: &str, default: &str) -> Result<String> {
        Ok(match self.attribute(name, kind::STRING)? {
            Some(found) => String::from_utf8_lossy(&found.s).into_owned(),
            None => default.to_owned(),
        })
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&TensorProto>> {
        Ok(self.attribute(name, kind::TENSOR)?.and_then(|found| found.t.as_deref()))
    }

    /// Whole numbers that are sizes: not negative, and within a limit.
    pub(super) fn sizes(&self, name: &str, least: i64) -> Result<Option<Vec<usize>>> {
        let Some(values) = self.ints(name)? else { return Ok(None) };
        let size = |value: i64| match usize::try_from(value) {
            Ok(size) if value >= least && value <= MOST_SIZE => Ok(size),
            _ => bail!(
                "attribute `{name}` is {values:?}, expected numbers from {least} to {MOST_SIZE}"
            ),
        };
        values.iter().map(|value| size(*value)).collect::<Result<_>>().map(Some)
    }

    /// The number of an input that the node must have.
    pub(super) fn input(&self, index: usize) -> Option<usize> {
        self.inputs.get(index).copied().flatten()
    }
}

/// The largest size of a kernel, stride or padding, in pixels.
const MOST_SIZE: i64 = 65_536;

/// The axis that a number means, which counts from the end if it is negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let wide = rank as i64;
    let found = if axis < 0 { axis.saturating_add(wide) } else { axis };
    match usize::try_from(found) {
        Ok(found) if found < rank => Ok(found),
        _ => bail!("axis {axis} is outside of a shape of {rank} axes"),
    }
}
