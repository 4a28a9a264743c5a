//! From the messages of a file to nodes whose values are numbered, with constants computed.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use candle_core::{DType, Tensor};

use super::{
    error::OnnxError,
    node::{Fused, Node},
    ops::{Context, Inputs, lower},
    proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto},
    values::{Element, tensor},
};

/// The opsets that are supported.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// Values that constants may have in addition to those in the file: enough for a VGG whose weights the network
/// makes itself.
const MOST_MADE: usize = 160_000_000;

/// Values that computed constants may have in addition to as many as are in the file.
pub(super) const MOST_COMPUTED: usize = 16 << 20;

/// A graph before fusing.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    /// The constants by the numbers of their values.
    pub(super) constants: Vec<Option<Tensor>>,
    /// The number of the input, and its sizes; `None` for an axis of any size.
    pub(super) input: usize,
    pub(super) sizes: Vec<Option<usize>>,
    /// The number of the output.
    pub(super) output: usize,
    /// Number of values that training has changed.
    pub(super) parameters: usize,
}

/// The operators that can do with a constant of any size, because they look only at its shape.
const VIEWS: [&str; 5] = ["Identity", "Shape", "Transpose", "Unsqueeze", "Squeeze"];

/// Builds errors about a file.
#[derive(Clone, Copy)]
pub(super) struct Blame<'a>(pub(super) &'a Path);

impl Blame<'_> {
    pub(super) fn file(self, reason: impl Into<String>) -> OnnxError {
        OnnxError::File { path: self.0.to_owned(), reason: reason.into() }
    }

    pub(super) fn node(self, node: &str, operator: &str, reason: impl ToString) -> OnnxError {
        OnnxError::Node {
            path: self.0.to_owned(),
            node: node.to_owned(),
            operator: operator.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn unsupported(self, node: &str, operator: &str, opset: i64) -> OnnxError {
        OnnxError::Unsupported {
            path: self.0.to_owned(),
            node: node.to_owned(),
            operator: operator.to_owned(),
            opset,
        }
    }
}

/// Numbers the values of a graph.
struct Numbers<'a> {
    ids: HashMap<&'a str, usize>,
    constants: Vec<Option<Tensor>>,
    blame: Blame<'a>,
}

impl<'a> Numbers<'a> {
    /// Gives a value a number, if no other value has its name.
    fn add(&mut self, name: &'a str, constant: Option<Tensor>) -> Result<usize, OnnxError> {
        let id = self.constants.len();
        if self.ids.insert(name, id).is_some() {
            return Err(self.blame.file(format!("value `{name}` is defined twice")));
        }
        self.constants.push(constant);
        Ok(id)
    }
}

