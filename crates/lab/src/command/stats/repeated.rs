//! `wattlab stats anova` with repeated measures.

use report::stats::{self, RepeatedMeasures};
use serde_json::json;

use super::{
    formula::Model,
    show::{self, finite},
    warn::{self, Note},
};
use crate::output;

pub(super) fn run(model: &Model) -> Result<(), anyhow::Error> {
    let found = stats::repeated_measures(&model.formula, &model.response, &model.variables)
        .map_err(|error| model.complaint(error))?;
    let mut notes = model.notes(&[]);
    if found.left_out > 0 {
        let text = format!(
            "{} of {} subjects lack a combination of the factors within them and are left out.",
            found.left_out,
            found.left_out + found.subjects
        );
        notes.push(Note { kind: "incomplete-subjects", text });
    }
    if model.data.json {
        return output::print_json(&document(model, &found, &notes))
            .map_err(|failure| anyhow::anyhow!("{failure}"));
    }
    output::print(&format!(
        "Repeated-measures ANOVA of `{}` by `{}` ({} subjects)",
        model.data.response, model.formula, found.subjects
    ));
    let rows: Vec<Vec<String>> = found
        .terms
        .iter()
        .map(|term| {
            let numbers = [
                show::df(term.df),
                show::df(term.error_df),
                show::number(term.f),
                show::p(term.p),
                show::share(term.partial_eta_sq, 4),
            ];
            std::iter::once(term.term.clone()).chain(numbers).collect()
        })
        .collect();
    show::table(&["term", "df", "error df", "F", "p", "partial η²"], 1, &rows);
    let rows: Vec<Vec<String>> = found
        .terms
        .iter()
        .filter_map(|term| term.sphericity.map(|sphericity| (term, sphericity)))
        .map(|(term, sphericity)| {
            vec![
                term.term.clone(),
                show::or_dash(sphericity.mauchly.map(|(w, _)| show::number(w))),
                show::or_dash(sphericity.mauchly.map(|(_, p)| show::p(p))),
                show::share(sphericity.greenhouse_geisser, 4),
                show::p(sphericity.greenhouse_geisser_p),
                show::share(sphericity.huynh_feldt, 4),
                show::p(sphericity.huynh_feldt_p),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output::print(
            "sphericity: Mauchly's test, and p-values corrected by Greenhouse and Geisser (GG) and by Huynh and \
             Feldt (HF)",
        );
        show::table(&["term", "W", "p of W", "ε GG", "p GG", "ε HF", "p HF"], 1, &rows);
    }
    warn::print(&notes);
    Ok(())
}

fn document(model: &Model, found: &RepeatedMeasures, notes: &[Note]) -> serde_json::Value {
    let terms = found.terms.iter().map(|term| {
        let sphericity = term.sphericity.map(|sphericity| {
            json!({
                "mauchly_w": sphericity.mauchly.map(|(w, _)| w),
                "mauchly_p": sphericity.mauchly.map(|(_, p)| p),
                "greenhouse_geisser": sphericity.greenhouse_geisser,
                "p_greenhouse_geisser": sphericity.greenhouse_geisser_p,
                "huynh_feldt": sphericity.huynh_feldt, "p_huynh_feldt": sphericity.huynh_feldt_p,
            })
        });
        json!({
            "term": term.term, "ss": term.ss, "df": term.df, "error_ss": term.error_ss,
            "error_df": term.error_df, "f": finite(term.f), "p": term.p,
            "partial_eta_sq": term.partial_eta_sq, "sphericity": sphericity,
        })
    });
    json!({
        "response": model.data.response, "formula": model.formula.to_string(), "n": model.response.len(),
        "subjects": found.subjects, "left_out": found.left_out, "terms": terms.collect::<Vec<_>>(),
        "cautions": notes,
    })
}
