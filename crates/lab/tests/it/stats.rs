//! `wattlab stats`: the study's raw data to six digits, cautions, and data that cannot be analyzed.

use std::{fs, path::Path, path::PathBuf};

use serde_json::Value;

use super::{run, stderr};

/// The folder with the study's data, where it is there.
pub(crate) fn reference() -> Option<PathBuf> {
    let shared = super::shared();
    let folder = shared.join("reference");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn json(args: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), args);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// Below this theirs are 0.
fn floor(what: &str) -> f64 {
    if what == "p of Tukey" { 1e-11 } else { 1e-300 }
}

/// Equal to six digits.
fn same(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    let error = (found - expected).abs();
    assert!(
        error <= 1e-6 * expected.abs() + floor(what),
        "{what}: {found:e}, expected {expected:e}"
    );
}

const FACTORS: &str = "linear_layers,conv_layers,relu";

#[test]
fn the_studys_published_tables_are_reproduced() {
    let Some(folder) = reference() else { return };
    let file = folder.join("rq2_fashion_mnist.csv").to_string_lossy().into_owned();
    let (published, expected) =
        (read(&folder, "rq2_published.json"), read(&folder, "rq2_fashion_mnist_expected.json"));
    for (response, name) in [("energy_j", "energy"), ("accuracy", "accuracy")] {
        let args = ["--response", response, "--factors", FACTORS, "--json"];
        let published = &published[format!("fashion-mnist:{response}")];
        for kind in ["2", "3"] {
            let anova =
                json(&[&["stats", "anova", &file, "--type", kind], args.as_slice()].concat());
            let theirs = published["terms"].as_array().unwrap();
            for (found, theirs) in anova["terms"].as_array().unwrap().iter().zip(theirs) {
                assert_eq!(found["term"], theirs["term"]);
                for key in ["ss", "df", "f", "p", "eta_sq", "omega_sq"] {
                    same(&found[key], &theirs[key], &format!("{response} {} {key}", found["term"]));
                }
            }
            same(&anova["residual"]["ss"], &theirs[7]["ss"], "residual");
            same(&anova["residual"]["df"], &theirs[7]["df"], "residual");
        }
        let tukey = json(&[&["stats", "tukey", &file], args.as_slice()].concat());
        let theirs = expected[format!("tukey_cells_{name}")].as_array().unwrap();
        let ours = tukey["comparisons"].as_array().unwrap();
        assert_eq!((ours.len(), theirs.len()), (28, 28));
        for (found, theirs) in ours.iter().zip(theirs) {
            assert_eq!([&found["a"], &found["b"]], [&theirs["a"], &theirs["b"]]);
            same(&found["difference"], &theirs["diff"], "difference");
            same(&found["se"], &theirs["se"], "se");
            same(&found["t"], &theirs["t"], "t");
            same(&found["p"], &theirs["p_tukey"], "p of Tukey");
        }
        for factor in FACTORS.split(',') {
            let args = ["stats", "kruskal", &file, "--response", response, "--factor", factor];
            let found = json(&[args.as_slice(), &["--json"]].concat());
            same(&found["h"], &published["kruskal"][factor]["h"], "H");
            same(&found["p"], &published["kruskal"][factor]["p"], "p of H");
        }
    }
}

