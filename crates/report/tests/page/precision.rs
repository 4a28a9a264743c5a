//! Runs with 8-bit integers: they have rows of their own, and the studies' claims do not see them.

use record::{InferencePrecision, Origin, RunRecord, Task};
use wattlab_report::{Runs, Target, document, results};

use crate::synthetic::{SMALL, records};

/// The records, and those of `resnet18` and `alexnet` once more with 8-bit integers and half the joules.
fn with_int8(all: &[RunRecord]) -> Vec<RunRecord> {
    let int8 = |record: &RunRecord| {
        let mut record = record.clone();
        match &mut record.spec.task {
            Task::Serve(task) if task.network == "alexnet" => {
                task.precision = InferencePrecision::Int8;
            }
            Task::Infer(task) if task.network == "resnet18" => {
                task.precision = InferencePrecision::Int8;
            }
            _ => return None,
        }
        record.energy.total.iter_mut().for_each(|energy| energy.joules.0 /= 2.0);
        record.id = record.spec.id();
        Some(record)
    };
    all.iter().cloned().chain(all.iter().filter_map(int8)).collect()
}

#[test]
fn int8_has_its_own_rows_and_changes_no_claim() {
    let all = records(SMALL, Origin::Measured);
    let both = with_int8(&all);
    assert!(both.len() > all.len());
    let (before, after) = (Runs::of(&all), Runs::of(&both));
    let (claims, with) = (results(&before), results(&after));
    assert!(!claims.claims.is_empty());
    for (a, b) in claims.claims.iter().zip(&with.claims) {
        assert_eq!((&a.id, &a.verdict, &a.reason), (&b.id, &b.verdict, &b.reason));
    }
    let page = document(&after, &with, Target::default(), &[]);
    let rows = |section: &str, table: &str| {
        let section = page.sections.iter().find(|it| it.id == section).unwrap();
        let table = section.tables.iter().find(|it| it.id == table).unwrap();
        format!("{:?}", table.rows())
    };
    assert!(rows("rq4", "rq4-policies").contains("alexnet, int8"));
    assert!(rows("rq5", "rq5-networks").contains("resnet18, int8"));
    // The published accuracy is that of single precision, so int8 is not on its frontier.
    assert!(!rows("rq5", "rq5-tradeoff").contains("int8"));
}
