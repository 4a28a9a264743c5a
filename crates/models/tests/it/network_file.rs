//! Networks in TOML: the files of this repository, errors, and agreement of inference, training and shapes.

use std::{collections::HashMap, ops::ControlFlow, path::PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder};
use wattlab_models::{
    Adam, Layers, Network, NetworkFile, NetworkKind, StudyNetwork, Training,
    vision::{VisionNetwork, network_info, random_images, read_weights},
};

use crate::formula::{fill, json, shared, uniform};

/// A file of this repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../configs/networks/{name}.toml"))
}

fn repository(name: &str) -> NetworkFile {
    NetworkFile::read(&path(name)).unwrap()
}

/// The file and the spec of one of the study's networks.
fn study(kind: NetworkKind, conv: u32, linear: u32, relu: bool) -> (NetworkFile, StudyNetwork) {
    let name = match kind {
        NetworkKind::SimpleCnn => "simple-cnn",
        NetworkKind::DensePoly => "dense-poly",
        _ => "dense-linear",
    };
    let mut file = repository(name).with("values.linear", linear).unwrap();
    if kind == NetworkKind::SimpleCnn {
        file = file.with("values.conv", conv).unwrap().with("values.relu", relu).unwrap();
    }
    (file, StudyNetwork { kind, conv, linear, relu })
}

/// The file for other images.
fn sized(file: &NetworkFile, channels: usize, side: usize) -> NetworkFile {
    let (channels, side) = (channels as i64, side as i64);
    file.with("input", vec![channels, side, side]).unwrap()
}

#[test]
fn the_studys_networks_have_the_same_tensors_in_files() {
    for (kind, conv) in [
        (NetworkKind::SimpleCnn, 0..4),
        (NetworkKind::DensePoly, 0..1),
        (NetworkKind::DenseLinear, 0..1),
    ] {
        for (conv, linear, relu, (channels, side)) in conv.flat_map(|conv| {
            [(1, true, (1, 28)), (3, false, (1, 28)), (6, true, (3, 32))]
                .map(|(linear, relu, size)| (conv, linear, relu, size))
        }) {
            let (file, spec) = study(kind, conv, linear, relu);
            let file = sized(&file, channels, side);
            let network = Network::new(&spec, channels, side, 10, 5).unwrap();
            assert_eq!(file.parameters(), network.parameters(), "{spec:?}");
            let (ours, theirs) = (file.initial_state(5).unwrap(), network.state().unwrap());
            assert_eq!(ours.len(), theirs.len(), "{spec:?}");
            for (name, tensor) in &ours {
                let values =
                    |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                // The study's running mean is that of the convolution without its bias.
                if !name.ends_with("running_mean") {
                    assert!(values(tensor) == values(&theirs[name]), "{spec:?}: {name}");
                }
            }
        }
    }
}

/// Losses of some steps by candle's autograd, from the weights of `state`.
fn candle_losses(
    file: &NetworkFile,
    state: &HashMap<String, Tensor>,
    images: &Tensor,
    labels: &Tensor,
    adam: &Adam,
    (steps, layers): (u32, Layers),
) -> Vec<f64> {
    let variables = file.variables(state, 0).unwrap();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = file.trainable(&builder, layers).unwrap();
    let settings = ParamsAdamW {
        lr: adam.learning_rate,
        beta1: adam.beta1,
        beta2: adam.beta2,
        eps: adam.epsilon,
        weight_decay: adam.weight_decay,
    };
    let mut optimizer = AdamW::new(variables.all_vars(), settings).unwrap();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let logits = network.forward_t(images, true).unwrap();
        let loss = candle_nn::loss::cross_entropy(&logits, labels).unwrap();
        optimizer.backward_step(&loss).unwrap();
        losses.push(f64::from(loss.to_scalar::<f32>().unwrap()));
    }
    losses
}

