//! Makes one node of several: a convolution takes in the batch norm, the addition and the activation that
//! follow it, and activations that are written as formulas become one.

use candle_core::{DType, Result, Tensor};

use super::{
    layout,
    node::Node,
    ops::{Context, activation, scale_and_shift},
};
use crate::kernels::image::Activation;

/// Nodes by their place, and who makes and uses each value.
struct Fusing<'a> {
    nodes: Vec<Option<Node>>,
    context: &'a Context<'a>,
    /// The place of the node that makes each value.
    made: Vec<Option<usize>>,
    /// How often each value is used.
    uses: Vec<usize>,
}

/// The nodes after fusing, in an order in which they can run.
pub(super) fn fuse(nodes: Vec<Node>, context: &Context<'_>, output: usize) -> Result<Vec<Node>> {
    let values = context.constants.len();
    let mut fusing = Fusing {
        nodes: nodes.into_iter().map(Some).collect(),
        context,
        made: vec![None; values],
        uses: vec![0; values],
    };
    fusing.uses[output] += 1;
    for (place, node) in fusing.nodes.iter().flatten().enumerate() {
        node.outputs.iter().flatten().for_each(|id| fusing.made[*id] = Some(place));
        node.inputs.iter().flatten().for_each(|id| fusing.uses[*id] += 1);
    }
    for place in 0..fusing.nodes.len() {
        fusing.formula(place)?;
    }
    for place in 0..fusing.nodes.len() {
        if !fusing.affine(place)? && !fusing.residual(place)? {
            fusing.activate(place)?;
        }
    }
    Ok(fusing.nodes.into_iter().flatten().collect())
}

