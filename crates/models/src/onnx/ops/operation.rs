//! What an operator becomes: a function from its inputs to its outputs.

use candle_core::{Result, Tensor, bail};

use super::super::{layout, values::count};
use crate::profile::LayerKind;

/// Computes the outputs of a node.
pub(in crate::onnx) type Run = Box<dyn Fn(&Inputs<'_>) -> Result<Vec<Tensor>> + Send + Sync>;

/// An operation that is ready to run.
pub(in crate::onnx) struct Operation {
    pub(in crate::onnx) run: Run,
    pub(in crate::onnx) kind: LayerKind,
    pub(in crate::onnx) flops: Flops,
    /// Number of weights and biases.
    pub(in crate::onnx) weights: usize,
    /// The inputs that have become part of it, and are not read any more.
    pub(in crate::onnx) absorbed: std::ops::Range<usize>,
}

/// Floating-point operations of an operation.
#[derive(Clone, Copy)]
pub(in crate::onnx) enum Flops {
    /// For each value of the output.
    Each(f64),
    /// For each value of the input.
    EachInput(f64),
    /// Those of a matrix product over the last axis of the first input.
    Product,
}

impl Operation {
    /// An operation with one output, which counts as `flops` operations for each value of it.
    pub(super) fn new(
        kind: LayerKind,
        flops: f64,
        run: impl Fn(&Inputs<'_>) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        let run: Run = Box::new(move |inputs| Ok(vec![run(inputs)?]));
        Self { run, kind, flops: Flops::Each(flops), weights: 0, absorbed: 0..0 }
    }

    /// An operation that moves values, or computes a few.
    pub(super) fn moving(
        run: impl Fn(&Inputs<'_>) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Self {
        Self::new(LayerKind::Other, 0.0, run)
    }
}

/// The inputs of an operation, and how many values its output may have.
pub(in crate::onnx) struct Inputs<'a> {
    pub(in crate::onnx) values: &'a [Option<Tensor>],
    pub(in crate::onnx) most: usize,
}

impl Inputs<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// An input that the operation may have.
    pub(super) fn optional(&self, index: usize) -> Option<&Tensor> {
        self.values.get(index).and_then(Option::as_ref)
    }

    /// An input that the operation must have.
    pub(super) fn get(&self, index: usize) -> Result<&Tensor> {
        match self.optional(index) {
            Some(value) => Ok(value),
            None => bail!("input {index} is missing"),
        }
    }

    /// An input that is a list of whole numbers.
    pub(super) fn ints(&self, index: usize) -> Result<Vec<i64>> {
        let value = self.get(index)?;
        if value.rank() > 1 || value.elem_count() > MOST_LISTED {
            bail!("input {index} has shape {:?}, expected a short list", value.dims());
        }
        layout::ints(value)
    }

    /// Whether a shape is within the limits: an error if an output of that shape would be too large.
    pub(super) fn check(&self, dims: &[usize]) -> Result<()> {
        match count(dims) {
            Some(values) if values <= self.most => Ok(()),
            _ => bail!("the output has shape {dims:?}, which is more than {} values", self.most),
        }
    }
}

/// Most numbers in a list of sizes, axes or the like.
const MOST_LISTED: usize = 1 << 16;