/// The nodes of a file that its first output depends on.
pub(super) fn build(path: &Path, model: &ModelProto) -> Result<Nodes, OnnxError> {
    let blame = Blame(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let opset = opset(model, blame)?;
    let Some(graph) = &model.graph else { return Err(blame.file("it has no graph")) };
    let mut numbers = Numbers { ids: HashMap::new(), constants: Vec::new(), blame };
    let mut stored = 0;
    for proto in &graph.initializer {
        let made = tensor(proto, folder)
            .map_err(|reason| blame.file(format!("tensor `{}`: {reason}", proto.name)))?;
        stored += made.elem_count();
        numbers.add(&proto.name, Some(made))?;
    }
    let (input, sizes) = only_input(graph, &mut numbers)?;
    let mut nodes = Vec::with_capacity(graph.node.len());
    for proto in &graph.node {
        nodes.push(node(proto, opset, &mut numbers)?);
    }
    let Some(output) = graph.output.first() else { return Err(blame.file("it has no output")) };
    let Some(output) = numbers.ids.get(output.name.as_str()).copied() else {
        return Err(blame.file(format!("output `{}` is not computed by any node", output.name)));
    };
    let mut constants = numbers.constants;
    let nodes = needed(nodes, output, constants.len());
    let nodes = fold(nodes, &mut constants, folder, stored, blame)?;
    let used: HashSet<usize> =
        nodes.iter().flat_map(|node| node.inputs.iter().copied().flatten()).collect();
    let size = |id: &usize| constants[*id].as_ref().map_or(0, Tensor::elem_count);
    let all = used.iter().fold(0_usize, |sum, id| sum.saturating_add(size(id)));
    if all > stored.saturating_add(MOST_MADE) {
        return Err(blame.file(format!(
            "its operations make constants of {all} values, expected at most {}",
            stored.saturating_add(MOST_MADE)
        )));
    }
    let parameters = parameters(&nodes, &constants);
    Ok(Nodes { nodes, constants, input, sizes, output, parameters })
}

/// The sizes of a file's input; `None` for an axis of any size.
pub(super) fn input_sizes(
    path: &Path,
    model: &ModelProto,
) -> Result<Vec<Option<usize>>, OnnxError> {
    let blame = Blame(path);
    let Some(graph) = &model.graph else { return Err(blame.file("it has no graph")) };
    let mut numbers = Numbers { ids: HashMap::new(), constants: Vec::new(), blame };
    for proto in &graph.initializer {
        numbers.add(&proto.name, None)?;
    }
    Ok(only_input(graph, &mut numbers)?.1)
}

/// The version of ONNX's own operators.
fn opset(model: &ModelProto, blame: Blame<'_>) -> Result<i64, OnnxError> {
    let own = model.opset_import.iter().find(|opset| own(&opset.domain));
    match own {
        Some(opset) if OPSETS.contains(&opset.version) => Ok(opset.version),
        Some(opset) => Err(blame.file(format!(
            "it has opset {}, expected {} to {}; convert it with `onnx.version_converter`",
            opset.version,
            OPSETS.start(),
            OPSETS.end()
        ))),
        None => Err(blame.file("it does not name an opset")),
    }
}

/// Whether a domain is ONNX's own.
fn own(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The number and the sizes of the graph's only input that has no value.
fn only_input<'a>(
    graph: &'a GraphProto,
    numbers: &mut Numbers<'a>,
) -> Result<(usize, Vec<Option<usize>>), OnnxError> {
    let blame = numbers.blame;
    let open: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !numbers.ids.contains_key(input.name.as_str())).collect();
    let [input] = open[..] else {
        let names: Vec<&str> = open.iter().take(10).map(|input| input.name.as_str()).collect();
        return Err(blame.file(format!(
            "it has {} inputs ({}), expected one: images",
            open.len(),
            names.join(", ")
        )));
    };
    let kind = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let floats = kind.is_some_and(|kind| {
        Element::of(kind.elem_type.into()).is_ok_and(|element| element.dtype() == DType::F32)
    });
    let shape = kind.and_then(|kind| kind.shape.as_ref());
    let (true, Some(shape)) = (floats, shape) else {
        return Err(blame.file(format!(
            "input `{}` is not a tensor of floats with a shape, expected images",
            input.name
        )));
    };
    let sizes =
        shape.dim.iter().map(|dim| usize::try_from(dim.dim_value).ok().filter(|size| *size > 0));
    Ok((numbers.add(&input.name, None)?, sizes.collect()))
}

fn node<'a>(
    proto: &'a NodeProto,
    opset: i64,
    numbers: &mut Numbers<'a>,
) -> Result<Node, OnnxError> {
    let blame = numbers.blame;
    let first = proto.output.first().map_or("", String::as_str);
    let name = if proto.name.is_empty() { first } else { &proto.name };
    let operator = &proto.op_type;
    if !own(&proto.domain) {
        return Err(blame.unsupported(name, &format!("{}.{operator}", proto.domain), opset));
    }
    // Lowercase names are those of operators that fusing makes.
    if !operator.starts_with(|first: char| first.is_ascii_uppercase()) {
        return Err(blame.unsupported(name, operator, opset));
    }
    let mut attributes = HashMap::new();
    for attribute in &proto.attribute {
        if attributes.insert(attribute.name.clone(), attribute.clone()).is_some() {
            let reason = format!("attribute `{}` is given twice", attribute.name);
            return Err(blame.node(name, operator, reason));
        }
    }
    let mut inputs = Vec::with_capacity(proto.input.len());
    for input in &proto.input {
        inputs.push(match numbers.ids.get(input.as_str()) {
            _ if input.is_empty() => None,
            Some(id) => Some(*id),
            None => {
                let reason = format!(
                    "input `{input}` is neither an input of the network, nor a tensor of the file, nor an \
                     output of an earlier node"
                );
                return Err(blame.node(name, operator, reason));
            }
        });
    }
    while inputs.last() == Some(&None) {
        inputs.pop();
    }
    let mut outputs = Vec::with_capacity(proto.output.len());
    for output in &proto.output {
        outputs.push(if output.is_empty() { None } else { Some(numbers.add(output, None)?) });
    }
    if outputs.is_empty() {
        return Err(blame.node(name, operator, "it has no output"));
    }
    Ok(Node {
        name: name.to_owned(),
        operator: operator.clone(),
        opset,
        attributes,
        inputs,
        outputs,
        fused: Fused::default(),
    })
}

