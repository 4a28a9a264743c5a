//! A network that is ready to run.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Tensor};

use super::{
    error::OnnxError,
    file, fuse,
    node::Node,
    nodes::{self, Blame, Nodes},
    ops::{Context, Flops, Inputs, Operation, lower},
};
use crate::{
    kernels::image::Activation,
    profile::{LayerKind, LayerWork, Observer, Pass},
};

/// Values that the tensors of a pass may have at a time, in addition to [`MOST_TIMES`] as many as the images have.
const MOST_VALUES: usize = 32 << 20;
const MOST_TIMES: usize = 256;

/// Number of batch shapes whose whole numbers are kept.
const MOST_KEPT: usize = 4;
/// Values that are kept for a batch shape.
const MOST_KEPT_VALUES: usize = 16 << 20;

/// The images that a network takes: `[batch][channels][height][width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphInput {
    /// Number of images that it takes at a time; `None` for any number.
    pub batch: Option<usize>,
    /// Channels of an image.
    pub channels: usize,
    /// Height in pixels; `None` for any height.
    pub height: Option<usize>,
    /// Width in pixels; `None` for any width.
    pub width: Option<usize>,
}

impl GraphInput {
    /// Reads only what images the network of an ONNX file takes.
    ///
    /// # Errors
    ///
    /// If the file is not an ONNX model, or takes something else than images.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, OnnxError> {
        let path = path.as_ref();
        let model = file::read(path).map_err(|reason| Blame(path).file(reason))?;
        Self::of(&nodes::input_sizes(path, &model)?, Blame(path))
    }

    fn of(sizes: &[Option<usize>], blame: Blame<'_>) -> Result<Self, OnnxError> {
        if let [batch, Some(channels), height, width] = *sizes {
            return Ok(Self { batch, channels, height, width });
        }
        let text: Vec<String> =
            sizes.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
        Err(blame.file(format!(
            "its input has shape [{}], expected images: batch, a fixed number of channels, height and width",
            text.join(", ")
        )))
    }
}

/// A network from an ONNX file, in evaluation mode, on the CPU.
///
/// The file may have opset 7 to 22, one input without a value (images of floats with the channels first), and
/// any number of outputs, of which the first counts. Weights of any float type become float32.
pub struct Graph {
    path: PathBuf,
    input: GraphInput,
    steps: Vec<Step>,
    /// The constants that steps read.
    constants: Vec<(usize, Tensor)>,
    /// Number of values.
    values: usize,
    /// Numbers of the input and the output.
    ends: [usize; 2],
    parameters: usize,
    kept: Mutex<Vec<Arc<Kept>>>,
}

/// What depends on the shape of the images only, and need not be computed again.
struct Kept {
    dims: Vec<usize>,
    values: Vec<(usize, Tensor)>,
}

/// A node that is ready to run.
struct Step {
    name: String,
    operator: String,
    /// What the profile says of it.
    label: String,
    operation: Operation,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    /// Values that are not used after it.
    last: Vec<usize>,
    /// Whether its outputs depend on the shape of the images only.
    fixed: bool,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("path", &self.path)
            .field("input", &self.input)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl Graph {
    /// Reads a network. Weights in other files are read from the folder of the file only.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or contradicts itself; if it has another opset, another kind
    /// of input, or an operator that is not supported. The error names the file, and the node if there is one.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, OnnxError> {
        let path = path.as_ref();
        let blame = Blame(path);
        let model = file::read(path).map_err(|reason| blame.file(reason))?;
        let nodes = nodes::build(path, &model)?;
        drop(model);
        Self::compile(path, nodes)
    }