#[test]
fn cautions_name_the_flaws_of_the_studys_design() {
    let Some(folder) = reference() else { return };
    let file = folder.join("rq2_fashion_mnist.csv").to_string_lossy().into_owned();
    let args = ["stats", "anova", &file, "--response", "energy_j", "--factors", FACTORS, "--json"];
    let found = json(&args);
    let cautions = found["cautions"].as_array().unwrap();
    let kinds: Vec<&str> =
        cautions.iter().map(|caution| caution["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["dependent", "confounded", "not-normal", "unequal-spread", "drift"]);
    let text = |at: usize| cautions[at]["text"].as_str().unwrap();
    assert!(text(0).contains("`lr, beta1, beta2`") && text(0).contains("about 191"), "{}", text(0));
    assert!(text(1).contains("one level of `relu` only"), "{}", text(1));

    let args = ["stats", "compare", &file, "--response", "energy_j", "--factor", "linear_layers"];
    let compare = json(&[args.as_slice(), &["--json"]].concat());
    let pair = &compare["comparisons"][0];
    let sizes = &read(&folder, "rq2_fashion_mnist_expected.json")["effect_sizes_energy"]["nr_linear_layers"];
    // Theirs is the higher level less the lower.
    same(&pair["cliffs_delta"]["value"], &(-sizes["cliffs_delta"].as_f64().unwrap()).into(), "δ");
    same(&pair["t_test"]["t"], &(-sizes["welch_t"].as_f64().unwrap()).into(), "t");
    same(&pair["rank_test"]["p"], &sizes["p_mwu_asymptotic_cc"], "p of U");
    assert!(
        compare["cautions"].as_array().unwrap().iter().any(|caution| caution["kind"] == "marginal")
    );
}

const SMALL: &str = "a,b,seed,y,note\n0,x,1,1.0,u\n0,y,2,2.5,v\n1,x,1,3.0,w\n1,y,2,4.0,x\n\
    0,x,3,1.5,y\n0,y,4,2.0,z\n1,x,3,3.5,q\n1,y,4,4.75,r\n";

fn with(text: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("d.csv"), text).unwrap();
    let output = run(folder.path(), args);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), stdout, stderr(&output))
}

