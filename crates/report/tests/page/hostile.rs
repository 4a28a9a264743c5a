//! No values in records can put a NaN into an output or cause a panic.

use proptest::prelude::*;
use record::{Energy, Joules, Origin, Outcome, Results, RunRecord, Seconds};
use wattlab_report::{
    CLAIMS, Document, Runs, Target, compare_folders, csv, document, emissions_csv, html, latex,
    markdown, records_csv, results, svg,
};

use crate::synthetic::{SMALL, records};

/// Fails if a text contains `NaN`, or `inf` as a number.
pub(crate) fn check(what: &str, text: &str) {
    let infinite = text.match_indices("inf").find(|(at, _)| {
        let letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphabetic());
        !letter(text[at + 3..].chars().next()) && !letter(text[..*at].chars().next_back())
    });
    let at = text.find("NaN").or(infinite.map(|found| found.0));
    if let Some(at) = at {
        let around: String = text[..at].chars().rev().take(120).collect();
        let around: String = around.chars().rev().collect();
        panic!("{what}: {around}>>>{}", text[at..].chars().take(60).collect::<String>());
    }
}

/// Makes and checks every output of some records.
fn check_all(records: &[RunRecord]) {
    let runs = Runs::of(records);
    let results = results(&runs);
    assert_eq!(results.claims.len(), CLAIMS.len());
    let json = serde_json::to_string(&results).unwrap();
    let read: Results = serde_json::from_str(&json).unwrap();
    assert_eq!(read.claims.len(), CLAIMS.len(), "what is written can be read");
    check("results.json", &json);
    let document = document(&runs, &results, Target::Accuracy(0.8), &[]);
    check_document(&document);
    let values: Vec<serde_json::Value> =
        records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
    assert_eq!(values.len(), records.len());
    check("records.csv", &records_csv(records));
    check("emissions.csv", &emissions_csv(records));
    let compared = compare_folders(&runs.rows, &runs.rows);
    check("compare", &serde_json::to_string(&compared).unwrap());
    for difference in &compared.differences {
        assert!(
            difference.change.is_finite() && difference.a.is_finite() && difference.b.is_finite(),
            "{difference:?}"
        );
    }
}

fn check_document(document: &Document) {
    let page = html(document);
    let (before, script) = page.split_once("<script>").unwrap();
    check("page", before);
    assert!(script.len() < 4_000, "the one script is the last thing");
    check("markdown", &markdown(document));
    for section in &document.sections {
        for table in &section.tables {
            check("csv", &csv(table));
            check("latex", &latex(table));
        }
        for figure in &section.figures {
            check("svg", &svg(figure));
        }
    }
}

/// What can be wrong with a record.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    Joules(f64),
    Uncertainty(f64),
    NoEnergy,
    Origin(Origin),
    Seconds(f64),
    Accuracy(f64),
    Nothing,
    Twice,
    Gone,
}

