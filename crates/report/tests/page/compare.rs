//! The comparison of two folders: which effects differ, and by how much.

use record::{Outcome, RunRecord, Task};
use wattlab_report::{Rows, compare_folders};

/// Six runs of each of two networks; the energy of the second network is multiplied.
fn runs(factor: f64) -> Vec<RunRecord> {
    let one: RunRecord = serde_json::from_str(include_str!("record.json")).unwrap();
    let make = |network: &str, repetition: u32| {
        let mut run = one.clone();
        run.spec.repetition = repetition;
        if let Task::Infer(task) = &mut run.spec.task {
            network.clone_into(&mut task.network);
        }
        assert!(matches!(run.outcome, Outcome::Inferred(_)));
        let noise = 1.0 + f64::from(repetition % 3) * 0.01;
        let scale = if network == "alexnet" { factor } else { 1.0 };
        let total = run.energy.total.as_mut().unwrap();
        total.joules.0 *= noise * scale;
        run.timing.main.0 *= noise;
        run
    };
    ["alexnet", "resnet18"].iter().flat_map(|network| (0..6).map(|at| make(network, at))).collect()
}

#[test]
fn only_the_changed_quantity_differs() {
    let found = compare_folders(&Rows::of(&runs(1.0)), &Rows::of(&runs(1.2)));
    assert_eq!(found.differences.len(), 4, "energy and time of two networks");
    let above: Vec<_> = found.above(0.1).collect();
    assert_eq!(above.len(), 1);
    assert!(above[0].name.starts_with("energy of an image, alexnet"), "{above:?}");
    assert!((above[0].change - 0.2).abs() < 1e-12);
    let [low, high] = above[0].ci95.unwrap();
    assert!(low > 0.18 && low < 0.2 && high > 0.2 && high < 0.22, "{low} {high}");
    assert_eq!(above[0].origin, Some(record::Origin::Estimated));
    assert_eq!(found.above(0.25).count(), 0);
}

#[test]
fn a_folder_does_not_differ_from_itself() {
    let found = compare_folders(&Rows::of(&runs(1.0)), &Rows::of(&runs(1.0)));
    assert!(
        found
            .differences
            .iter()
            .all(|difference| !difference.differs() && difference.change.abs() < 1e-12)
    );
    assert!(found.verdicts.is_empty());
    let one = &runs(1.0)[..1];
    let found = compare_folders(&Rows::of(one), &Rows::of(&runs(1.0)));
    assert!(
        found
            .differences
            .iter()
            .all(|difference| difference.ci95.is_none() && difference.p.is_none()),
        "{found:?}"
    );
    assert!(compare_folders(&Rows::default(), &Rows::of(&runs(1.0))).differences.is_empty());
}

/// The difference between a measured and an estimated joule says nothing of the runs.
#[test]
fn measured_and_estimated_energies_are_not_compared() {
    let measured: Vec<RunRecord> = runs(3.0)
        .into_iter()
        .map(|mut run| {
            run.energy.total.as_mut().unwrap().origin = record::Origin::Measured;
            run
        })
        .collect();
    let found = compare_folders(&Rows::of(&runs(1.0)), &Rows::of(&measured));
    assert_eq!(found.not_comparable.len(), 2, "{:?}", found.not_comparable);
    assert!(found.differences.iter().all(|difference| difference.name.starts_with("time")));
    let found = compare_folders(&Rows::of(&measured), &Rows::of(&measured));
    assert!(found.not_comparable.is_empty());
}

/// A folder that never ran a question has no verdict on it that could differ.
#[test]
fn verdicts_on_claims_that_one_folder_did_not_run_do_not_differ() {
    let rows = Rows::of(&runs(1.0));
    for (a, b) in [(&rows, &Rows::default()), (&Rows::default(), &rows)] {
        assert!(compare_folders(a, b).verdicts.is_empty());
    }
    let not_run = |rows: &Rows| {
        let findings = wattlab_report::findings(rows);
        findings.iter().filter(|finding| finding.was_not_run()).count()
    };
    assert_eq!(not_run(&Rows::default()), 9);
    assert_eq!(not_run(&rows), 6, "the three claims of RQ5 were run");
}
