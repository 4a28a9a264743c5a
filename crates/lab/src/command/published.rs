//! `wattlab reproduce --published`: the studies' raw files through the code of our own runs.

use std::path::Path;

use ::report::{Formats, RawStudy, Target};
use serde_json::json;

use crate::{Failure, insight, output, progress, reporting};

/// Analyzes a folder of raw files beside what a folder of ours holds, and writes `published/` into it.
///
/// # Errors
///
/// If the raw files, the journal or the folder cannot be used.
pub(super) fn run(
    folder_of_raw: &Path,
    out: &Path,
    target: Target,
    as_json: bool,
) -> Result<(), Failure> {
    let reference = RawStudy::read(folder_of_raw).map_err(Failure::bad_input)?;
    let journal = reporting::JournalFile::of(out);
    let ours = if journal.path.exists() {
        journal.runs().map_err(Failure::bad_input)?.rows.layers
    } else {
        Vec::new()
    };
    let unfit = |error| {
        let place = format!("the trainings in `{}/rq2_*.csv`", folder_of_raw.display());
        Failure::BadInput(anyhow::Error::new(error).context(place))
    };
    let insights = insight::of_searches(&reference.trials);
    let document =
        ::report::reference_document(&reference, &ours, target, &insights).map_err(unfit)?;
    let effects = ::report::effect_shares(&reference, &ours).map_err(unfit)?;
    let folder = out.join("published");
    ::report::write(&document, &folder, &Formats::all()).map_err(Failure::run_time)?;
    let findings: Vec<_> = document.findings.iter().map(|claim| &claim.finding).collect();
    let results = json!({
        "schema": "wattlab.published/1",
        "claims": findings,
        "effects": effects,
    });
    let text = serde_json::to_vec_pretty(&results).map_err(Failure::run_time)?;
    output::write_whole(&folder.join("published.json"), &text).map_err(Failure::run_time)?;
    if as_json {
        return output::print_json(&results);
    }
    for finding in findings {
        let (id, verdict) = (&finding.id, finding.verdict.word());
        output::print(&format!("{id:<32} {verdict:<13} {}", finding.reason));
    }
    for effect in &effects {
        let share = effect.confirmed_share.map_or_else(
            || "not published".to_owned(),
            |share| format!("{:.4} % of the published", share * 100.0),
        );
        output::print(&format!(
            "{:<14} {:<9} {:<32} η² {:.6}, {share}",
            effect.data,
            effect.response.key(),
            effect.term,
            effect.reproduced_eta_sq
        ));
    }
    progress::line(&format!("report: {}", folder.join("index.html").display()));
    Ok(())
}