impl Fusing<'_> {
    /// The place and the node that make a value, if only one node uses it.
    fn maker(&self, id: Option<usize>) -> Option<(usize, &Node)> {
        let id = id.filter(|id| self.uses[*id] == 1)?;
        let place = self.made[id]?;
        let node = self.nodes[place].as_ref()?;
        (node.outputs.first() == Some(&Some(id))).then_some((place, node))
    }

    /// The only value of a constant of floats.
    fn scalar(&self, node: &Node, index: usize) -> Option<f32> {
        let found = self.context.constant(node, index)?;
        if found.elem_count() != 1 || found.dtype() != DType::F32 {
            return None;
        }
        layout::values::<f32>(found).ok()?.first().copied()
    }

    /// A node's other input and its constant of one value, whatever their order.
    fn with_scalar(&self, node: &Node, operator: &str) -> Option<(usize, f32)> {
        if node.operator != operator || node.inputs.len() != 2 {
            return None;
        }
        let (a, b) = (node.input(0)?, node.input(1)?);
        match (self.scalar(node, 0), self.scalar(node, 1)) {
            (None, Some(value)) => Some((a, value)),
            (Some(value), None) if operator != "Div" => Some((b, value)),
            _ => None,
        }
    }

    /// Puts the node of another place, changed, where this one is. It makes what this one made.
    fn replace(&mut self, place: usize, from: usize, mut node: Node) {
        let Some(old) = self.nodes[place].take() else { return };
        node.fused.operators.push(old.operator);
        node.outputs = old.outputs;
        if from != place {
            self.nodes[from] = None;
        }
        node.outputs.iter().flatten().for_each(|id| self.made[*id] = Some(place));
        self.nodes[place] = Some(node);
    }

    /// x · sigmoid(x), x · hard_sigmoid(x), and x · ½ · (1 + erf(x / √2)).
    fn formula(&mut self, place: usize) -> Result<()> {
        let Some(node) = self.nodes[place].as_ref().filter(|node| node.operator == "Mul") else {
            return Ok(());
        };
        for (gate, x) in [(node.input(1), node.input(0)), (node.input(0), node.input(1))] {
            let Some((from, maker)) = self.maker(gate) else { continue };
            if maker.inputs.first() != Some(&x) {
                continue;
            }
            let operator = match activation(maker, self.context)? {
                Some(Activation::Sigmoid) => "silu",
                Some(Activation::HardSigmoid) => "HardSwish",
                _ => continue,
            };
            let mut fused = maker.clone();
            fused.operator = operator.to_owned();
            fused.attributes.clear();
            if let Some(x) = x {
                self.uses[x] -= 1;
            }
            self.replace(place, from, fused);
            return Ok(());
        }
        if let Some((x, removed)) = self.gelu(place) {
            let Some(mut fused) = self.nodes[place].clone() else { return Ok(()) };
            for gone in removed {
                if let Some(node) = self.nodes[gone].take() {
                    node.inputs.iter().flatten().for_each(|id| self.uses[*id] -= 1);
                }
            }
            fused.inputs.iter().flatten().for_each(|id| self.uses[*id] -= 1);
            self.uses[x] += 1;
            fused.operator = "gelu".to_owned();
            fused.inputs = vec![Some(x)];
            self.nodes[place] = Some(fused);
        }
        Ok(())
    }

    /// The x of a GELU whose last multiplication is at this place, and the places of its other nodes.
    fn gelu(&self, place: usize) -> Option<(usize, Vec<usize>)> {
        let last = self.nodes[place].as_ref()?;
        let close = |a: f32, b: f32| (a - b).abs() < 1e-4 * b;
        // Either (x · (1 + erf)) · ½, or (x · ½) · (1 + erf).
        let (product, half) = match self.with_scalar(last, "Mul") {
            Some((inner, half)) if close(half, 0.5) => {
                let (at, product) = self.maker(Some(inner))?;
                (product, at)
            }
            _ => (last, place),
        };
        if product.operator != "Mul" {
            return None;
        }
        for (sum, x) in [(0, 1), (1, 0)] {
            let (sum, x) = (product.input(sum), product.input(x)?);
            let Some((at_sum, add)) = self.maker(sum) else { continue };
            let Some((error, one)) = self.with_scalar(add, "Add") else { continue };
            let Some((at_error, erf)) = self.maker(Some(error)) else { continue };
            if !close(one, 1.0) || erf.operator != "Erf" {
                continue;
            }
            let Some((at_scaled, scaled)) = self.maker(erf.input(0)) else { continue };
            let root = std::f32::consts::SQRT_2;
            let source = match (self.with_scalar(scaled, "Div"), self.with_scalar(scaled, "Mul")) {
                (Some((source, by)), _) if close(by, root) => source,
                (_, Some((source, by))) if close(by, 1.0 / root) => source,
                _ => continue,
            };
            let mut removed = vec![at_sum, at_error, at_scaled];
            if half != place {
                if x != source {
                    continue;
                }
                removed.push(half);
                return Some((source, removed));
            }
            let Some((at_half, halved)) = self.maker(Some(x)) else { continue };
            match self.with_scalar(halved, "Mul") {
                Some((inner, by)) if inner == source && close(by, 0.5) => {
                    removed.push(at_half);
                    return Some((source, removed));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a node is a product with constant weights, and its output channels.
    fn product(&self, node: &Node) -> Option<(usize, bool)> {
        let weight = self.context.constant(node, 1)?;
        if weight.dtype() != DType::F32 {
            return None;
        }
        match (node.operator.as_str(), weight.dims()) {
            ("Conv", [output, _, _, _]) => Some((*output, true)),
            ("MatMul", [_, output]) => Some((*output, false)),
            ("Gemm", [first, second]) => {
                let turned = |name: &str| node.int(name, 0).ok().map(|value| value != 0);
                let output = if turned("transB")? { *first } else { *second };
                let biased = match (node.input(2), self.context.constant(node, 2)) {
                    (None, _) => true,
                    (Some(_), Some(bias)) => bias.elem_count() == 1 || bias.elem_count() == output,
                    _ => false,
                };
                (!turned("transA")? && biased).then_some((output, false))
            }
            _ => None,
        }
    }

    /// Takes a factor and a summand for each channel into the product before it.
    fn affine(&mut self, place: usize) -> Result<bool> {
        let Some(node) = &self.nodes[place] else { return Ok(false) };
        let (inner, constant) = match node.operator.as_str() {
            "BatchNormalization" => (0, None),
            "Mul" | "Add" => match (self.context.constant(node, 0), self.context.constant(node, 1))
            {
                (Some(constant), None) => (1, Some(constant)),
                (None, Some(constant)) => (0, Some(constant)),
                _ => return Ok(false),
            },
            _ => return Ok(false),
        };
        let Some((from, maker)) = self.maker(node.input(inner)) else { return Ok(false) };
        if maker.fused.residual || maker.fused.activation != Activation::None {
            return Ok(false);
        }
        let (channels, first) = match (self.product(maker), maker.operator.as_str()) {
            (Some(found), _) => found,
            (None, "BatchNormalization") => match self.context.constant(maker, 1) {
                Some(scale) => (scale.elem_count(), true),
                None => return Ok(false),
            },
            _ => return Ok(false),
        };
        let found = match constant {
            None if first => scale_and_shift(node, self.context)?,
            None => None,
            Some(constant) => per_channel(constant, channels, first)?.map(|values| {
                if node.operator == "Mul" {
                    (values, vec![0.0; channels])
                } else {
                    (vec![1.0; channels], values)
                }
            }),
        };
        let Some((scale, shift)) = found.filter(|(scale, _)| scale.len() == channels) else {
            return Ok(false);
        };
        let mut fused = maker.clone();
        let (mut factor, mut summand) =
            fused.fused.affine.take().unwrap_or((vec![1.0; channels], vec![0.0; channels]));
        for channel in 0..channels {
            factor[channel] *= scale[channel];
            summand[channel] = summand[channel] * scale[channel] + shift[channel];
        }
        fused.fused.affine = Some((factor, summand));
        self.replace(place, from, fused);
        Ok(true)
    }

    /// Takes the addition of another value into the product before it.
    fn residual(&mut self, place: usize) -> Result<bool> {
        let Some(node) = &self.nodes[place] else { return Ok(false) };
        let (true, [Some(a), Some(b)]) =
            (node.operator == "Add" || node.operator == "Sum", &node.inputs[..])
        else {
            return Ok(false);
        };
        if self.context.constant(node, 0).is_some() || self.context.constant(node, 1).is_some() {
            return Ok(false);
        }
        let fits = |id: usize| {
            let (from, maker) = self.maker(Some(id))?;
            let plain = !maker.fused.residual && maker.fused.activation == Activation::None;
            (plain && self.product(maker).is_some()).then_some((from, maker))
        };
        // The later of two products is that of the longer path.
        let (other, from, maker) = match (fits(*a), fits(*b)) {
            (Some((from, maker)), Some((later, _))) if from > later => (*b, from, maker),
            (_, Some((from, maker))) => (*a, from, maker),
            (Some((from, maker)), None) => (*b, from, maker),
            (None, None) => return Ok(false),
        };
        if a == b {
            return Ok(false);
        }
        let mut fused = maker.clone();
        fused.inputs.resize(3, None);
        fused.inputs.push(Some(other));
        fused.fused.residual = true;
        self.replace(place, from, fused);
        Ok(true)
    }

    /// Takes an activation into the node before it.
    fn activate(&mut self, place: usize) -> Result<()> {
        let Some(node) = &self.nodes[place] else { return Ok(()) };
        let Some(found) = activation(node, self.context)? else { return Ok(()) };
        let Some((from, maker)) = self.maker(node.input(0)) else { return Ok(()) };
        let takes = self.product(maker).is_some() || maker.operator == "BatchNormalization";
        if !takes
            || maker.fused.activation != Activation::None
            || maker.fused.residual && found != Activation::Relu
        {
            return Ok(());
        }
        let mut fused = maker.clone();
        fused.fused.activation = found;
        self.replace(place, from, fused);
        Ok(())
    }
}

/// The values of a constant that has one for each channel, or one for all: the first axis after the batch if
/// `first`, otherwise the last one.
fn per_channel(constant: &Tensor, channels: usize, first: bool) -> Result<Option<Vec<f32>>> {
    if constant.dtype() != DType::F32 {
        return Ok(None);
    }
    let dims = constant.dims();
    if constant.elem_count() == 1 && dims.len() <= 1 {
        let value = layout::values::<f32>(constant)?;
        return Ok(Some(vec![value[0]; channels]));
    }
    let fits = if first {
        matches!(dims, [c, 1, 1] | [1, c, 1, 1] if *c == channels)
    } else {
        matches!(dims, [c] if *c == channels)
    };
    if fits { layout::values::<f32>(constant).map(Some) } else { Ok(None) }
}
