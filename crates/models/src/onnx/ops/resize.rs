//! Images of another size.

use candle_core::{DType, Result, Tensor, bail};

use super::{
    super::{
        layout::{self, channels_first, channels_last, take, zip},
        node::Node,
    },
    operation::{Inputs, Operation},
    pool::images,
};

/// How a place in the output becomes one in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    HalfPixel,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}

pub(super) fn resize(node: &Node) -> Result<Option<Operation>> {
    let old = match node.operator.as_str() {
        "Resize" => false,
        "Upsample" => true,
        _ => return Ok(None),
    };
    let mode = node.text("mode", "nearest")?;
    if mode != "nearest" && mode != "linear" {
        bail!("attribute `mode` is `{mode}`, expected `nearest` or `linear`");
    }
    let standard = if old || node.opset < 11 { "asymmetric" } else { "half_pixel" };
    let places = match node.text("coordinate_transformation_mode", standard)?.as_str() {
        "half_pixel" => Places::HalfPixel,
        "pytorch_half_pixel" => Places::PytorchHalfPixel,
        "align_corners" => Places::AlignCorners,
        "asymmetric" => Places::Asymmetric,
        other => bail!("attribute `coordinate_transformation_mode` is `{other}`"),
    };
    let standard = if old || node.opset < 11 { "floor" } else { "round_prefer_floor" };
    let rounding = node.text("nearest_mode", standard)?;
    if node.has("axes") || node.int("antialias", 0)? != 0 {
        bail!("attributes `axes` and `antialias` are not supported");
    }
    let policy = node.text("keep_aspect_ratio_policy", "stretch")?;
    if policy != "stretch" {
        bail!("attribute `keep_aspect_ratio_policy` is `{policy}`, expected `stretch`");
    }
    let fixed = node.floats("scales")?;
    let at = if old || node.opset < 11 { 1 } else { 2 };
    Ok(Some(Operation::moving(move |inputs| {
        let x = inputs.get(0)?;
        images(x)?;
        let (scales, sizes) = target(inputs, x, fixed.as_deref(), at)?;
        inputs.check(&[x.dims()[0], x.dims()[1], sizes[0], sizes[1]])?;
        let mut out = channels_last(x)?;
        for k in 0..2 {
            let from = x.dims()[2 + k];
            if sizes[k] == from && scales[k] == 1.0 {
                continue;
            }
            let place = |index: usize| {
                let (index, scale) = (index as f64, scales[k]);
                match places {
                    Places::PytorchHalfPixel if sizes[k] == 1 => 0.0,
                    Places::HalfPixel | Places::PytorchHalfPixel => (index + 0.5) / scale - 0.5,
                    Places::AlignCorners if sizes[k] == 1 => 0.0,
                    Places::AlignCorners => index * (from - 1) as f64 / (sizes[k] - 1) as f64,
                    Places::Asymmetric => index / scale,
                }
            };
            let wanted: Vec<f64> = (0..sizes[k]).map(place).collect();
            out = if mode == "nearest" {
                nearest(&out, k + 1, &wanted, &rounding)?
            } else {
                linear(&out, k + 1, &wanted)?
            };
        }
        channels_first(&out)
    })))
}

/// The factors and the new sizes of rows and columns.
fn target(
    inputs: &Inputs<'_>,
    x: &Tensor,
    fixed: Option<&[f32]>,
    at: usize,
) -> Result<([f64; 2], [usize; 2])> {
    let (h, w) = (x.dims()[2], x.dims()[3]);
    if let Some(wanted) = inputs.optional(3).filter(|wanted| wanted.elem_count() > 0) {
        let wanted = layout::ints(wanted)?;
        let [n, c, rows, columns] = wanted[..] else { bail!("its sizes are {wanted:?}") };
        let same = [n, c] == [x.dims()[0] as i64, x.dims()[1] as i64];
        return match (usize::try_from(rows), usize::try_from(columns)) {
            (Ok(rows @ 1..), Ok(columns @ 1..)) if same => {
                Ok(([rows as f64 / h as f64, columns as f64 / w as f64], [rows, columns]))
            }
            _ => bail!("its sizes are {wanted:?}, and its input has shape {:?}", x.dims()),
        };
    }
    let scales = match (fixed, inputs.optional(at)) {
        (Some(scales), _) => scales.to_vec(),
        (None, Some(scales)) if scales.dtype() == DType::F32 => layout::values::<f32>(scales)?,
        _ => bail!("its sizes and scales are missing"),
    };
    let [one, same, down, right] = scales[..] else { bail!("its scales are {scales:?}") };
    let positive = |scale: f32| scale.is_finite() && scale > 0.0;
    if one != 1.0 || same != 1.0 || !positive(down) || !positive(right) {
        bail!("its scales are {scales:?}, expected positive ones for rows and columns only");
    }
    let size = |size: usize, scale: f32| ((size as f64 * f64::from(scale)).floor() as usize).max(1);
    Ok(([down.into(), right.into()], [size(h, down), size(w, right)]))
}

fn nearest(x: &Tensor, axis: usize, places: &[f64], rounding: &str) -> Result<Tensor> {
    let last = x.dims()[axis] as f64 - 1.0;
    let index = |place: &f64| -> Result<usize> {
        let rounded = match rounding {
            "round_prefer_floor" => (place - 0.5).ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            "floor" => place.floor(),
            "ceil" => place.ceil(),
            other => bail!("attribute `nearest_mode` is `{other}`"),
        };
        Ok(rounded.clamp(0.0, last) as usize)
    };
    take(x, axis, &places.iter().map(index).collect::<Result<Vec<_>>>()?)
}

fn linear(x: &Tensor, axis: usize, places: &[f64]) -> Result<Tensor> {
    let last = x.dims()[axis] - 1;
    let places = places.iter().map(|place| place.clamp(0.0, last as f64));
    let before: Vec<usize> = places.clone().map(|place| place as usize).collect();
    let after: Vec<usize> = before.iter().map(|index| (index + 1).min(last)).collect();
    let shares: Vec<f32> =
        places.zip(&before).map(|(place, index)| (place - *index as f64) as f32).collect();
    let mut dims = vec![1; x.rank()];
    dims[axis] = shares.len();
    let shares = layout::tensor(shares, &dims)?;
    let (a, b) = (take(x, axis, &before)?, take(x, axis, &after)?);
    let rise = zip(&b, &a, |b: f32, a: f32| b - a)?;
    zip(&a, &zip(&rise, &shares, |x: f32, share: f32| x * share)?, |x: f32, y: f32| x + y)
}
