//! `wattlab reproduce --published`: the studies' raw files through the code of our own runs.

use std::fs;

use serde_json::Value;

use super::{run, stats::reference, stderr};

#[test]
fn the_published_tables_are_reproduced_from_the_raw_data() {
    let Some(reference) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    let reference = reference.to_string_lossy();
    let args = ["reproduce", "--published", "--reference", &reference, "--out", "out", "--json"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let effects = found["effects"].as_array().unwrap();
    assert_eq!(effects.len(), 14, "seven effects on energy, seven on accuracy");
    for effect in effects {
        let share = effect["confirmed_share"].as_f64().unwrap();
        assert!((share - 1.0).abs() < 1e-6, "{effect}");
    }
    // Not significant once repeats are not taken as independent.
    let three_way = "linear_layers:conv_layers:relu";
    let three_way = effects.iter().find(|effect| effect["term"] == three_way).unwrap();
    assert!(three_way["p"].as_f64().unwrap() < 1e-6);
    assert!(
        (three_way["p_of_setting_means"].as_f64().unwrap() - 0.23).abs() < 0.005,
        "{three_way}"
    );

    let claims = found["claims"].as_array().unwrap();
    // The best configuration of six searches gains 1.2 points, with an interval of −0.7 to 3.1: the study's own trials
    // do not decide its claim about searches. They decide the other claims.
    for claim in claims {
        let is_search = claim["id"] == "rq1-bayesian-dominates";
        let expected = if is_search { "inconclusive" } else { "supported" };
        assert_eq!(claim["verdict"], expected, "{claim:#}");
    }
    let saving = claims[2]["measured"]["saving_share_fashion_mnist"].as_f64().unwrap();
    assert!((saving - 0.488).abs() < 5e-4, "{saving}");
    let page = fs::read_to_string(folder.path().join("out/published/index.html")).unwrap();
    assert!(
        page.contains("published η²") && page.contains("carry as much information as about 191")
    );
    assert!(!page.contains("NaN"));
    assert!(page.contains("95\u{202f}% of the best test accuracy"), "the usual target of RQ1");

    // The study's code never applied β2, and its own trials show it: it explains next to nothing,
    // the learning rate most.
    let shares = folder.path().join("out/published/tables/rq1-fashion-mnist-three-importance.csv");
    let shares = fs::read_to_string(shares).unwrap();
    let of = |parameter: &str| -> Vec<f64> {
        let lines = shares.lines().map(|line| line.split(',').collect::<Vec<_>>());
        lines.filter(|line| line[1] == parameter).map(|line| line[2].parse().unwrap()).collect()
    };
    assert_eq!((of("learning rate").len(), of("β2").len()), (3, 3), "{shares}");
    assert!(of("learning rate").iter().all(|share| *share > 60.0), "{shares}");
    assert!(of("β2").iter().all(|share| *share < 3.0), "{shares}");
    let drawn = folder
        .path()
        .join("out/published/figures/rq1-fashion-mnist-three-coordinates-simplecnn.csv");
    let drawn = fs::read_to_string(drawn).unwrap();
    assert!(drawn.starts_with("line,learning_rate,β1,β2,energy_of_a_training_j"), "{drawn}");

    let args = ["reproduce", "--published", "--reference", &reference, "--target", "0.7"];
    let output = run(folder.path(), &[&args[..], &["--out", "other"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(folder.path().join("other/published/index.html")).unwrap();
    assert!(page.contains("The target is a test accuracy of 70\u{202f}%"));
}

#[test]
fn unusable_raw_files_are_refused_with_the_line_and_the_column() {
    let folder = tempfile::tempdir().unwrap();
    let head = "linear_layers,conv_layers,relu,lr,beta1,beta2,energy_j,accuracy\n";
    let trial = "dataset,parameters,network,strategy,trial,energy_j,accuracy\n";
    let rows = [
        ("", String::new(), "has none of the study's raw files"),
        ("rq2_a.csv", format!("{head}3,1,0,0.1,0.9,0.9,-5,0.5\n"), "line 2: `energy_j` is `-5`"),
        (
            "rq2_a.csv",
            format!("{head}3,1,0,0.1,0.9,0.9,5,NaN\n"),
            "`accuracy` is `NaN`, expected a share",
        ),
        ("rq2_a.csv", format!("{head}3,1,0,0.1,0.9,0.9,five,1\n"), "download it again"),
        (
            "rq2_a.csv",
            format!("{head}3,1,0,0.1,0.9,0.9,5,1\n"),
            "the trainings in `reference/rq2_*.csv`: 1 values",
        ),
        (
            "rq1_trials.csv",
            format!("{trial}a,4,SimpleCNN,grid,0,5,1\n"),
            "`parameters` is `4`, expected 3 or 5",
        ),
        ("rq1_trials.csv", format!("{trial}a,3,SimpleCNN,gird,0,5,1\n"), "`strategy` is `gird`"),
    ];
    for (name, text, word) in rows {
        let reference = folder.path().join("reference");
        drop(fs::remove_dir_all(&reference));
        fs::create_dir(&reference).unwrap();
        if !name.is_empty() {
            fs::write(reference.join(name), &text).unwrap();
        }
        let output = run(folder.path(), &["reproduce", "--published", "--reference", "reference"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name} {text}: {message}");
        assert!(message.contains(word), "{name} lacks `{word}`: {message}");
    }
    let output = run(folder.path(), &["reproduce", "--published"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--reference"), "{}", stderr(&output));
}