#[test]
fn the_studys_networks_train_by_candle_as_by_our_engine() {
    const STEPS: u32 = 4;
    const BATCH: usize = 16;
    let adam =
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    for (kind, conv, relu, (channels, side)) in [
        (NetworkKind::SimpleCnn, 2, true, (1, 14)),
        (NetworkKind::SimpleCnn, 1, false, (3, 9)),
        (NetworkKind::DensePoly, 0, true, (1, 14)),
        (NetworkKind::DenseLinear, 0, true, (3, 9)),
    ] {
        let (file, spec) = study(kind, conv, 3, relu);
        let file = sized(&file, channels, side);
        let network = Network::new(&spec, channels, side, 10, 7).unwrap();
        let state = network.state().unwrap();
        let pixels = uniform("input", BATCH * channels * side * side);
        let labels: Vec<u32> = (0..BATCH as u32).map(|image| image * 7 % 10).collect();
        let mut training = Training::on_one_batch(network, &adam, &pixels, &labels).unwrap();
        let history = training.fit(STEPS, &mut |_| ControlFlow::Continue(())).unwrap();
        let ours: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss.unwrap()).collect();
        let images = Tensor::from_vec(pixels, (BATCH, channels, side, side), &Device::Cpu).unwrap();
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        for layers in [Layers::Candle, Layers::Fused] {
            let theirs = candle_losses(&file, &state, &images, &labels, &adam, (STEPS, layers));
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let close = (ours - theirs).abs() < 1e-3 * theirs;
                assert!(close, "{spec:?}, {layers:?}: {ours} {theirs}");
            }
        }
        assert!(ours[3] < ours[0], "{spec:?}: {ours:?}");
    }
}

/// The first image of CIFAR-10's test set, normalized as the trained networks expect it.
fn first_test_image(mean: &[f64], deviation: &[f64]) -> Option<Tensor> {
    let file = shared("datasets/cifar-10/test_batch.bin.xz")?;
    let file = std::fs::File::open(file).unwrap();
    // A label, then three planes of 32×32 pixels.
    let mut record = [0_u8; 1 + 3 * 1024];
    std::io::Read::read_exact(&mut liblzma::read::XzDecoder::new(file), &mut record).unwrap();
    let values = record[1..].iter().enumerate().map(|(index, pixel)| {
        let channel = index / 1024;
        ((f64::from(*pixel) / 255.0 - mean[channel]) / deviation[channel]) as f32
    });
    Some(Tensor::from_vec(values.collect(), (1, 3, 32, 32), &Device::Cpu).unwrap())
}

/// ResNet-20, 32, 44 and 56 with the weights of their publication give the logits that PyTorch gives.
#[test]
fn trained_resnets_give_the_logits_of_pytorch() {
    let Some(expected) = shared("evidence/cifar-resnets/expected.json") else { return };
    let expected = json(expected);
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let Some(image) = first_test_image(&numbers(&expected["mean"]), &numbers(&expected["std"]))
    else {
        return;
    };
    for (file, golden) in expected["nets"].as_object().unwrap() {
        let layers = golden["layers"].as_u64().unwrap();
        let Some(weights) = shared(&format!("evidence/cifar-resnets/{file}")) else { return };
        let tensors = read_weights(&weights).unwrap().into_iter();
        let tensors: HashMap<String, Tensor> = tensors
            .map(|(name, tensor)| (name.trim_start_matches("module.").to_owned(), tensor))
            .collect();
        let name = format!("cifar-resnet{layers}");
        let described = repository(&name);
        assert_eq!(described.parameters() as u64, golden["parameters"].as_u64().unwrap());
        let arch = path(&name);
        let network =
            VisionNetwork::open(arch.to_str().unwrap(), None, Some(tensors.clone()), 0).unwrap();
        let found =
            network.forward(&image).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let variables = described.variables(&tensors, 0).unwrap();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let by_candle = described.trainable(&builder, Layers::Candle).unwrap();
        let by_candle = by_candle.forward_t(&image, false).unwrap();
        let by_candle = by_candle.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (index, expected) in numbers(&golden["logits_of_first_image"]).iter().enumerate() {
            // The expected logits are rounded to four decimals.
            for logit in [found[index], by_candle[index]] {
                let difference = (f64::from(logit) - expected).abs();
                assert!(difference < 1e-4 + 5e-5, "{name}: {logit} instead of {expected}");
            }
        }
    }
}

/// A network with every kind of layer.
const EVERY_KIND: &str = r#"
name = "every-kind"
input = [3, 19, 19]
classes = 5

[values]
width = 8

[[layers]]
kind = "conv2d"
out = "width"
kernel = 5
stride = 2
padding = 1

[[layers]]
kind = "gelu"

[[layers]]
kind = "batch_norm"
eps = 1e-3

[[layers]]
kind = "relu"

[[layers]]
kind = "conv2d"
out = "width"
kernel = 3
padding = 1
groups = "width"
bias = false

[[layers]]
kind = "batch_norm"

[[layers]]
kind = "silu"

[[layers]]
kind = "residual"
body = [
    { kind = "conv2d", out = "2 * width", kernel = 3, stride = 2, padding = 1, groups = 2 },
    { kind = "relu" },
]
shortcut = [{ kind = "option_a", out = "2 * width", stride = 2 }]

