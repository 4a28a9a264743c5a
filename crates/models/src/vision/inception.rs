//! GoogLeNet (Szegedy et al. 2014) and Inception v3 (Szegedy et al. 2015): blocks of parallel paths.
//! Their auxiliary classifiers are used in training only and are left out.

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu},
        Layer,
    },
    weights::{Shape, Weights},
};
use crate::kernels::image::{AveragePool, MaxPool};

/// Epsilon of batch norm, as in TensorFlow.
const EPSILON: f64 = 1e-3;

const POOL3: Layer = Layer::MaxPool(MaxPool { kernel: 3, stride: 2, padding: 0, ceil: false });
const MEAN3: Layer = Layer::AveragePool(AveragePool::Windows { kernel: 3, stride: 1, padding: 1 });

fn unit(w: &mut Weights, name: &str, shape: Shape) -> Result<Layer, VisionError> {
    w.conv_norm_in(name, ("conv", "bn"), shape, Relu)
}

/// A sequence of units, given their names within a block.
fn path(w: &mut Weights, block: &str, units: &[(&str, Shape)]) -> Result<Vec<Layer>, VisionError> {
    units.iter().map(|(name, shape)| unit(w, &format!("{block}.{name}"), *shape)).collect()
}

/// GoogLeNet, table 1 of the paper, with 3×3 convolutions in place of 5×5 ones as in torchvision.
pub(super) fn googlenet(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_epsilon(EPSILON);
    let pool = |kernel| Layer::MaxPool(MaxPool { kernel, stride: 2, padding: 0, ceil: true });
    let mut layers = vec![
        unit(w, "conv1", Shape::same(3, 64, 7, 2))?,
        pool(3),
        unit(w, "conv2", Shape::same(64, 64, 1, 1))?,
        unit(w, "conv3", Shape::same(64, 192, 3, 1))?,
        pool(3),
    ];
    // Channels of: 1×1; reduction before 3×3, 3×3; reduction before 5×5, 5×5; projection after the pool.
    let table = [
        ("3a", [64, 96, 128, 16, 32, 32]),
        ("3b", [128, 128, 192, 32, 96, 64]),
        ("4a", [192, 96, 208, 16, 48, 64]),
        ("4b", [160, 112, 224, 24, 64, 64]),
        ("4c", [128, 128, 256, 24, 64, 64]),
        ("4d", [112, 144, 288, 32, 64, 64]),
        ("4e", [256, 160, 320, 32, 128, 128]),
        ("5a", [256, 160, 320, 32, 128, 128]),
        ("5b", [384, 192, 384, 48, 128, 128]),
    ];
    let mut channels = 192;
    for (name, widths) in table {
        match name {
            "4a" => layers.push(pool(3)),
            "5a" => layers.push(pool(2)),
            _ => {}
        }
        layers.push(inception(w, &format!("inception{name}"), channels, widths)?);
        channels = widths[0] + widths[2] + widths[4] + widths[5];
    }
    layers.push(Layer::GlobalAvgPool);
    layers.extend(w.dropout(0.2));
    layers.push(w.linear("fc", channels, classes, None)?);
    Ok(Layer::Sequence(layers))
}

fn inception(
    w: &mut Weights,
    name: &str,
    input: usize,
    [one, reduced3, three, reduced5, five, pool]: [usize; 6],
) -> Result<Layer, VisionError> {
    let point = |output| Shape::same(input, output, 1, 1);
    let three = Shape::same(reduced3, three, 3, 1);
    let five = Shape::same(reduced5, five, 3, 1);
    let mut pooled = path(w, name, &[("branch4.1", point(pool))])?;
    pooled.insert(0, Layer::MaxPool(MaxPool { kernel: 3, stride: 1, padding: 1, ceil: true }));
    Ok(Layer::Branches(vec![
        unit(w, &format!("{name}.branch1"), point(one))?,
        Layer::Sequence(path(w, name, &[("branch2.0", point(reduced3)), ("branch2.1", three)])?),
        Layer::Sequence(path(w, name, &[("branch3.0", point(reduced5)), ("branch3.1", five)])?),
        Layer::Sequence(pooled),
    ]))
}

/// A convolution without padding.
fn valid(input: usize, output: usize, kernel: usize, stride: usize) -> Shape {
    Shape { padding: [0, 0], ..Shape::same(input, output, kernel, stride) }
}

/// A convolution of `rows` × `columns` that keeps the size.
fn flat(input: usize, output: usize, rows: usize, columns: usize) -> Shape {
    Shape {
        kernel: [rows, columns],
        padding: [rows / 2, columns / 2],
        ..Shape::same(input, output, 1, 1)
    }
}

/// Inception v3, table 1 of the paper.
pub(super) fn inception_v3(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_epsilon(EPSILON);
    let mut layers = vec![
        unit(w, "Conv2d_1a_3x3", valid(3, 32, 3, 2))?,
        unit(w, "Conv2d_2a_3x3", valid(32, 32, 3, 1))?,
        unit(w, "Conv2d_2b_3x3", Shape::same(32, 64, 3, 1))?,
        POOL3,
        unit(w, "Conv2d_3b_1x1", Shape::same(64, 80, 1, 1))?,
        unit(w, "Conv2d_4a_3x3", valid(80, 192, 3, 1))?,
        POOL3,
        mixed_a(w, "Mixed_5b", 192, 32)?,
        mixed_a(w, "Mixed_5c", 256, 64)?,
        mixed_a(w, "Mixed_5d", 288, 64)?,
        mixed_b(w, "Mixed_6a")?,
        mixed_c(w, "Mixed_6b", 128)?,
        mixed_c(w, "Mixed_6c", 160)?,
        mixed_c(w, "Mixed_6d", 160)?,
        mixed_c(w, "Mixed_6e", 192)?,
        mixed_d(w, "Mixed_7a")?,
        mixed_e(w, "Mixed_7b", 1280)?,
        mixed_e(w, "Mixed_7c", 2048)?,
        Layer::GlobalAvgPool,
    ];
    layers.extend(w.dropout(0.5));
    layers.push(w.linear("fc", 2048, classes, None)?);
    Ok(Layer::Sequence(layers))
}

