//! The study's raw data, analyzed again: published and reproduced figures side by side.

use std::collections::BTreeMap;

use record::{Finding, NetworkKind, Origin, TuningSpace};

use super::{layers, race::Target, tuning};
use crate::{
    claim::{
        LayerRow, Question, Response, assessed, claims_on, distinct, factorials, findings,
        search_figures, searches,
    },
    document::{Cell, Column, Document, Section, Table},
    insight::TuningInsight,
    raw_study::{EffectShare, RawStudy, effect_shares, study_cautions},
    stats::StatsError,
};

/// The findings on the studies' own data, by the same rules and code as those on our runs: the claims
/// of RQ1, RQ2 and RQ3, which the raw files cover.
#[must_use]
pub fn reference_findings(reference: &RawStudy) -> Vec<Finding> {
    let rq1 = claims_on(Question::Tuning);
    let rq2_and_3 = [claims_on(Question::Layers), claims_on(Question::Complexity)].concat();
    let mut found = findings(&reference.rows());
    found.retain(|finding| rq1.contains(&finding.id) || rq2_and_3.contains(&finding.id));
    for finding in &mut found {
        let caveats = if rq1.contains(&finding.id) {
            finding.measured = published_searches(reference);
            finding.data = format!(
                "{} configurations, each the mean of eight trainings",
                reference.trials.len()
            );
            &CAVEATS_RQ1[..]
        } else {
            finding.data = format!(
                "{} trainings, as the mean of each setting in each cell",
                reference.layers.len()
            );
            &CAVEATS_RQ2
        };
        finding.caveats = caveats.iter().map(|caveat| (*caveat).to_owned()).collect();
    }
    found
}

/// The figures of RQ1 for the network and the data set that the published figures are about.
fn published_searches(reference: &RawStudy) -> BTreeMap<String, Option<f64>> {
    let mut of = searches(&reference.trials);
    of.retain(|search| {
        (search.data, search.network, search.space)
            == ("fashion-mnist", NetworkKind::DensePoly, TuningSpace::Three)
    });
    let figures = search_figures(&of).into_iter().filter(|(_, value)| value.is_some());
    figures.map(|(key, value)| (key.to_owned(), value)).collect()
}

const CAVEATS_RQ1: [&str; 3] = [
    "The strategies chose by test accuracy and are judged by it.",
    "A bug in the study's code ignored β2: every trial ran with 0.999.",
    "The energy of choosing the next trial and that of the CPU are not included.",
];
const CAVEATS_RQ2: [&str; 2] = [
    "Different optimizer settings were used with and without ReLU: blocks pair the settings in the \
     order of their learning rates.",
    "A row is the mean of a setting's repeats, because repeats are not independent.",
];

/// The report on the study's raw data.
///
/// `ours` are the trainings of our own factorial, if any; `target` is the accuracy whose price in
/// joules RQ1 shows; `insights` are the analyses of the searches' parameters.
///
/// # Errors
///
/// If the study's analysis of variance is not defined on the raw rows.
pub fn reference_document(
    reference: &RawStudy,
    ours: &[LayerRow],
    target: Target,
    insights: &[TuningInsight],
) -> Result<Document, StatsError> {
    let rows = reference.rows();
    let sets = factorials(&rows.layers);
    let mut costs = layers::costs(&rows.layers, &sets);
    let shares = effect_shares(reference, ours)?;
    let compared = distinct(shares.iter().map(|share| (share.data.as_str(), share.response)));
    for (at, (data, response)) in compared.into_iter().enumerate() {
        let of: Vec<&EffectShare> = shares
            .iter()
            .filter(|share| share.data == data && share.response == response)
            .collect();
        costs.paragraphs.push(agreement(&of, data, response));
        costs.tables.insert(at, table(&of, data, response));
    }
    for data in distinct(reference.layers.iter().map(|row| row.data.as_str())) {
        let rows: Vec<&LayerRow> = reference.layers.iter().filter(|row| row.data == data).collect();
        costs
            .caveats
            .extend(study_cautions(&rows)?.iter().map(|caution| format!("{data}: {caution}")));
    }
    let sections: Vec<Section> = [
        tuning::section(&rows.trials, target, insights),
        costs,
        layers::complexity(&rows.layers, &sets),
    ]
    .into();
    Ok(Document {
        answers: Vec::new(),
        title: "The study's raw data, analyzed again".to_owned(),
        lead: vec![
            "Yarally et al. (CAIN 2023) published the raw results of their trainings. This report \
             analyzes them with the same code and the same criteria as wattlab's own runs. It shows \
             the published figures, the figures reproduced from the raw data and, where they exist, \
             the figures from our own trainings side by side."
                .to_owned(),
        ],
        banner: None,
        findings: reference_findings(reference).into_iter().map(assessed).collect(),
        facts: vec![
            ("configurations of RQ1".to_owned(), reference.trials.len().to_string()),
            ("trainings of RQ2 and RQ3".to_owned(), reference.layers.len().to_string()),
            ("our trainings beside them".to_owned(), ours.len().to_string()),
            ("energy from".to_owned(), "the study's power readings of one GPU".to_owned()),
        ],
        sections,
    })
}

