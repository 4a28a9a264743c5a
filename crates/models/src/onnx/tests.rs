//! Tests on small networks, which are written as messages.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use proptest::prelude::*;
use prost::Message;

use super::{
    error::OnnxError,
    graph::Graph,
    layout,
    proto::{
        AttributeProto, DimensionProto, EntryProto, GraphProto, ModelProto, NodeProto, OpsetProto,
        ShapeProto, TensorProto, TensorTypeProto, TypeProto, ValueInfoProto,
    },
};

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|size| DimensionProto { dim_value: *size }).collect();
    let shape = Some(ShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type: 1, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

fn floats(name: &str, dims: &[i64], values: Vec<f32>) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values,
        name: name.to_owned(),
        ..TensorProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        name: name.to_owned(),
        ..TensorProto::default()
    }
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        name: format!("/{operator}"),
        op_type: operator.to_owned(),
        ..NodeProto::default()
    }
}

impl NodeProto {
    fn with_ints(mut self, name: &str, values: &[i64]) -> Self {
        let (name, ints) = (name.to_owned(), values.to_vec());
        self.attribute.push(AttributeProto { name, ints, kind: 7, ..AttributeProto::default() });
        self
    }

    fn with_int(mut self, name: &str, i: i64) -> Self {
        let name = name.to_owned();
        self.attribute.push(AttributeProto { name, i, kind: 2, ..AttributeProto::default() });
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }
}

/// A model with an input `x` and an output `y`.
fn model(
    opset: i64,
    input: &[i64],
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
) -> ModelProto {
    ModelProto {
        ir_version: 8,
        graph: Some(GraphProto {
            node: nodes,
            initializer: tensors,
            input: vec![value("x", input)],
            output: vec![value("y", &[])],
        }),
        opset_import: vec![OpsetProto { domain: String::new(), version: opset }],
    }
}

/// A folder with a file of a model.
fn saved(model: &ModelProto) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model.encode_to_vec()).expect("a file");
    (folder, path)
}

fn read(model: &ModelProto) -> Result<Graph, OnnxError> {
    let (_folder, path) = saved(model);
    Graph::read(path)
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|k| ((k * 37 + 11) % 29) as f32 / 14.0 - 1.0).collect()
}

fn images(dims: &[usize]) -> Tensor {
    Tensor::from_vec(values(dims.iter().product()), dims, &Device::Cpu).expect("images")
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("floats")
}

#[track_caller]
fn assert_close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    for (a, b) in flat(a).into_iter().zip(flat(b)) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

/// Convolution, batch norm, activation, addition, pooling and a linear layer: everything that is fused.
fn small() -> ModelProto {
    let nodes = vec![
        node("Conv", &["x", "w", "b"], &["c"])
            .with_ints("pads", &[1, 1, 1, 1])
            .with_ints("kernel_shape", &[3, 3]),
        node("BatchNormalization", &["c", "gamma", "beta", "mean", "variance"], &["n"]),
        node("Conv", &["x", "k"], &["s"]).named("/shortcut"),
        node("Add", &["n", "s"], &["a"]),
        node("Relu", &["a"], &["r"]),
        node("MaxPool", &["r"], &["m"])
            .with_ints("kernel_shape", &[2, 2])
            .with_ints("strides", &[2, 2]),
        node("Shape", &["m"], &["shape"]),
        node("Gather", &["shape", "zero"], &["count"]),
        node("Concat", &["count", "rest"], &["flat"]).with_int("axis", 0),
        node("Reshape", &["m", "flat"], &["f"]),
        node("Gemm", &["f", "g", "h"], &["y"]).with_int("transB", 1),
    ];
    let tensors = vec![
        floats("w", &[4, 3, 3, 3], values(108)),
        floats("b", &[4], values(4)),
        floats("gamma", &[4], vec![1.0, 0.5, 2.0, -1.0]),
        floats("beta", &[4], values(4)),
        floats("mean", &[4], values(4)),
        floats("variance", &[4], vec![1.0, 0.5, 2.0, 0.25]),
        floats("k", &[4, 3, 1, 1], values(12)),
        ints("zero", &[0]),
        ints("rest", &[-1]),
        floats("g", &[5, 64], values(320)),
        floats("h", &[5], values(5)),
    ];
    model(13, &[0, 3, 8, 8], nodes, tensors)
}

