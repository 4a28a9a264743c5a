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