[[layers]]
kind = "relu"

[[layers]]
kind = "residual"
body = [{ kind = "conv2d", out = "in", kernel = 1 }, { kind = "dropout" }]

[[layers]]
kind = "gelu"

[[layers]]
kind = "residual"
body = [{ kind = "conv2d", out = "in", kernel = 3, padding = 1, groups = "in" }]

[[layers]]
kind = "relu"

[[layers]]
kind = "residual"
body = [{ kind = "dropout", p = 0.1 }]

[[layers]]
kind = "max_pool"
kernel = 3
stride = 1
padding = 1

[[layers]]
kind = "concatenation"
branches = [
    [],
    [{ kind = "avg_pool", kernel = 3, stride = 1, padding = 1 }, { kind = "batch_norm" }],
    [{ kind = "conv2d", out = 4, kernel = 1, padding = 1 }, { kind = "avg_pool", kernel = 3, stride = 1 }],
]

[[layers]]
kind = "layer_norm"

[[layers]]
kind = "adaptive_avg_pool"
out = 3

[[layers]]
kind = "tokens"
class_token = true
positions = true

[[layers]]
kind = "repeat"
times = 2
index = "block"
layers = [
    { kind = "residual", body = [
        { kind = "layer_norm", name = "encoder.{block}.ln_1" },
        { kind = "attention", name = "encoder.{block}.attention", heads = 4 },
    ] },
    { kind = "residual", body = [
        { kind = "layer_norm", name = "encoder.{block}.ln_2", eps = 1e-6 },
        { kind = "linear", name = "encoder.{block}.fc1", out = "2 * in" },
        { kind = "gelu" },
        { kind = "linear", name = "encoder.{block}.fc2", out = "in / 2", bias = false },
    ] },
]

[[layers]]
kind = "concatenation"
branches = [[{ kind = "first_token" }], [{ kind = "mean_tokens" }]]

[[layers]]
kind = "linear"
out = 12

[[layers]]
kind = "batch_norm"

[[layers]]
kind = "dropout"
p = 0.25

[[layers]]
kind = "relu"

[[layers]]
kind = "flatten"

[[layers]]
kind = "linear"
out = "classes"
"#;