    fn compile(path: &Path, nodes: Nodes) -> Result<Self, OnnxError> {
        let blame = Blame(path);
        let Nodes { nodes, mut constants, input, sizes, output, parameters } = nodes;
        let images = GraphInput::of(&sizes, blame)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let nodes = fuse::fuse(nodes, &Context { constants: &constants, folder }, output)
            .map_err(|error| blame.file(error.to_string()))?;
        let mut uses = vec![0_usize; constants.len()];
        nodes.iter().flat_map(|node| node.inputs.iter().flatten()).for_each(|id| uses[*id] += 1);
        uses[output] += 1;
        let mut steps = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            let context = Context { constants: &constants, folder };
            let operation = lower(&node, &context)
                .map_err(|error| blame.node(&node.name, &node.operator, error))?
                .ok_or_else(|| blame.unsupported(&node.name, &node.operator, node.opset))?;
            // Weights are dropped as soon as the last node that needs them has its own copy.
            for index in operation.absorbed.clone() {
                if let Some(id) = node.inputs.get_mut(index).and_then(Option::take) {
                    uses[id] -= 1;
                    if uses[id] == 0 {
                        constants[id] = None;
                    }
                }
            }
            steps.push(Step {
                label: label(&node),
                name: node.name,
                operator: node.operator,
                operation,
                inputs: node.inputs,
                outputs: node.outputs,
                last: Vec::new(),
                fixed: false,
            });
        }
        let values = constants.len();
        find_fixed(&mut steps, &constants, input);
        let read: Vec<bool> = {
            let mut read = vec![false; values];
            steps
                .iter()
                .flat_map(|step| step.inputs.iter().flatten())
                .for_each(|id| read[*id] = true);
            read[output] = true;
            read
        };
        let constants: Vec<(usize, Tensor)> = constants
            .into_iter()
            .enumerate()
            .filter(|(id, _)| read[*id])
            .filter_map(|(id, constant)| Some((id, constant?)))
            .collect();
        // Such a constant repeats a value, and would need memory only when the network runs.
        let spread = constants.iter().find(|(_, constant)| {
            !constant.is_contiguous() && constant.elem_count() > nodes::MOST_COMPUTED
        });
        if let Some((_, constant)) = spread {
            return Err(blame.file(format!(
                "an operation reads a constant of {} values that is not in the file, expected at most {}",
                constant.elem_count(),
                nodes::MOST_COMPUTED
            )));
        }
        find_last(&mut steps, values, output);
        Ok(Self {
            path: path.to_owned(),
            input: images,
            steps,
            constants,
            values,
            ends: [input, output],
            parameters,
            kept: Mutex::new(Vec::new()),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The images that the network takes.
    #[must_use]
    pub fn input(&self) -> GraphInput {
        self.input
    }

    /// Number of trained parameters: the floats of the constants that the network uses, without single
    /// numbers and running statistics. Batch norms that the exporter has folded into convolutions are not
    /// counted.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The network's first output for images `[n][channels][height][width]`. A network that takes a fixed
    /// number of images is run several times.
    ///
    /// # Errors
    ///
    /// If the images have another size than the network takes, or a node's inputs do not fit its operator.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, OnnxError> {
        let parts = self.parts(images)?;
        // Run on a thread of the pool. From outside the pool, each parallel loop would first have to wake up a
        // thread.
        rayon::scope(|_| {
            let outputs: Vec<Tensor> = parts
                .iter()
                .map(|part| self.pass(part, &mut |_, _, _| {}))
                .collect::<Result<_, _>>()?;
            match &outputs[..] {
                [output] => Ok(output.clone()),
                _ => {
                    let joined = super::layout::concatenate(&outputs, 0);
                    joined.map_err(|error| Blame(&self.path).file(error.to_string()))
                }
            }
        })
    }

    /// Calls `observe` for each operation of a forward pass. A network that takes a fixed number of images is
    /// run for the first of them. Returns whether all operations were visited, or the observer stopped
    /// earlier.
    ///
    /// # Errors
    ///
    /// As for [`Graph::forward`].
    pub fn profile(&self, images: &Tensor, observe: &mut Observer<'_>) -> Result<bool, OnnxError> {
        let parts = self.parts(images)?;
        let Some(part) = parts.first() else { return Ok(true) };
        let (mut number, mut stopped) = (0, false);
        let run = |_: &rayon::Scope<'_>| {
            // Once, so that what depends on shapes only is known.
            self.pass(part, &mut |_, _, _| {})?;
            self.pass(part, &mut |step, inputs, outputs| {
                if stopped {
                    return;
                }
                number += 1;
                let work = step.work(number, inputs.values, outputs);
                // The operation has just succeeded on the same inputs.
                let flow = observe(&work, &mut |_| drop((step.operation.run)(inputs)));
                stopped = flow == ControlFlow::Break(());
            })
        };
        rayon::scope(run)?;
        Ok(!stopped)
    }

