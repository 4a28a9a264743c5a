//! A study as a self-contained page.

use report::{Cell, Column, Document, Section, Table};
use tuner::OpenStudy;

use super::{
    figures::histories,
    states::{counts, objectives, word},
    trials,
};
use crate::insight::Learned;

/// The latest trials, this many, are in the table.
const ROWS: usize = 2000;
/// Time between two loads of a page that is watched, in seconds.
const REFRESH_S: u32 = 5;

/// The page; `watched` if it loads itself again while the study runs.
pub(super) fn page(study: &OpenStudy, learned: &Learned<'_>, name: &str, watched: bool) -> String {
    let section = |id: &str, heading: &str, question: &str| Section {
        id: id.to_owned(),
        heading: heading.to_owned(),
        question: question.to_owned(),
        ..Section::default()
    };
    let document = Document {
        answers: Vec::new(),
        title: format!("Study {name}"),
        lead: vec![format!("Trials: {}.", counts(study))],
        banner: None,
        findings: Vec::new(),
        facts: facts(study),
        sections: vec![
            Section {
                figures: histories(study, learned),
                tables: front(study).into_iter().collect(),
                ..section("progress", "Progress", "How good are the best trials so far?")
            },
            Section {
                figures: trials::figures(study),
                ..section("trials", "Trials", "What did the trials give?")
            },
            Section {
                figures: learned.insight.figures(),
                paragraphs: learned.insight.in_words(),
                tables: learned.insight.table().into_iter().collect(),
                ..section("parameters", "Parameters", "Which parameters matter?")
            },
            Section {
                tables: vec![table(study)],
                ..section("all", "All trials", "What was tried?")
            },
        ],
    };
    let html = report::html(&document);
    if !watched {
        return html;
    }
    let charset = "<meta charset=\"utf-8\">";
    let refresh = format!("{charset}<meta http-equiv=\"refresh\" content=\"{REFRESH_S}\">");
    html.replacen(charset, &refresh, 1)
}

fn facts(study: &OpenStudy) -> Vec<(String, String)> {
    let mut facts = vec![(
        "parameters".to_owned(),
        study.spec().space.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>().join(", "),
    )];
    for (what, spent) in [("trials", study.spent_by_trials()), ("search", study.spent_by_search())]
    {
        let joules = spent.joules.zip(spent.origin);
        let joules = joules.map(|(joules, origin)| format!(", {joules:.1} J {}", origin.word()));
        let text = format!("{:.2} s{}", spent.seconds, joules.unwrap_or_default());
        facts.push((format!("cost of the {what}"), text));
    }
    facts
}

/// The Pareto front as a table; `None` with one objective.
fn front(study: &OpenStudy) -> Option<Table> {
    (study.objectives() > 1).then(|| {
        let numbers: Vec<u32> = study.pareto().iter().map(|trial| trial.number).collect();
        rows(study, "front", "The trials of the Pareto front.", |number| numbers.contains(&number))
    })
}

fn table(study: &OpenStudy) -> Table {
    let last = study.trials().last().map_or(0, |trial| trial.number as usize);
    let first = (last + 1).saturating_sub(ROWS);
    let caption = "Trials that were stopped early have their last value; failed ones have none. \
                   Parameters that do not apply are left out.";
    rows(study, "all-trials", caption, |number| number as usize >= first)
}

/// The trials with some numbers, a row each.
fn rows(study: &OpenStudy, id: &str, caption: &str, has: impl Fn(u32) -> bool) -> Table {
    let names = objectives(study);
    let mut columns = vec![Column::number("trial", ""), Column::text("state")];
    columns.extend(names.iter().map(|name| Column::number(name.clone(), "")));
    columns.extend([
        Column::number("steps", ""),
        Column::number("time", "s"),
        Column::energy("energy", "J"),
        Column::text("parameters"),
    ]);
    let mut table = Table::new(id, caption, columns);
    for trial in study.trials().filter(|trial| has(trial.number)) {
        let spent = study.spent_on(trial.number);
        let values = study.last_values(trial.number).unwrap_or_default();
        let mut row = vec![Cell::Integer(i64::from(trial.number)), Cell::text(word(trial))];
        row.extend((0..names.len()).map(|objective| {
            Cell::or_missing(values.get(objective).map(|value| Cell::number(*value, 6)))
        }));
        let named = study.named(&trial.parameters);
        let named: Vec<String> =
            named.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let energy = spent.joules.zip(spent.origin);
        row.extend([
            Cell::Integer(i64::from(trial.steps())),
            Cell::number(spent.seconds, 3),
            Cell::or_missing(energy.map(|(joules, origin)| Cell::energy(joules, None, 4, origin))),
            Cell::text(named.join(" ")),
        ]);
        table.push(row);
    }
    table
}
