//! Flags of `wattlab simulate` that are out of range, or do not fit each other.

use std::fs;

use super::{
    run,
    simulate::{FILE, changed},
    stderr,
};

#[test]
fn wrong_flags_are_refused_with_the_flag_and_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("queue.toml"), FILE).unwrap();
    fs::write(folder.join("dark.toml"), changed(&[("[power]\nidle_w = 50.0\nbusy_w = 250.0", "")]))
        .unwrap();
    // A description contains the device of its network.
    let elsewhere = "[calibration]\nnetwork = \"alexnet\"\nimage_side = 64\n\
        device = \"cuda:999\"\nmachine = \"\"\nsizes = []\n\
        [calibration.time]\nbase = 1.0\nper_item = 1.0\nworst_relative = 0.0\n";
    fs::write(folder.join("elsewhere.toml"), format!("{FILE}\n{elsewhere}")).unwrap();
    fs::create_dir(folder.join("nothing")).unwrap();
    fs::create_dir(folder.join("broken")).unwrap();
    fs::write(folder.join("broken/half.png"), &super::vision::PIXEL[..30]).unwrap();
    let calibrate = ["simulate", "calibrate", "--arch"];
    let validate = ["simulate", "validate", "--arch", "resnet18", "--out", "v"];
    for (args, words) in [
        ([&calibrate[..], &["resnet81"]].concat(), vec!["`resnet81`", "did you mean `resnet18`?"]),
        ([&calibrate[..], &["resnet18", "--batches", "4"]].concat(), vec!["[4]", "two or more"]),
        (
            [&calibrate[..], &["resnet18", "--batches", "0,4"]].concat(),
            vec!["--batches", "batch size is 0", "from 1"],
        ),
        ([&calibrate[..], &["alexnet", "--side", "8"]].concat(), vec!["`--side` is 8", "63"]),
        (
            [&calibrate[..], &["resnet18", "--batches", "1,99999999999999"]].concat(),
            vec!["--batches", "batch size is 99999999999999", "to 1000000"],
        ),
        (
            [&calibrate[..], &["resnet18", "--batches", "1,1000000", "--side", "16384"]].concat(),
            vec!["`--batches` has 1000000", "`--side` is 16384", "memory", "smaller"],
        ),
        (
            [&calibrate[..], &["resnet18", "--side", "100000000"]].concat(),
            vec!["--side", "side of an image is 100000000", "to 16384 pixels"],
        ),
        (
            [&calibrate[..], &["resnet18", "--threads", "4096"]].concat(),
            vec!["number of threads is 4096", "processors"],
        ),
        (
            vec!["simulate", "tune", "queue.toml", "--p99", "1", "--load", "0"],
            vec!["--load", "load is 0"],
        ),
        (
            vec!["simulate", "tune", "queue.toml", "--p99", "0"],
            vec!["--p99", "time is 0", "from 1e-9"],
        ),
        (
            vec!["simulate", "tune", "dark.toml", "--p99", "1"],
            vec!["dark.toml", "`power` is missing"],
        ),
        (
            [&calibrate[..], &["resnet18", "--pauses=-1"]].concat(),
            vec!["--pauses", "pause is -1", "from 0 to 60 seconds"],
        ),
        ([&calibrate[..], &["resnet18", "--device", "tpu"]].concat(), vec!["unknown device `tpu`"]),
        (vec!["simulate", "live", "elsewhere.toml"], vec!["`cuda:999`"]),
        (vec!["simulate", "live", "queue.toml"], vec!["queue.toml", "`calibration` is missing"]),
        ([&validate[..], &["--loads", "1.2"]].concat(), vec!["--loads", "load is 1.2", "to 0.95"]),
        (
            [&validate[..], &["--precision", "2", "--most-rounds", "4"]].concat(),
            vec!["--precision", "share is 2", "to 1"],
        ),
        (
            [&validate[..], &["--rounds", "3", "--most-rounds", "2"]].concat(),
            vec!["`--most-rounds` is 2", "`--rounds`, 3"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "nowhere"]].concat(),
            vec!["--images", "`nowhere`"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "nothing"]].concat(),
            vec!["`nothing`", ".jpg"],
        ),
        (
            [&calibrate[..], &["resnet18", "--images", "broken"]].concat(),
            vec!["half.png", "JPEG or PNG"],
        ),
        ([&calibrate[..], &["resnet18", "--cache-images"]].concat(), vec!["--images"]),
        (vec!["simulate"], vec!["FILE"]),
        (vec!["simulate", "queue.toml", "--replications", "0"], vec!["--replications", "from 1"]),
        (
            vec![
                "simulate",
                "mlperf",
                "queue.toml",
                "--scenario",
                "offline",
                "--queries",
                "99999999999",
            ],
            vec!["--queries", "number of queries is 99999999999"],
        ),
    ] {
        let output = run(folder, &args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}