#[test]
fn a_small_network_agrees_with_candle() -> Result<(), Box<dyn std::error::Error>> {
    let graph = read(&small())?;
    let x = images(&[2, 3, 8, 8]);
    let tensor = |count: usize, dims: &[usize]| Tensor::from_vec(values(count), dims, &Device::Cpu);
    let per_channel = |values: &[f32]| Tensor::new(values, &Device::Cpu)?.reshape((1, 4, 1, 1));
    let conv = x.conv2d(&tensor(108, &[4, 3, 3, 3])?, 1, 1, 1, 1)?;
    let own = per_channel(&values(4))?;
    let centred = conv.broadcast_add(&own)?.broadcast_sub(&own)?;
    let deviation = (per_channel(&[1.0, 0.5, 2.0, 0.25])? + 1e-5)?.sqrt()?;
    let normal = centred
        .broadcast_div(&deviation)?
        .broadcast_mul(&per_channel(&[1.0, 0.5, 2.0, -1.0])?)?
        .broadcast_add(&own)?;
    let shortcut = x.conv2d(&tensor(12, &[4, 3, 1, 1])?, 0, 1, 1, 1)?;
    let pooled = (normal + shortcut)?.relu()?.max_pool2d(2)?.flatten_from(1)?;
    let expected = pooled.matmul(&tensor(320, &[5, 64])?.t()?)?.broadcast_add(&tensor(5, &[5])?)?;
    for _ in 0..2 {
        // The second time, the numbers that depend on shapes only are known.
        assert_close(&graph.forward(&x)?, &expected);
    }
    assert_eq!(graph.parameters(), 108 + 4 + 8 + 12 + 320 + 5);
    assert_eq!((graph.input().batch, graph.input().channels), (None, 3));
    Ok(())
}

#[test]
fn a_profile_has_a_row_for_each_operation() -> Result<(), Box<dyn std::error::Error>> {
    let graph = read(&small())?;
    let mut rows = Vec::new();
    let all = graph.profile(&images(&[1, 3, 8, 8]), &mut |work, run| {
        run(crate::profile::Variant::Whole);
        rows.push((work.layer.clone(), work.flops));
        std::ops::ControlFlow::Continue(())
    })?;
    assert!(all);
    let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(
        names,
        [
            "1 Conv + BatchNormalization /Conv, 4×8×8",
            "2 Conv + Add + Relu /shortcut, 4×8×8",
            "3 MaxPool /MaxPool, 4×4×4",
            "4 Reshape /Reshape, 64",
            "5 Gemm /Gemm, 5",
        ]
    );
    // 27 terms for each of 4·8·8 values.
    assert_eq!(rows[0].1, 2.0 * 27.0 * 256.0);
    Ok(())
}

#[test]
fn a_fixed_batch_is_run_several_times() -> Result<(), Box<dyn std::error::Error>> {
    let mut fixed = small();
    if let Some(graph) = &mut fixed.graph {
        graph.input = vec![value("x", &[1, 3, 8, 8])];
    }
    let x = images(&[3, 3, 8, 8]);
    assert_close(&read(&fixed)?.forward(&x)?, &read(&small())?.forward(&x)?);
    let error = read(&fixed)?.forward(&images(&[1, 3, 8, 9])).unwrap_err().to_string();
    assert!(error.contains("needs images of shape [n, 3, 8, 8], got [1, 3, 8, 9]"), "{error}");
    Ok(())
}

#[test]
fn convolutions_of_all_kinds_agree_with_candle() -> Result<(), Box<dyn std::error::Error>> {
    let x = images(&[2, 4, 9, 10]);
    for (groups, stride, dilation, pad) in
        [(1, 1, 1, 0), (2, 2, 1, 1), (4, 1, 1, 1), (1, 1, 2, 2), (4, 2, 3, 3)]
    {
        let kernel = values(8 * 4 / groups * 9);
        let dims = [8, 4 / groups as i64, 3, 3];
        let conv = node("Conv", &["x", "w"], &["y"])
            .with_ints("pads", &[pad as i64; 4])
            .with_ints("strides", &[stride as i64; 2])
            .with_ints("dilations", &[dilation as i64; 2])
            .with_int("group", groups as i64);
        let graph =
            read(&model(11, &[0, 4, 9, 10], vec![conv], vec![floats("w", &dims, kernel.clone())]))?;
        let kernel = Tensor::from_vec(kernel, &dims.map(|size| size as usize)[..], &Device::Cpu)?;
        let expected = x.conv2d(&kernel, pad, stride, dilation, groups)?;
        assert_close(&graph.forward(&x)?, &expected);
    }
    // Different strides and paddings of rows and columns, and none of them even.
    let conv = node("Conv", &["x", "w"], &["y"])
        .with_ints("pads", &[0, 1, 2, 0])
        .with_ints("strides", &[2, 3]);
    let tensors = vec![floats("w", &[8, 4, 3, 3], values(288))];
    let graph = read(&model(11, &[0, 4, 9, 10], vec![conv], tensors))?;
    let kernel = Tensor::from_vec(values(288), (8, 4, 3, 3), &Device::Cpu)?;
    let padded = x.pad_with_zeros(2, 0, 2)?.pad_with_zeros(3, 1, 0)?;
    let full = padded.conv2d(&kernel, 0, 1, 1, 1)?;
    let rows = Tensor::new(&[0_u32, 2, 4, 6, 8], &Device::Cpu)?;
    let columns = Tensor::new(&[0_u32, 3, 6], &Device::Cpu)?;
    let expected = full.index_select(&rows, 2)?.contiguous()?.index_select(&columns, 3)?;
    assert_close(&graph.forward(&x)?, &expected);
    Ok(())
}