    /// The images in batches of the size that the network takes.
    fn parts(&self, images: &Tensor) -> Result<Vec<Tensor>, OnnxError> {
        let GraphInput { batch, channels, height, width } = self.input;
        let fail = || {
            let size = |size: Option<usize>| size.map_or("n".to_owned(), |size| size.to_string());
            OnnxError::Input {
                path: self.path.clone(),
                expected: format!(
                    "[{}, {channels}, {}, {}]",
                    batch
                        .filter(|batch| *batch > 1)
                        .map_or("n".to_owned(), |batch| { format!("a multiple of {batch}") }),
                    size(height),
                    size(width)
                ),
                found: images.dims().to_vec(),
            }
        };
        let [n, c, h, w] = *images.dims() else { return Err(fail()) };
        let fits = |wanted: Option<usize>, size: usize| wanted.is_none_or(|wanted| wanted == size);
        let each = batch.unwrap_or(n);
        if c != channels
            || !fits(height, h)
            || !fits(width, w)
            || n * h * w == 0
            || !n.is_multiple_of(each)
            || images.dtype() != DType::F32
        {
            return Err(fail());
        }
        (0..n / each).map(|part| images.narrow(0, part * each, each).map_err(|_| fail())).collect()
    }

    /// One pass; `observe` gets each step with its inputs and outputs.
    fn pass(
        &self,
        images: &Tensor,
        observe: &mut dyn FnMut(&Step, &Inputs<'_>, &[Tensor]),
    ) -> Result<Tensor, OnnxError> {
        let blame = Blame(&self.path);
        let most = images.elem_count().saturating_mul(MOST_TIMES).saturating_add(MOST_VALUES);
        let mut values: Vec<Option<Tensor>> = vec![None; self.values];
        let kept = self.kept(images.dims());
        let known = kept.iter().flat_map(|kept| &kept.values);
        for (id, value) in self.constants.iter().chain(known) {
            values[*id] = Some(value.clone());
        }
        values[self.ends[0]] = Some(images.clone());
        let mut live = 0_usize;
        let mut found = Vec::new();
        for step in &self.steps {
            if step.fixed && kept.is_some() {
                continue;
            }
            let inputs: Vec<Option<Tensor>> =
                step.inputs.iter().map(|id| id.and_then(|id| values[id].clone())).collect();
            let inputs = Inputs { values: &inputs, most };
            let outputs = (step.operation.run)(&inputs)
                .map_err(|error| blame.node(&step.name, &step.operator, error))?;
            observe(step, &inputs, &outputs);
            for (id, output) in step.outputs.iter().zip(outputs) {
                if let Some(id) = id {
                    live = live.saturating_add(output.elem_count());
                    if step.fixed {
                        found.push((*id, output.clone()));
                    }
                    values[*id] = Some(output);
                }
            }
            if live > most {
                let reason = format!("the network needs more than {most} values at a time");
                return Err(blame.node(&step.name, &step.operator, reason));
            }
            for id in &step.last {
                if let Some(value) = values[*id].take() {
                    live = live.saturating_sub(value.elem_count());
                }
            }
        }
        if kept.is_none() {
            self.keep(images.dims(), found);
        }
        match values[self.ends[1]].take() {
            Some(output) if output.dtype() == DType::F32 => {
                super::layout::compact(&output).map_err(|error| blame.file(error.to_string()))
            }
            Some(_) => Err(blame.file("its first output has whole numbers, expected floats")),
            None => Err(blame.file("its first output is not computed")),
        }
    }

    fn kept(&self, dims: &[usize]) -> Option<Arc<Kept>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|kept| kept.dims == dims).cloned()
    }

    fn keep(&self, dims: &[usize], values: Vec<(usize, Tensor)>) {
        let mut used = vec![false; self.values];
        for step in self.steps.iter().filter(|step| !step.fixed) {
            step.inputs.iter().flatten().for_each(|id| used[*id] = true);
        }
        used[self.ends[1]] = true;
        let values: Vec<(usize, Tensor)> = values.into_iter().filter(|(id, _)| used[*id]).collect();
        let size: usize = values.iter().map(|(_, value)| value.elem_count()).sum();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if size <= MOST_KEPT_VALUES && kept.iter().all(|kept| kept.dims != dims) {
            if kept.len() >= MOST_KEPT {
                kept.remove(0);
            }
            kept.push(Arc::new(Kept { dims: dims.to_vec(), values }));
        }
    }
}