/// An average-pool of 3×3 pixels, then a 1×1 convolution.
fn pooled(w: &mut Weights, name: &str, input: usize, output: usize) -> Result<Layer, VisionError> {
    let unit = unit(w, &format!("{name}.branch_pool"), Shape::same(input, output, 1, 1))?;
    Ok(Layer::Sequence(vec![MEAN3, unit]))
}

/// Figure 5 of the paper.
fn mixed_a(w: &mut Weights, name: &str, input: usize, pool: usize) -> Result<Layer, VisionError> {
    let point = |output| Shape::same(input, output, 1, 1);
    let five = [("branch5x5_1", point(48)), ("branch5x5_2", Shape::same(48, 64, 5, 1))];
    let double = [
        ("branch3x3dbl_1", point(64)),
        ("branch3x3dbl_2", Shape::same(64, 96, 3, 1)),
        ("branch3x3dbl_3", Shape::same(96, 96, 3, 1)),
    ];
    Ok(Layer::Branches(vec![
        unit(w, &format!("{name}.branch1x1"), point(64))?,
        Layer::Sequence(path(w, name, &five)?),
        Layer::Sequence(path(w, name, &double)?),
        pooled(w, name, input, pool)?,
    ]))
}

/// Halves the image, 288 → 768 channels (figure 10 of the paper).
fn mixed_b(w: &mut Weights, name: &str) -> Result<Layer, VisionError> {
    let double = [
        ("branch3x3dbl_1", Shape::same(288, 64, 1, 1)),
        ("branch3x3dbl_2", Shape::same(64, 96, 3, 1)),
        ("branch3x3dbl_3", valid(96, 96, 3, 2)),
    ];
    Ok(Layer::Branches(vec![
        unit(w, &format!("{name}.branch3x3"), valid(288, 384, 3, 2))?,
        Layer::Sequence(path(w, name, &double)?),
        POOL3,
    ]))
}

/// 7×7 factorized into 1×7 and 7×1, 768 channels (figure 6 of the paper).
fn mixed_c(w: &mut Weights, name: &str, width: usize) -> Result<Layer, VisionError> {
    let point = |output| Shape::same(768, output, 1, 1);
    let seven = [
        ("branch7x7_1", point(width)),
        ("branch7x7_2", flat(width, width, 1, 7)),
        ("branch7x7_3", flat(width, 192, 7, 1)),
    ];
    let double = [
        ("branch7x7dbl_1", point(width)),
        ("branch7x7dbl_2", flat(width, width, 7, 1)),
        ("branch7x7dbl_3", flat(width, width, 1, 7)),
        ("branch7x7dbl_4", flat(width, width, 7, 1)),
        ("branch7x7dbl_5", flat(width, 192, 1, 7)),
    ];
    Ok(Layer::Branches(vec![
        unit(w, &format!("{name}.branch1x1"), point(192))?,
        Layer::Sequence(path(w, name, &seven)?),
        Layer::Sequence(path(w, name, &double)?),
        pooled(w, name, 768, 192)?,
    ]))
}

/// Halves the image, 768 → 1280 channels.
fn mixed_d(w: &mut Weights, name: &str) -> Result<Layer, VisionError> {
    let three =
        [("branch3x3_1", Shape::same(768, 192, 1, 1)), ("branch3x3_2", valid(192, 320, 3, 2))];
    let seven = [
        ("branch7x7x3_1", Shape::same(768, 192, 1, 1)),
        ("branch7x7x3_2", flat(192, 192, 1, 7)),
        ("branch7x7x3_3", flat(192, 192, 7, 1)),
        ("branch7x7x3_4", valid(192, 192, 3, 2)),
    ];
    Ok(Layer::Branches(vec![
        Layer::Sequence(path(w, name, &three)?),
        Layer::Sequence(path(w, name, &seven)?),
        POOL3,
    ]))
}

/// 1×3 and 3×1 side by side (figure 7 of the paper).
fn mixed_e(w: &mut Weights, name: &str, input: usize) -> Result<Layer, VisionError> {
    let point = |output| Shape::same(input, output, 1, 1);
    let mut fork = |branch: &str, units: &[(&str, Shape)], parts: [&str; 2]| {
        let mut layers = path(w, name, units)?;
        layers.push(Layer::Branches(vec![
            unit(w, &format!("{name}.{branch}_{}", parts[0]), flat(384, 384, 1, 3))?,
            unit(w, &format!("{name}.{branch}_{}", parts[1]), flat(384, 384, 3, 1))?,
        ]));
        Ok::<_, VisionError>(Layer::Sequence(layers))
    };
    let three = fork("branch3x3", &[("branch3x3_1", point(384))], ["2a", "2b"])?;
    let double = [("branch3x3dbl_1", point(448)), ("branch3x3dbl_2", Shape::same(448, 384, 3, 1))];
    let double = fork("branch3x3dbl", &double, ["3a", "3b"])?;
    Ok(Layer::Branches(vec![
        unit(w, &format!("{name}.branch1x1"), point(320))?,
        three,
        double,
        pooled(w, name, input, 192)?,
    ]))
}
