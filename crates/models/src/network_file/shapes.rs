//! The shape that a layer makes of its input, and what it costs: checked before anything is allocated.

use units::limits::{self, Limit};

use super::{
    error::Wrong,
    plan::{LayerShape, PlannedOperation, PlannedWindow},
};

/// Values of one image between two layers, at most: 200 MB.
const VALUES: Limit<u64> = Limit::whole("number of values of one image", "", 1, 50_000_000);

type Shaped = Result<LayerShape, Wrong>;

fn wrong<T>(text: String) -> Result<T, Wrong> {
    Err(Wrong(text))
}

/// The output shape of a layer with `out` channels, where the layer itself says how many.
pub(super) fn output(operation: &PlannedOperation, input: LayerShape, out: usize) -> Shaped {
    let shape = match operation {
        PlannedOperation::Conv { window, more, groups, .. } => {
            divides("groups", *groups, input.channels(), "input channels")?;
            divides("groups", *groups, out, "output channels (`out`)")?;
            windows(*window, *more, input)?.with_channels(out)
        }
        PlannedOperation::MaxPool(window) | PlannedOperation::AveragePool(window) => {
            if 2 * window.padding > window.kernel {
                return wrong(format!(
                    "padding = {} is more than half of kernel = {}",
                    window.padding, window.kernel
                ));
            }
            windows(*window, 0, input)?
        }
        PlannedOperation::Adaptive(side) => {
            let channels = image(input)?[0];
            LayerShape::Image { channels, height: *side, width: *side }
        }
        PlannedOperation::GlobalAverage => LayerShape::Row { features: image(input)?[0] },
        PlannedOperation::OptionA { stride } => {
            let [channels, height, width] = image(input)?;
            if out < channels || !(out - channels).is_multiple_of(2) {
                return wrong(format!(
                    "out = {out} must exceed the {channels} input channels by an even number, because \
                     zeros are added on both sides"
                ));
            }
            let (height, width) = (height.div_ceil(*stride), width.div_ceil(*stride));
            LayerShape::Image { channels: out, height, width }
        }
        PlannedOperation::Linear { .. } => {
            if let LayerShape::Image { .. } = input {
                return wrong(
                    "a linear layer needs a row; put a `flatten` or `global_avg_pool` before it"
                        .to_owned(),
                );
            }
            input.with_channels(out)
        }
        PlannedOperation::Attention { heads } => {
            let LayerShape::Tokens { tokens, width } = input else {
                return wrong("attention needs tokens; put a `tokens` layer before it".to_owned());
            };
            divides("heads", *heads, width, "numbers of a token")?;
            VALUES.product(&[tokens, tokens, *heads].map(|size| size as u64))?;
            input
        }
        PlannedOperation::Tokens { class_token, .. } => {
            let [channels, ..] = image(input)?;
            let tokens = input.positions() + usize::from(*class_token);
            LayerShape::Tokens { tokens, width: channels }
        }
        PlannedOperation::FirstToken | PlannedOperation::MeanTokens => match input {
            LayerShape::Tokens { width, .. } => LayerShape::Row { features: width },
            _ => return wrong("needs tokens; put a `tokens` layer before it".to_owned()),
        },
        PlannedOperation::Flatten => match input {
            LayerShape::Tokens { .. } => {
                return wrong("use `mean_tokens` or `first_token` for tokens".to_owned());
            }
            _ => LayerShape::Row { features: input.channels() * input.positions() },
        },
        PlannedOperation::BatchNorm { .. } => match input {
            LayerShape::Tokens { .. } => {
                return wrong("batch norm needs an image or a row; use `layer_norm`".to_owned());
            }
            _ => input,
        },
        PlannedOperation::LayerNorm { .. }
        | PlannedOperation::Activation(_)
        | PlannedOperation::Dropout(_) => input,
        PlannedOperation::Residual { body, shortcut } => {
            let last = |layers: &[super::plan::PlannedLayer]| {
                layers.last().map_or(input, |layer| layer.output)
            };
            let (sum, other) = (last(body), last(shortcut));
            if body.is_empty() {
                return wrong("`body` has no layers".to_owned());
            }
            if sum != other {
                return wrong(format!(
                    "`body` makes {sum} and the shortcut {other}, which cannot be added; give \
                     `shortcut` layers that make {sum}"
                ));
            }
            sum
        }
        PlannedOperation::Concatenation(branches) => {
            let outputs =
                branches.iter().map(|layers| layers.last().map_or(input, |last| last.output));
            let outputs: Vec<LayerShape> = outputs.collect();
            let Some((first, rest)) = outputs.split_first() else {
                return wrong("`branches` is empty".to_owned());
            };
            let mut channels = first.channels();
            for (index, other) in rest.iter().enumerate() {
                if other.with_channels(1) != first.with_channels(1) {
                    return wrong(format!(
                        "branch 0 makes {first} and branch {} makes {other}, which cannot be \
                         concatenated",
                        index + 1
                    ));
                }
                channels += other.channels();
            }
            first.with_channels(channels)
        }
    };
    checked(shape)
}

/// The shape, if it is within the limits.
pub(super) fn checked(shape: LayerShape) -> Shaped {
    if let LayerShape::Image { channels, height, width } = shape {
        limits::CHANNELS.check(channels)?;
        VALUES.product(&[channels, height, width].map(|size| size as u64))?;
        return Ok(shape);
    }
    VALUES.product(&[shape.channels(), shape.positions()].map(|size| size as u64))?;
    Ok(shape)
}

fn image(input: LayerShape) -> Result<[usize; 3], Wrong> {
    match input {
        LayerShape::Image { channels, height, width } => Ok([channels, height, width]),
        _ => {
            wrong("needs an image; move it before `flatten`, `tokens` or a global pool".to_owned())
        }
    }
}

/// The image that a window makes when it moves over an image. `more` rows and columns of zeros are added at the bottom
/// and at the right, beyond the window's own padding.
fn windows(window: PlannedWindow, more: usize, input: LayerShape) -> Shaped {
    let [channels, height, width] = image(input)?;
    let PlannedWindow { kernel, stride, padding } = window;
    let along = |size: usize| {
        let room = (size + 2 * padding + more).checked_sub(kernel);
        let missing = || {
            Wrong(format!(
                "kernel = {kernel} is larger than the image with padding = {padding} at each side"
            ))
        };
        room.map(|room| room / stride + 1).ok_or_else(missing)
    };
    Ok(LayerShape::Image { channels, height: along(height)?, width: along(width)? })
}

fn divides(key: &str, number: usize, whole: usize, what: &str) -> Result<(), Wrong> {
    if whole.is_multiple_of(number) {
        return Ok(());
    }
    wrong(format!("{key} = {number} does not divide {whole} {what}"))
}
