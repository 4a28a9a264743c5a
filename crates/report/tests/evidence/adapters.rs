//! Adapters: what they accept, and how they refuse the rest.

use std::fs;

use wattlab_report::{Adapter, Elsewhere, EvidenceBundle, bundled_adapters, condensed};

/// A data set of two networks with three batches, measured twice.
const OWN: &str = r#"
name        = "own"
title       = "Own"
about       = "two networks"
measured_by = "a meter"
origin      = "measured"
scope       = "computer"
phase       = "inference"
unit        = "image"

[source]
citation = "us"
address  = "https://example.org"
revision = "1"
form     = "CSV"

[licence]
name         = "CC0"
redistribute = true

[[files]]
name = "runs.csv"

[columns]
network = "network"
batch   = "batch"
joules  = ["joules"]

[constants]
device = "a computer"
"#;

fn table(rows: &str) -> String {
    format!("network,batch,joules\n{rows}")
}

/// Tests the claims on a folder with this adapter and table.
fn elsewhere(adapter: &str, table: &str) -> Result<Elsewhere, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.toml"), adapter).unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(folder.path().join("own/runs.csv"), table).unwrap();
    let bundle = EvidenceBundle::with(&[folder.path()]).map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        text
    })?;
    Ok(Elsewhere::of(bundle, None))
}

#[test]
fn a_new_data_set_is_one_file_and_its_table() {
    // Joules per image halve with each doubling for `a` and do not change for `b`; the second run is 2 % higher.
    let mut rows = String::new();
    for (batch, a) in [(1, 8.0), (2, 4.0), (4, 2.0)] {
        for noise in [1.0, 1.02] {
            rows.push_str(&format!("a,{batch},{}\nb,{batch},{}\n", a * noise, 3.0 * noise));
        }
    }
    let found = elsewhere(OWN, &table(&rows)).unwrap();
    let test = |claim: &str| {
        let cell = found
            .cells
            .iter()
            .find(|cell| cell.data == "own" && cell.claim.as_str() == claim)
            .unwrap();
        cell.tested().cloned()
    };
    let matters = test("rq4-batching-matters").unwrap();
    assert!((matters.effect - (0.5_f64.sqrt() - 1.0)).abs() < 1e-9, "{matters:?}");
    let depends = test("rq4-model-dependent").unwrap();
    assert!((depends.effect - 1.0).abs() < 1e-9, "twice the joules per doubling: {depends:?}");
    assert!(test("rq3-diminishing-returns").is_none(), "it has no accuracy");
}

#[test]
fn unusable_adapters_and_tables_are_refused_with_place_and_remedy() {
    let good = table("a,1,1\na,2,1\n");
    let adapter = |from: &str, to: &str| OWN.replace(from, to);
    let rows = [
        (adapter("origin      = \"measured\"", "origin = \"guessed\""), good.clone(), "guessed"),
        (adapter("scope       = \"computer\"", "scope = \"room\""), good.clone(), "room"),
        (adapter("[constants]\ndevice = \"a computer\"", ""), good.clone(), "`device` is missing"),
        (adapter("[\"joules\"]", "[]"), good.clone(), "`columns.joules` is empty"),
        (adapter("\"runs.csv\"", "\"../runs.csv\""), good.clone(), "without a folder"),
        (adapter("name        = \"own\"", "name = \"../own\""), good.clone(), "`name` is `../own`"),
        (adapter("[\"joules\"]", "[\"energy\"]"), good.clone(), "no column `energy`"),
        (
            adapter("name = \"runs.csv\"", "name = \"runs.csv\"\nsha256 = \"00\""),
            good.clone(),
            "describes 00",
        ),
        (
            format!("{OWN}\n[[exclude]]\nreason = \"x\"\nwhen = [{{ column = \"batch\" }}]"),
            good,
            "0 conditions",
        ),
        (OWN.to_owned(), table("a,1,-1\n"), "line 2: `joules` is `-1`, expected a number above 0"),
        (OWN.to_owned(), table("a,1,1\na,1,NaN\n"), "line 3: `joules` is `NaN`"),
        (OWN.to_owned(), table("a,1.5,1\n"), "`batch` is `1.5`, expected a whole number"),
        (OWN.to_owned(), table("a,1\n"), "not a table in CSV"),
    ];
    for (adapter, table, words) in rows {
        let message = elsewhere(&adapter, &table).err().unwrap_or_default();
        assert!(message.contains(words), "`{message}` lacks `{words}`");
    }
}

#[test]
fn a_set_without_rows_or_with_one_network_has_reasons_and_no_panic() {
    for rows in ["", "a,1,1\n", "a,1,1\na,2,1\n", "a,1,1\na,2,1\nb,1,1\n"] {
        let found = elsewhere(OWN, &table(rows)).unwrap();
        for cell in found.cells.iter().filter(|cell| cell.data == "own") {
            assert!(cell.tested().is_none(), "{rows:?}: {cell:?}");
        }
    }
}

#[test]
fn copies_exist_only_where_the_licence_permits_them_and_match_their_checksums() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/evidence");
    for adapter in bundled_adapters().unwrap() {
        let folder = format!("{root}/{}", adapter.name);
        if !adapter.licence.redistribute {
            assert!(fs::metadata(&folder).is_err(), "{folder} must not exist");
            let refused = condensed(&adapter, &adapter.files[0], "a\n").unwrap_err().to_string();
            assert!(refused.contains("must not be copied"), "{refused}");
            continue;
        }
        assert!(!adapter.licence.texts.is_empty(), "{}", adapter.name);
        for text in &adapter.licence.texts {
            assert!(fs::metadata(format!("{folder}/{text}")).unwrap().len() > 500, "{text}");
        }
        for file in &adapter.files {
            let copy = fs::read_to_string(format!("{folder}/{}", file.name)).unwrap();
            // Of a copy, the copy is the same.
            assert_eq!(condensed(&adapter, file, &copy).unwrap(), copy, "{}", file.name);
            assert!(file.condensed_sha256.is_some() && file.sha256.is_some(), "{}", file.name);
        }
    }
}

#[test]
fn an_adapter_that_is_read_names_its_file_in_errors() {
    let error = Adapter::parse("name = 1", "place.toml").unwrap_err().to_string();
    assert!(error.contains("place.toml"), "{error}");
}
