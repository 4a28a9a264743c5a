//! Operations on single values and on pairs of values.

use candle_core::{DType, Result, Tensor, WithDType, bail};

use super::{
    super::{
        layout::{self, Loops, broadcast, by_type, map, order, permute, restore, tensor, zip},
        node::Node,
    },
    context::Context,
    operation::{Inputs, Operation},
};
use crate::{kernels::image::Activation, profile::LayerKind};

/// The activation that a node is, if the kernels have it.
pub(in crate::onnx) fn activation(
    node: &Node,
    context: &Context<'_>,
) -> Result<Option<Activation>> {
    let close = |a: f32, b: f32| (a - b).abs() < 1e-6;
    Ok(match node.operator.as_str() {
        "Relu" => Some(Activation::Relu),
        "Sigmoid" => Some(Activation::Sigmoid),
        "HardSwish" => Some(Activation::HardSwish),
        "silu" => Some(Activation::Silu),
        "gelu" => Some(Activation::Gelu),
        "Gelu" if node.text("approximate", "none")? == "none" => Some(Activation::Gelu),
        "HardSigmoid"
            if close(node.float("alpha", 0.2)?, 1.0 / 6.0)
                && close(node.float("beta", 0.5)?, 0.5) =>
        {
            Some(Activation::HardSigmoid)
        }
        "Clip" => match bounds(node, context)? {
            Some((0.0, 6.0)) => Some(Activation::Relu6),
            Some((0.0, f32::INFINITY)) => Some(Activation::Relu),
            _ => None,
        },
        _ => None,
    })
}

/// The bounds of a `Clip`, if they are known.
fn bounds(node: &Node, context: &Context<'_>) -> Result<Option<(f32, f32)>> {
    if node.opset < 11 {
        let (low, high) = (node.float("min", f32::MIN)?, node.float("max", f32::MAX)?);
        let open = |bound: f32, limit: f32| if bound.abs() >= f32::MAX { limit } else { bound };
        return Ok(Some((open(low, f32::NEG_INFINITY), open(high, f32::INFINITY))));
    }
    let bound = |index: usize, open: f32| -> Result<Option<f32>> {
        if node.input(index).is_none() {
            return Ok(Some(open));
        }
        match context.constant(node, index) {
            Some(found) if found.dtype() == DType::F32 && found.elem_count() == 1 => {
                Ok(layout::values::<f32>(found)?.first().copied())
            }
            _ => Ok(None),
        }
    };
    let (low, high) = (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?);
    Ok(low.zip(high))
}

/// An operation that changes each float.
fn each(flops: f64, of: impl Fn(f32) -> f32 + Send + Sync + Copy + 'static) -> Operation {
    Operation::new(LayerKind::Activation, flops, move |inputs| {
        map(floats(inputs.get(0)?)?, |values| values.iter_mut().for_each(|x| *x = of(*x)))
    })
}

/// The tensor, if it has floats.
fn floats(x: &Tensor) -> Result<&Tensor> {
    match x.dtype() {
        DType::F32 => Ok(x),
        _ => bail!("expected floats, got whole numbers or truth values"),
    }
}

/// An operation that changes each float, or each whole number.
fn number(of: fn(f32) -> f32, whole: fn(i64) -> i64) -> Operation {
    Operation::new(LayerKind::Other, 1.0, move |inputs| {
        let x = inputs.get(0)?;
        match x.dtype() {
            DType::I64 => {
                let values: Vec<i64> = layout::values::<i64>(x)?.into_iter().map(whole).collect();
                tensor(values, x.dims())
            }
            _ => map(floats(x)?, |values| values.iter_mut().for_each(|x| *x = of(*x))),
        }
    })
}