#[test]
fn an_addition_that_broadcasts_is_not_left_to_the_convolution()
-> Result<(), Box<dyn std::error::Error>> {
    let nodes = vec![
        node("Conv", &["x", "w"], &["c"]),
        node("GlobalAveragePool", &["x"], &["g"]),
        node("Add", &["g", "c"], &["a"]),
        node("Relu", &["a"], &["y"]),
    ];
    let x = images(&[2, 3, 4, 5]);
    let tensors = vec![floats("w", &[3, 3, 1, 1], values(9))];
    let found = read(&model(13, &[0, 3, 4, 5], nodes, tensors))?.forward(&x)?;
    let kernel = Tensor::from_vec(values(9), (3, 3, 1, 1), &Device::Cpu)?;
    let mean = x.mean_keepdim((2, 3))?;
    assert_close(&found, &x.conv2d(&kernel, 0, 1, 1, 1)?.broadcast_add(&mean)?.relu()?);
    Ok(())
}

#[test]
fn softmax_flattens_up_to_opset_12() -> Result<(), Box<dyn std::error::Error>> {
    let x = images(&[1, 2, 3, 4]);
    let run =
        |opset| read(&model(opset, &[0, 2, 3, 4], vec![node("Softmax", &["x"], &["y"])], vec![]));
    let sum = |x: &Tensor| flat(x).iter().sum::<f32>();
    assert!((sum(&run(12)?.forward(&x)?) - 1.0).abs() < 1e-5);
    assert!((sum(&run(13)?.forward(&x)?) - 6.0).abs() < 1e-5);
    Ok(())
}

#[test]
fn reshaping_keeps_the_values_in_their_order() -> Result<(), Box<dyn std::error::Error>> {
    let x = images(&[2, 6, 3, 5]);
    let last = layout::channels_first(&x.permute((0, 2, 3, 1))?.contiguous()?)?;
    for dims in
        [&[2, 2, 3, 3, 5][..], &[2, 6, 15], &[2, 90], &[12, 15], &[180], &[2, 6, 1, 3, 5, 1]]
    {
        let found = layout::reshape(&last, dims)?;
        assert_eq!(found.dims(), dims);
        assert_eq!(flat(&found), flat(&x), "{dims:?}");
    }
    // Splitting channels moves nothing.
    let split = layout::reshape(&last, &[2, 2, 3, 3, 5])?;
    assert_eq!(layout::order(&split), [0, 3, 4, 1, 2]);
    Ok(())
}

#[track_caller]
fn assert_refused(model: &ModelProto, part: &str) {
    let error = read(model).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(part), "{error:?} does not contain {part:?}");
}

#[test]
fn errors_name_the_node() {
    let one = |node: NodeProto| model(13, &[0, 3, 8, 8], vec![node], vec![]);
    assert_refused(
        &one(node("NonMaxSuppression", &["x"], &["y"]).named("/features/Conv_3")),
        "node `/features/Conv_3`: operator `NonMaxSuppression` is not supported (opset 13)",
    );
    assert_refused(&one(node("Relu", &["z"], &["y"])), "input `z` is neither an input");
    assert_refused(&one(node("Relu", &["y"], &["y"])), "input `y` is neither an input");
    assert_refused(&one(node("Relu", &["x"], &["x"])), "value `x` is defined twice");
    assert_refused(&one(node("Relu", &["x"], &["z"])), "output `y` is not computed");
    assert_refused(
        &one(node("Flatten", &["x"], &["y"]).with_ints("axis", &[1])),
        "attribute `axis` has type 7, expected type 2",
    );
    let old = model(6, &[0, 3, 8, 8], vec![node("Relu", &["x"], &["y"])], vec![]);
    assert_refused(&old, "it has opset 6, expected 7 to 22");
    let mut foreign = node("Relu", &["x"], &["y"]);
    foreign.domain = "com.example".to_owned();
    assert_refused(&one(foreign), "operator `com.example.Relu` is not supported");
}

