//! Networks, their weights, and the images that they are given.

use super::{Checks, Format, Place, sample};

const CLASSES: &[(&str, &str)] = &[
    ("color.onnx", sample!("color.onnx")),
    ("data/b/x.png", sample!("color.png")),
    ("data/c/x.png", sample!("color.png")),
    ("data/d/x.png", sample!("color.png")),
];
const FOLDER: &[&str] = &[
    "model",
    "eval",
    "--arch",
    "color.onnx",
    "--data",
    "data",
    "--threads",
    "1",
    "--resize",
    "8",
    "--crop",
    "8",
    "--mean",
    "0.5",
    "--std",
    "0.5",
];
const IDX: &[&str] = &["model", "eval", "--arch", "gray.onnx", "--data", "data", "--threads", "1"];
/// Its checksum is known, so whatever can be read is refused in the end.
const CIFAR: &[&str] = &[
    "model",
    "eval",
    "--arch",
    "color.onnx",
    "--data",
    "cifar-10",
    "--data-dir",
    "data",
    "--threads",
    "1",
];

pub(super) const FORMATS: &[Format] = &[
    Format::new(
        "network",
        "network (TOML)",
        &[sample!("network.toml")],
        Place::File("network.toml"),
        &[
            "model",
            "bench",
            "--arch",
            "network.toml",
            "--batch",
            "1",
            "--steps",
            "1",
            "--threads",
            "1",
            "--forward-only",
        ],
    )
    .toml()
    .asks_for_work(),
    Format::new(
        "onnx",
        "network (ONNX)",
        &[sample!("gray.onnx"), sample!("color.onnx")],
        Place::File("network.onnx"),
        &[
            "model",
            "bench",
            "--arch",
            "network.onnx",
            "--batch",
            "1",
            "--steps",
            "1",
            "--threads",
            "1",
            "--forward-only",
        ],
    )
    .asks_for_work(),
    Format::new(
        "weights",
        "weights (PyTorch)",
        &[
            "crates/models/tests/data/zip.pth",
            "crates/models/tests/data/legacy.pth",
            "crates/models/tests/data/namespace.pth",
            "crates/models/tests/data/training.pth",
            "crates/models/tests/data/protocol-4.pth",
        ],
        Place::File("weights.pth"),
        &[
            "model",
            "forward",
            "--arch",
            "squeezenet1_1",
            "--weights",
            "weights.pth",
            "--image",
            "none.png",
        ],
    )
    .codes(&[2]),
    Format::new(
        "safetensors",
        "tensors (safetensors)",
        &[sample!("images.safetensors")],
        Place::File("images.safetensors"),
        &["model", "forward", "--arch", "color.onnx", "--input", "images.safetensors"],
    )
    .beside(&[("color.onnx", sample!("color.onnx"))]),
    Format::new(
        "jpeg",
        "photographs (JPEG)",
        &[
            sample!("baseline.jpg"),
            sample!("progressive.jpg"),
            sample!("cmyk.jpg"),
            sample!("gray.jpg"),
        ],
        Place::File("data/a/x.jpg"),
        FOLDER,
    )
    .beside(CLASSES),
    Format {
        checks: Checks::Png,
        ..Format::new(
            "png",
            "photographs (PNG)",
            &[
                sample!("color.png"),
                sample!("palette.png"),
                sample!("alpha.png"),
                sample!("gray-16.png"),
            ],
            Place::File("data/a/x.png"),
            FOLDER,
        )
        .beside(CLASSES)
    },
    Format::new(
        "idx",
        "images (IDX)",
        &[sample!("images-idx3")],
        Place::File("data/train-images-idx3-ubyte"),
        IDX,
    )
    .beside(&[
        ("gray.onnx", sample!("gray.onnx")),
        ("data/train-labels-idx1-ubyte", sample!("labels-idx1")),
    ]),
    Format::new(
        "idx-labels",
        "labels (IDX)",
        &[sample!("labels-idx1")],
        Place::File("data/train-labels-idx1-ubyte"),
        IDX,
    )
    .beside(&[
        ("gray.onnx", sample!("gray.onnx")),
        ("data/train-images-idx3-ubyte", sample!("images-idx3")),
    ]),
    Format::new(
        "idx-gz",
        "images (IDX, gzip)",
        &[sample!("images-idx3.gz")],
        Place::File("data/train-images-idx3-ubyte.gz"),
        IDX,
    )
    .beside(&[
        ("gray.onnx", sample!("gray.onnx")),
        ("data/train-labels-idx1-ubyte", sample!("labels-idx1")),
    ]),
    Format::new(
        "cifar",
        "images (CIFAR, Python's)",
        &[sample!("data_batch_1")],
        Place::File("data/data_batch_1"),
        CIFAR,
    )
    .beside(&[("color.onnx", sample!("color.onnx"))])
    .codes(&[2]),
    Format::new(
        "cifar-tar",
        "images (CIFAR, tar and gzip)",
        &[sample!("cifar-10-binary.tar.gz")],
        Place::File("data/cifar-10-binary.tar.gz"),
        CIFAR,
    )
    .beside(&[("color.onnx", sample!("color.onnx"))])
    .codes(&[2]),
    Format::new(
        "list",
        "list of labeled images (CSV)",
        &[sample!("list.csv")],
        Place::File("list.csv"),
        &[
            "model",
            "eval",
            "--arch",
            "color.onnx",
            "--data",
            "list.csv",
            "--threads",
            "1",
            "--resize",
            "8",
            "--crop",
            "8",
            "--mean",
            "0.5",
            "--std",
            "0.5",
        ],
    )
    .beside(&[
        ("color.onnx", sample!("color.onnx")),
        ("a.png", sample!("color.png")),
        ("b.jpg", sample!("baseline.jpg")),
    ]),
];
