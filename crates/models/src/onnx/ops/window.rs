//! The windows of convolutions and pools: strides, dilations and padding.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::super::{
    layout::{compact, read, tensor},
    node::Node,
};

/// How windows move over an image; each pair is for rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    padding: Padding,
    /// Whether a last window that extends beyond the far edge is kept.
    pub(super) ceil: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    /// Pixels at the top, the left, the bottom and the right.
    Fixed([usize; 4]),
    /// As many pixels as there are outputs for each stride, with the odd one at the end if `end`.
    Same { end: bool },
}

impl Windows {
    /// The windows of a node. `axes` is the number of axes that they move along, 1 or 2.
    pub(super) fn of(node: &Node, kernel: Option<[usize; 2]>, axes: usize) -> Result<Self> {
        let pair = |name: &str, default: Option<[usize; 2]>| -> Result<[usize; 2]> {
            match (node.sizes(name, 1)?.as_deref(), default) {
                (Some([columns]), _) if axes == 1 => Ok([1, *columns]),
                (Some([rows, columns]), _) if axes == 2 => Ok([*rows, *columns]),
                (Some(other), _) => {
                    bail!("attribute `{name}` is {other:?}, expected {axes} numbers")
                }
                (None, Some(default)) => Ok(default),
                (None, None) => bail!("attribute `{name}` is missing"),
            }
        };
        let sizes = pair("kernel_shape", kernel)?;
        if kernel.is_some_and(|kernel| kernel != sizes) {
            bail!("attribute `kernel_shape` is {sizes:?}, and the kernel has {kernel:?} pixels");
        }
        let padding = match node.text("auto_pad", "NOTSET")?.as_str() {
            "NOTSET" | "" => Padding::Fixed(match node.sizes("pads", 0)?.as_deref() {
                None => [0; 4],
                Some([left, right]) if axes == 1 => [0, *left, 0, *right],
                Some([top, left, bottom, right]) if axes == 2 => [*top, *left, *bottom, *right],
                Some(other) => {
                    bail!("attribute `pads` is {other:?}, expected {} numbers", 2 * axes)
                }
            }),
            "VALID" => Padding::Fixed([0; 4]),
            "SAME_UPPER" => Padding::Same { end: true },
            "SAME_LOWER" => Padding::Same { end: false },
            other => bail!(
                "attribute `auto_pad` is `{other}`, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER"
            ),
        };
        Ok(Self {
            kernel: sizes,
            stride: pair("strides", Some([1, 1]))?,
            dilation: pair("dilations", Some([1, 1]))?,
            padding,
            ceil: node.int("ceil_mode", 0)? != 0,
        })
    }

    /// Pixels from the first to the last of a window.
    pub(super) fn extent(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The padding at the top, the left, the bottom and the right of an image.
    pub(super) fn padding(&self, h: usize, w: usize) -> [usize; 4] {
        let along = |axis: usize, size: usize, end: bool| {
            let outputs = size.div_ceil(self.stride[axis]);
            let needed = (outputs.saturating_sub(1) * self.stride[axis] + self.extent(axis))
                .saturating_sub(size);
            let (half, rest) = (needed / 2, needed - needed / 2);
            if end { (half, rest) } else { (rest, half) }
        };
        match self.padding {
            Padding::Fixed(pixels) => pixels,
            Padding::Same { end } => {
                let ((top, bottom), (left, right)) = (along(0, h, end), along(1, w, end));
                [top, left, bottom, right]
            }
        }
    }

    /// The padding of rows and columns, if it does not depend on the image and is the same on both sides.
    pub(super) fn symmetric(&self) -> Option<[usize; 2]> {
        match self.padding {
            Padding::Fixed([top, left, bottom, right]) if top == bottom && left == right => {
                Some([top, left])
            }
            _ => None,
        }
    }

    /// Number of windows along an axis with `before` and `after` pixels of padding.
    pub(super) fn outputs(
        &self,
        axis: usize,
        size: usize,
        [before, after]: [usize; 2],
    ) -> Result<usize> {
        let stride = self.stride[axis];
        let Some(room) = (size + before + after).checked_sub(self.extent(axis)) else {
            bail!(
                "a window of {} pixels is larger than {size} pixels with padding",
                self.extent(axis)
            );
        };
        let outputs = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
        // A window that starts in the far padding is left out, as in PyTorch and ONNX Runtime.
        let hangs = self.ceil && (outputs - 1) * stride >= size + before;
        Ok(if hangs { outputs - 1 } else { outputs })
    }
}

/// An image `[n][h][w][c]` with pixels of a value around it, at the top, the left, the bottom and the right.
pub(super) fn padded(image: &Tensor, padding: [usize; 4]) -> Result<Tensor> {
    let [top, left, bottom, right] = padding;
    if padding == [0; 4] {
        return Ok(image.clone());
    }
    let image = compact(image)?;
    let (n, h, w, c) = image.dims4()?;
    let (rows, columns) = (h + top + bottom, w + left + right);
    let mut out = vec![0.0_f32; n * rows * columns * c];
    read::<f32, ()>(&image, |values, layout| {
        let values = &values[layout.start_offset()..];
        out.par_chunks_mut((columns * c).max(1)).enumerate().for_each(|(line, to)| {
            let (image, row) = (line / rows, line % rows);
            if let Some(y) = row.checked_sub(top).filter(|y| *y < h) {
                let from = &values[(image * h + y) * w * c..][..w * c];
                to[left * c..][..w * c].copy_from_slice(from);
            }
        });
    })?;
    tensor(out, &[n, rows, columns, c])
}