#[test]
fn sizes_are_checked_before_memory_is_used() {
    let huge = floats("w", &[1 << 40, 1 << 40], vec![1.0]);
    let relu = || vec![node("Relu", &["x"], &["y"])];
    assert_refused(&model(13, &[0, 3, 8, 8], relu(), vec![huge]), "tensor `w`: shape");
    let short = floats("w", &[1000, 1000], vec![1.0]);
    assert_refused(&model(13, &[0, 3, 8, 8], relu(), vec![short]), "needs 1000000 values, found 1");
    let negative = floats("w", &[-1], vec![1.0]);
    assert_refused(&model(13, &[0, 3, 8, 8], relu(), vec![negative]), "an axis has size -1");
    let nodes =
        vec![node("ConstantOfShape", &["dims"], &["big"]), node("Add", &["x", "big"], &["y"])];
    let dims = ints("dims", &[1 << 20, 1 << 20, 1 << 20]);
    assert_refused(&model(13, &[0, 3, 8, 8], nodes, vec![dims]), "which is more than");
    // A constant that repeats a value needs no memory, until an operation changes it.
    let nodes = vec![
        node("ConstantOfShape", &["dims"], &["big"]),
        node("Relu", &["big"], &["relu"]),
        node("Add", &["x", "relu"], &["y"]),
    ];
    let dims = ints("dims", &[100, 1000, 1000]);
    assert_refused(&model(13, &[0, 3, 8, 8], nodes, vec![dims]), "a constant of 100000000 values");
    let nodes = vec![
        node("ConstantOfShape", &["dims"], &["big"]),
        node("Shape", &["x"], &["shape"]),
        node("Gather", &["big", "shape"], &["y"]),
    ];
    let dims = ints("dims", &[100, 1000, 1000]);
    assert_refused(&model(13, &[0, 3, 8, 8], nodes, vec![dims]), "reads a constant of 100000000");
    // The shape is known only when the network runs.
    let nodes = vec![
        node("Shape", &["x"], &["s"]),
        node("Mul", &["s", "million"], &["dims"]),
        node("ConstantOfShape", &["dims"], &["y"]),
    ];
    let graph = read(&model(13, &[0, 3, 8, 8], nodes, vec![ints("million", &[1_000_000])]));
    let error = graph.and_then(|graph| graph.forward(&images(&[1, 3, 8, 8]))).unwrap_err();
    assert!(error.to_string().contains("which is more than"), "{error}");
}

#[test]
fn external_data_stay_in_the_folder() -> Result<(), Box<dyn std::error::Error>> {
    let entry =
        |key: &str, value: &str| EntryProto { key: key.to_owned(), value: value.to_owned() };
    let with = |location: &str, offset: &str| {
        let mut weight = floats("w", &[2, 3, 1, 1], Vec::new());
        weight.data_location = 1;
        weight.external_data = vec![entry("location", location), entry("offset", offset)];
        model(13, &[0, 3, 2, 2], vec![node("Conv", &["x", "w"], &["y"])], vec![weight])
    };
    let bytes: Vec<u8> = values(7).iter().flat_map(|value| value.to_le_bytes()).collect();
    let open = |model: &ModelProto| {
        let (folder, path) = saved(model);
        std::fs::write(folder.path().join("weights.bin"), &bytes)
            .map_err(|error| error.to_string())?;
        Graph::read(&path).map_err(|error| error.to_string())
    };
    let x = images(&[1, 3, 2, 2]);
    let kernel = Tensor::from_vec(values(7)[1..].to_vec(), (2, 3, 1, 1), &Device::Cpu)?;
    assert_close(&open(&with("weights.bin", "4"))?.forward(&x)?, &x.conv2d(&kernel, 0, 1, 1, 1)?);
    for (location, offset, part) in [
        ("../weights.bin", "0", "expected a file in the folder of the ONNX file"),
        ("/etc/passwd", "0", "expected a file in the folder of the ONNX file"),
        ("missing.bin", "0", "failed to read its values from `missing.bin`"),
        ("weights.bin", "8", "it needs 24 bytes from byte 8 on of `weights.bin`"),
        ("weights.bin", "18446744073709551615", "it needs 24 bytes from byte"),
    ] {
        let error = open(&with(location, offset)).err().unwrap_or_default();
        let part = part.replace("byte 8 on of `weights.bin`", "byte 8 of `weights.bin` on");
        assert!(error.contains(&part), "{error:?} does not contain {part:?}");
    }
    Ok(())
}

