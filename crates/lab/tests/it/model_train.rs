//! `wattlab model train --arch`: a vision network on a data set.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{run, stderr};

const SMALL: [&str; 10] = [
    "--data",
    "shapes-32",
    "--train-images",
    "8",
    "--test-images",
    "4",
    "--batch",
    "4",
    "--epochs",
    "2",
];

fn train(folder: &Path, arch: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let args = [&["model", "train", "--json", "--arch", arch][..], &SMALL, more].concat();
    let output = run(folder, &args);
    let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), document, stderr(&output))
}

#[test]
fn a_network_is_trained_and_fine_tuned_and_its_weights_give_logits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let arch = "shufflenet_v2_x0_5";
    let (code, first, errors) = train(folder, arch, &["--out", "a.safetensors"]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(first["losses"].as_array().unwrap().len(), 2);
    assert_eq!((&first["classes"], &first["side"]), (&10.into(), &32.into()));
    assert!(first["test_accuracy"].as_f64().unwrap() <= 1.0);
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.retain(|name| name.contains("safetensors"));
    assert_eq!(files, ["a.safetensors"]);
    // The same seed gives the same losses, and candle's layers give the first one up to rounding.
    let (_, again, _) = train(folder, arch, &[]);
    assert_eq!(again, first);
    let one_step = |engine: &str| {
        let data = ["--data", "shapes-32", "--train-images", "4", "--batch", "4", "--epochs", "1"];
        let command = ["model", "train", "--json", "--test-images", "0", "--arch", arch];
        let output = run(folder, &[&command[..], &data, &["--engine", engine]].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["losses"][0].as_f64().unwrap()
    };
    let (fused, candle) = (one_step("fused"), one_step("candle"));
    assert!((fused - candle).abs() < 1e-3 * fused, "{fused} {candle}");
    assert_ne!(train(folder, arch, &["--seed", "1"]).1, first);

    let more = ["--weights", "a.safetensors", "--new-head", "--freeze", "--out", "b.safetensors"];
    let (code, _, errors) = train(folder, arch, &more);
    assert_eq!(code, Some(0), "{errors}");
    let (a, b) = ("a.safetensors", "b.safetensors");
    let load = |name| {
        candle_core::safetensors::load(folder.join(name), &candle_core::Device::Cpu).unwrap()
    };
    let (a, b) = (load(a), load(b));
    for (name, tensor) in &a {
        let values = |tensor: &candle_core::Tensor| -> Vec<f32> {
            tensor.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!(values(tensor) != values(&b[name]), name.starts_with("fc."), "{name}");
    }
}

#[test]
fn trainings_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |arch: &str, more: &[&str], words: &[&str]| {
        let (code, _, errors) = train(folder, arch, more);
        assert_eq!(code, Some(2), "{errors}");
        for word in words {
            assert!(errors.contains(word), "`{word}`: {errors}");
        }
    };
    refused("alexnte", &[], &["--arch", "`alexnte`", "alexnet"]);
    refused("alexnet", &["--side", "32"], &["--arch alexnet", "63×63", "--side"]);
    refused("vit_b_16", &["--side", "32"], &["vit_b_16", "224×224"]);
    refused("resnet18", &["--weights", "none.pth"], &["--weights", "none.pth"]);
    refused("resnet18", &["--device", "cuda"], &["cuda"]);
    let (_, _, errors) = train(folder, "shufflenet_v2_x0_5", &["--out", "w.safetensors"]);
    assert!(folder.join("w.safetensors").exists(), "{errors}");
    refused(
        "shufflenet_v2_x1_0",
        &["--weights", "w.safetensors"],
        &["w.safetensors", "expected shape"],
    );
    refused("shufflenet_v2_x0_5", &["--freeze"], &["--weights"]);
    let unknown = ["model", "train", "--arch", "resnet18", "--data", "shapes-33"];
    let output = run(folder, &unknown);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`shapes-33`") && stderr(&output).contains("shapes-32"));
    for alone in
        [&["model", "train", "--arch", "resnet18"][..], &["model", "train", "--net", "dense_poly"]]
    {
        assert_eq!(run(folder, alone).status.code(), Some(2));
    }
}

#[test]
fn an_interrupted_training_continues_from_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("w.safetensors.state"), b"half").unwrap();
    let (code, _, errors) = train(folder, "squeezenet1_1", &["--out", "w.safetensors"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("w.safetensors.state"), "{errors}");
}

