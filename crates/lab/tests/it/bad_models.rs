//! Bad input of `wattlab model` and `wattlab worker`: devices, pipes, folders, absurd sizes.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};

use crate::{run, stderr, wattlab};

/// Runs a command that must end by itself: one that waits for a pipe is ended after a minute, and fails.
pub(super) fn ended(folder: &Path, args: &[&str]) -> Output {
    let mut command = wattlab(folder, args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{args:?} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Expects exit code 2, and each of `words` in the message.
fn refused(folder: &Path, args: &[&str], words: &[&str]) {
    let output = ended(folder, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{args:?} lacks `{word}`: {message}");
    }
}

/// Found by `cargo xtask fuzz`: the attribute `strides` of a pool had lost its name, so its output had another size than
/// what it is joined with.
#[test]
fn a_network_that_fails_only_when_it_runs_is_bad_input() {
    let scratch = tempfile::tempdir().unwrap();
    let mut file = include_bytes!("../../../../xtask/src/fuzz/samples/color.onnx").to_vec();
    assert_eq!(&file[273..280], b"strides");
    file[273..275].fill(0);
    fs::write(scratch.path().join("n.onnx"), file).unwrap();
    for args in [
        &["model", "bench", "--arch", "n.onnx", "--batch", "1", "--steps", "1", "--forward-only"][..],
        &[
            "model",
            "profile",
            "--arch",
            "n.onnx",
            "--batch",
            "1",
            "--rounds",
            "2",
            "--seconds",
            "0.01",
        ],
        &["simulate", "calibrate", "--arch", "n.onnx", "--batches", "1,2,4", "--out", "n.toml"],
    ] {
        refused(scratch.path(), args, &["n.onnx", "operator `Concat`", "cannot concatenate"]);
    }
}

fn save(folder: &Path, name: &str, shape: &[usize]) {
    let images = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("images".to_owned(), images)]);
    candle_core::safetensors::save(&tensors, folder.join(name)).unwrap();
}

/// A network with its weights, and the flags that name both.
fn network(folder: &Path) -> [&'static str; 4] {
    let tensors = models::vision::state_dict("squeezenet1_1", 2).unwrap();
    let tensors: HashMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, shape)| (name, Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()))
        .collect();
    candle_core::safetensors::save(&tensors, folder.join("w.safetensors")).unwrap();
    ["--arch", "squeezenet1_1", "--weights", "w.safetensors"]
}

#[test]
fn images_without_values_or_axes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let network = network(folder);
    let call = [&["model", "forward"][..], &network, &["--input", "x.safetensors"]].concat();
    for (shape, shown) in [
        (&[0, 3, 64, 64][..], "[0, 3, 64, 64]"),
        (&[1, 3, 0, 64], "[1, 3, 0, 64]"),
        (&[3, 64, 64], "[3, 64, 64]"),
        (&[12], "[12]"),
    ] {
        save(folder, "x.safetensors", shape);
        refused(folder, &call, &["--input `x.safetensors`", shown, "channels, height, width"]);
    }
    save(folder, "x.safetensors", &[1, 3, 64, 64]);
    let output = run(folder, &call);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
#[cfg(unix)]
fn devices_pipes_and_folders_are_refused_wherever_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("dir")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join("fifo")).status().unwrap();
    assert!(made.success());
    let network = network(folder);
    save(folder, "x.safetensors", &[1, 3, 64, 64]);
    for path in ["/dev/zero", "fifo", "dir", "none"] {
        let forward = [&["model", "forward"][..], &network].concat();
        refused(folder, &[&forward[..], &["--input", path]].concat(), &["--input", path]);
        refused(folder, &[&forward[..], &["--image", path]].concat(), &["--image", path]);
        let weights = ["model", "forward", "--arch", "squeezenet1_1", "--input", "x.safetensors"];
        refused(folder, &[&weights[..], &["--weights", path]].concat(), &["--weights", path]);
        let fixture = ["model", "train", "--net", "simple_cnn", "--fixture", path];
        refused(folder, &fixture, &["--fixture", path]);
        for data in [
            [&["model", "eval"][..], &network, &["--data", path]].concat(),
            vec!["model", "train", "--arch", "squeezenet1_1", "--data", path],
        ] {
            refused(folder, &data, &["--data", path]);
        }
        for ending in ["toml", "onnx"] {
            let file = format!("{}.{ending}", path.trim_start_matches('/').replace('/', "-"));
            if path != "none" {
                let target = if path.starts_with('/') { path.into() } else { folder.join(path) };
                std::os::unix::fs::symlink(target, folder.join(&file)).unwrap();
            }
            for command in [&["model", "bench"][..], &["simulate", "calibrate"]] {
                refused(folder, &[command, &["--arch", &file]].concat(), &[&file]);
            }
        }
    }
}

#[test]
fn batches_beyond_the_memory_are_refused_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for call in [
        &["model", "bench", "--net", "simple_cnn", "--batch", "1000000", "--side", "1024"][..],
        &["model", "bench", "--arch", "resnet18", "--batch", "1000000"],
        &["model", "profile", "--net", "dense_poly", "--batch", "1000000", "--side", "1024"],
        &["model", "profile", "--arch", "resnet18", "--batch", "1000000"],
    ] {
        refused(folder, call, &["--batch", "1000000 images", "take fewer"]);
    }
    let call = ["model", "train", "--arch", "resnet18", "--data", "shapes-32", "--side", "16384"];
    refused(folder, &call, &["--batch", "32 images of 16384×16384", "take fewer"]);
    for (flag, value) in
        [("--side", "4294967296"), ("--threads", "1000000"), ("--batch", "0"), ("--batch", "1e9")]
    {
        let call = ["model", "bench", "--net", "simple_cnn", flag, value];
        refused(folder, &call, &[flag, value, "a whole number from 1 to"]);
    }
}
