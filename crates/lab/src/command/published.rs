//! `wattlab reproduce --published`: what others measured through the code of our own runs.

use std::path::{Path, PathBuf};

use ::report::{
    Document, EffectShare, Elsewhere, EvidenceBundle, Formats, RawStudy, RawStudyError, Target,
};
use serde_json::{Value, json};

use crate::{Failure, evidence, insight, output, progress, reporting};

/// Analyzes folders of raw files beside what a folder of ours holds, and writes `published/` into it.
///
/// # Errors
///
/// If the raw files, the journal or the folder cannot be used.
pub(super) fn run(
    folders: &[PathBuf],
    out: &Path,
    target: Target,
    as_json: bool,
) -> Result<(), Failure> {
    let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let study = raw_study(&paths)?;
    let bundle = EvidenceBundle::with(&paths).map_err(Failure::bad_input)?;
    if study.is_none() && !bundle.has_folder_tables() {
        let path = folders.first().cloned().unwrap_or_default();
        return Err(Failure::bad_input(RawStudyError::Nothing { path }));
    }
    let of_study =
        study.map(|(folder, study)| of_study(folder, &study, out, target)).transpose()?;
    let elsewhere = evidence::with_searches(bundle).map_err(Failure::bad_input)?;
    let (document, effects) = match of_study {
        Some((mut document, effects)) => {
            document.sections.push(::report::elsewhere_section(&elsewhere));
            (document, effects)
        }
        None => (::report::elsewhere_document(&elsewhere), Vec::new()),
    };
    let folder = out.join("published");
    ::report::write(&document, &folder, &Formats::all()).map_err(Failure::run_time)?;
    let results = results(&document, &effects, &elsewhere)?;
    let text = serde_json::to_vec_pretty(&results).map_err(Failure::run_time)?;
    output::write_whole(&folder.join("published.json"), &text).map_err(Failure::run_time)?;
    if as_json {
        return output::print_json(&results);
    }
    show(&document, &effects, &elsewhere);
    progress::line(&format!("report: {}", folder.join("index.html").display()));
    Ok(())
}

/// The study's raw files, from the first folder that has any.
fn raw_study<'a>(folders: &[&'a Path]) -> Result<Option<(&'a Path, RawStudy)>, Failure> {
    for folder in folders {
        match RawStudy::read(folder) {
            Ok(study) => return Ok(Some((folder, study))),
            Err(RawStudyError::Nothing { .. }) => {}
            Err(error) => return Err(Failure::bad_input(error)),
        }
    }
    Ok(None)
}

fn of_study(
    folder_of_raw: &Path,
    reference: &RawStudy,
    out: &Path,
    target: Target,
) -> Result<(Document, Vec<EffectShare>), Failure> {
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
        ::report::reference_document(reference, &ours, target, &insights).map_err(unfit)?;
    let effects = ::report::effect_shares(reference, &ours).map_err(unfit)?;
    Ok((document, effects))
}

fn results(
    document: &Document,
    effects: &[EffectShare],
    elsewhere: &Elsewhere,
) -> Result<Value, Failure> {
    let findings: Vec<_> = document.findings.iter().map(|claim| &claim.finding).collect();
    let mut results = json!({
        "schema": "wattlab.published/1",
        "claims": findings,
        "effects": effects,
    });
    let parts = elsewhere.json().map_err(Failure::run_time)?;
    if let (Some(results), Value::Object(parts)) = (results.as_object_mut(), parts) {
        results.extend(parts);
    }
    Ok(results)
}

fn show(document: &Document, effects: &[EffectShare], elsewhere: &Elsewhere) {
    for finding in document.findings.iter().map(|claim| &claim.finding) {
        let (id, verdict) = (&finding.id, finding.verdict.word());
        output::print(&format!("{id:<32} {verdict:<13} {}", finding.reason));
    }
    for effect in effects {
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
    for cell in &elsewhere.cells {
        let Some(test) = cell.tested() else { continue };
        let set = format!("{}, {}", cell.data, cell.device);
        output::print(&format!(
            "{:<32} {:<13} {set}: {}",
            cell.claim.as_str(),
            test.verdict.word(),
            test.reason
        ));
    }
    let empty = elsewhere.cells.len() - elsewhere.filled();
    output::print(&format!(
        "{} tests on {} measured sets; the report says why the other {empty} cells are empty",
        elsewhere.filled(),
        elsewhere.sets.len()
    ));
}
