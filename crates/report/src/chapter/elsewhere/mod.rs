//! The studies' claims on other people's measurements: the matrix, its cells, and what follows from them.

mod cells;
mod estimators;
mod matrix;
mod pooled;

use record::Verdict;

use self::{
    cells::{data_sets, empty, rules, tested},
    estimators::{compared, not_estimated, words},
    matrix::matrix,
    pooled::{searches, syntheses},
};
use crate::{
    document::{Document, Section},
    evidence::Elsewhere,
    number::fixed,
};

/// The chapter: the matrix first.
#[must_use]
pub fn elsewhere_section(elsewhere: &Elsewhere) -> Section {
    let tables = [
        Some(tested(elsewhere)),
        Some(rules(elsewhere)),
        syntheses(elsewhere),
        compared(elsewhere),
        not_estimated(elsewhere),
        searches(elsewhere),
        Some(empty(elsewhere)),
        Some(data_sets(elsewhere)),
    ];
    Section {
        id: "elsewhere".to_owned(),
        heading: "Elsewhere".to_owned(),
        question: "Do the claims hold on what other people measured?".to_owned(),
        claims: Vec::new(),
        paragraphs: paragraphs(elsewhere),
        figures: vec![matrix(elsewhere)],
        tables: tables.into_iter().flatten().collect(),
        caveats: caveats(elsewhere),
    }
}

/// A document of this chapter alone.
#[must_use]
pub fn elsewhere_document(elsewhere: &Elsewhere) -> Document {
    Document {
        answers: Vec::new(),
        title: "The studies' claims on other people's measurements".to_owned(),
        lead: vec![
            "Others have published what their meters and GPUs measured. This report tests the studies' \
             claims on these joules."
                .to_owned(),
        ],
        banner: None,
        findings: Vec::new(),
        facts: vec![
            ("measured sets".to_owned(), elsewhere.sets.len().to_string()),
            ("tests".to_owned(), elsewhere.filled().to_string()),
        ],
        sections: vec![elsewhere_section(elsewhere)],
    }
}

fn paragraphs(elsewhere: &Elsewhere) -> Vec<String> {
    let count = |verdict: Verdict| {
        let tests = elsewhere.cells.iter().filter_map(|cell| cell.tested());
        tests.filter(|test| test.verdict == verdict).count()
    };
    let data_sets: Vec<&str> =
        crate::claim::distinct(elsewhere.sets.iter().map(|set| set.adapter.name.as_str()));
    let mut paragraphs = vec![
        format!(
            "{} claims were tested on {} sets of {} data sets that others measured: {} tests in all, of \
             which {} support a claim, {} contradict one and {} are inconclusive. The rules are those for \
             our own runs where the data permit; the table gives each rule.",
            Elsewhere::claims().count(),
            elsewhere.sets.len(),
            data_sets.len(),
            elsewhere.filled(),
            count(Verdict::Supported),
            count(Verdict::Contradicted),
            count(Verdict::Inconclusive),
        ),
        "Every look at the data is a test, so the p-values are adjusted by Holm's method over all tests of \
         the matrix: a verdict whose p-value is then 0.05 or more is called inconclusive. Joules of a GPU, \
         of a GPU and the processor, of a whole computer and of a board are never pooled, nor are those of \
         training and of inference."
            .to_owned(),
    ];
    for synthesis in &elsewhere.syntheses {
        let (mean, ci95, prediction) = synthesis.effect();
        let show = |interval| synthesis.unit.show_interval(mean, Some(interval));
        paragraphs.push(format!(
            "`{}`, {} in {} ({} sets): {} {}; a new set would be between {} and {} with 95 % probability. \
             {} % of the variation is between the sets.",
            synthesis.claim,
            synthesis.scope.words(),
            synthesis.phase.words(),
            synthesis.sets.len(),
            synthesis.effect_name,
            show(ci95),
            synthesis.unit.show(prediction[0], 3),
            synthesis.unit.show(prediction[1], 3),
            fixed(synthesis.mean.i_squared * 100.0, 0),
        ));
    }
    paragraphs.extend(words(elsewhere));
    for absent in &elsewhere.absent {
        paragraphs.push(format!(
            "The rows of `{}` are not part of this program (licence: {}). `wattlab reproduce --published \
             --reference DIR` uses them if `DIR/{}` holds them.",
            absent.name, absent.licence.name, absent.name
        ));
    }
    paragraphs
}

fn caveats(elsewhere: &Elsewhere) -> Vec<String> {
    let mut caveats = Vec::new();
    let sources = || elsewhere.sources.iter();
    for name in crate::claim::distinct(sources().map(|set| set.adapter.name.as_str())) {
        let set = sources().find(|set| set.adapter.name == name);
        let Some(set) = set else { continue };
        caveats.extend(set.adapter.beware.iter().map(|text| format!("{name}: {text}")));
        caveats.extend(set.adapter.estimate.iter().map(|estimate| {
            format!("{name}: the cores or power caps of our estimates: {}.", estimate.limits_from)
        }));
    }
    caveats
}
