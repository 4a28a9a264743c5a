//! Random networks in TOML: shapes are those of a run, and inference agrees with candle-nn; hostile files are refused
//! in bounded time.

use std::{collections::HashMap, io::Write, time::Instant};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use proptest::prelude::*;
use wattlab_models::{LayerShape, Layers, NetworkFile, vision::VisionNetwork};

use crate::formula::{fill, uniform};

/// Images of the random networks: channels and side.
type Size = (usize, usize);

fn file(
    layers: &[String],
    tail: &str,
    (channels, side): Size,
    classes: usize,
) -> Option<NetworkFile> {
    let layers = layers.join(",\n");
    let text = format!(
        "name = \"random\"\ninput = [{channels}, {side}, {side}]\nclasses = {classes}\nlayers = [\n{layers},\n{tail}\n]"
    );
    NetworkFile::parse(&text, "random.toml").ok()
}

/// Layers that make a row of any shape, and a classifier.
const TAILS: [&str; 2] = [
    "{ kind = \"flatten\" }, { kind = \"linear\", out = \"classes\" }",
    "{ kind = \"mean_tokens\" }, { kind = \"linear\", out = \"classes\" }",
];

/// The network of some layers with the tail that fits, if they fit one another.
fn whole(layers: &[String], size: Size) -> Option<NetworkFile> {
    TAILS.iter().find_map(|tail| file(layers, tail, size, 4))
}

/// A layer of a random kind with random numbers.
fn layer() -> impl Strategy<Value = String> {
    (0..20_usize, 1..5_usize, 1..4_usize, 1..4_usize, 0..3_usize, any::<bool>()).prop_map(
        |(kind, out, kernel, stride, padding, yes)| {
            let window = format!("kernel = {kernel}, stride = {stride}, padding = {padding}");
            let conv = format!("kind = \"conv2d\", out = {}, {window}, bias = {yes}", 2 * out);
            let relu = if yes { ", { kind = \"relu\" }" } else { "" };
            match kind {
                0 | 1 => format!("{{ {conv} }}"),
                2 => format!("{{ {conv}, groups = {out} }}"),
                3 => format!("{{ kind = \"conv2d\", out = \"in\", groups = \"in\", {window} }}"),
                4 | 5 => "{ kind = \"batch_norm\" }".to_owned(),
                6 => "{ kind = \"layer_norm\" }".to_owned(),
                7 | 8 => "{ kind = \"relu\" }".to_owned(),
                9 => "{ kind = \"gelu\" }".to_owned(),
                10 => format!("{{ kind = \"max_pool\", {window} }}"),
                11 => format!("{{ kind = \"avg_pool\", {window} }}"),
                12 => format!("{{ kind = \"adaptive_avg_pool\", out = {out} }}"),
                13 => format!("{{ kind = \"tokens\", class_token = {yes}, positions = {} }}", out > 2),
                14 => format!("{{ kind = \"attention\", heads = {stride} }}"),
                15 => format!("{{ kind = \"linear\", out = {}, bias = {yes} }}", 2 * out),
                16 => format!(
                    "{{ kind = \"residual\", body = [{{ kind = \"conv2d\", out = \"in\", kernel = 3, \
                     padding = 1 }}{relu}] }}"
                ),
                17 => format!(
                    "{{ kind = \"residual\", body = [{{ kind = \"conv2d\", out = \"in + 2\", kernel = 1, \
                     stride = {stride} }}{relu}], shortcut = [{{ kind = \"option_a\", out = \"in + 2\", \
                     stride = {stride} }}] }}"
                ),
                18 => format!(
                    "{{ kind = \"concatenation\", branches = [[], [{{ kind = \"conv2d\", out = {out}, \
                     kernel = 1 }}{relu}]] }}"
                ),
                _ => "{ kind = \"residual\", body = [{ kind = \"linear\", out = \"in\" }] }".to_owned(),
            }
        },
    )
}

