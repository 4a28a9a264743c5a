//! Files of weights: files that PyTorch 2.15 wrote with `torch.save`, and damaged or malicious ones.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use wattlab_models::vision::{
    VisionError, VisionNetwork, fit_state_dict, read_weights, state_dict,
};
use zip::{ZipWriter, write::SimpleFileOptions};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn reason(path: &Path) -> String {
    match read_weights(path) {
        Err(error @ VisionError::Weights { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The files contain a state dict of a convolution and a batch norm, a transposed tensor, a part of a larger
/// tensor, and floats of other widths: as a zip file, as pickles, and inside a training script's checkpoint.
#[test]
fn every_format_gives_the_tensors_that_pytorch_saved() {
    for file in ["zip.pth", "legacy.pth", "training.pth"] {
        let tensors = read_weights(&data(file)).unwrap();
        let check = |name: &str, shape: &[usize], expected: &[f32]| {
            let found = &tensors[name];
            assert_eq!(found.dims(), shape, "{file}: {name}");
            let values: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(values, expected, "{file}: {name}");
        };
        check("0.weight", &[2, 1, 2, 2], &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
        check("1.running_var", &[2], &[0.0, 0.25]);
        check("turned", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        check("part", &[3], &[2.0, 3.0, 4.0]);
        check("whole", &[8], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        check("half", &[2], &[0.5, -2.0]);
        check("brain", &[2], &[0.5, -2.0]);
        check("double", &[1], &[0.25]);
        check("parameter", &[1], &[1.5]);
        // Counts of batches are not weights.
        assert!(!tensors.contains_key("1.num_batches_tracked"), "{file}");
        assert_eq!(tensors.len(), 13, "{file}");
    }
}

/// Checkpoints as training scripts save them: under a key, with an optimizer, an `argparse.Namespace`, a NumPy
/// scalar, tensors of other types, pickle protocol 4, in zip and older files.
#[test]
fn checkpoints_of_training_scripts_give_their_state_dict() {
    for (file, prefix) in [
        ("imagenet.pth", "module."),
        ("namespace.pth", ""),
        ("numpy-scalar.pth", ""),
        ("unused-types.pth", ""),
        ("protocol-4.pth", ""),
        ("legacy-4.pth", ""),
    ] {
        let tensors = read_weights(&data(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let weight = &tensors[&format!("{prefix}0.weight")];
        assert_eq!(weight.to_vec2::<f32>().unwrap(), [[0.0, 0.5], [1.0, 1.5]], "{file}");
        assert_eq!(tensors.len(), 2, "{file}: {:?}", tensors.keys());
    }
    let tensors = read_weights(&data("channels-last.pth")).unwrap();
    let values: Vec<f32> = tensors["0.weight"].flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(values, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
    assert_eq!(tensors["0.bias"].to_vec1::<f32>().unwrap(), [1.0]);
}

#[test]
fn a_whole_module_is_refused_with_its_class_and_a_remedy() {
    let text = reason(&data("whole-module.pth"));
    assert!(text.contains("`torch.nn.modules.linear.Linear`"), "{text}");
    assert!(text.contains("torch.save(model.state_dict(), FILE)"), "{text}");
}

#[test]
fn pipes_devices_and_folders_are_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("/dev/zero")] {
        assert!(reason(path).contains("not a regular file"), "{}", reason(path));
    }
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(reason(&pipe).contains("not a regular file"));
}

/// PyTorch's strict loading: the tensors of ResNet-34 contain all of ResNet-18's.
#[test]
fn weights_of_another_network_are_refused() {
    let zeros = |names: &[(String, Vec<usize>)]| -> HashMap<String, Tensor> {
        let tensor = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        names.iter().map(|(name, shape)| (name.clone(), tensor(shape))).collect()
    };
    let small = state_dict("resnet18", 5).unwrap();
    let mut tensors = zeros(&small);
    tensors.insert(
        "layer1.2.conv1.weight".to_owned(),
        Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap(),
    );
    let error = VisionNetwork::open("resnet18", None, Some(tensors.clone()), 0).err().unwrap();
    assert!(error.to_string().contains("`layer1.2.conv1.weight`"), "{error}");
    let fitted = fit_state_dict("resnet18", tensors, true).unwrap();
    assert_eq!((fitted.tensors.len(), fitted.classes), (small.len(), Some(5)));
    assert!(VisionNetwork::open("resnet18", None, Some(fitted.tensors), 0).is_ok());
    let prefixed: HashMap<String, Tensor> = zeros(&small)
        .into_iter()
        .map(|(name, tensor)| (format!("module._orig_mod.{name}"), tensor))
        .collect();
    assert!(VisionNetwork::open("resnet18", None, Some(prefixed), 0).is_ok());
    let mut renamed = zeros(&small);
    let first = renamed.remove("conv1.weight").unwrap();
    let error = VisionNetwork::open("resnet18", None, Some(renamed), 0).err().unwrap();
    assert!(error.to_string().contains("`conv1.weight` is missing"), "{error}");
    let text = match VisionNetwork::open(
        "resnet18",
        None,
        Some(HashMap::from([("encoder.conv1.weight".to_owned(), first)])),
        0,
    ) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a state dict of one tensor was accepted"),
    };
    assert!(text.contains("encoder.conv1.weight"), "{text}");
}

/// The file calls `os.system` beside a tensor. The call is not made, and its result is no tensor.
#[test]
fn a_pickle_that_calls_another_function_does_not_run_it() {
    let tensors = read_weights(&data("forbidden.pth")).unwrap();
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["a"]);
    let text = reason(&data("script.pt"));
    assert!(text.contains("TorchScript"), "{text}");
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    assert!(reason(&path).contains("weights.pth"));
    fs::write(&path, "no weights").unwrap();
    assert!(reason(&path).contains("neither a safetensors file"));
    fs::write(&path, [0x80, 4, b'N', b'.']).unwrap();
    assert!(reason(&path).contains("not one of `torch.save`"));
    let mut zip = ZipWriter::new(fs::File::create(&path).unwrap());
    zip.start_file("notes.txt", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"hello").unwrap();
    zip.finish().unwrap();
    assert!(reason(&path).contains("without `data.pkl`"));
    // A changed number no longer matches the zip file's checksum.
    let mut bytes = fs::read(data("zip.pth")).unwrap();
    let number = 1.75_f32.to_le_bytes();
    let at = bytes.windows(4).position(|bytes| bytes == number).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(reason(&path).contains("damaged"), "{}", reason(&path));
    // Truncated files.
    for file in ["zip.pth", "legacy.pth"] {
        let bytes = fs::read(data(file)).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        reason(&path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A damaged file gives an error or other numbers, never a panic.
    #[test]
    fn damaged_files_do_not_cause_a_panic(
        legacy in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let file = if legacy { "legacy.pth" } else { "zip.pth" };
        let mut bytes = fs::read(data(file)).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.pth");
        fs::write(&path, bytes).unwrap();
        let _ = read_weights(&path);
    }
}