/// The nodes that the output depends on, without the outputs that nothing uses.
fn needed(nodes: Vec<Node>, output: usize, values: usize) -> Vec<Node> {
    let mut used = vec![false; values];
    used[output] = true;
    let mut kept: Vec<Node> = Vec::new();
    for mut node in nodes.into_iter().rev() {
        for output in &mut node.outputs {
            *output = output.filter(|id| used[*id]);
        }
        if node.outputs.iter().any(Option::is_some) {
            node.inputs.iter().flatten().for_each(|id| used[*id] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    kept
}

/// Computes the nodes whose inputs are constants, and returns the others.
fn fold(
    nodes: Vec<Node>,
    constants: &mut [Option<Tensor>],
    folder: &Path,
    stored: usize,
    blame: Blame<'_>,
) -> Result<Vec<Node>, OnnxError> {
    let most = stored.saturating_add(MOST_COMPUTED);
    let mut left = most;
    let mut kept = Vec::new();
    for node in nodes {
        let values: Vec<Option<Tensor>> =
            node.inputs.iter().map(|input| input.and_then(|id| constants[id].clone())).collect();
        let known = node
            .inputs
            .iter()
            .zip(&values)
            .all(|(input, value)| input.is_some() == value.is_some());
        if !known {
            kept.push(node);
            continue;
        }
        let fail = |error: candle_core::Error| blame.node(&node.name, &node.operator, error);
        let operation = lower(&node, &Context { constants, folder }).map_err(fail)?;
        let Some(operation) = operation else {
            return Err(blame.unsupported(&node.name, &node.operator, node.opset));
        };
        let size = |value: &Tensor| value.elem_count();
        let largest = values.iter().flatten().map(size).max().unwrap_or(0);
        if largest > most && !VIEWS.contains(&node.operator.as_str()) {
            let reason = format!("a constant of {largest} values is larger than {most} values");
            return Err(blame.node(&node.name, &node.operator, reason));
        }
        // Constants of one repeated value need no memory.
        let most = if node.operator == "ConstantOfShape" { MOST_MADE } else { left };
        let made = (operation.run)(&Inputs { values: &values, most }).map_err(fail)?;
        for (id, value) in node.outputs.iter().zip(made) {
            if let Some(id) = id {
                let size = if value.is_contiguous() { value.elem_count() } else { 0 };
                let Some(rest) = left.checked_sub(size) else {
                    return Err(blame.node(
                        &node.name,
                        &node.operator,
                        format!("the constants of the network have more than {most} values"),
                    ));
                };
                left = rest;
                constants[*id] = Some(value);
            }
        }
    }
    Ok(kept)
}

/// Number of floats in the constants that the nodes use, without the running statistics of batch norms.
fn parameters(nodes: &[Node], constants: &[Option<Tensor>]) -> usize {
    let mut counted = HashSet::new();
    let mut sum = 0;
    for node in nodes {
        let trained = if node.operator == "BatchNormalization" { 3 } else { usize::MAX };
        for id in node.inputs.iter().take(trained).flatten() {
            if let Some(constant) = &constants[*id]
                && constant.dtype() == DType::F32
                && constant.elem_count() > 1
                && counted.insert(*id)
            {
                sum += constant.elem_count();
            }
        }
    }
    sum
}
