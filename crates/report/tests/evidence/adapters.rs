//! Adapters: what they accept, and how they refuse the rest.

use std::fs;

use wattlab_report::{
    Adapter, Elsewhere, EvidenceBundle, bundled_adapters, condensed, condensed_recording,
    recording_texts,
};

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
        // A data set may be downloaded instead.
        if adapter.files.iter().any(|file| file.condensed_sha256.is_none()) {
            assert!(fs::metadata(&folder).is_err(), "{folder} has no checksum");
            assert!(adapter.source.download.is_some(), "{}", adapter.name);
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
        for recording in &adapter.recordings {
            recording_texts(&adapter, recording, folder.as_ref()).unwrap();
            assert!(recording.condensed_sha256.is_some() && recording.sha256.is_some());
        }
    }
}

/// The adapter of a data set with one recording.
fn of_recording() -> String {
    let (head, _) = OWN.split_once("[[files]]").unwrap();
    format!("{head}\n[[recordings]]\nname = \"x-step\"\ndevice = \"X\"\npower_cap_w = 100\n")
}

#[test]
fn recordings_are_read_condensed_and_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let of = |adapter: &str| {
        fs::write(folder.path().join("own.toml"), adapter).unwrap();
        EvidenceBundle::with(&[folder.path()])
    };
    let own = |bundle: EvidenceBundle| {
        bundle.recordings.into_iter().filter(|one| one.adapter.name == "own").collect::<Vec<_>>()
    };
    assert!(own(of(&of_recording()).unwrap()).is_empty(), "without files it is absent");
    let place = folder.path().join("own/x-step");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("nvidia_smi.csv"), "time_s,power_draw_w,other\n0,5,1\n1,6,2\n").unwrap();
    assert!(own(of(&of_recording()).unwrap()).is_empty(), "half of the files");
    fs::write(place.join("meter.csv"), "time_s,watts\n0.001,5\n0.002,7\n0.5,9\n").unwrap();
    let found = own(of(&of_recording()).unwrap());
    assert_eq!(found.len(), 1);
    let [sensor, meter] =
        condensed_recording(&found[0].adapter, &found[0].sensor, &found[0].meter).unwrap();
    assert_eq!(sensor, "time_s,power_draw_w\n0,5\n1,6\n");
    assert_eq!(meter, "time_s,watts\n0.00150,6.00\n0.50000,9.00\n");

    let refused = |from: &str, to: &str| {
        let mut text = of(&of_recording().replace(from, to)).unwrap_err().to_string();
        text.push(' ');
        text
    };
    assert!(refused("x-step", "../x").contains("recordings.name"));
    assert!(refused("100\n", "0\n").contains("`recordings.power_cap_w` is 0"));
    let sums = format!("100\nsha256 = [\"00\", \"{}\"]\n", "1".repeat(64));
    assert!(refused("100\n", &sums).contains("nvidia_smi.csv` has SHA-256"));
    for (column, value) in [("watts", "nan"), ("watts", ""), ("time_s", "x")] {
        let row = if column == "watts" { format!("1,{value}") } else { format!("{value},1") };
        let error = condensed_recording(
            &found[0].adapter,
            "time_s\n1\n",
            &format!("time_s,watts\n{row}\n"),
        );
        assert!(error.unwrap_err().to_string().contains(&format!("`{column}` is `{value}`")));
    }
}

#[test]
fn a_table_between_other_lines_begins_at_its_header() {
    let adapter = OWN.replace(
        "name = \"runs.csv\"",
        "name = \"runs.csv\"\nheader = \"network,batch,joules,more\"",
    );
    let rows = "a log, of something\nnetwork,batch,joules,more\na,1,8,x\nlog: no row\na,2,4,y\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.toml"), &adapter).unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(folder.path().join("own/runs.csv"), rows).unwrap();
    let own =
        |bundle: EvidenceBundle| bundle.sets.into_iter().find(|set| set.adapter.name == "own");
    let set = own(EvidenceBundle::with(&[folder.path()]).unwrap()).unwrap();
    assert_eq!(set.rows.iter().map(|row| row.joules).collect::<Vec<_>>(), [8.0, 4.0]);
    // The condensed copy is a plain table.
    let copy = condensed(&set.adapter, &set.adapter.files[0], rows).unwrap();
    assert_eq!(copy, "network,batch,joules\na,1,8\na,2,4\n");
    fs::write(folder.path().join("own/runs.csv"), copy).unwrap();
    assert_eq!(own(EvidenceBundle::with(&[folder.path()]).unwrap()).unwrap().rows, set.rows);
    let error = elsewhere(&adapter, "another table\n1\n").err().unwrap();
    assert!(error.contains("has no line `network,batch,joules,more`"), "{error}");
}

#[test]
fn readings_of_our_own_models_have_limits() {
    let estimate = |text: &str| {
        format!("{OWN}\n[estimate]\nmodel = \"cpu-time\"\nlimits_from = \"us\"\n{text}")
    };
    let good = table("a,1,1\na,2,1\n");
    for (text, words) in [
        ("limits = { \"a computer\" = 0 }", "`estimate.limits` is 0"),
        ("limits = { \"a computer\" = inf }", "`estimate.limits` is inf"),
        ("busy_factor = -1\nlimits = {}", "`estimate.busy_factor` is -1"),
        ("busy = [\"load\"]\nlimits = {}", "no column `load`"),
    ] {
        let message = elsewhere(&estimate(text), &good).err().unwrap_or_default();
        assert!(message.contains(words), "`{message}` lacks `{words}`");
    }
    let adapter = estimate("busy = [\"batch\"]\nlimits = { \"a computer\" = 4 }");
    assert!(elsewhere(&adapter, &good).is_ok());
    // No claim is about rows that are not networks.
    let adapter = adapter.replace("unit        =", "estimators_only = true\nunit        =");
    let found = elsewhere(&adapter, &good).unwrap();
    assert!(found.sets.iter().all(|set| set.adapter.name != "own"));
    assert!(found.sources.iter().any(|source| source.adapter.name == "own"));
}

#[test]
fn an_adapter_that_is_read_names_its_file_in_errors() {
    let error = Adapter::parse("name = 1", "place.toml").unwrap_err().to_string();
    assert!(error.contains("place.toml"), "{error}");
}
