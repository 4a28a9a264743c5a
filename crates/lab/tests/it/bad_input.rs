//! Bad input: exit code 2, a message that says what to do, and nothing is written.

use std::{fs, path::Path};

use super::{TINY, run, stderr, tiny};

/// Runs `wattlab` and expects exit code 2, each of `words` in the message, and no output folder.
fn check(folder: &Path, args: &[&str], words: &[&str]) {
    let output = run(folder, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{args:?} lacks `{word}`: {message}");
    }
    assert!(output.stdout.is_empty());
    assert!(!folder.join("target").exists(), "{args:?} wrote something");
}

fn profile(folder: &Path, text: &str) -> String {
    let path = folder.join("bad.toml");
    fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn invalid_profiles_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = [
        (
            TINY.replacen("minibatch", "minibach", 1),
            vec!["bad.toml", "`minibach`", "did you mean `minibatch`?"],
        ),
        (
            TINY.replacen("minibatch   = 32", "minibatch   = 0", 1),
            vec!["`tuning.minibatch` is 0", "whole number from 1 to"],
        ),
        (
            format!("{TINY}\n[isolation]\nmax_outside_load = 10\n"),
            vec!["`isolation.max_outside_load` is 10", "to 1"],
        ),
        (
            format!("{TINY}\n[slurm]\npartition = \"cpu\\ntouch file\"\n"),
            vec!["`slurm.partition` is", "one line"],
        ),
        (
            format!("{TINY}\n[slurm]\noptions = [\"--array=0-9\"]\n"),
            vec!["slurm.options", "which wattlab sets"],
        ),
        (
            TINY.replacen("fixed = 8", "fixed = 0", 1),
            vec!["batching.policies", "whole number from 1 to"],
        ),
        (
            TINY.replacen("[batching]", "[batching]\nphotographs = \"../photographs\"", 1),
            vec!["batching.photographs", "`../photographs`", "without `..`"],
        ),
        (
            TINY.replacen("[batching]", "[batching]\nphotographs = \"nowhere\"", 1),
            vec!["photographs: there is no folder `nowhere`;", "--data-dir"],
        ),
        (
            TINY.replacen("shapes-28", "shape-28", 1),
            vec!["`shape-28`", "did you mean `shapes-28`?"],
        ),
        (
            TINY.replace("image_side     = 32", "image_side     = 8"),
            vec!["squeezenet1_1", "at least 17×17"],
        ),
        ("name = [".to_owned(), vec!["bad.toml", "line 1"]),
    ];
    for (text, words) in rows {
        let path = profile(folder, &text);
        check(folder, &["reproduce", "--profile", &path], &words);
    }
    check(folder, &["reproduce", "--profile", "quikc"], &["did you mean `quick`?"]);
    check(folder, &["reproduce", "--workers", "0"], &["--workers"]);
    check(folder, &["reproduce", "--workers", "60000"], &["--workers", "from 1 to"]);
    check(folder, &["reproduce", "--workers", "4000"], &["--workers", "processors of its own"]);
    check(folder, &["reproduce", "--rq", "6"], &["6"]);
    for target in ["85", "0", "-0.5", "NaN", "high"] {
        let flag = format!("--target={target}");
        let words = [target, "--target", "such as 0.85 for 85 %"];
        check(folder, &["reproduce", &flag], &words);
        check(folder, &["report", ".", &flag], &words);
    }
}