/// How well the published table is reproduced, in words.
fn agreement(of: &[&EffectShare], data: &str, response: Response) -> String {
    let what = response.title();
    let worst = of
        .iter()
        .filter_map(|effect| effect.confirmed_share)
        .map(|share| (share - 1.0).abs())
        .reduce(f64::max);
    let lost: Vec<String> = of
        .iter()
        .filter(|effect| effect.p < 0.05 && effect.p_of_setting_means.is_some_and(|p| p >= 0.05))
        .map(|effect| format!("`{}`", effect.term))
        .collect();
    let agreement = match worst {
        Some(worst) => format!(
            "The published analysis of variance of {what} on {data} is reproduced: the {} values of η² \
             differ from the published ones by at most {worst:.0e} of their size.",
            of.len()
        ),
        None => format!("The study published no table of {what} on {data} to compare with."),
    };
    if lost.is_empty() {
        return format!(
            "{agreement} Every significant effect is also significant on the means of the settings."
        );
    }
    format!(
        "{agreement} On the means of the settings, which are independent, these effects are no longer \
         significant: {}.",
        lost.join(", ")
    )
}

fn table(of: &[&EffectShare], data: &str, response: Response) -> Table {
    let ours: Vec<(&str, Option<Origin>)> = of.first().map_or_else(Vec::new, |effect| {
        effect.ours.iter().map(|ours| (ours.data.as_str(), ours.origin)).collect()
    });
    let mut columns = vec![
        Column::text("term"),
        Column::number("published η²", ""),
        Column::number("reproduced η²", ""),
        Column::number("confirmed", "%"),
        Column::number("published F", ""),
        Column::number("reproduced F", ""),
        Column::number("p", ""),
        Column::number("p on setting means", ""),
    ];
    for (name, origin) in &ours {
        let origin = origin.map_or("", |origin| origin.word());
        columns.push(Column::number(format!("our η² ({name}, {origin})"), ""));
        columns.push(Column::number(format!("of the published ({name})"), "%"));
    }
    let mut table = Table::new(
        format!("rq2-published-{data}-{}", response.key()),
        format!(
            "Type III ANOVA of {} on {data}: as published, and as computed from the study's raw rows. \
             `confirmed` is the reproduced η² as a share of the published one.",
            response.title()
        ),
        columns,
    );
    for effect in of {
        let number = |value: Option<f64>, digits| {
            Cell::or_missing(value.map(|value| Cell::number(value, digits)))
        };
        let mut row = vec![
            Cell::text(&effect.term),
            number(effect.published_eta_sq, 6),
            Cell::number(effect.reproduced_eta_sq, 6),
            number(effect.confirmed_share.map(|share| share * 100.0), 5),
            number(effect.published_f, 6),
            Cell::number(effect.reproduced_f, 6),
            Cell::PValue(effect.p),
            Cell::or_missing(effect.p_of_setting_means.map(Cell::PValue)),
        ];
        for (name, _) in &ours {
            let ours = effect.ours.iter().find(|ours| ours.data == *name);
            row.push(number(ours.map(|ours| ours.eta_sq), 3));
            row.push(number(ours.and_then(|ours| ours.share).map(|share| share * 100.0), 3));
        }
        table.push(row);
    }
    table
}
