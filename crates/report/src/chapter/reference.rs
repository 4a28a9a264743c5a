//! The studies' raw data, analyzed again: published and reproduced side by side.

use record::{ClaimId, Finding, NetworkKind, Origin, TuningSpace};

use super::{layers, race::Target, tuning};
use crate::{
    RawStudy,
    claim::id as claim_id,
    claim::{
        EffectShare, LayerRow, Published, distinct, effect_shares, factorials, findings,
        search_figures, searches, study_cautions,
    },
    document::{Cell, Column, Document, Section, Table},
    insight::SearchInsight,
    stats::StatsError,
};

/// The claims that the raw files can be asked about.
const CLAIMS: [ClaimId; 4] = [
    claim_id::RQ1_BAYESIAN_DOMINATES,
    claim_id::RQ2_CONV_DOMINATES,
    claim_id::RQ3_HALVED_BY_SMALLER_NETWORK,
    claim_id::RQ3_DIMINISHING_RETURNS,
];

/// The findings on the studies' own data, by the rules and the code of our own runs.
#[must_use]
pub fn reference_findings(reference: &RawStudy, published: &Published) -> Vec<Finding> {
    let mut found = findings(&reference.rows(), published);
    found.retain(|it| CLAIMS.contains(&it.id));
    for finding in &mut found {
        let rq1 = finding.id == claim_id::RQ1_BAYESIAN_DOMINATES;
        let caveats = if rq1 { &CAVEATS_RQ1[..] } else { &CAVEATS_RQ2 };
        finding.caveats = caveats.iter().map(|it| (*it).to_owned()).collect();
        if rq1 {
            // The published figures are those of one network on one data set.
            let mut of = searches(&reference.trials);
            of.retain(|it| {
                (it.data, it.network, it.space)
                    == ("fashion-mnist", NetworkKind::DensePoly, TuningSpace::Three)
            });
            finding.measured = search_figures(&of);
            finding.measured.retain(|_, it| it.is_some());
        }
        finding.data = if rq1 {
            format!("{} configurations, each the mean of eight trainings", reference.trials.len())
        } else {
            format!(
                "{} trainings, as the means of the settings of each cell",
                reference.layers.len()
            )
        };
    }
    found
}

const CAVEATS_RQ1: [&str; 3] = [
    "The strategies optimized and are judged by test accuracy.",
    "β2 was looked up in the wrong dictionary: every trial ran with 0.999.",
    "The energy of choosing the next trial, and that of the CPU, are left out.",
];
const CAVEATS_RQ2: [&str; 2] = [
    "Other settings of the optimizer were used with ReLU than without: blocks pair the settings by \
     the order of their learning rates.",
    "Rows are the means of a setting's repeats: those are not independent.",
];

/// The report on the studies' raw data; `ours` are the trainings of our own factorial, if any, and
/// `target` is the accuracy whose price in joules RQ1 shows, `insights` what its searches say about
/// their parameters.
///
/// # Errors
///
/// If the raw rows do not allow the study's analysis.
pub fn reference_document(
    reference: &RawStudy,
    ours: &[LayerRow],
    published: &Published,
    target: Target,
    insights: &[SearchInsight],
) -> Result<Document, StatsError> {
    let rows = reference.rows();
    let sets = factorials(&rows.layers);
    let mut costs = layers::costs(&rows.layers, &sets);
    let shares = effect_shares(reference, ours)?;
    let compared = distinct(shares.iter().map(|it| (it.data.as_str(), it.response.as_str())));
    for (at, (data, response)) in compared.into_iter().enumerate() {
        let of: Vec<&EffectShare> =
            shares.iter().filter(|it| it.data == data && it.response == response).collect();
        costs.paragraphs.push(agreement(&of, data, response));
        costs.tables.insert(at, table(&of, data, response));
    }
    for data in distinct(reference.layers.iter().map(|it| it.data.as_str())) {
        let rows: Vec<&LayerRow> = reference.layers.iter().filter(|it| it.data == data).collect();
        costs.caveats.extend(study_cautions(&rows)?.iter().map(|it| format!("{data}: {it}")));
    }
    let sections: Vec<Section> = [
        tuning::section(&rows.trials, target, insights),
        costs,
        layers::complexity(&rows.layers, &sets),
    ]
    .into();
    Ok(Document {
        title: "The studies' raw data, analyzed again".to_owned(),
        lead: vec![
            "Yarally et al. (CAIN 2023) published the raw results of their trainings. Here they go \
             through the same code and the same rules as wattlab's own runs: what was published \
             stands beside what their data say, and beside what our trainings say where there are \
             any."
                .to_owned(),
        ],
        banner: None,
        findings: reference_findings(reference, published),
        facts: vec![
            ("configurations of RQ1".to_owned(), reference.trials.len().to_string()),
            ("trainings of RQ2 and RQ3".to_owned(), reference.layers.len().to_string()),
            ("our trainings beside them".to_owned(), ours.len().to_string()),
            ("energy from".to_owned(), "the study's power readings of one GPU".to_owned()),
        ],
        sections,
    })
}

