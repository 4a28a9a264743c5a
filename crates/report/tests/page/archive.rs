//! The other files of a report: records, emissions, LaTeX tables, references, RO-Crate metadata.

use std::{collections::BTreeMap, fs};

use record::RunRecord;
use serde_json::Value;
use wattlab_report::{
    Formats, MAX_RECORDS, Runs, Target, document, emissions_csv, latex, records_csv, results,
    write, write_records,
};

use crate::fixture;

pub(crate) fn run() -> RunRecord {
    serde_json::from_str(include_str!("record.json")).unwrap()
}

#[test]
fn a_table_for_a_paper() {
    let text = latex(&fixture::table());
    insta::assert_snapshot!(text, @r"
    % Needs \usepackage{booktabs}.
    \begin{table}
      \centering
      \caption{Searches by strategy.}
      \label{tab:rq1-strategies}
      \begin{tabular}{lrrrr}
        \toprule
        strategy & trials & best accuracy (\%) & energy of a request (J/request) & p \\
        \midrule
        bayesian, ''gp'' & $-$1,234 & 84.7 [83.9 to 85.6] & 1,674 [1,650 to 1,690] (est.) & \textless{} 0.001 \\
        \textless{}/script\textgreater{}\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{}'''\&\textbar{}*\textasciigrave{}x\textasciigrave{} & -- & $-$0.046 & 0.311 (meas.) & 0.049 \\
        simple\_cnn & -- & -- & -- & -- \\
        \bottomrule
      \end{tabular}
    \end{table}
    ");
}

#[test]
fn every_value_of_a_record_has_a_column() {
    let mut other = run();
    other.energy.total = None;
    let text = records_csv(&[run(), other]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let of = |row: usize, name: &str| {
        let at = columns.iter().position(|column| column == name);
        rows[row][at.unwrap_or_else(|| panic!("no column {name}: {columns:?}"))].to_owned()
    };
    assert_eq!(of(0, "spec.task.infer.network"), "resnet18");
    assert_eq!(of(0, "energy.total.origin"), "estimated");
    assert_eq!(of(0, "energy.total.joules").parse(), Ok(run().energy.total.unwrap().joules.0));
    assert_eq!(of(1, "energy.total.joules"), "", "absent is absent");
    assert_eq!(records_csv(&[]), "");
}

#[test]
fn emissions_have_the_columns_of_codecarbon_and_origins() {
    let text = emissions_csv(&[run()]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row: BTreeMap<String, String> = reader.deserialize().next().unwrap().unwrap();
    assert_eq!(row["timestamp"], "2024-02-29T23:59:59");
    assert_eq!(row["experiment_id"], "timeline");
    let joules = run().energy.total.unwrap().joules.0;
    let kwh: f64 = row["energy_consumed"].parse().unwrap();
    assert!((kwh * 3.6e6 - joules).abs() < 1e-9);
    // The only domain is the process's share of the processor, which is estimated. Every energy has its origin.
    assert_eq!(row["cpu_energy"], row["energy_consumed"]);
    for origin in ["cpu_energy_origin", "energy_consumed_origin"] {
        assert_eq!(row[origin], "estimated", "{origin}");
    }
    for empty in ["gpu_energy", "gpu_energy_origin", "emissions", "country_iso_code"] {
        assert_eq!(row[empty], "", "{empty}");
    }
}

#[test]
fn the_crate_lists_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(&fixture::document(), folder.path(), &Formats::all()).unwrap();
    let more = write_records(&&[run()][..], &Runs::of(&[run()]), &files, folder.path()).unwrap();
    let metadata = fs::read_to_string(folder.path().join("ro-crate-metadata.json")).unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let graph = metadata["@graph"].as_array().unwrap();
    let ids: Vec<&str> = graph.iter().map(|entity| entity["@id"].as_str().unwrap()).collect();
    for path in files.iter().chain(&more) {
        let name = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
        assert!(path.is_file() && ids.contains(&&*name), "{name} is not in {ids:?}");
    }
    let root = graph.iter().find(|entity| entity["@id"] == "./").unwrap();
    for part in
        root["hasPart"].as_array().unwrap().iter().chain(root["citation"].as_array().unwrap())
    {
        assert!(ids.contains(&part["@id"].as_str().unwrap()), "{part} is described");
    }
    let bib = fs::read_to_string(folder.path().join("studies.bib")).unwrap();
    assert!(bib.contains("2303.13972") && bib.contains("2307.11434"));
    assert_eq!(bib.matches('{').count(), bib.matches('}').count());
}

#[test]
fn tables_of_more_than_100_000_records_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let runs = Runs::of(&[run()]);
    let few = write_records(&&[run()][..], &runs, &[], folder).unwrap();
    let many = Runs { count: MAX_RECORDS + 1, ..runs };
    let left = write_records(&&[run()][..], &many, &[], folder).unwrap();
    let tables = 2 + usize::from(cfg!(feature = "parquet"));
    assert_eq!(few.len(), left.len() + tables);
    assert!(!folder.join("records.csv").exists(), "it would not be of these records");
    let metadata = fs::read_to_string(folder.join("ro-crate-metadata.json")).unwrap();
    assert!(!metadata.contains("records."), "{metadata}");
    let found = document(&many, &results(&many), Target::default(), &[]);
    assert!(found.facts.iter().any(|fact| fact.1.contains("`wattlab journal export`")));
}
