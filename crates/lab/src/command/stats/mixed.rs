//! `wattlab stats anova` with random effects.

use report::stats::{self, MixedModel};
use serde_json::json;

use super::{
    formula::Model,
    show::{self, finite},
    warn::{self, Note},
};
use crate::output;

pub(super) fn run(model: &Model) -> Result<(), anyhow::Error> {
    let found = stats::mixed_model(&model.formula, &model.response, &model.variables)
        .map_err(|error| model.complaint(error))?;
    let mut notes = model.notes(&found.aliased);
    if found.singular {
        let text = "a variance is estimated as 0, or a correlation as 1: the data show no more variation between \
                    these groups than the residual alone would; a formula without the effect gives the same.";
        notes.push(Note { kind: "singular", text: text.to_owned() });
    }
    if model.data.json {
        return output::print_json(&document(model, &found, &notes))
            .map_err(|failure| anyhow::anyhow!("{failure}"));
    }
    output::print(&format!(
        "Mixed model of `{}` by `{}` ({} rows, restricted maximum likelihood)",
        model.data.response, model.formula, found.observations
    ));
    output::print("type III tests with Satterthwaite's degrees of freedom");
    let rows: Vec<Vec<String>> = found
        .terms
        .iter()
        .map(|term| {
            let numbers =
                [show::df(term.df), show::df(term.den_df), show::number(term.f), show::p(term.p)];
            std::iter::once(term.term.clone()).chain(numbers).collect()
        })
        .collect();
    show::table(&["term", "df", "error df", "F", "p"], 1, &rows);
    output::print("fixed effects (a level's value is its difference from the mean of all levels)");
    let rows: Vec<Vec<String>> = found
        .coefficients
        .iter()
        .map(|effect| {
            let numbers = [
                show::number(effect.estimate),
                show::number(effect.se),
                show::df(effect.df),
                show::number(effect.t),
                show::p(effect.p),
            ];
            std::iter::once(effect.name.clone()).chain(numbers).collect()
        })
        .collect();
    show::table(&["effect", "estimate", "se", "df", "t", "p"], 1, &rows);
    output::print("standard deviations between groups");
    let mut rows: Vec<Vec<String>> = Vec::new();
    for random in &found.random {
        for (at, (effect, sd)) in random.effects.iter().zip(&random.sd).enumerate() {
            let group = format!("{} ({} groups)", random.group, random.groups);
            let correlations = random.correlations[at][..at].iter();
            let correlations: Vec<String> =
                correlations.map(|value| show::share(*value, 2)).collect();
            rows.push(vec![group, effect.clone(), show::number(*sd), correlations.join(" ")]);
        }
    }
    rows.push(vec![
        "residual".to_owned(),
        String::new(),
        show::number(found.residual_sd),
        String::new(),
    ]);
    show::table(&["groups", "effect", "sd", "correlation"], 2, &rows);
    warn::print(&notes);
    Ok(())
}

fn document(model: &Model, found: &MixedModel, notes: &[Note]) -> serde_json::Value {
    let terms = found.terms.iter().map(|term| {
        json!({
            "term": term.term, "df": term.df, "den_df": term.den_df, "f": finite(term.f), "p": term.p,
        })
    });
    let coefficients = found.coefficients.iter().map(|effect| {
        json!({
            "name": effect.name, "estimate": effect.estimate, "se": effect.se, "df": effect.df,
            "t": finite(effect.t), "p": effect.p,
        })
    });
    let random = found.random.iter().map(|random| {
        let effects = random.effects.iter().zip(&random.sd);
        let effects =
            effects.map(|(name, sd)| json!({"name": name, "sd": sd, "variance": sd * sd}));
        json!({
            "group": random.group, "groups": random.groups, "effects": effects.collect::<Vec<_>>(),
            "correlations": random.correlations,
        })
    });
    json!({
        "response": model.data.response, "formula": model.formula.to_string(), "n": found.observations,
        "method": "REML", "terms": terms.collect::<Vec<_>>(),
        "coefficients": coefficients.collect::<Vec<_>>(), "random": random.collect::<Vec<_>>(),
        "residual": {"sd": found.residual_sd, "variance": found.residual_sd * found.residual_sd},
        "criterion": found.criterion, "singular": found.singular, "cautions": notes,
    })
}