#[test]
fn results_are_printed_as_aligned_tables() {
    let args = ["stats", "anova", "d.csv", "--response", "y", "--factors", "a,b"];
    let (code, stdout, message) = with(SMALL, &args);
    assert_eq!(code, Some(0), "{message}");
    insta::assert_snapshot!(stdout, @r"
    Type III ANOVA of `y` by `a`, `b` (8 rows)
    term      sum of squares  df  mean square          F       p
    a                8.50781   1      8.50781    51.8571  0.0020
    b                2.25781   1      2.25781    13.7619  0.0207
    a:b           0.00781250   1   0.00781250  0.0476190  0.8379
    residual        0.656250   4     0.164062
    effect sizes with 95 % intervals
    term                         η²                 partial η²                           ω²
    a     0.7444 [0.2289 to 0.9166]  0.9284 [0.3400 to 0.9502]    0.7197 [0.2289 to 0.9166]
    b     0.1975 [0.0039 to 0.5837]  0.7748 [0.0158 to 0.8523]    0.1806 [0.0039 to 0.5837]
    a:b   0.0007 [0.0000 to 0.0894]  0.0118 [0.0000 to 0.3228]  −0.0135 [−0.0135 to 0.0894]
    caution (not-normal): The residuals are not normal (Shapiro-Wilk W = 0.807, p = 3.4e-2). With few rows, also read a rank test.
    ");
    let args = ["stats", "compare", "d.csv", "--response", "y", "--factor", "a"];
    let (code, stdout, message) = with(SMALL, &args);
    assert_eq!(code, Some(0), "{message}");
    assert!(
        stdout.contains("Cliff's δ") && stdout.contains("test to read for 0 and 1"),
        "{stdout}"
    );
    let (code, paired, message) = with(SMALL, &[args.as_slice(), &["--paired", "seed"]].concat());
    assert_eq!(code, Some(0), "{message}");
    assert!(paired.contains("Wilcoxon"), "{paired}");
}

#[test]
fn unfit_data_are_refused_with_the_column_and_a_remedy() {
    let anova = ["stats", "anova", "d.csv", "--response", "y", "--factors", "a,b"];
    let rows: [(&str, String, &[&str], &[&str]); 14] = [
        (
            "no file",
            String::new(),
            &["stats", "tukey", "none.csv", "--response", "y", "--factors", "a"],
            &["none.csv", "check the path"],
        ),
        ("no rows", "a,b,y\n".into(), &anova, &["d.csv", "no rows"]),
        (
            "unknown column",
            SMALL.into(),
            &["stats", "anova", "d.csv", "--response", "yy", "--factors", "a"],
            &["`yy`", "did you mean `y`?"],
        ),
        (
            "infinite",
            SMALL.replace("2.5", "inf"),
            &anova,
            &["line 3", "`y` is `inf`", "finite number", "remove the line"],
        ),
        (
            "no values",
            "a,b,y\n0,x,NA\n0,y,NA\n1,x,\n1,y,NaN\n".into(),
            &anova,
            &["none of the 4 rows", "`y`, `a`, `b`"],
        ),
        (
            "text",
            SMALL.into(),
            &["stats", "anova", "d.csv", "--response", "note", "--factors", "a"],
            &["line 2", "`note` is `u`", "finite number"],
        ),
        (
            "nested",
            "a,b,y\n0,p,1\n0,p,2\n0,q,3\n0,q,5\n1,r,2\n1,r,3\n1,s,1\n1,s,7\n".into(),
            &anova,
            &["`b` is nested in `a`", "one level of `a` only", "analyze `b` alone"],
        ),
        (
            "constant",
            "a,b,y\n0,x,1\n0,y,1\n1,x,1\n1,y,1\n0,x,1\n".into(),
            &anova,
            &["d.csv", "`y`", "`1` in every row", "analyze another"],
        ),
        (
            "one level",
            SMALL.replace("\n1,", "\n0,"),
            &anova,
            &["`a` is `0` in every row", "leave the factor out"],
        ),
        (
            "missing cell",
            SMALL
                .lines()
                .filter(|line| !line.starts_with("1,y"))
                .fold(String::new(), |text, line| text + line + "\n"),
            &anova,
            &["`a`, `b`", "cell `a=1, b=y`", "--main-effects"],
        ),
        (
            "one observation a cell",
            SMALL.lines().take(5).fold(String::new(), |text, line| text + line + "\n"),
            &anova,
            &["4 observations for 4 parameters", "repeat the cells", "--main-effects"],
        ),
        (
            "aliased",
            "a,b,y\n0,x,1\n0,x,2\n1,y,3\n1,y,5\n".into(),
            &anova,
            &["`a` and `b` always change together", "leave one out"],
        ),
        ("ragged", SMALL.replace("1.5,y", "1.5"), &anova, &["d.csv", "line: 6", "as many fields"]),
        (
            "a group of one",
            "a,y\n0,1\n0,2\n1,3\n".into(),
            &["stats", "compare", "d.csv", "--response", "y", "--factor", "a"],
            &["level `1`", "1 row", "at least 2", "add rows"],
        ),
    ];
    for (what, text, args, words) in rows {
        for json in [&[][..], &["--json"]] {
            let (code, stdout, message) = with(&text, &[args, json].concat());
            assert_eq!((code, &*stdout), (Some(2), ""), "{what}: {message}");
            for word in words {
                assert!(message.contains(word), "{what} lacks `{word}`: {message}");
            }
        }
    }
    let main = [anova.as_slice(), &["--main-effects", "--json"]].concat();
    let (code, stdout, message) =
        with(&SMALL.lines().take(5).collect::<Vec<_>>().join("\n"), &main);
    assert_eq!(code, Some(0), "{message}");
    assert!(!stdout.contains("NaN"), "{stdout}");
}

#[test]
fn empty_rows_are_ignored_and_counted_in_a_caution() {
    let text = format!("{SMALL},,,,\n,,,,\n");
    let args = ["stats", "kruskal", "d.csv", "--response", "y", "--factor", "a", "--json"];
    let (code, stdout, message) = with(&text, &args);
    assert_eq!(code, Some(0), "{message}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found["n"], 8);
    assert_eq!(found["cautions"][0]["text"], "2 empty rows of the file are ignored.");
}

/// R: `kruskal.test(Ozone ~ Month, airquality)` leaves out the days without a value.
#[test]
fn rows_without_a_value_are_left_out_and_counted() {
    let args = ["stats", "kruskal", "d.csv", "--response", "y", "--factor", "b", "--json"];
    let whole: Value =
        serde_json::from_str(&with(&SMALL.replace("1,y,2,4.0,x\n", ""), &args).1).unwrap();
    for missing in ["NA", "", "NaN", "null"] {
        for (from, column) in [("1,y,2,4.0", "`y`"), ("1,y,2,4.0", "`b`")] {
            let to = if column == "`y`" {
                format!("1,y,2,{missing}")
            } else {
                format!("1,{missing},2,4.0")
            };
            let (code, stdout, message) = with(&SMALL.replace(from, &to), &args);
            assert_eq!(code, Some(0), "{message}");
            let found: Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(
                (&found["n"], &found["h"]),
                (&Value::from(7), &whole["h"]),
                "{missing} {column}"
            );
            let text = format!("1 of 8 rows have no value in {column}; they are left out.");
            assert_eq!(found["cautions"][0]["text"], text);
        }
    }
}

#[test]
fn other_delimiters_and_decimal_commas_are_recognized() {
    let args = ["stats", "kruskal", "d.csv", "--response", "y", "--factor", "a", "--json"];
    let expected: Value = serde_json::from_str(&with(SMALL, &args).1).unwrap();
    let semicolons = SMALL.replace(',', ";");
    for text in [semicolons.clone(), semicolons.replace('.', ","), SMALL.replace(',', "\t")] {
        let (code, stdout, message) = with(&text, &args);
        assert_eq!(code, Some(0), "{message}");
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), expected, "{text}");
    }
}

