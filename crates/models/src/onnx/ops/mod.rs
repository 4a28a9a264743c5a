//! The operators.

mod context;
mod conv;
mod elementwise;
mod norm;
mod operation;
mod pool;
mod product;
mod reduce;
mod resize;
mod select;
mod shape;
mod transposed;
mod window;

use candle_core::{Result, bail};

pub(super) use self::{
    context::Context,
    elementwise::activation,
    norm::scale_and_shift,
    operation::{Flops, Inputs, Operation},
};
use super::node::Node;

/// What a node does; `None` if its operator is not supported.
pub(super) fn lower(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    let found = match node.operator.as_str() {
        "Conv" => Some(conv::convolution(node, context)?),
        _ => elementwise::unary(node, context)?,
    };
    let found = match found {
        None => elementwise::binary(node)?,
        found => found,
    };
    let found = match found {
        None => product::product(node, context)?,
        found => found,
    };
    let found = match found {
        None => pool::pool(node)?,
        found => found,
    };
    let found = match found {
        None => norm::norm(node, context)?,
        found => found,
    };
    let found = match found {
        None => reduce::reduce(node)?,
        found => found,
    };
    let found = match found {
        None => shape::shape(node, context)?,
        found => found,
    };
    let found = match found {
        None => select::select(node)?,
        found => found,
    };
    let found = match found {
        None => resize::resize(node)?,
        found => found,
    };
    let found = match found {
        None => transposed::transposed(node, context)?,
        found => found,
    };
    let further = node.outputs.iter().skip(1).any(Option::is_some);
    if found.is_some() && further && node.operator != "Split" {
        bail!("only its first output is supported, and the network uses another");
    }
    Ok(found)
}