#[test]
fn files_that_are_not_onnx_are_refused() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.onnx");
    for bytes in
        [&b""[..], b"PK\x03\x04 a zip file", b"\x80\x02}q\x00.", &[0xff; 100], b"<html></html>"]
    {
        std::fs::write(&path, bytes)?;
        let error = Graph::read(&path).unwrap_err().to_string();
        assert!(error.contains("model.onnx"), "{error}");
    }
    let error = Graph::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let error = Graph::read(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    // Empty nodes: two bytes each in the file, hundreds in memory.
    let nodes = [0x0a, 0x00].repeat(2_000_000);
    let mut bytes = vec![0x3a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut bytes);
    bytes.extend(nodes);
    std::fs::write(&path, bytes)?;
    let error = Graph::read(&path).unwrap_err().to_string();
    assert!(error.contains("more than 1000000 fields"), "{error}");
    Ok(())
}

/// A network with the operations whose numbers a file can make absurd.
fn shapes() -> ModelProto {
    let nodes = vec![
        node("Pad", &["x", "pads"], &["p"]),
        node("Slice", &["p", "starts", "ends", "axes"], &["s"]),
        node("AveragePool", &["s"], &["a"])
            .with_ints("kernel_shape", &[2, 2])
            .with_ints("pads", &[0, 1, 1, 0]),
        node("Transpose", &["a"], &["t"]).with_ints("perm", &[0, 2, 3, 1]),
        node("Reshape", &["t", "rows"], &["r"]),
        node("MatMul", &["r", "m"], &["q"]),
        node("Split", &["q", "parts"], &["u", "v"]).with_int("axis", 2),
        node("Tile", &["u", "times"], &["w"]),
        node("Concat", &["v", "w"], &["c"]).with_int("axis", 2),
        node("ReduceMean", &["c"], &["d"]).with_ints("axes", &[1]),
        node("Squeeze", &["d", "one"], &["y"]),
    ];
    let tensors = vec![
        ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1]),
        ints("starts", &[0, 1]),
        ints("ends", &[100, -1]),
        ints("axes", &[2, 3]),
        ints("rows", &[0, -1, 3]),
        floats("m", &[3, 4], values(12)),
        ints("parts", &[2, 2]),
        ints("times", &[1, 1, 2]),
        ints("one", &[1]),
    ];
    model(13, &[0, 3, 4, 4], nodes, tensors)
}

#[test]
fn operations_on_shapes_work() -> Result<(), Box<dyn std::error::Error>> {
    let found = read(&shapes())?.forward(&images(&[2, 3, 4, 4]))?;
    assert_eq!(found.dims(), [2, 6]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A damaged file is an error or another network, but never a panic.
    #[test]
    fn damaged_files_do_not_panic(
        which in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut bytes = if which { small() } else { shapes() }.encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, bytes)?;
        if let Ok(graph) = Graph::read(&path) {
            let side = if which { 8 } else { 4 };
            drop(graph.forward(&images(&[1, 3, side, side])));
        }
    }

    /// Absurd numbers in lists are an error, but never a panic.
    #[test]
    fn absurd_numbers_do_not_panic(
        which in 0..7_usize,
        numbers in prop::collection::vec(
            prop_oneof![-3..4_i64, Just(i64::MAX), Just(i64::MIN), Just(1 << 31), any::<i64>()], 1..9),
    ) {
        let mut model = shapes();
        if let Some(graph) = &mut model.graph {
            let lists: Vec<usize> = (0..graph.initializer.len())
                .filter(|index| graph.initializer[*index].data_type == 7)
                .collect();
            let list = &mut graph.initializer[lists[which % lists.len()]];
            let (name, length) = (list.name.clone(), list.int64_data.len());
            let numbers: Vec<i64> = numbers.iter().copied().cycle().take(length).collect();
            *list = ints(&name, &numbers);
        }
        if let Ok(graph) = read(&model) {
            drop(graph.forward(&images(&[1, 3, 4, 4])));
        }
    }
}
