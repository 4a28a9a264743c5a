//! The whole document: sections, banner and facts.

use record::{Energy, Origin, Results};

use super::{
    accuracy, answers::answers, batching, engines, layers, own, race::Target, timeline, tuning,
};
use crate::{
    claim::{MAX_RECORDS, Runs, assessed, factorials},
    document::{Banner, Document},
    insight::TuningInsight,
    number::{grouped, significant},
};

/// The report on some runs and on what they say about the claims.
///
/// `target` is the accuracy whose price in joules RQ1 shows; `insights` are the analyses of the
/// searches' parameters.
#[must_use]
pub fn document(
    runs: &Runs,
    results: &Results,
    target: Target,
    insights: &[TuningInsight],
) -> Document {
    let rows = &runs.rows;
    let sets = factorials(&rows.layers);
    let mut costs = layers::costs(&rows.layers, &sets);
    own::add(&mut costs, &rows.own);
    let sections = [
        tuning::section(&rows.trials, target, insights),
        costs,
        layers::complexity(&rows.layers, &sets),
        batching::section(&rows.queues),
        timeline::section(&rows.infers),
    ];
    let sections = sections
        .into_iter()
        .chain(accuracy::section(&rows.accuracies))
        .chain(engines::section(&rows.engines));
    Document {
        title: "What does an accuracy point cost in joules?".to_owned(),
        lead: vec![
            "wattlab ran the experiments of two studies of energy in deep learning, recorded the \
             energy of every run, and tested the studies' claims on its own runs. The verdict on a \
             claim follows from an interval by the criterion printed with it; with too little data \
             the verdict is “inconclusive”."
                .to_owned(),
            "The studies: Yarally et al., Uncovering Energy-Efficient Practices in Deep Learning \
             Training (CAIN 2023), and Batching for Green AI (SEAA 2023). Where the runs here are \
             smaller than theirs, the caveats say so."
                .to_owned(),
        ],
        banner: banner(runs),
        answers: answers(rows, &results.claims),
        findings: results.claims.iter().cloned().map(assessed).collect(),
        facts: facts(runs),
        sections: sections.collect(),
    }
}

fn banner(runs: &Runs) -> Option<Banner> {
    let origin = runs.energy.map(|energy| energy.origin);
    let models: Vec<&str> = runs
        .environment
        .as_ref()?
        .probes
        .iter()
        .filter_map(|probe| probe.model.as_deref())
        .collect();
    let model = if models.is_empty() { "none".to_owned() } else { models.join("; ") };
    let (headline, text) = match origin {
        Some(Origin::Measured) => return None,
        Some(Origin::Estimated) => (
            "Every joule in this report is estimated",
            format!(
                "No energy sensor could be read on this machine. The joules come from a model: {model}. \
                 Comparisons between runs are as good as the model; absolute figures are uncertain by \
                 the factor given with it. `wattlab probes` lists what each sensor needs."
            ),
        ),
        Some(Origin::Mixed) => (
            "Some joules in this report are estimated",
            format!("Some domains have no sensor; their joules come from a model: {model}."),
        ),
        None => (
            "This report has no energy figures",
            "No sensor could be read, and no model could estimate the energy.".to_owned(),
        ),
    };
    Some(Banner { headline: headline.to_owned(), text })
}

/// An energy in words: `12.22 ± 0.61 MJ, estimated`.
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

/// The device, and the instruction set that the kernels used on it.
fn device(machine: &record::Machine) -> String {
    match (&machine.instructions, machine.device.as_str()) {
        (Some(set), "cpu") => format!("cpu ({set} instructions)"),
        (_, device) => device.to_owned(),
    }
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
        .map(|probe| {
            format!("{}: {} ({})", probe.probe, probe.device, probe.method.origin().word())
        })
        .collect();
    let mut facts = vec![
        ("runs", grouped(runs.count as i64)),
        ("total time", format!("{:.1} min", runs.seconds / 60.0)),
        ("total energy of the main spans", runs.energy.map_or_else(|| "none".to_owned(), in_words)),
        ("machine", format!("{}, {} processors, {}", machine.cpu, machine.cpus, machine.os)),
        ("device", device(machine)),
        ("energy from", if probes.is_empty() { "no probe".to_owned() } else { probes.join(", ") }),
        (
            "code",
            format!(
                "wattlab {}{}{}, {} build",
                code.version,
                code.revision.as_ref().map_or_else(String::new, |revision| format!(
                    ", revision {}",
                    revision.get(..12).unwrap_or(revision)
                )),
                if code.modified { " with local changes" } else { "" },
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
            "{} runs shared their sensors with other runs: their joules are an upper bound",
            runs.shared
        );
        facts.push(("warning", text));
    }
    if runs.disturbed > 0 {
        let text = format!(
            "other processes used the machine during {} runs: times are longer, and measured joules \
             include those processes",
            runs.disturbed
        );
        facts.push(("warning", text));
    }
    if runs.count > MAX_RECORDS {
        let text = "only in the journal, because there are more than 100,000; \
                    `wattlab journal export` writes them as a table";
        facts.push(("table of all runs", text.to_owned()));
    }
    if unsound > 0 {
        let text = format!(
            "{unsound} runs with an impossible value: not a number, negative, or without any work done"
        );
        facts.push(("excluded", text));
    }
    if !runs.data.is_empty() {
        facts.push(("training data", runs.data.join(", ")));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