/// A few of the numeric flags; a test beside the command line goes through all of them.
#[test]
fn numbers_outside_their_range() {
    let folder = tempfile::tempdir().unwrap();
    let train = ["model", "train", "--net", "dense_poly", "--fixture", "none.safetensors"];
    let profile = ["model", "profile", "--net", "dense_poly"];
    let tune = ["simulate", "tune", "queue.toml", "--p99", "1"];
    let compare = ["tune", "compare", "--out", "target"];
    for (command, flag, found, range) in [
        (&train[..], "--lr", "learning rate is NaN", "a number from 0 to 1000000"),
        (&train, "--lr", "learning rate is -0.001", "a number from 0 to 1000000"),
        (&train, "--beta1", "decay rate is 1,", "a number from 0 to 0.999999999999"),
        (&train, "--beta2", "decay rate is -0.5", "a number from 0 to 0.999999999999"),
        (&train, "--epsilon", "coefficient is inf", "a number from 0 to 1000000"),
        (&train, "--weight-decay", "coefficient is -1", "a number from 0 to 1000000"),
        (&train, "--steps", "number of steps is 0", "a whole number from 1 to 1000000000"),
        (&profile, "--seconds", "time of a measurement is 0", "from 1e-9 to 3600 seconds"),
        (&profile, "--seconds", "time of a measurement is `fast`", "from 1e-9 to 3600 seconds"),
        (&tune, "--largest", "largest batch is 65537", "a whole number from 1 to 65536"),
        (&tune, "--live", "time is 0", "a number from 1e-9 to 86400 seconds"),
        (&compare, "--trials", "number of trials is 0", "a whole number from 1 to 1000000"),
        (&compare, "--minibatch", "batch size is 0", "a whole number from 1 to 1000000"),
        (&["reproduce"], "--workers", "number of workers is 0", "a whole number from 1 to 4096"),
        (
            &["report", "compare", "a", "b"],
            "--threshold",
            "relative change is -1",
            "from 0 to 1000000",
        ),
    ] {
        let value = found.split_once(" is ").unwrap().1.trim_matches(['`', ',']);
        let given = format!("{flag}={value}");
        check(folder.path(), &[command, &[&given]].concat(), &[flag, found, range]);
    }
}

#[test]
fn missing_or_damaged_data_sets() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tiny = tiny(folder);
    let args =
        |dir: &'static str| vec!["reproduce", "--dataset", "fashion-mnist", "--data-dir", dir];
    let with = |dir| {
        let mut args = args(dir);
        args.extend(["--profile", &*tiny]);
        args
    };
    fs::create_dir(folder.join("empty")).unwrap();
    check(folder, &with("empty"), &["train-images-idx3-ubyte", "datasets fetch fashion-mnist"]);
    fs::create_dir(folder.join("wrong")).unwrap();
    fs::write(folder.join("wrong/train-images-idx3-ubyte.gz"), b"not it").unwrap();
    check(folder, &with("wrong"), &["SHA-256", "expected c59f468a", "download it again"]);
    let no_folder = ["reproduce", "--dataset", "cifar-10", "--profile", &tiny];
    check(folder, &no_folder, &["`--data-dir DIR`", "cargo xtask datasets fetch cifar-10"]);
    check(
        folder,
        &["reproduce", "--dataset", "fashon-mnist", "--profile", &tiny],
        &["flag `--dataset` is `fashon-mnist`", "did you mean `fashion-mnist`?"],
    );
}

#[test]
fn an_output_folder_that_cannot_be_created() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tiny = tiny(folder);
    fs::write(folder.join("file"), "").unwrap();
    check(
        folder,
        &["reproduce", "--profile", &tiny, "--out", "file/out"],
        &["file/out", "choose another with `--out`"],
    );
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"");
}

#[test]
fn datasets_fetch_accepts_only_files_with_the_right_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("from")).unwrap();
    let fetch = ["datasets", "fetch", "fashion-mnist", "--from", "from", "--to", "to"];
    let output = run(folder, &fetch);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`train-images-idx3-ubyte`"), "{}", stderr(&output));
    fs::write(folder.join("from/t10k-labels-idx1-ubyte.gz"), b"short").unwrap();
    let output = run(folder, &fetch);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("SHA-256"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(folder.join("to/fashion-mnist")).unwrap().count(), 0);
    let output = run(folder, &["datasets", "fetch", "fashion"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`fashion-mnist`"), "{}", stderr(&output));
}

#[test]
fn unknown_or_unavailable_devices() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = profile(folder, TINY);
    let with = |device: &'static str| {
        ["reproduce", "--profile", &path, "--device", device].map(str::to_owned)
    };
    let check = |device, words: &[&str]| {
        let args = with(device);
        check(folder, &args.each_ref().map(String::as_str), words);
    };
    fs::create_dir(folder.join("empty")).unwrap();
    let dark = folder.join("empty").display().to_string();
    let args = ["reproduce", "--profile", &path, "--measured", "--sysfs", &dark];
    self::check(folder, &args, &["--measured: no sensor", "wattlab probes"]);
    check("tpu", &["unknown device `tpu`", "`cuda:N`"]);
    check("cuda:x", &["unknown device `cuda:x`"]);
    // Without the feature `cuda`, the message says how to get it. With the feature, the driver reports the
    // missing GPU.
    let words: &[&str] =
        if cfg!(feature = "cuda") { &["cuda:999"] } else { &["`cuda:999`", "--features cuda"] };
    check("cuda:999", words);
}