fn state(file: &NetworkFile) -> HashMap<String, Tensor> {
    let tensors = file.state_dict().into_iter();
    tensors
        .map(|(name, shape)| {
            let values = fill(&name, &shape);
            (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect()
}

/// Outputs of our kernels and of candle-nn's layers for two images.
fn outputs(file: &NetworkFile) -> [Tensor; 2] {
    let shape = (2, file.channels(), file.side(), file.side());
    let images = uniform("input", 2 * file.channels() * file.side().pow(2));
    let images = Tensor::from_vec(images, shape, &Device::Cpu).unwrap();
    let state = state(file);
    let ours = VisionNetwork::from_file(file, "random", Some(state.clone()), 0).unwrap();
    let variables = file.variables(&state, 0).unwrap();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let theirs = file.trainable(&builder, Layers::Candle).unwrap();
    [ours.forward(&images).unwrap(), theirs.forward_t(&images, false).unwrap()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shapes_are_those_of_a_run(
        drawn in prop::collection::vec(layer(), 1..9),
        channels in 1..7_usize,
        side in 4..10_usize,
    ) {
        let size = (channels, side);
        let mut layers: Vec<String> = Vec::new();
        for layer in drawn {
            layers.push(layer);
            let Some(network) = whole(&layers, size) else {
                layers.pop();
                continue;
            };
            // The inferred shape after the last layer, and networks that end there.
            let all = network.layers();
            let shape = all[all.len() - 2].input;
            let (flat, mean) = match shape {
                LayerShape::Image { .. } => ("{ kind = \"flatten\" }", "{ kind = \"global_avg_pool\" }"),
                LayerShape::Tokens { .. } => ("{ kind = \"first_token\" }", "{ kind = \"mean_tokens\" }"),
                _ => ("{ kind = \"flatten\" }", "{ kind = \"relu\" }"),
            };
            let features = match shape {
                LayerShape::Tokens { .. } => shape.channels(),
                _ => shape.channels() * shape.positions(),
            };
            for (tail, classes) in [(flat, features), (mean, shape.channels())] {
                let network = file(&layers, tail, size, classes).unwrap();
                let [ours, theirs] = outputs(&network);
                prop_assert_eq!(ours.dims(), [2, classes]);
                prop_assert_eq!(theirs.dims(), [2, classes]);
            }
        }
        if let Some(network) = whole(&layers, size) {
            let [ours, theirs] = outputs(&network).map(|out| out.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            let largest = theirs.iter().fold(1e-3_f32, |top, logit| top.max(logit.abs()));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                prop_assert!((ours - theirs).abs() < 2e-3 * largest, "{ours} {theirs}: {layers:?}");
            }
        }
    }

    /// Texts that look like networks give a network or an error.
    #[test]
    fn any_text_is_read_without_a_panic(
        keys in prop::collection::vec(
            ("(kind|out|kernel|stride|padding|groups|times|layers|body|branches|heads|p|eps|when|name)",
             "(-?[0-9]{1,20}|\"[a-z0-9+*/^(){} ]{0,12}\"|true|\\[\\]|\\[\\[\\]\\]|[0-9.e-]{1,9}|\\{ kind = \"relu\" \\})"),
            0..6,
        ),
        kind in "(conv2d|batch_norm|linear|max_pool|repeat|residual|concatenation|dropout|attention|tokens|option_a)",
    ) {
        let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let text = format!(
            "name = \"x\"\ninput = [2, 9, 9]\nclasses = 2\n[[layers]]\nkind = \"{kind}\"\n{}\n\
             [[layers]]\nkind = \"global_avg_pool\"\n",
            keys.join("\n")
        );
        let read = NetworkFile::parse(&text, "x.toml");
        prop_assert!(read.is_ok() || !read.unwrap_err().to_string().is_empty());
    }
}

/// Files that ask for much are refused before anything is allocated.
#[test]
fn hostile_files_are_refused_at_once() {
    let head = "name = \"x\"\ninput = [3, 224, 224]\nclasses = 10\n";
    let layer = |keys: &str| format!("{head}[[layers]]\n{keys}\n");
    let nested = |depth: usize| {
        let before = "{ kind = \"residual\", body = [".repeat(depth);
        format!("{head}layers = [{before}{}]\n", "] }".repeat(depth))
    };
    let repeats = |depth: usize| {
        let before = "{ kind = \"repeat\", times = 10000, layers = [".repeat(depth);
        format!("{head}layers = [{before}{{ kind = \"relu\" }}{}]\n", "] }".repeat(depth))
    };
    let hidden = "{ kind = \"relu\", when = false },".repeat(4000);
    let texts = [
        layer("kind = \"conv2d\"\nout = 1000000\nkernel = 16384"),
        layer("kind = \"conv2d\"\nout = 1000000\nkernel = 1"),
        layer("kind = \"conv2d\"\nout = 900\nkernel = 200\npadding = 100"),
        layer("kind = \"conv2d\"\nout = 9223372036854775807\nkernel = 1"),
        layer("kind = \"conv2d\"\nout = \"9^9^9\"\nkernel = 1"),
        layer("kind = \"conv2d\"\nout = 1\nkernel = 1\npadding = 16384"),
        layer("kind = \"adaptive_avg_pool\"\nout = 16384"),
        layer("kind = \"tokens\"\n[[layers]]\nkind = \"attention\"\nheads = 3"),
        layer("kind = \"flatten\"\n[[layers]]\nkind = \"linear\"\nout = 100000"),
        layer(&format!("kind = \"repeat\"\ntimes = 10000\nlayers = [{hidden}]")),
        layer(&format!("kind = \"conv2d\"\nout = \"{}\"\nkernel = 1", "(".repeat(100_000))),
        layer("kind = \"repeat\"\ntimes = 1000000\nlayers = [{ kind = \"relu\" }]"),
        nested(17),
        nested(10_000),
        repeats(2),
        repeats(15),
        format!("{head}name = \"{}\"", "x".repeat(300_000)),
        "[[".repeat(50_000),
        layer(&format!("kind = \"{}\"", "x".repeat(100_000))),
        layer(&format!("kind = \"relu\"\n{} = 3", "x".repeat(100_000))),
        "a = ".to_owned() + &"[".repeat(100_000),
    ];
    for text in &texts {
        let start = Instant::now();
        let error = NetworkFile::parse(text, "x.toml").unwrap_err().to_string();
        let seconds = start.elapsed().as_secs_f64();
        let shown: String = text.chars().skip(head.len()).take(80).collect();
        assert!(seconds < 5.0, "{seconds} s: {shown}");
        assert!(error.len() < 3_000, "{} bytes: {shown}", error.len());
    }
}

#[test]
fn only_regular_files_of_text_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary.toml");
    std::fs::File::create(&binary).unwrap().write_all(&[0xff, 0xfe, 0]).unwrap();
    let long = folder.path().join("long.toml");
    std::fs::File::create(&long).unwrap().write_all(&vec![b' '; 262_145]).unwrap();
    for (path, part) in [
        (folder.path().join("missing.toml"), "No such file"),
        (folder.path().to_owned(), "not a regular file"),
        ("/dev/zero".into(), "not a regular file"),
        (binary, "not a text"),
        (long, "larger than 256 KiB"),
    ] {
        let error = NetworkFile::read(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(path.to_str().unwrap()), "{error}");
    }
}