fn apply(flaw: Flaw, at: usize, records: &mut Vec<RunRecord>) {
    let at = at % records.len();
    let record = &mut records[at];
    let energy = record.energy.total.as_mut();
    match flaw {
        Flaw::Joules(joules) => {
            if let Some(energy) = energy {
                energy.joules = Joules(joules);
            }
        }
        Flaw::Uncertainty(joules) => {
            if let Some(energy) = energy {
                energy.uncertainty = Joules(joules);
            }
        }
        Flaw::NoEnergy => record.energy.total = None,
        Flaw::Origin(origin) => {
            if let Some(energy) = energy {
                *energy = Energy { origin, ..*energy };
            }
        }
        Flaw::Seconds(seconds) => {
            record.timing.main = Seconds(seconds);
            record.timing.duration = Seconds(seconds);
            let serving = record.timing.serving.as_mut();
            if let Some(batch) = serving.and_then(|serving| serving.batches.last_mut()) {
                batch.end_s = seconds;
            }
        }
        Flaw::Accuracy(accuracy) => {
            if let Outcome::Trained(trained) = &mut record.outcome {
                (trained.test_accuracy, trained.validation_accuracy) = (accuracy, Some(accuracy));
            }
        }
        Flaw::Nothing => match &mut record.outcome {
            Outcome::Inferred(inferred) => inferred.images = 0,
            Outcome::Evaluated(evaluated) => evaluated.data.test = 0,
            Outcome::Served(served) => {
                served.requests = 0;
                record.timing.serving.iter_mut().for_each(|serving| serving.batches.clear());
            }
            Outcome::Trained(trained) => trained.epochs.clear(),
        },
        Flaw::Twice => {
            let again = record.clone();
            records.push(again);
        }
        Flaw::Gone => {
            if records.len() > 1 {
                records.remove(at);
            }
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![
        0.0,
        -0.0,
        -5.0,
        1.0,
        1e-320,
        1e-9,
        1e150,
        1e308,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ])
}

fn flaw() -> impl Strategy<Value = Flaw> {
    prop_oneof![
        value().prop_map(Flaw::Joules),
        value().prop_map(Flaw::Uncertainty),
        Just(Flaw::NoEnergy),
        prop::sample::select(vec![Origin::Measured, Origin::Estimated, Origin::Mixed])
            .prop_map(Flaw::Origin),
        value().prop_map(Flaw::Seconds),
        value().prop_map(Flaw::Accuracy),
        Just(Flaw::Nothing),
        Just(Flaw::Twice),
        Just(Flaw::Gone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn records_with_impossible_values_are_excluded_and_counted(flaws in prop::collection::vec((flaw(), any::<usize>()), 1..40)) {
        let mut records = records(SMALL, Origin::Measured);
        flaws.into_iter().for_each(|(flaw, at)| apply(flaw, at, &mut records));
        check_all(&records);
    }
}

#[test]
fn a_flaw_in_every_record_still_gives_a_report() {
    let flaws = [
        Flaw::Joules(0.0),
        Flaw::Joules(-3.0),
        Flaw::Joules(7.0),
        Flaw::Joules(f64::NAN),
        Flaw::Joules(1e308),
        Flaw::Uncertainty(f64::INFINITY),
        Flaw::NoEnergy,
        Flaw::Seconds(0.0),
        Flaw::Seconds(f64::NAN),
        Flaw::Accuracy(0.0),
        Flaw::Accuracy(1.0),
        Flaw::Accuracy(f64::NAN),
        Flaw::Nothing,
    ];
    for flaw in flaws {
        let mut records = records(SMALL, Origin::Estimated);
        (0..records.len()).for_each(|at| apply(flaw, at, &mut records));
        println!("{flaw:?}");
        check_all(&records);
    }
}

/// One observation per cell, empty cells, a single record, and no record.
#[test]
fn too_few_records_give_an_inconclusive_report() {
    let all = records(SMALL, Origin::Measured);
    check_all(&[]);
    for step in [2, 3, 5, 7, 11, 50] {
        let some: Vec<RunRecord> = all.iter().step_by(step).cloned().collect();
        check_all(&some);
    }
    for record in all.iter().step_by(9) {
        check_all(std::slice::from_ref(record));
    }
}

/// Joules of several origins are shown as `mixed` wherever they are combined.
#[test]
fn mixed_origins_are_shown_as_mixed() {
    let mut records = records(SMALL, Origin::Measured);
    let measured = results(&Runs::of(&records));
    for record in records.iter_mut().skip(1).step_by(2) {
        record.energy.total.as_mut().unwrap().origin = Origin::Estimated;
    }
    let mixed = results(&Runs::of(&records));
    for (before, after) in measured.claims.iter().zip(&mixed.claims) {
        assert_eq!(before.energy_origin.map(|_| Origin::Measured), before.energy_origin);
        assert_eq!(before.energy_origin.map(|_| Origin::Mixed), after.energy_origin);
    }
    let page = html(&document(&Runs::of(&records), &mixed, Target::default(), &[]));
    assert!(page.contains("Some joules in this report are estimated"));
    assert!(page.contains("origin-mixed"));
    check_all(&records);
}