fn quantity(response: &str) -> &'static str {
    if response == "energy_j" { "energy" } else { "accuracy" }
}

/// How much of the published table we confirm, in words.
fn agreement(of: &[&EffectShare], data: &str, response: &str) -> String {
    let what = quantity(response);
    let worst =
        of.iter().filter_map(|it| it.confirmed_share).map(|it| (it - 1.0).abs()).reduce(f64::max);
    let lost: Vec<String> = of
        .iter()
        .filter(|it| it.p < 0.05 && it.p_of_setting_means.is_some_and(|p| p >= 0.05))
        .map(|it| format!("`{}`", it.term))
        .collect();
    let agreement = match worst {
        Some(worst) => format!(
            "The published analysis of variance of {what} on {data} is reproduced: its {} η² differ \
             from ours by at most {worst:.0e} of their size.",
            of.len()
        ),
        None => format!("There is no published table of {what} on {data} to compare with."),
    };
    if lost.is_empty() {
        return format!(
            "{agreement} Every effect that is significant stays so on the means of the settings."
        );
    }
    format!(
        "{agreement} On the means of the settings, which are independent, these are no longer \
         significant: {}.",
        lost.join(", ")
    )
}

fn table(of: &[&EffectShare], data: &str, response: &str) -> Table {
    let ours: Vec<(&str, Option<Origin>)> = of.first().map_or_else(Vec::new, |it| {
        it.ours.iter().map(|it| (it.data.as_str(), it.origin)).collect()
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
        let origin = origin.map_or("", |it| it.word());
        columns.push(Column::number(format!("our η² ({name}, {origin})"), ""));
        columns.push(Column::number(format!("of the published ({name})"), "%"));
    }
    let mut table = Table::new(
        format!("rq2-published-{data}-{response}"),
        format!(
            "Type III ANOVA of {} on {data}: as published, and from the study's raw rows by our \
             code. `confirmed` is the reproduced effect as a share of the published one.",
            quantity(response)
        ),
        columns,
    );
    for it in of {
        let number =
            |it: Option<f64>, digits| Cell::or_missing(it.map(|it| Cell::number(it, digits)));
        let mut row = vec![
            Cell::text(&it.term),
            number(it.published_eta_sq, 6),
            Cell::number(it.reproduced_eta_sq, 6),
            number(it.confirmed_share.map(|it| it * 100.0), 5),
            number(it.published_f, 6),
            Cell::number(it.reproduced_f, 6),
            Cell::PValue(it.p),
            Cell::or_missing(it.p_of_setting_means.map(Cell::PValue)),
        ];
        for (name, _) in &ours {
            let ours = it.ours.iter().find(|it| it.data == *name);
            row.push(number(ours.map(|it| it.eta_sq), 3));
            row.push(number(ours.and_then(|it| it.share).map(|it| it * 100.0), 3));
        }
        table.push(row);
    }
    table
}
