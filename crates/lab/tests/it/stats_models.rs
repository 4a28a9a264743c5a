//! `wattlab stats` with formulas and figures.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, stderr};

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The term of that name.
fn term<'a>(document: &'a Value, name: &str) -> &'a Value {
    let terms = document["terms"].as_array().unwrap();
    terms.iter().find(|term| term["term"] == name).unwrap_or_else(|| panic!("{name} in {document}"))
}

fn near(found: &Value, expected: f64, error: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= error, "{found}, expected {expected}");
}

/// R's `npk`: a classical 2³ factorial in blocks, whose three-factor interaction is confounded with the blocks.
fn npk(folder: &Path) {
    let yields = [
        49.5, 62.8, 46.8, 57.0, 59.8, 58.5, 55.5, 56.0, 62.8, 55.8, 69.5, 55.0, 62.0, 48.8, 45.5,
        44.2, 52.0, 51.5, 49.8, 48.8, 57.2, 59.0, 53.2, 56.0,
    ];
    let settings = [
        "011", "110", "000", "101", "100", "111", "001", "010", "010", "111", "100", "001", "100",
        "111", "001", "010", "110", "000", "101", "011", "101", "110", "011", "000",
    ];
    let mut text = "block;N;P;K;yield\n".to_owned();
    for (at, (value, setting)) in yields.iter().zip(settings).enumerate() {
        let levels: Vec<String> = setting.chars().map(String::from).collect();
        text += &format!("{};{};{value}\n", at / 4 + 1, levels.join(";"));
    }
    fs::write(folder.join("npk.csv"), text).unwrap();
}

/// R's `warpbreaks`: 9 looms of each wool and tension.
fn warpbreaks(folder: &Path) {
    let breaks = [
        "26 30 54 25 70 52 51 26 67 18 21 29 17 12 18 35 30 36 36 21 24 18 10 43 28 15 26",
        "27 14 29 19 29 31 41 20 44 42 26 19 16 39 28 21 39 29 20 21 24 17 13 15 15 16 28",
    ];
    let mut text = "breaks,wool,tension\n".to_owned();
    for (wool, values) in ["A", "B"].iter().zip(breaks) {
        for (at, value) in values.split(' ').enumerate() {
            text += &format!("{value},{wool},{}\n", ["L", "M", "H"][at / 9]);
        }
    }
    fs::write(folder.join("warpbreaks.csv"), text).unwrap();
}

#[test]
fn blocks_and_confounded_terms_are_analyzed_as_in_r() {
    let folder = tempfile::tempdir().unwrap();
    npk(folder.path());
    for kind in ["1", "2", "3"] {
        let args =
            ["stats", "anova", "npk.csv", "--formula", "yield ~ block + N*P*K", "--type", kind];
        let found = json(folder.path(), &args);
        near(&term(&found, "N")["f"], 12.2587, 1e-4);
        near(&term(&found, "block")["f"], 4.4467, 1e-4);
        assert_eq!(found["residual"]["df"], 12.0);
        assert!(found["cautions"].to_string().contains("`N:P:K`, which is left out"), "{found}");
    }
}

#[test]
fn means_are_compared_in_a_model() {
    let folder = tempfile::tempdir().unwrap();
    warpbreaks(folder.path());
    let formula = ["--formula", "breaks ~ wool + tension", "--factors", "tension"];
    let found =
        json(folder.path(), &[&["stats", "tukey", "warpbreaks.csv"][..], &formula].concat());
    let pair = &found["comparisons"][0];
    assert_eq!((&pair["a"], &pair["b"]), (&"H".into(), &"L".into()));
    // R's help page of `TukeyHSD`: 0.0011.
    near(&pair["p"], 0.001_122, 1e-6);
    near(&pair["difference"], -14.7222, 1e-4);
}

