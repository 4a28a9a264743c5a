//! `wattlab model forward` with good and bad weights and photographs; `wattlab model agree`.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::Output,
    thread,
};

use candle_core::{Device, Tensor};
use models::vision::{Pretrained, state_dict};
use serde_json::Value;

use crate::{run, stderr, wattlab};

const ARCH: &str = "shufflenet_v2_x0_5";

/// Values without a pattern that a mean would cancel.
fn tensor(shape: &[usize], scale: f32) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> =
        (0..count).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * scale).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Weights by a formula that keeps activations finite.
fn weights(arch: &str, classes: usize) -> HashMap<String, Tensor> {
    let tensors = state_dict(arch, classes).unwrap();
    let fill = |(name, shape): (String, Vec<usize>)| {
        let tensor = if name.ends_with("running_var") {
            (tensor(&shape, 0.5).abs().unwrap() + 1.0).unwrap()
        } else if shape.len() == 1 {
            tensor(&shape, 0.2)
        } else {
            let inputs: usize = shape[1..].iter().product();
            tensor(&shape, (6.0 / inputs as f32).sqrt())
        };
        (name, tensor)
    };
    tensors.into_iter().map(fill).collect()
}

fn save(folder: &Path, name: &str, tensors: &HashMap<String, Tensor>) {
    candle_core::safetensors::save(tensors, folder.join(name)).unwrap();
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A gray PNG file of 1×1 pixels, so that tests need no encoder.
pub(crate) const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 0x0, 0x0, 0x0, 0xd, 0x49, 0x48, 0x44, 0x52, 0x0,
    0x0, 0x0, 0x1, 0x0, 0x0, 0x0, 0x1, 0x8, 0x0, 0x0, 0x0, 0x0, 0x3a, 0x7e, 0x9b, 0x55, 0x0, 0x0,
    0x0, 0xa, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0x0, 0x0, 0x0, 0x82, 0x0, 0x81, 0x77,
    0xcd, 0x72, 0xb6, 0x0, 0x0, 0x0, 0x0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

#[test]
fn photographs_get_five_predictions_with_class_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save(folder, "weights.safetensors", &weights(ARCH, 1000));
    fs::write(folder.join("pixel.png"), PIXEL).unwrap();
    let shared = super::shared();
    let mut images = vec!["pixel.png".to_owned()];
    for name in ["skimage_chelsea.png", "skimage_rocket.jpg"] {
        let path = shared.join("datasets/images").join(name);
        if path.exists() {
            images.push(path.to_str().unwrap().to_owned());
        } else {
            println!("skipped: no `{}` (set WATTLAB_SHARED)", path.display());
        }
    }
    let mut args = vec!["model", "forward", "--arch", ARCH, "--weights", "weights.safetensors"];
    images.iter().for_each(|image| args.extend(["--image", image]));
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), images.len() * 6, "{text}");
    assert!(text.starts_with("pixel.png:\n") && text.contains(" %  "), "{text}");
    args.push("--json");
    let document = json(&run(folder, &args));
    assert_eq!(document["shape"], serde_json::json!([images.len(), 1000]));
    assert_eq!(document["logits"].as_array().unwrap().len(), images.len() * 1000);
    assert_eq!(document["preprocessing"]["resize"], 256);
    for (index, image) in document["images"].as_array().unwrap().iter().enumerate() {
        assert_eq!(image["image"], images[index]);
        let best = image["predictions"].as_array().unwrap();
        assert_eq!(best.len(), 5);
        let logits: Vec<f64> =
            best.iter().map(|prediction| prediction["logit"].as_f64().unwrap()).collect();
        assert!(logits.is_sorted_by(|a, b| a >= b), "{logits:?}");
        for prediction in best {
            let class = prediction["class"].as_u64().unwrap() as usize;
            assert_eq!(document["logits"][index * 1000 + class], prediction["logit"]);
            assert!(prediction["name"].is_string());
            assert!(prediction["probability"].as_f64().unwrap() <= 1.0);
        }
    }
}

/// torchvision's networks from Google convert ImageNet's normalization to [−1, 1] themselves.
#[test]
fn transform_input_converts_inputs_as_torchvision_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save(folder, "weights.safetensors", &weights("googlenet", 3));
    // Far outside the range of real colors, because colors have a small effect on the logits with these weights.
    let colors = tensor(&[1, 3, 40, 40], 0.5).affine(1e6, 0.5).unwrap();
    let normalized = |mean: [f32; 3], deviation: [f32; 3]| {
        let per_channel = |values: [f32; 3]| {
            Tensor::from_vec(values.to_vec(), (1, 3, 1, 1), &Device::Cpu).unwrap()
        };
        let images = colors.broadcast_sub(&per_channel(mean)).unwrap();
        let images = images.broadcast_div(&per_channel(deviation)).unwrap();
        HashMap::from([("images".to_owned(), images)])
    };
    let usual = Pretrained::default_of("alexnet").unwrap().preprocessing;
    save(folder, "usual.safetensors", &normalized(usual.mean, usual.deviation));
    save(folder, "own.safetensors", &normalized([0.5; 3], [0.5; 3]));
    let logits = |input: &str, flags: &[&str]| -> Vec<f64> {
        let mut args = vec!["model", "forward", "--arch", "googlenet", "--json"];
        args.extend(["--weights", "weights.safetensors", "--input", input]);
        args.extend(flags);
        let document = json(&run(folder, &args));
        assert_eq!(document["images"][0]["predictions"][0]["name"], Value::Null);
        let logits = document["logits"].as_array().unwrap();
        logits.iter().map(|logit| logit.as_f64().unwrap()).collect()
    };
    let own = logits("own.safetensors", &[]);
    let difference = |other: &[f64]| {
        own.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            / own.iter().fold(0.0, |top, logit| f64::max(top, logit.abs()))
    };
    let with = difference(&logits("usual.safetensors", &["--transform-input"]));
    let without = difference(&logits("usual.safetensors", &[]));
    // With these weights, colors have a small effect on the logits, but a far larger one than rounding.
    assert!(with < 1e-5 && without > 20.0 * with, "{with} with, {without} without");
}