/// Marks the steps whose outputs depend on the shape of the images only: those that compute with shapes.
fn find_fixed(steps: &mut [Step], constants: &[Option<Tensor>], input: usize) {
    // Whether a value, and whether its shape, depends on the shape of the images only.
    let mut value: Vec<bool> = constants.iter().map(Option::is_some).collect();
    let mut shape = value.clone();
    shape[input] = true;
    for step in steps {
        let all =
            |of: &[bool], from: usize| step.inputs.iter().skip(from).flatten().all(|id| of[*id]);
        let (known, stable) = match step.operator.as_str() {
            "Shape" | "Size" => (all(&shape, 0), true),
            "Range" | "ConstantOfShape" => (all(&value, 0), all(&value, 0)),
            "Reshape" | "Expand" | "Tile" | "Slice" | "Pad" | "Squeeze" | "Unsqueeze" | "Split"
            | "Resize" | "Upsample" => (all(&value, 0), all(&shape, 0) && all(&value, 1)),
            operator if operator.starts_with("Reduce") => {
                (all(&value, 0), all(&shape, 0) && all(&value, 1))
            }
            _ => (all(&value, 0), all(&shape, 0)),
        };
        step.fixed = known;
        for id in step.outputs.iter().flatten() {
            value[*id] = known;
            shape[*id] = stable;
        }
    }
}

/// Finds the last use of each value.
fn find_last(steps: &mut [Step], values: usize, output: usize) {
    let mut seen = vec![false; values];
    seen[output] = true;
    for step in steps.iter_mut().rev() {
        for id in step.inputs.iter().chain(&step.outputs).flatten() {
            if !std::mem::replace(&mut seen[*id], true) {
                step.last.push(*id);
            }
        }
    }
}

/// The operators of a node, as a profile names them.
fn label(node: &Node) -> String {
    let mut parts = vec![node.operator.as_str()];
    parts.extend(node.fused.operators.iter().map(String::as_str));
    // `Add` and `Relu` say more than how they were fused.
    if parts.len() == 1 && node.fused.activation != Activation::None {
        parts.push("activation");
    }
    parts.join(" + ")
}

impl Step {
    /// The work of the step.
    fn work(&self, number: usize, inputs: &[Option<Tensor>], outputs: &[Tensor]) -> LayerWork {
        let count = |tensors: &mut dyn Iterator<Item = &Tensor>| -> usize {
            tensors.map(Tensor::elem_count).sum()
        };
        let read = count(&mut inputs.iter().flatten());
        let written = count(&mut outputs.iter());
        let first = inputs.first().and_then(Option::as_ref);
        let flops = match self.operation.flops {
            Flops::Each(each) => each * written as f64,
            Flops::EachInput(each) => each * first.map_or(0, Tensor::elem_count) as f64,
            Flops::Product => {
                let terms = first.and_then(|first| first.dims().last().copied()).unwrap_or(0);
                2.0 * (terms * written) as f64
            }
        };
        let taps = match (self.operation.kind, &self.operation.flops, first.map(Tensor::dims)) {
            (LayerKind::Convolution, Flops::Each(each), Some([_, channels, ..])) => {
                (each / 2.0 / *channels as f64).max(1.0) as usize
            }
            _ => 1,
        };
        let shape = outputs.first().map_or(&[][..], Tensor::dims);
        let sizes: Vec<String> = shape.iter().skip(1).map(ToString::to_string).collect();
        let kind: LayerKind = self.operation.kind;
        LayerWork {
            layer: format!("{number} {} {}, {}", self.label, self.name, sizes.join("×")),
            kind,
            pass: Pass::Forward,
            flops,
            bytes: 4.0 * (read + written + self.operation.weights) as f64,
            taps,
            by_difference: false,
        }
    }
}