/// Public report pingouin 361: every seed gains, by 1 to 4.
#[test]
fn paired_comparisons_have_effect_sizes_of_the_pairs() {
    let text = "seed,m,y\n1,new,101\n2,new,202\n3,new,303\n4,new,404\n\
                1,old,100\n2,old,200\n3,old,300\n4,old,400\n5,old,500\n1,odd,1\n";
    let args =
        ["stats", "compare", "d.csv", "--response", "y", "--factor", "m", "--paired", "seed"];
    let text = &text.replace("1,odd,1\n", "1,odd,1\n6,odd,2\n");
    let (code, stdout, message) = with(text, &args);
    assert_eq!(code, Some(0), "{message}");
    assert!(stdout.contains("d_z") && stdout.contains("rank-biserial"), "{stdout}");
    let (_, stdout, _) = with(text, &[&args[..], &["--json"]].concat());
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let pairs = found["comparisons"].as_array().unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0]["pairs"], 4);
    assert!((pairs[0]["d_z"]["value"].as_f64().unwrap() - 1.936_491_673).abs() < 1e-8);
    assert_eq!(pairs[0]["rank_biserial"]["value"], 1.0);
    let notes = found["cautions"].as_array().unwrap();
    let note = notes.iter().find(|note| note["kind"] == "not-compared").unwrap();
    assert!(note["text"].as_str().unwrap().contains("`new` and `odd`, `odd` and `old`"), "{note}");
}

/// R package rstatix, issue 265.
#[test]
fn treatments_in_blocks_are_compared_by_friedmans_test() {
    let columns = [("A", [4, 6, 3, 5, 4, 5]), ("B", [7, 8, 6, 7, 9, 6]), ("C", [6, 9, 7, 8, 8, 9])];
    let mut text = "id,t,y\n".to_owned();
    for (name, values) in columns {
        for (id, value) in values.into_iter().enumerate() {
            text += &format!("{id},{name},{value}\n");
        }
    }
    text += "6,A,1\n";
    let args = ["stats", "friedman", "d.csv", "--response", "y", "--factor", "t", "--block", "id"];
    let (code, stdout, message) = with(&text, &[&args[..], &["--json"]].concat());
    assert_eq!(code, Some(0), "{message}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    // R: friedman.test, χ² = 9.3333 (no ties within a block), p = 0.009404.
    assert_eq!((&found["blocks"], &found["df"]), (&Value::from(6), &Value::from(2.0)));
    assert!((found["chi_sq"].as_f64().unwrap() - 28.0 / 3.0).abs() < 1e-9, "{found}");
    for (pair, expected) in
        found["comparisons"].as_array().unwrap().iter().zip([0.0545, 0.0109, 0.832])
    {
        assert!((pair["p_nemenyi"].as_f64().unwrap() - expected).abs() < 6e-4, "{pair}");
    }
    assert_eq!(found["cautions"][0]["kind"], "incomplete-blocks");
    let (code, stdout, _) = with(&text, &args);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("p, Nemenyi") && stdout.contains("mean rank"), "{stdout}");
    let (code, _, message) = with(&(text + "0,A,4\n"), &args);
    assert_eq!(code, Some(2));
    assert!(message.contains("block `0`") && message.contains("average its rows"), "{message}");
}