#[test]
fn bad_weights_and_images_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data");
    let mut tensors = weights(ARCH, 4);
    save(folder, "good.safetensors", &tensors);
    tensors.remove("stage3.1.branch2.0.weight");
    save(folder, "less.safetensors", &tensors);
    let image =
        |side: usize| HashMap::from([("images".to_owned(), tensor(&[1, 3, side, side], 1.0))]);
    save(folder, "images.safetensors", &image(32));
    fs::write(folder.join("letter.png"), "no image").unwrap();
    let torch = fs::read(data.join("zip.pth")).unwrap();
    fs::write(folder.join("cut.pth"), &torch[..torch.len() / 2]).unwrap();
    fs::copy(data.join("forbidden.pth"), folder.join("forbidden.pth")).unwrap();
    let check = |arch: &str, weights: &str, flag: &str, input: &str, text: &str| {
        let args = ["model", "forward", "--arch", arch, "--weights", weights, flag, input];
        let output = run(folder, &args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    let images = "images.safetensors";
    check(ARCH, "less.safetensors", "--input", images, "`stage3.1.branch2.0.weight` is missing");
    check(ARCH, "none.pth", "--input", images, "`none.pth`");
    check(ARCH, "cut.pth", "--input", images, "zip file is damaged");
    // Its call of `os.system` is not made; its tensor belongs to no layer.
    check(ARCH, "forbidden.pth", "--input", images, "has no `a`");
    check(ARCH, "good.safetensors", "--image", "letter.png", "`letter.png`");
    check(ARCH, "good.safetensors", "--image", "none.jpg", "`none.jpg`");
    let available = "available: `IMAGENET1K_V1`";
    check(ARCH, "download:IMAGENET1K_V2", "--image", "letter.png", available);
    check("shufflenet", "download", "--image", "letter.png", "unknown network `shufflenet`");
    save(folder, "squeezenet.safetensors", &weights("squeezenet1_1", 4));
    save(folder, "small.safetensors", &image(16));
    let small = "small.safetensors";
    check("squeezenet1_1", "squeezenet.safetensors", "--input", small, "at least 17×17");
    let both = ["model", "forward", "--arch", ARCH, "--weights", "good.safetensors"];
    assert_eq!(run(folder, &both).status.code(), Some(2));
}

/// Serves a file to one request.
fn server(content: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/models/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The header of the request is shorter than this and arrives in one piece.
        let _ = stream.read(&mut [0; 4096]).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).unwrap();
        stream.write_all(content).unwrap();
    });
    address
}

#[test]
fn downloaded_weights_are_verified_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("pixel.png"), PIXEL).unwrap();
    let download = |mirror: &str| {
        let args = ["model", "forward", "--arch", ARCH, "--image", "pixel.png", "--weights"];
        let args = [&args[..], &["download", "--mirror", mirror]].concat();
        wattlab(folder, &args).env("WATTLAB_WEIGHTS", "kept").output().unwrap()
    };
    let file = folder.join("kept").join(Pretrained::default_of(ARCH).unwrap().file);
    let output = download(&server(b"something else"));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("expected f707e7126e…"), "{}", stderr(&output));
    assert!(!file.exists());
    // An address at which nothing listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = download(&address);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("put that file into `kept`") && text.contains("--weights FILE"),
        "{text}"
    );
    // An existing file is not downloaded again, but its checksum is verified.
    fs::write(&file, "changed").unwrap();
    let output = download(&address);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("delete it to download it again"), "{}", stderr(&output));
}

#[test]
fn agree_darkens_images_that_a_network_amplifies_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["model", "agree", "--device", "cpu", "--steps", "1", "--batch", "2", "--arch"];
    let networks = ["squeezenet1_1,efficientnet_v2_s", "--json"];
    let output = run(folder.path(), &[&args[..], &networks].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = document["rows"].as_array().unwrap();
    let light = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap()["light"].as_f64();
    assert_eq!(light("squeezenet1_1"), Some(1.0));
    // With random weights, a relative change of 10⁻⁶ of the images changes its logits by a quarter.
    assert!(light("efficientnet_v2_s").unwrap() < 1.0);
    // The CPU agrees with itself.
    assert_eq!(document["worst"], 0.0);
}
