//! `wattlab model` on generated files.

use std::{collections::HashMap, fs, path::Path, process::Command};

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::{run, stderr};

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn save(path: &Path, tensors: &[(&str, &[usize])]) {
    let tensors: HashMap<String, Tensor> = tensors
        .iter()
        .map(|(name, shape)| {
            let count: usize = shape.iter().product();
            // Small values without a pattern that a mean would cancel.
            let values: Vec<f32> =
                (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 500.0).collect();
            let tensor = Tensor::from_vec(values, *shape, &Device::Cpu).unwrap();
            ((*name).to_owned(), tensor)
        })
        .collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_training_starts_with_the_loss_of_the_given_weights() {
    let folder = tempfile::tempdir().unwrap();
    // Two linear layers, 16 → 8 → 10, with zero weights: every class has a probability of 1/10.
    let zeros =
        |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let labels = Tensor::from_vec(vec![0_i64, 1, 2, 3], 4, &Device::Cpu).unwrap();
    let state: HashMap<String, Tensor> = [
        ("layers.1.weight", zeros(&[8, 16])),
        ("layers.1.bias", zeros(&[8])),
        ("layers.2.weight", zeros(&[10, 8])),
        ("layers.2.bias", zeros(&[10])),
        ("images", zeros(&[4, 1, 4, 4])),
        ("labels", labels),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .collect();
    candle_core::safetensors::save(&state, folder.path().join("fixture.safetensors")).unwrap();
    let args = [
        "model",
        "train",
        "--net",
        "dense_poly",
        "--side",
        "4",
        "--linear",
        "2",
        "--fixture",
        "fixture.safetensors",
        "--steps",
        "3",
        "--lr",
        "0.01",
        "--json",
    ];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let document = json(&output.stdout);
    assert_eq!(document["parameters"], 16 * 8 + 8 + 8 * 10 + 10);
    let losses: Vec<f64> =
        document["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
    assert!((losses[0] - 10.0_f64.ln()).abs() < 1e-6, "{losses:?}");
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn the_instruction_set_is_chosen_by_a_variable_and_told() {
    let bench = |set: &str| {
        Command::new(env!("CARGO_BIN_EXE_wattlab"))
            .args([
                "model",
                "bench",
                "--net",
                "dense_poly",
                "--batch",
                "16",
                "--steps",
                "1",
                "--json",
            ])
            .env("WATTLAB_LANES", set)
            .output()
            .unwrap()
    };
    let output = bench("portable");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(json(&output.stdout)["instructions"], "portable");
    let output = bench("sse");
    assert_eq!(output.status.code(), Some(2));
    let expected =
        "WATTLAB_LANES=`sse` is unknown; use `avx512`, `avx2` or `portable`, or unset it";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn bench_measures_both_kinds_of_networks() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["model", "bench", "--net", "dense_poly", "--batch", "16", "--steps", "2", "--json"][..],
        &[
            "model",
            "bench",
            "--net",
            "simple_cnn",
            "--batch",
            "16",
            "--steps",
            "2",
            "--forward-only",
            "--json",
        ],
        &[
            "model",
            "bench",
            "--arch",
            "shufflenet_v2_x0_5",
            "--batch",
            "1",
            "--steps",
            "1",
            "--threads",
            "1",
            "--json",
        ],
    ] {
        let output = run(folder.path(), args);
        assert!(output.status.success(), "{}", stderr(&output));
        let document = json(&output.stdout);
        let rate = document["images_per_s"].as_f64().unwrap();
        let step = document["step_s"]["median"].as_f64().unwrap();
        let batch = document["batch"].as_f64().unwrap();
        assert!((rate * step / batch - 1.0).abs() < 1e-9);
        assert!(document["threads"].as_u64() >= Some(1));
    }
}

#[test]
fn files_and_flags_that_do_not_fit_a_network_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("images.safetensors"), &[("images", &[1, 3, 64, 64])]);
    save(&folder.path().join("few.safetensors"), &[("fc.weight", &[10, 512])]);
    fs::write(folder.path().join("text"), "no tensors").unwrap();
    let check = |args: &[&str], text: &str| {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    let forward = |arch, weights, input| {
        ["model", "forward", "--arch", arch, "--weights", weights, "--input", input]
    };
    check(
        &forward("resnet18", "text", "images.safetensors"),
        "`text`: it is neither a safetensors",
    );
    check(&forward("resnet18", "few.safetensors", "few.safetensors"), "no tensor `images`");
    check(&forward("resnet18", "few.safetensors", "images.safetensors"), "conv1.weight");
    let unknown = "unknown network `resnet19`";
    check(&forward("resnet19", "few.safetensors", "images.safetensors"), unknown);
    let bench = |flag, value| ["model", "bench", "--net", "dense_poly", flag, value];
    check(&bench("--batch", "0"), "batch size is 0, expected a whole number from 1 to 1000000");
    check(&["model", "bench", "--net", "dense_poly", "--threads=-1"], "--threads");
    check(&bench("--side", "100000"), "side of an image is 100000");
    check(&[&bench("--side", "16384")[..], &["--batch", "1000000"]].concat(), "GiB of memory");
    check(&["model", "bench", "--net", "dense_poly", "--device", "cuda:0"], "`cuda:0`");
    let output = run(folder.path(), &["model", "list", "--json"]);
    assert!(json(&output.stdout)["vision"].to_string().contains("densenet121"));
}

#[test]
fn a_profile_has_a_row_for_each_pass_of_each_layer() {
    let folder = tempfile::tempdir().unwrap();
    let profile = |network: &[&str]| {
        let mut args = vec!["model", "profile"];
        args.extend(network);
        args.extend(["--batch", "16", "--rounds", "2", "--seconds", "0.005", "--json"]);
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        json(&output.stdout)
    };
    let study = profile(&["--net", "simple_cnn", "--side", "8", "--conv", "1", "--linear", "1"]);
    let rows = study["layers"].as_array().unwrap();
    // Convolution, norm, ReLU, pool, flatten and the classifier, forward and backward.
    assert_eq!(rows.len(), 12);
    let shares: f64 = rows.iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    for row in rows {
        let (time, interval) = (&row["time_s"]["mean"], &row["time_s"]["ci95"]);
        let time = time.as_f64().unwrap();
        let bound = |index: usize| interval[index].as_f64().unwrap();
        assert!(bound(0) <= time && time <= bound(1), "{row}");
        assert!(row["by_difference"] == (row["kind"] == "activation") && row["joules"].is_object());
    }
    assert_eq!(study["energy_origin"], "estimated");
    assert!(study["whole_s"].as_f64().unwrap() > 0.0);
    let vision = profile(&["--arch", "squeezenet1_1", "--image-side", "64"]);
    let kinds = vision["by_kind"].as_array().unwrap();
    assert_eq!(kinds[0]["kind"], "convolution");
    let output = run(folder.path(), &["model", "profile", "--net", "simple_cnn", "--rounds", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--rounds"), "{}", stderr(&output));
}

/// A report leaves out networks that its table does not name.
#[test]
fn the_report_knows_the_year_and_the_accuracy_of_every_network() {
    for architecture in models::vision::architectures() {
        let name = architecture.name;
        let Some(published) = report::PublishedNetwork::named(name) else {
            panic!("`crates/report/data/networks.toml` has no row `{name}`");
        };
        assert!((2012..2100).contains(&published.year), "{published:?}");
        assert!((50.0..100.0).contains(&published.top1), "{published:?}");
        assert!(published.giga_multiply_adds > 0.0, "{published:?}");
    }
}
