//! Measured accuracy beside energy: the section appears with the runs of trained networks.

use record::{
    DataUse, EvaluateTask, Evaluated, Experiment, InferencePrecision, Origin, Outcome, RunRecord,
    Seconds, Task, WeightsFile,
};
use wattlab_report::{Cell, Rows, Runs, Section, Target, document, results};

use crate::synthetic::{SMALL, records};

/// A run of a network: `correct` of 10,000 images, with this energy in joules.
fn evaluation(
    network: &str,
    weights: &str,
    correct: usize,
    repetition: u32,
    joules: f64,
) -> RunRecord {
    let all = records(SMALL, Origin::Measured);
    let mut record = all[0].clone();
    record.spec.experiment = Experiment::Accuracy;
    record.spec.repetition = repetition;
    record.spec.task = Task::Evaluate(EvaluateTask {
        precision: InferencePrecision::Float32,
        network: network.to_owned(),
        text: None,
        weights: WeightsFile {
            file: weights.to_owned(),
            sha256: weights.repeat(64)[..64].to_owned(),
        },
        year: Some(2015),
        data: "cifar-10".to_owned(),
        images: 10_000,
        batch: 100,
        warmup_batches: 1,
        mean: Vec::new(),
        deviation: Vec::new(),
    });
    record.outcome = Outcome::Evaluated(Evaluated {
        data: DataUse {
            name: "cifar-10".to_owned(),
            sha256: "f".repeat(64),
            train: 0,
            validation: 0,
            test: 10_000,
        },
        correct,
        parameters: 269_722,
    });
    record.energy.total.as_mut().unwrap().joules.0 = joules;
    record.timing.main = Seconds(joules / 10.0);
    record.id = record.spec.id();
    record
}

fn section(records: &[RunRecord]) -> Option<Section> {
    let runs = Runs::of(records);
    let document = document(&runs, &results(&runs), Target::default(), &[]);
    document.sections.into_iter().find(|section| section.id == "accuracy")
}

/// Five runs of two networks, one of which is better in both respects than a third one.
fn three_networks() -> Vec<RunRecord> {
    let mut all = Vec::new();
    for repetition in 0..5 {
        let joules = |of: f64| of + 0.1 * f64::from(repetition);
        all.push(evaluation("nets/resnet20.toml", "a", 9173, repetition, joules(19.0)));
        all.push(evaluation("nets/wide.toml", "b", 9100, repetition, joules(30.0)));
        all.push(evaluation("nets/resnet56.toml", "c", 9339, repetition, joules(56.0)));
    }
    all
}

#[test]
fn accuracy_has_wilsons_interval_and_the_front_has_the_price_of_a_point() {
    let found = section(&three_networks()).unwrap();
    let networks = found.tables.iter().find(|table| table.id == "accuracy-networks").unwrap();
    assert_eq!(networks.rows().len(), 3);
    let Cell::Number(accuracy) = &networks.rows()[0][7] else { panic!() };
    // scipy 1.16: binomtest(9173, 10000).proportion_ci(method="wilson").
    let [low, high] = accuracy.interval.unwrap();
    assert!((accuracy.value - 91.73).abs() < 1e-9);
    assert!((low - 91.174).abs() < 1e-3 && (high - 92.2539).abs() < 1e-3, "{low} {high}");
    let Cell::Energy(energy, origin) = &networks.rows()[0][8] else { panic!() };
    assert_eq!(*origin, Origin::Measured);
    assert!((energy.value - 19.2e-4).abs() < 1e-12 && energy.interval.is_some(), "{energy:?}");
    let prices = found.tables.iter().find(|table| table.id == "accuracy-tradeoff").unwrap();
    let names: Vec<&Cell> = prices.rows().iter().map(|row| &row[0]).collect();
    assert!(
        matches!(names[..], [Cell::Text(a), Cell::Text(b)] if a == "resnet20" && b == "resnet56"),
        "{names:?}"
    );
    let Cell::Energy(price, _) = &prices.rows()[1][3] else { panic!() };
    assert!((price.value - (56.0 - 19.0) * 1e-4 / (93.39 - 91.73)).abs() < 1e-9, "{price:?}");
    assert_eq!(found.figures.len(), 1);
}

#[test]
fn other_weights_images_and_answers_are_other_points() {
    let mut all = three_networks();
    all.push(evaluation("nets/resnet20.toml", "d", 9000, 0, 19.0));
    // A repetition with another number of correct answers is not of the same program.
    all.push(evaluation("nets/resnet56.toml", "c", 9338, 5, 56.0));
    let mut elsewhere = evaluation("nets/wide.toml", "b", 5000, 0, 30.0);
    let Outcome::Evaluated(outcome) = &mut elsewhere.outcome else { unreachable!() };
    outcome.data.sha256 = "e".repeat(64);
    all.push(elsewhere);
    let found = section(&all).unwrap();
    let networks = found.tables.iter().find(|table| table.id == "accuracy-networks").unwrap();
    assert_eq!(networks.rows().len(), 6);
    let text = format!("{:?}", networks.rows());
    assert!(text.contains("resnet20 (d, batch 100)"), "{text}");
    // One image set has five points, the other a single one, which is no trade-off.
    assert_eq!(found.figures.len(), 1);
}

#[test]
fn impossible_outcomes_and_runs_without_energy_have_no_row() {
    assert!(section(&records(SMALL, Origin::Measured)).is_none());
    let mut too_many = evaluation("a", "a", 10_001, 0, 1.0);
    assert_eq!(Rows::of(&[too_many.clone()]).unsound, 1);
    let Outcome::Evaluated(outcome) = &mut too_many.outcome else { unreachable!() };
    (outcome.correct, outcome.data.test) = (0, 0);
    assert_eq!(Rows::of(&[too_many]).unsound, 1);
    let mut without = evaluation("a", "a", 1, 0, 1.0);
    without.energy.total = None;
    let rows = Rows::of(&[without]);
    assert!(rows.accuracies.is_empty() && rows.unsound == 0);
}
