//! What the engine costs: the section and the finding appear with the runs of both engines.

use record::{
    Engine, Experiment, FactorLevel, FactorValue, NetworkKind, Origin, Outcome, OwnNetwork,
    RunRecord, Seconds, StudyNetwork, Task, TrainedNetwork, Verdict,
};
use wattlab_report::{
    CLAIMS, Cell, Finding, Rows, Runs, Target, assessed, document, findings, results,
};

use crate::synthetic::{SMALL, records};

/// Pairs of trainings, made of those of the layer factorial: `joules` are those of our kernels and of candle.
fn pairs(count: u32, joules: [f64; 2], candle_loss: f64) -> Vec<RunRecord> {
    let all = records(SMALL, Origin::Estimated);
    let template = all.iter().find(|record| record.spec.experiment == Experiment::Layers).unwrap();
    let mut pairs = Vec::new();
    for repetition in 0..count {
        for (engine, joules) in [Engine::Fused, Engine::Candle].into_iter().zip(joules) {
            let mut record = template.clone();
            record.spec.experiment = Experiment::Engines;
            record.spec.repetition = repetition;
            let Task::Train(task) = &mut record.spec.task else { unreachable!() };
            let network =
                StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 2, linear: 3, relu: true };
            task.network = network.into();
            task.engine = engine;
            let Outcome::Trained(trained) = &mut record.outcome else { unreachable!() };
            for epoch in &mut trained.epochs {
                epoch.loss = Some(if engine == Engine::Candle { candle_loss } else { 0.5 });
            }
            trained.test_accuracy = 0.875;
            let joules = joules + f64::from(repetition);
            record.energy.total.as_mut().unwrap().joules.0 = joules;
            record.timing.main = Seconds(joules / 10.0);
            record.id = record.spec.id();
            pairs.push(record);
        }
    }
    pairs
}

/// A cell as text: numbers with four digits, and their intervals and origins.
fn plain_text(cell: &Cell) -> String {
    let number = |number: &wattlab_report::Number| match number.interval {
        Some([low, high]) => format!("{:.4} [{low:.4} to {high:.4}]", number.value),
        None => format!("{:.4}", number.value),
    };
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Integer(count) => count.to_string(),
        Cell::Number(value) => number(value),
        Cell::Energy(value, origin) => format!("{} {}", number(value), origin.word()),
        other => format!("{other:?}"),
    }
}

fn finding(records: &[RunRecord]) -> Option<Finding> {
    let found = findings(&Rows::of(records));
    found.into_iter().find(|finding| finding.id.as_str() == "engine-cost")
}

#[test]
fn without_runs_of_both_engines_there_is_neither_section_nor_finding() {
    let all = records(SMALL, Origin::Estimated);
    let only_fused: Vec<RunRecord> = pairs(5, [10.0, 50.0], 0.5).into_iter().step_by(2).collect();
    for records in [all, only_fused] {
        let runs = Runs::of(&records);
        assert_eq!(findings(&runs.rows).len(), CLAIMS.len());
        let document = document(&runs, &results(&runs), Target::default(), &[]);
        assert!(document.sections.iter().all(|section| section.id != "engines"));
    }
}

#[test]
fn the_verdict_needs_less_energy_and_equal_losses() {
    let verdict = |count, joules, loss| finding(&pairs(count, joules, loss)).unwrap().verdict;
    assert_eq!(verdict(6, [10.0, 50.0], 0.501), Verdict::Supported);
    assert_eq!(verdict(6, [50.0, 10.0], 0.501), Verdict::Contradicted);
    assert_eq!(verdict(6, [10.0, 50.0], 0.51), Verdict::Contradicted, "the losses differ by 2 %");
    assert_eq!(verdict(3, [10.0, 50.0], 0.5), Verdict::Inconclusive, "too few pairs");
}

#[test]
fn runs_of_engines_are_no_part_of_the_layer_factorial() {
    let rows = Rows::of(&pairs(5, [10.0, 50.0], 0.5));
    assert_eq!((rows.engines.len(), rows.layers.len()), (10, 0));
}

#[test]
fn the_section_shows_time_and_energy_with_intervals_and_origin() {
    let runs = Runs::of(&pairs(6, [10.0, 50.0], 0.501));
    let document = document(&runs, &results(&runs), Target::default(), &[]);
    let section = document.sections.iter().find(|section| section.id == "engines").unwrap();
    let mut text = vec![section.heading.clone(), section.question.clone()];
    for table in &section.tables {
        text.push(
            table
                .columns()
                .iter()
                .map(|column| column.name.clone())
                .collect::<Vec<_>>()
                .join(" | "),
        );
        for row in table.rows() {
            text.push(row.iter().map(plain_text).collect::<Vec<_>>().join(" | "));
        }
    }
    let finding = assessed(finding(&pairs(6, [10.0, 50.0], 0.501)).unwrap());
    text.push(finding.finding.reason);
    insta::assert_snapshot!(text.join("\n"));
}

/// Trainings of a network in a file: the kernel costs energy, the width does not.
fn own(blocks: u32) -> Vec<RunRecord> {
    let all = records(SMALL, Origin::Estimated);
    let template = all.iter().find(|record| record.spec.experiment == Experiment::Layers).unwrap();
    let mut made = Vec::new();
    for repetition in 0..blocks {
        for (kernel, width) in [(3, 8), (3, 16), (5, 8), (5, 16)] {
            let mut record = template.clone();
            record.spec.repetition = repetition;
            let Task::Train(task) = &mut record.spec.task else { unreachable!() };
            let level = |path: &str, value| FactorLevel {
                path: path.to_owned(),
                value: FactorValue::Whole(value),
            };
            task.network = TrainedNetwork::Own(OwnNetwork {
                file: "mine.toml".to_owned(),
                text: String::new(),
                levels: vec![level("layers.0.kernel", kernel), level("values.width", width)],
            });
            let joules = 10.0 * kernel as f64 + f64::from(repetition % 3);
            record.energy.total.as_mut().unwrap().joules.0 = joules;
            record.id = record.spec.id();
            made.push(record);
        }
    }
    made
}

#[test]
fn a_network_of_the_user_is_analyzed_as_a_factorial() {
    let mut records = own(6);
    // An incomplete block is left out.
    records.pop();
    let runs = Runs::of(&records);
    assert_eq!((runs.rows.own.len(), runs.rows.layers.len()), (23, 0));
    let document = document(&runs, &results(&runs), Target::default(), &[]);
    let section = document.sections.iter().find(|section| section.id == "rq2").unwrap();
    let table = |id: &str| section.tables.iter().find(|table| table.id == id).unwrap();
    let cells: Vec<String> =
        table("rq2-own-cells-0").rows().iter().map(|row| plain_text(&row[0])).collect();
    assert_eq!(cells.len(), 4);
    assert_eq!(cells[0], "layers.0.kernel = 3, values.width = 16");
    let anova = table("rq2-own-anova-0");
    assert!(anova.caption.contains("20 trainings"), "{}", anova.caption);
    let eta = |term: &str| {
        let row = anova.rows().iter().find(|row| plain_text(&row[0]) == term).unwrap();
        plain_text(&row[4]).parse::<f64>().unwrap()
    };
    assert!(eta("layers.0.kernel") > 0.9, "{anova:?}");
    assert!(eta("values.width") < 0.01, "{anova:?}");
    assert!(section.figures.iter().any(|figure| figure.id == "rq2-own-0"));
}