fn logits(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Weights by formula, so that batch norms have means, variances and scales.
fn formula_state(file: &NetworkFile) -> HashMap<String, Tensor> {
    let tensors = file.state_dict().into_iter();
    tensors
        .map(|(name, shape)| {
            let values = fill(&name, &shape);
            (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect()
}

/// The largest difference between the logits of our kernels and of candle-nn's layers, relative to the largest
/// logit.
fn disagreement(file: &NetworkFile) -> f32 {
    let state = formula_state(file);
    let images = uniform("input", 2 * file.channels() * file.side().pow(2));
    let shape = (2, file.channels(), file.side(), file.side());
    let images = Tensor::from_vec(images, shape, &Device::Cpu).unwrap();
    let ours = VisionNetwork::from_file(file, "file", Some(state.clone()), 0).unwrap();
    assert_eq!(ours.parameters(), file.parameters());
    let found = logits(&ours.forward(&images).unwrap());
    let variables = file.variables(&state, 0).unwrap();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let differences = [Layers::Candle, Layers::Fused].map(|layers| {
        let theirs = file.trainable(&builder, layers).unwrap();
        let expected = logits(&theirs.forward_t(&images, false).unwrap());
        assert_eq!((found.len(), expected.len()), (2 * file.classes(), 2 * file.classes()));
        let largest = expected.iter().fold(1e-3_f32, |top, logit| top.max(logit.abs()));
        found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
    });
    differences[0].max(differences[1])
}

#[test]
fn every_kind_of_layer_computes_the_same_in_inference_and_training() {
    let file = NetworkFile::parse(EVERY_KIND, "every-kind.toml").unwrap();
    let difference = disagreement(&file);
    assert!(difference < 1e-4, "{difference}");
    let wide = file.with("values.width", 12).unwrap().with("layers.0.kernel", 3).unwrap();
    assert_ne!(wide.parameters(), file.parameters());
    let difference = disagreement(&wide);
    assert!(difference < 1e-4, "{difference}");
    assert_eq!(
        NetworkFile::parse(&wide.to_toml(), "again").unwrap().parameters(),
        wide.parameters()
    );
}

#[test]
fn every_kind_of_layer_gets_a_gradient() {
    let file = NetworkFile::parse(EVERY_KIND, "every-kind.toml").unwrap();
    let variables = file.variables(&HashMap::new(), 1).unwrap();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let train = |layers: Layers| {
        let network = file.clone().with_dropout_seed(3).trainable(&builder, layers).unwrap();
        let images = uniform("input", 4 * 3 * 19 * 19);
        let images = Tensor::from_vec(images, (4, 3, 19, 19), &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0_u32, 1, 2, 3], &Device::Cpu).unwrap();
        let logits = network.forward_t(&images, true).unwrap();
        candle_nn::loss::cross_entropy(&logits, &labels).unwrap()
    };
    let (loss, again) = (train(Layers::Candle), train(Layers::Candle));
    // Dropout draws from its seed.
    assert_eq!(loss.to_scalar::<f32>().unwrap(), again.to_scalar::<f32>().unwrap());
    let by_candle = loss.backward().unwrap();
    let fused = train(Layers::Fused).backward().unwrap();
    for (name, variable) in variables.data().lock().unwrap().iter() {
        let trained = !name.contains("running_");
        let found = [by_candle.get(variable), fused.get(variable)];
        assert_eq!(found.map(|gradient| gradient.is_some()), [trained; 2], "{name}");
        let [Some(by_candle), Some(fused)] = found else { continue };
        let (by_candle, fused) = (logits(by_candle), logits(fused));
        let largest = by_candle.iter().fold(1e-3_f32, |top, value| top.max(value.abs()));
        for (a, b) in by_candle.iter().zip(&fused) {
            assert!((a - b).abs() < 1e-3 * largest, "{name}: {a} {b}, largest {largest}");
        }
    }
}

/// The gradient of a pool is that of its definition: the change of the sum of squares of its outputs.
#[test]
fn pools_have_the_right_gradients() {
    for kernel in [1, 2, 3] {
        for (stride, padding) in [(1, 0), (2, 0), (3, 0), (2, 1)] {
            for kind in ["max_pool", "avg_pool"] {
                if 2 * padding > kernel {
                    continue;
                }
                let text = format!(
                    "name = \"pool\"\ninput = [1, 7, 7]\nclasses = 1\nlayers = [\n\
                     {{ kind = \"{kind}\", kernel = {kernel}, stride = {stride}, padding = {padding} }},\n\
                     {{ kind = \"global_avg_pool\" }},\n]"
                );
                let file = NetworkFile::parse(&text, "pool").unwrap();
                let variables = file.variables(&HashMap::new(), 0).unwrap();
                let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
                let network = file.trainable(&builder, Layers::Candle).unwrap();
                let pixels = uniform("pixels", 49);
                let value = |pixels: Vec<f32>| {
                    let image = Tensor::from_vec(pixels, (1, 1, 7, 7), &Device::Cpu).unwrap();
                    let image = candle_core::Var::from_tensor(&image).unwrap();
                    let out = network.forward_t(image.as_tensor(), true).unwrap();
                    (image, out.sum_all().unwrap())
                };
                let (image, sum) = value(pixels.clone());
                let gradient = logits(sum.backward().unwrap().get(&image).unwrap());
                for pixel in [0, 8, 24, 40, 48] {
                    let moved = |by: f32| {
                        let mut pixels = pixels.clone();
                        pixels[pixel] += by;
                        value(pixels).1.to_scalar::<f32>().unwrap()
                    };
                    let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                    let close = (gradient[pixel] - expected).abs() < 2e-3;
                    assert!(close, "{text}: pixel {pixel}: {} {expected}", gradient[pixel]);
                }
            }
        }
    }
}

#[test]
fn a_file_is_opened_by_its_path() {
    let arch = path("simple-cnn");
    let arch = arch.to_str().unwrap();
    let info = network_info(arch).unwrap();
    assert_eq!((info.channels, info.usual_side, info.fixed_side), (1, 28, true));
    let network = VisionNetwork::open(arch, Some(7), None, 3).unwrap();
    assert_eq!(network.info(), &info);
    let images = info.random_images(2, 28, 1).unwrap();
    assert_eq!(network.forward(&images).unwrap().dims(), [2, 7]);
    let small = info.random_images(2, 27, 1).unwrap();
    assert!(network.forward(&small).unwrap_err().to_string().contains("28×28"));
    let colored = random_images(2, 28, 1).unwrap();
    let error = network.forward(&colored).unwrap_err();
    assert!(format!("{error:?}").contains("images of 1 channels, got 3"), "{error:?}");
    let mut layers = Vec::new();
    network
        .profile(&images, &mut |work, _| {
            layers.push(work.layer.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(layers.len(), 8, "{layers:?}");
    assert_eq!(layers[0], "1 Conv2d 3×3 1→3 + Relu, 28×28×3");
}

/// The error of a file with these layers, for images of 16 channels and 32×32 pixels.
fn error_of(layers: &str) -> String {
    let text = format!(
        "name = \"wrong\"\ninput = [16, 32, 32]\nclasses = 10\n\
         values = {{ width = 12, share = 0.5 }}\n{layers}"
    );
    NetworkFile::parse(&text, "wrong.toml").unwrap_err().to_string()
}

#[test]
fn errors_name_the_layer_and_the_shapes() {
    let conv = |keys: &str| error_of(&format!("[[layers]]\nkind = \"conv2d\"\n{keys}\n"));
    let one = |keys: &str| error_of(&format!("[[layers]]\n{keys}\n"));
    let after_flatten =
        |layer: &str| error_of(&format!("[[layers]]\nkind = \"flatten\"\n[[layers]]\n{layer}\n"));
    let errors = [
        conv("out = 32\nkernel = 3\ngroups = 3"),
        conv("out = 0\nkernel = 3"),
        conv("out = \"2 * widht\"\nkernel = 3"),
        conv("out = \"width - 12\"\nkernel = 3"),
        conv("out = 32"),
        conv("out = 32\nkernel = 3\nstrid = 2"),
        conv("out = 32\nkernel = 3.5"),
        conv("out = 32\nkernel = 35"),
        one("kind = \"conv3d\""),
        one("out = 3"),
        one("kind = \"relu\"\ninplace = true"),
        one("kind = \"linear\"\nout = 10"),
        one("kind = \"attention\"\nheads = 2"),
        one("kind = \"dropout\"\np = 1.5"),
        one("kind = \"dropout\"\np = \"width2\""),
        one("kind = \"max_pool\"\nkernel = 2\npadding = 2"),
        one("kind = \"option_a\"\nout = 19"),
        one("kind = \"residual\"\nbody = []"),
        one("kind = \"residual\"\nbody = [{ kind = \"conv2d\", out = 20, kernel = 1 }]"),
        one(
            "kind = \"residual\"\nbody = [{ kind = \"relu\" }, { kind = \"conv2d\", out = 20, kernel = 40 }]",
        ),
        one("kind = \"concatenation\"\nbranches = [[], [{ kind = \"max_pool\", kernel = 2 }]]"),
        one("kind = \"repeat\"\ntimes = 3\nlayers = [{ kind = \"batch_norm\", name = \"bn\" }]"),
        one("kind = \"repeat\"\ntimes = 9\nlayers = [{ kind = \"max_pool\", kernel = 2 }]"),
        after_flatten("kind = \"max_pool\"\nkernel = 2"),
        after_flatten("kind = \"linear\"\nout = 11"),
        error_of("layers = 3"),
        error_of("layers = [3]"),
        error_of("layers = []"),
        error_of("[layers"),
    ];
    insta::assert_snapshot!(errors.join("\n\n"));
}

#[test]
fn errors_of_the_file_as_a_whole_and_of_changed_values() {
    let document = |head: &str| {
        let text = format!("{head}\n[[layers]]\nkind = \"global_avg_pool\"\n");
        NetworkFile::parse(&text, "wrong.toml").map(|_| ()).unwrap_err().to_string()
    };
    let file = repository("simple-cnn");
    let changed =
        |key: &str, value: i64| file.with(key, value).map(|_| ()).unwrap_err().to_string();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let errors = [
        document("name = \"x\"\ninput = [3, 32, 32]"),
        document("name = \"x\"\ninput = [3, 32]\nclasses = 3"),
        document("name = \"x\"\ninput = [3, 32, 16]\nclasses = 3"),
        document("name = \"x\"\ninput = [3, -1, -1]\nclasses = 3"),
        document("name = \"x\"\ninput = [1000000, 16384, 16384]\nclasses = 3"),
        document("name = \"x\"\ninput = [3, 32, 32]\nclasses = 0"),
        document("name = \"x\"\ninput = [3, 32, 32]\nclasses = 3\nlearning_rate = 0.1"),
        document("name = \"x\"\ninput = [3, 32, 32]\nclasses = 3\n[values]\nside = 3"),
        changed("values.width", 3),
        changed("values.conv", 5),
        changed("layers.9.out", 3),
        changed("layers.0.layers.0.strid", 3),
        changed("layer", 3),
        changed("name.x", 3),
    ];
    let errors: Vec<String> = errors.iter().map(|error| error.replace(here, "")).collect();
    insta::assert_snapshot!(errors.join("\n\n"));
}