/// A network for gray images of 8×8 pixels and two classes.
const TINY_NETWORK: &str = r#"
name = "tiny"
input = [1, 8, 8]
classes = 2
[[layers]]
kind = "conv2d"
out = 4
kernel = 3
[[layers]]
kind = "relu"
[[layers]]
kind = "global_avg_pool"
[[layers]]
kind = "linear"
out = "classes"
"#;

/// IDX files of dark images (class 0) and bright ones (class 1).
fn write_idx(folder: &Path, count: u32) {
    let head = |axes: &[u32]| -> Vec<u8> {
        let sizes = axes.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, axes.len() as u8].into_iter().chain(sizes).collect()
    };
    let mut images = head(&[count, 8, 8]);
    let mut labels = head(&[count]);
    for image in 0..count {
        let label = (image % 2) as u8;
        images.extend([label * 200 + (image % 20) as u8; 64]);
        labels.push(label);
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
}

#[test]
fn a_network_learns_and_is_evaluated_on_your_own_images() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), TINY_NETWORK).unwrap();
    write_idx(&folder.join("idx"), 60);
    let call = ["model", "train", "--json", "--arch", "tiny.toml", "--data", "idx", "--lr", "0.05"];
    let call = [&call[..], &["--batch", "8", "--epochs", "20", "--out", "w.safetensors"]].concat();
    let output = run(folder, &call);
    assert!(output.status.success(), "{}", stderr(&output));
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Bright images differ from dark ones, so that all 12 test images are recognized.
    assert_eq!((&first["classes"], &first["side"]), (&2.into(), &8.into()));
    assert_eq!(first["test_accuracy"], 1.0);
    let again: Value = serde_json::from_slice(&run(folder, &call).stdout).unwrap();
    assert_eq!(again, first, "the same seed chooses the same test images");
    let eval = ["model", "eval", "--json", "--arch", "tiny.toml", "--weights", "w.safetensors"];
    let output = run(folder, &[&eval[..], &["--data", "idx"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["images"], &found["top1"]), (&60.into(), &1.0.into()));
}

#[test]
fn folders_and_lists_of_images_are_trained_on_and_must_fit_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), TINY_NETWORK).unwrap();
    let mut list = String::new();
    for (class, count) in [("a", 6), ("b", 4)] {
        fs::create_dir_all(folder.join("images").join(class)).unwrap();
        for image in 0..count {
            let path = format!("images/{class}/{image}.png");
            fs::write(folder.join(&path), crate::vision::PIXEL).unwrap();
            list += &format!("{path},{class}\n");
        }
    }
    fs::write(folder.join("list.csv"), list).unwrap();
    let call = |arch: &str, data: &str| {
        let call = ["model", "train", "--json", "--arch", arch, "--data", data, "--epochs", "1"];
        run(folder, &call)
    };
    for data in ["images", "list.csv"] {
        let output = call("tiny.toml", data);
        assert!(output.status.success(), "{}", stderr(&output));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&document["classes"], &document["side"]), (&2.into(), &8.into()));
        // All images are equal, so a network recognizes those of one class.
        let accuracy = document["test_accuracy"].as_f64().unwrap();
        assert!([0.0, 0.5, 1.0].contains(&accuracy), "{accuracy}");
    }
    fs::create_dir(folder.join("images/c")).unwrap();
    fs::write(folder.join("images/c/0.png"), crate::vision::PIXEL).unwrap();
    fs::write(folder.join("net.onnx"), b"").unwrap();
    for (arch, data, words) in [
        ("tiny.toml", "images", &["tiny.toml", "2 classes", "3 classes"][..]),
        ("tiny.toml", "shapes-32", &["tiny.toml", "classes"]),
        ("net.onnx", "images", &["--arch `net.onnx`", "not trained", ".toml"]),
        ("tiny.toml", "nowhere", &["--data", "nowhere"]),
    ] {
        let output = call(arch, data);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        words.iter().for_each(|word| assert!(message.contains(word), "`{word}`: {message}"));
    }
}