/// The operation of a node on single values, if it is one.
pub(super) fn unary(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    if let Some(activation) = activation(node, context)? {
        return Ok(Some(Operation::new(LayerKind::Activation, 1.0, move |inputs| {
            map(floats(inputs.get(0)?)?, |values| activation.apply(values))
        })));
    }
    let operation = match node.operator.as_str() {
        "Tanh" => each(1.0, f32::tanh),
        "Erf" => each(1.0, |x| erf(f64::from(x)) as f32),
        "Exp" => each(1.0, f32::exp),
        "Log" => each(1.0, f32::ln),
        "Sqrt" => each(1.0, f32::sqrt),
        "Reciprocal" => each(1.0, |x| 1.0 / x),
        "Floor" => each(1.0, f32::floor),
        "Ceil" => each(1.0, f32::ceil),
        "Round" => each(1.0, f32::round_ties_even),
        "Sin" => each(1.0, f32::sin),
        "Cos" => each(1.0, f32::cos),
        "Softplus" => each(2.0, softplus),
        "Softsign" => each(2.0, |x| x / (1.0 + x.abs())),
        "Mish" => each(4.0, |x| x * softplus(x).tanh()),
        "Gelu" => match node.text("approximate", "none")?.as_str() {
            "tanh" => each(8.0, |x| {
                let inner = x + 0.044_715 * x * x * x;
                0.5 * x * (1.0 + ((2.0 / std::f32::consts::PI).sqrt() * inner).tanh())
            }),
            other => bail!("attribute `approximate` is `{other}`, expected `none` or `tanh`"),
        },
        "HardSigmoid" => {
            let (alpha, beta) = (node.float("alpha", 0.2)?, node.float("beta", 0.5)?);
            each(3.0, move |x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        "LeakyRelu" => {
            let alpha = node.float("alpha", 0.01)?;
            each(1.0, move |x| if x < 0.0 { alpha * x } else { x })
        }
        "Elu" => {
            let alpha = node.float("alpha", 1.0)?;
            each(1.0, move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        "Selu" => {
            let (alpha, gamma) =
                (node.float("alpha", 1.673_263_2)?, node.float("gamma", 1.050_701)?);
            each(2.0, move |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        "Neg" => number(|x| -x, i64::wrapping_neg),
        "Abs" => number(f32::abs, i64::wrapping_abs),
        "Sign" => number(|x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum),
        "Clip" => match bounds(node, context)? {
            // Not `clamp`, which panics if the lower bound is above the upper one.
            Some((low, high)) => number_clip(low, high),
            None => Operation::new(LayerKind::Activation, 1.0, clip_by_inputs),
        },
        "Not" => Operation::moving(|inputs| {
            let x = inputs.get(0)?;
            let values: Vec<u8> =
                truths(x)?.into_iter().map(|value| u8::from(value == 0)).collect();
            tensor(values, x.dims())
        }),
        "Cast" => {
            let element = super::super::values::Element::of(node.int("to", 0)?)
                .map_err(candle_core::Error::Msg)?;
            let narrow = element == super::super::values::Element::I32;
            Operation::moving(move |inputs| cast(inputs.get(0)?, element.dtype(), narrow))
        }
        _ => return Ok(None),
    };
    Ok(Some(operation))
}

fn number_clip(low: f32, high: f32) -> Operation {
    Operation::new(LayerKind::Activation, 1.0, move |inputs| {
        map(floats(inputs.get(0)?)?, |values| {
            values.iter_mut().for_each(|x| *x = limited(*x, low, high));
        })
    })
}

/// The value within its bounds; NaN stays NaN.
fn limited<T: PartialOrd>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

fn clip_by_inputs(inputs: &Inputs<'_>) -> Result<Tensor> {
    let mut x = inputs.get(0)?.clone();
    for (index, larger) in [(1, false), (2, true)] {
        if let Some(bound) = inputs.optional(index) {
            if bound.elem_count() != 1 {
                bail!("a bound has shape {:?}, expected one value", bound.dims());
            }
            let bound = bound.reshape(())?;
            x = match x.dtype() {
                DType::I64 if larger => zip(&x, &bound, i64::min)?,
                DType::I64 => zip(&x, &bound, i64::max)?,
                _ if larger => {
                    zip(floats(&x)?, floats(&bound)?, |x: f32, y| limited(x, x.min(y), y))?
                }
                _ => zip(floats(&x)?, floats(&bound)?, |x: f32, y| limited(x, y, x.max(y)))?,
            };
        }
    }
    Ok(x)
}

fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// The error function, exact to 1.2·10⁻⁷ (Numerical Recipes, section 6.2.2).
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let terms = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let sum = terms.iter().fold(0.0, |sum, term| sum * t + term);
    let tail = t * (sum - x * x).exp();
    if x < 0.0 { tail - 1.0 } else { 1.0 - tail }
}

/// Values of another type.
fn cast(x: &Tensor, to: DType, narrow: bool) -> Result<Tensor> {
    let turned = match (x.dtype(), to) {
        (from, to) if from == to => x.clone(),
        (DType::F32, DType::I64) => {
            let values = layout::values::<f32>(x)?;
            tensor(values.into_iter().map(|value| value as i64).collect::<Vec<_>>(), x.dims())?
        }
        (DType::F32, DType::U8) => {
            let values = layout::values::<f32>(x)?;
            let values: Vec<u8> = values.into_iter().map(|value| u8::from(value != 0.0)).collect();
            tensor(values, x.dims())?
        }
        (_, DType::F32) => {
            let values: Vec<f32> = layout::ints(x)?.into_iter().map(|value| value as f32).collect();
            tensor(values, x.dims())?
        }
        (_, DType::U8) => {
            let values: Vec<u8> =
                layout::ints(x)?.into_iter().map(|value| u8::from(value != 0)).collect();
            tensor(values, x.dims())?
        }
        _ => tensor(layout::ints(x)?, x.dims())?,
    };
    if narrow && turned.dtype() == DType::I64 {
        let values: Vec<i64> = layout::values::<i64>(&turned)?
            .into_iter()
            .map(|value| (value as i32).into())
            .collect();
        return tensor(values, x.dims());
    }
    Ok(turned)
}

/// Truth values.
fn truths(x: &Tensor) -> Result<Vec<u8>> {
    match x.dtype() {
        DType::U8 => layout::values(x),
        _ => bail!("expected truth values, got numbers"),
    }
}

/// Combines two numbers of the same type.
fn pair(
    inputs: &Inputs<'_>,
    a: &Tensor,
    b: &Tensor,
    of: fn(f32, f32) -> f32,
    whole: fn(i64, i64) -> i64,
) -> Result<Tensor> {
    inputs.check(&broadcast(a.dims(), b.dims())?)?;
    match (a.dtype(), b.dtype()) {
        (DType::F32, DType::F32) => zip(a, b, of),
        (DType::I64, DType::I64) => zip(a, b, whole),
        _ => bail!("its inputs have different types, expected numbers of the same type"),
    }
}

/// An operation on pairs of numbers.
macro_rules! pairs {
    ($of:expr, $whole:expr) => {
        Operation::new(LayerKind::Other, 1.0, |inputs| {
            let (a, b) = (inputs.get(0)?, inputs.get(1)?);
            inputs.check(&broadcast(a.dims(), b.dims())?)?;
            match (a.dtype(), b.dtype()) {
                (DType::F32, DType::F32) => zip::<f32, f32>(a, b, $of),
                (DType::I64, DType::I64) => zip::<i64, i64>(a, b, $whole),
                _ => bail!("its inputs have different types, expected numbers of the same type"),
            }
        })
    };
}

/// A comparison of numbers.
macro_rules! comparison {
    ($sign:tt) => {
        Operation::new(LayerKind::Other, 1.0, |inputs| {
            let (a, b) = (inputs.get(0)?, inputs.get(1)?);
            inputs.check(&broadcast(a.dims(), b.dims())?)?;
            match (a.dtype(), b.dtype()) {
                (DType::F32, DType::F32) => zip::<f32, u8>(a, b, |x, y| u8::from(x $sign y)),
                (DType::I64, DType::I64) => zip::<i64, u8>(a, b, |x, y| u8::from(x $sign y)),
                (DType::U8, DType::U8) => zip::<u8, u8>(a, b, |x, y| u8::from(x $sign y)),
                _ => bail!("its inputs have different types, expected the same type"),
            }
        })
    };
}

/// An operation on truth values.
macro_rules! logic {
    ($of:expr) => {
        Operation::new(LayerKind::Other, 1.0, |inputs| {
            let (a, b) = (inputs.get(0)?, inputs.get(1)?);
            inputs.check(&broadcast(a.dims(), b.dims())?)?;
            match (a.dtype(), b.dtype()) {
                (DType::U8, DType::U8) => zip::<u8, u8>(a, b, $of),
                _ => bail!("expected truth values, got numbers"),
            }
        })
    };
}

/// The operation of a node on several values at the same place, if it is one.
pub(super) fn binary(node: &Node) -> Result<Option<Operation>> {
    let operation = match node.operator.as_str() {
        "Add" => pairs!(|x, y| x + y, i64::wrapping_add),
        "Sub" => pairs!(|x, y| x - y, i64::wrapping_sub),
        "Mul" => pairs!(|x, y| x * y, i64::wrapping_mul),
        "Div" => Operation::new(LayerKind::Other, 1.0, |inputs| {
            let (a, b) = (inputs.get(0)?, inputs.get(1)?);
            no_zero(b)?;
            pair(inputs, a, b, |x, y| x / y, i64::wrapping_div)
        }),
        "Mod" => {
            let like_c = node.int("fmod", 0)? != 0;
            Operation::new(LayerKind::Other, 1.0, move |inputs| {
                let (a, b) = (inputs.get(0)?, inputs.get(1)?);
                no_zero(b)?;
                if like_c {
                    pair(inputs, a, b, |x, y| x % y, i64::wrapping_rem)
                } else {
                    pair(inputs, a, b, |x, y| x - (x / y).floor() * y, modulo)
                }
            })
        }
        "Pow" => Operation::new(LayerKind::Other, 1.0, |inputs| {
            let (a, b) = (inputs.get(0)?, inputs.get(1)?);
            let b = if a.dtype() == b.dtype() { b.clone() } else { cast(b, a.dtype(), false)? };
            pair(inputs, a, &b, power, |x, y| {
                u32::try_from(y).map_or(i64::from(x == 1), |y| x.wrapping_pow(y))
            })
        }),
        "PRelu" => Operation::new(LayerKind::Activation, 1.0, |inputs| {
            pair(
                inputs,
                inputs.get(0)?,
                inputs.get(1)?,
                |x, y| if x < 0.0 { x * y } else { x },
                |x, y| {
                    if x < 0 { x.wrapping_mul(y) } else { x }
                },
            )
        }),
        "Sum" => many(|x, y| x + y, i64::wrapping_add, false),
        "Mean" => many(|x, y| x + y, i64::wrapping_add, true),
        "Max" => many(|x, y| if x.is_nan() || x > y { x } else { y }, i64::max, false),
        "Min" => many(|x, y| if x.is_nan() || x < y { x } else { y }, i64::min, false),
        "Equal" => comparison!(==),
        "Greater" => comparison!(>),
        "Less" => comparison!(<),
        "GreaterOrEqual" => comparison!(>=),
        "LessOrEqual" => comparison!(<=),
        "And" => logic!(|x, y| x & y),
        "Or" => logic!(|x, y| x | y),
        "Xor" => logic!(|x, y| x ^ y),
        "Where" => Operation::moving(|inputs| {
            let (x, y) = (inputs.get(1)?, inputs.get(2)?);
            if x.dtype() != y.dtype() {
                bail!("its inputs have different types, expected the same type");
            }
            let condition = inputs.get(0)?;
            if condition.dtype() != DType::U8 {
                bail!("expected truth values as the condition, got numbers");
            }
            let dims = broadcast(condition.dims(), &broadcast(x.dims(), y.dims())?)?;
            inputs.check(&dims)?;
            by_type!(x, choose(condition, x, y, &dims))
        }),
        _ => return Ok(None),
    };
    Ok(Some(operation))
}

/// xʸ; small whole exponents by multiplication, as ONNX Runtime does.
fn power(x: f32, y: f32) -> f32 {
    if y == 2.0 {
        x * x
    } else if y == 3.0 {
        x * x * x
    } else {
        x.powf(y)
    }
}

/// The remainder with the sign of the divisor.
fn modulo(x: i64, y: i64) -> i64 {
    let rest = x.wrapping_rem(y);
    if rest != 0 && (rest < 0) != (y < 0) { rest.wrapping_add(y) } else { rest }
}

/// An error if whole numbers contain a zero.
fn no_zero(x: &Tensor) -> Result<()> {
    if x.dtype() == DType::I64 && layout::values::<i64>(x)?.contains(&0) {
        bail!("a whole number is divided by zero");
    }
    Ok(())
}

/// An operation on any number of inputs; the mean of them if `mean`.
fn many(of: fn(f32, f32) -> f32, whole: fn(i64, i64) -> i64, mean: bool) -> Operation {
    Operation::new(LayerKind::Other, 1.0, move |inputs| {
        let mut sum = inputs.get(0)?.clone();
        for index in 1..inputs.len() {
            sum = pair(inputs, &sum, inputs.get(index)?, of, whole)?;
        }
        if mean {
            let count = inputs.len() as f32;
            return map(floats(&sum)?, |values| values.iter_mut().for_each(|x| *x /= count));
        }
        Ok(sum)
    })
}

/// x where the condition holds, otherwise y.
fn choose<T: WithDType>(
    condition: &Tensor,
    x: &Tensor,
    y: &Tensor,
    dims: &[usize],
) -> Result<Tensor> {
    let axes = order(&x.broadcast_as(dims)?);
    let turn = |value: &Tensor| permute(&value.broadcast_as(dims)?, &axes);
    let (condition, x, y) = (turn(condition)?, turn(x)?, turn(y)?);
    let mut out = vec![T::zero(); x.elem_count()];
    layout::read::<u8, Result<Result<()>>>(&condition, |ifs, k| {
        layout::read::<T, Result<()>>(&x, |xs, i| {
            layout::read::<T, ()>(&y, |ys, j| {
                let loops = Loops::new(x.dims(), [k.stride(), i.stride(), j.stride()]);
                let starts = [k.start_offset(), i.start_offset(), j.start_offset()];
                loops.run(&mut out, |to, [p, q, r], [a, b, c]| {
                    for (at, to) in to.iter_mut().enumerate() {
                        *to = if ifs[starts[0] + p + at * a] != 0 {
                            xs[starts[1] + q + at * b]
                        } else {
                            ys[starts[2] + r + at * c]
                        };
                    }
                });
            })
        })
    })???;
    restore(&tensor(out, x.dims())?, &axes)
}
