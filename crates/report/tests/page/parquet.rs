//! Records as Parquet (feature `parquet`).

use std::{collections::BTreeMap, io::Write};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use record::RunRecord;
use serde_json::Value;
use wattlab_report::{records_csv, records_parquet};

use crate::archive::run;

/// A file has the columns of the CSV table, with their types, and the lists that CSV leaves out.
#[test]
fn a_parquet_file_has_the_columns_of_the_csv_file_and_the_lists() {
    let mut other = run();
    other.energy.total = None;
    other.spec.seed = u64::MAX;
    let rows = read(&[run(), other]);
    let joules = run().energy.total.unwrap().joules.0;
    assert_eq!(rows[0]["energy.total.joules"], Field::Double(joules));
    assert_eq!(rows[1]["energy.total.joules"], Field::Null, "absent is absent");
    assert_eq!(rows[0]["spec.seed"], Field::ULong(run().spec.seed));
    assert_eq!(rows[1]["spec.seed"], Field::ULong(u64::MAX), "a seed keeps all its bits");
    assert_eq!(rows[0]["spec.task.infer.network"], Field::Str("resnet18".to_owned()));
    let Field::Str(spans) = &rows[0]["energy.spans"] else { panic!("{:?}", rows[0]) };
    let spans: Value = serde_json::from_str(spans).unwrap();
    assert_eq!(spans, serde_json::to_value(&run().energy.spans).unwrap());
    let csv = records_csv(&[run()]);
    for column in csv.lines().next().unwrap().split(',') {
        assert!(rows[0].contains_key(column), "{column}");
    }
    assert_eq!(read(&[]).len(), 0);
}

/// Writes records as Parquet and reads them back.
fn read(records: &[RunRecord]) -> Vec<BTreeMap<String, Field>> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&records_parquet(records).unwrap()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()
    });
    rows.collect()
}
