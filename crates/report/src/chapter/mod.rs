//! Fills the document: a file a question, from rows to figures and tables.

mod batching;
mod frontier;
mod layers;
mod race;
mod reference;
mod timeline;
mod tuning;

pub use self::{
    race::Target,
    reference::{reference_document, reference_findings},
};

use record::{ClaimId, Energy, Origin, Results};

use crate::{
    claim::{Published, Runs, factorials},
    document::{Banner, Document, Section, grouped, significant},
    export::MOST_RECORDS,
    insight::SearchInsight,
};

/// The report of some runs and what they say about the claims; `target` is the accuracy whose
/// price in joules RQ1 shows, `insights` what its searches say about their parameters.
#[must_use]
pub fn document(
    runs: &Runs,
    results: &Results,
    published: &Published,
    target: Target,
    insights: &[SearchInsight],
) -> Document {
    let rows = &runs.rows;
    let sets = factorials(&rows.layers);
    let sections = [
        tuning::section(&rows.trials, target, insights),
        layers::costs(&rows.layers, &sets),
        layers::complexity(&rows.layers, &sets),
        batching::section(&rows.queues),
        timeline::section(&rows.infers, published),
    ];
    Document {
        title: "What does an accuracy point cost in joules?".to_owned(),
        lead: vec![
            "wattlab ran the experiments of two studies of energy in deep learning on this machine, \
             accounted for the energy of every run, and tested the studies' claims on its own runs. Each claim has a \
             rule, written beside it, by which its verdict follows from an interval; \
             “inconclusive” is what too little data gets."
                .to_owned(),
            "The studies: Yarally et al., Uncovering Energy-Efficient Practices in Deep Learning \
             Training (CAIN 2023), and Batching for Green AI (SEAA 2023). The sizes here differ from \
             theirs where the caveats say so."
                .to_owned(),
        ],
        banner: banner(runs),
        findings: results.claims.clone(),
        facts: facts(runs),
        sections: sections.into(),
    }
}

fn banner(runs: &Runs) -> Option<Banner> {
    let origin = runs.energy.map(|it| it.origin);
    let models: Vec<&str> =
        runs.environment.as_ref()?.probes.iter().filter_map(|it| it.model.as_deref()).collect();
    let model = if models.is_empty() { "no model".to_owned() } else { models.join("; ") };
    let (headline, text) = match origin {
        Some(Origin::Measured) => return None,
        Some(Origin::Estimated) => (
            "Every joule in this report is estimated",
            format!(
                "No sensor could be read on this machine. The model: {model}. Comparisons between \
                 runs hold as far as the model does; absolute figures are uncertain by its factor. \
                 `wattlab probes` says what a sensor would need."
            ),
        ),
        Some(Origin::Mixed) => (
            "Some joules in this report are estimated",
            format!("Not every domain could be measured. The model: {model}."),
        ),
        None => {
            ("There are no joules in this report", "Nothing could be read or modeled.".to_owned())
        }
    };
    Some(Banner { headline: headline.to_owned(), text })
}

/// `12.22 ± 0.61 MJ, estimated`.
fn in_words(energy: Energy) -> String {
    let (joules, half) = (energy.joules.0, energy.uncertainty.0);
    let (scale, unit) = match joules {
        it if it >= 1e6 => (1e6, "MJ"),
        it if it >= 1e4 => (1e3, "kJ"),
        _ => (1.0, "J"),
    };
    let (joules, half) = (significant(joules / scale, 4), significant(half / scale, 2));
    format!("{joules} ± {half} {unit}, {}", energy.origin.word())
}

fn facts(runs: &Runs) -> Vec<(String, String)> {
    let Some(environment) = &runs.environment else {
        return vec![("runs".to_owned(), "none".to_owned())];
    };
    let (machine, code) = (&environment.machine, &environment.code);
    let unsound = runs.rows.unsound;
    let probes: Vec<String> = environment
        .probes
        .iter()
        .map(|it| format!("{}: {} ({})", it.probe, it.device, it.method.origin().word()))
        .collect();
    let mut facts = vec![
        ("runs", grouped(runs.count as i64)),
        ("time of all runs", format!("{:.1} min", runs.seconds / 60.0)),
        ("energy of all main spans", runs.energy.map_or_else(|| "none".to_owned(), in_words)),
        ("machine", format!("{}, {} processors, {}", machine.cpu, machine.cpus, machine.os)),
        ("device", machine.device.clone()),
        ("energy from", if probes.is_empty() { "nothing".to_owned() } else { probes.join(", ") }),
        (
            "code",
            format!(
                "wattlab {}{}{}, {} build",
                code.version,
                code.revision.as_ref().map_or_else(String::new, |it| format!(
                    ", revision {}",
                    it.get(..12).unwrap_or(it)
                )),
                if code.modified { " with changes" } else { "" },
                code.build
            ),
        ),
    ];
    if runs.hosts.len() > 1 {
        let names: Vec<&str> = runs.hosts.iter().map(String::as_str).take(8).collect();
        let more = if runs.hosts.len() > names.len() { ", …" } else { "" };
        facts.push(("machines", format!("{}: {}{more}", runs.hosts.len(), names.join(", "))));
    }
    if runs.shared > 0 {
        let text = format!(
            "{} runs were measured while other runs used the same sensors: their joules are an upper \
             bound",
            runs.shared
        );
        facts.push(("warning", text));
    }
    if runs.disturbed > 0 {
        let text = format!(
            "{} runs were measured while others used the machine: times are longer, and measured \
             joules include theirs",
            runs.disturbed
        );
        facts.push(("warning", text));
    }
    if runs.count > MOST_RECORDS {
        let text = "in the journal; `wattlab journal export` writes them as a table";
        facts.push(("single records", text.to_owned()));
    }
    if unsound > 0 {
        let text = format!(
            "{unsound} runs with a figure that cannot be: not a number, negative, or nothing done"
        );
        facts.push(("left out", text));
    }
    if !runs.data.is_empty() {
        facts.push(("trained on", runs.data.join(", ")));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A section without figures, for a question that was not asked.
fn not_run(id: &str, heading: &str, question: &str, claims: Vec<ClaimId>) -> Section {
    Section {
        id: id.to_owned(),
        heading: heading.to_owned(),
        question: question.to_owned(),
        claims,
        ..Section::default()
    }
}