#[test]
fn random_effects_and_repeated_measures_agree() {
    let folder = tempfile::tempdir().unwrap();
    // Ten subjects with three conditions each; without missing rows both analyses are the same.
    let mut text = "id,condition,y\n".to_owned();
    for subject in 0..10_u32 {
        for (at, condition) in ["a", "b", "c"].iter().enumerate() {
            let value = subject * 3 + at as u32 * 2 + (subject * 7 + at as u32 * 5) % 4;
            text += &format!("{subject},{condition},{value}\n");
        }
    }
    fs::write(folder.path().join("data.csv"), text).unwrap();
    let of =
        |formula: &str| json(folder.path(), &["stats", "anova", "data.csv", "--formula", formula]);
    let (mixed, repeated) =
        (of("y ~ condition + (1|id)"), of("y ~ condition + Error(id/condition)"));
    let (mixed_term, repeated_term) = (term(&mixed, "condition"), term(&repeated, "condition"));
    near(&mixed_term["f"], repeated_term["f"].as_f64().unwrap(), 1e-4);
    near(&mixed_term["den_df"], repeated_term["error_df"].as_f64().unwrap(), 1e-2);
    assert_eq!((&repeated["subjects"], &repeated["left_out"]), (&10.into(), &0.into()));
    assert_eq!(mixed["random"][0]["group"], "id");
    let output =
        run(folder.path(), &["stats", "anova", "data.csv", "--formula", "y ~ condition + (1|id)"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("id (10 groups)"));
}

#[test]
fn formulas_that_cannot_be_used_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    warpbreaks(folder.path());
    let mut many = "y,level\n".to_owned();
    for row in 0..40_000 {
        many += &format!("{},l{}\n", row % 17, row % 20_000);
    }
    fs::write(folder.path().join("many.csv"), many).unwrap();
    let anova = |file: &str, rest: &[&str], expected: &str| {
        let output = run(folder.path(), &[&["stats", "anova", file][..], rest].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    };
    let warp = "warpbreaks.csv";
    anova(warp, &["--formula", "breaks ~ wool +"], "found its end, expected a column");
    anova(warp, &["--formula", "breaks ~ wol"], "`wol`");
    anova(warp, &["--formula", "breaks ~ wool + (1|tension)", "--type", "2"], "flag `--type` is 2");
    anova(warp, &["--formula", "breaks ~ wool", "--factors", "wool"], "cannot be used with");
    anova("many.csv", &["--formula", "y ~ level"], "columns");
    anova("many.csv", &["--response", "y", "--factors", "level"], "20000 parameters of the model");
    let rope =
        ["stats", "compare", warp, "--response", "breaks", "--factor", "wool", "--rope", "1"];
    assert_eq!(run(folder.path(), &rope).status.code(), Some(2));
}

#[test]
fn equivalence_is_told_from_a_lack_of_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "seed,method,joules\n".to_owned();
    for seed in 0..12_u32 {
        let base = 100.0 + f64::from(seed * 5 % 7);
        let small = f64::from(seed % 3) * 0.1 - 0.1;
        text += &format!(
            "{seed},a,{base}\n{seed},b,{}\n{seed},c,{}\n",
            base + small,
            base + 8.0 + small
        );
    }
    fs::write(folder.path().join("runs.csv"), text).unwrap();
    let args = ["--response", "joules", "--factor", "method", "--paired", "seed", "--rope", "1"];
    let found = json(folder.path(), &[&["stats", "compare", "runs.csv"][..], &args].concat());
    let practical = |at: usize| &found["comparisons"][at]["practical"];
    assert!(practical(0)["equivalent"].as_f64().unwrap() > 0.99, "{found}");
    assert!(practical(1)["a_smaller"].as_f64().unwrap() > 0.99, "{found}");
}

/// Joules of an exported journal carry their origin into the output and the figures.
#[test]
fn joules_carry_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "network,energy.total.joules,energy.total.origin\n".to_owned();
    for row in 0..12_u32 {
        text += &format!("n{},{},estimated\n", row % 2, row * row % 7 + row % 2);
    }
    fs::write(folder.path().join("runs.csv"), text).unwrap();
    let file = ["runs.csv", "--response", "energy.total.joules"];
    for command in [
        vec!["anova", "runs.csv", "--formula", "energy.total.joules ~ network"],
        [&["anova"][..], &file, &["--factors", "network"]].concat(),
        [&["tukey"][..], &file, &["--factors", "network"]].concat(),
        [&["compare"][..], &file, &["--factor", "network"]].concat(),
        [&["kruskal"][..], &file, &["--factor", "network"]].concat(),
    ] {
        let output =
            run(folder.path(), &[&["stats"][..], &command, &["--svg", "figure.svg"]].concat());
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(
            text.contains("caution (origin): the joules of `energy.total.joules` are estimated."),
            "{text}"
        );
        let figure = fs::read_to_string(folder.path().join("figure.svg")).unwrap();
        assert!(figure.contains("energy.total.joules (estimated)"), "{command:?}");
    }
    let residuals = fs::read_to_string(folder.path().join("figure-residuals.svg")).unwrap();
    assert!(residuals.contains("residual of energy.total.joules (estimated)"));
}

#[test]
fn every_command_draws_its_figure() {
    let folder = tempfile::tempdir().unwrap();
    npk(folder.path());
    warpbreaks(folder.path());
    for (name, command) in [
        ("means", "anova warpbreaks.csv --response breaks --factors wool,tension"),
        ("formula", "anova npk.csv --formula yield~block+N*P*K"),
        ("tukey", "tukey npk.csv --formula yield~block+N --factors N"),
        ("compare", "compare warpbreaks.csv --response breaks --factor wool"),
        ("kruskal", "kruskal warpbreaks.csv --response breaks --factor tension"),
        ("friedman", "friedman npk.csv --response yield --factor K --block block"),
    ] {
        let file = format!("{name}.svg");
        let mut args: Vec<&str> = command.split(' ').collect();
        args.insert(0, "stats");
        if name == "friedman" {
            // Each block has each level twice.
            let mut text = "block,K,yield\n".to_owned();
            for at in 0..12 {
                text += &format!("{},{},{}\n", at / 3, at % 3, at * at % 5 + at % 3 * 4);
            }
            fs::write(folder.path().join("npk.csv"), text).unwrap();
        }
        args.extend(["--svg", &file]);
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        let drawn = fs::read_to_string(folder.path().join(&file)).unwrap();
        assert!(drawn.starts_with("<svg") && !drawn.contains("NaN"), "{name}");
        let residuals = folder.path().join(format!("{name}-residuals.svg"));
        assert_eq!(residuals.exists(), args[1] == "anova", "{name}");
    }
}
