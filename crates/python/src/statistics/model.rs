//! Models by formula.

use std::collections::BTreeMap;

use report::stats::{self, Factor, Formula, Role, SumsOfSquares, Variable};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use crate::fault::Fault;

/// A formula and the columns of a table.
#[derive(Deserialize)]
pub(super) struct Model {
    formula: String,
    columns: BTreeMap<String, Column>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Column {
    Numbers(Vec<f64>),
    /// Numbers as texts, or names.
    Levels(Vec<String>),
}

#[derive(Deserialize)]
pub(super) struct Anova {
    #[serde(flatten)]
    model: Model,
    /// Type of the sums of squares: 1, 2 or 3.
    kind: u8,
}

#[derive(Deserialize)]
pub(super) struct Pairs {
    #[serde(flatten)]
    model: Model,
    factors: Vec<String>,
    confidence: f64,
}

/// A formula with its response and its variables.
type Read = (Formula, Vec<f64>, Vec<Variable>);

impl Model {
    fn read(&self) -> Result<Read, Fault> {
        let formula: Formula =
            self.formula.parse().map_err(|error: stats::StatsError| Fault::input(error))?;
        let response = match self.column(&formula.response)? {
            Column::Numbers(values) => values.clone(),
            Column::Levels(_) => {
                let name = &formula.response;
                return Err(Fault::input(format!("column `{name}` holds text; expected numbers")));
            }
        };
        let groups = formula.groups();
        let variable = |(at, column): (usize, &stats::NamedColumn)| {
            let name = column.name.as_str();
            let factor = |values: Vec<String>| Variable::Factor(Factor::new(name, values).sorted());
            let levels = |values: &[f64]| factor(values.iter().map(f64::to_string).collect());
            let covariate = |values: &[f64]| Variable::Covariate {
                name: name.to_owned(),
                values: values.to_vec(),
            };
            Ok(match (self.column(name)?, column.role) {
                (Column::Levels(_), Role::Covariate) => {
                    return Err(Fault::input(format!(
                        "column `{name}` holds text; `covariate({name})` needs numbers"
                    )));
                }
                (Column::Levels(values), _) => factor(values.clone()),
                (Column::Numbers(values), Role::Factor) => levels(values),
                (Column::Numbers(values), Role::Covariate) => covariate(values),
                (Column::Numbers(values), _)
                    if groups.contains(&at) || Variable::are_levels(values) =>
                {
                    levels(values)
                }
                (Column::Numbers(values), _) => covariate(values),
            })
        };
        let variables: Result<Vec<Variable>, Fault> =
            formula.columns.iter().enumerate().map(variable).collect();
        Ok((formula, response, variables?))
    }

    fn column(&self, name: &str) -> Result<&Column, Fault> {
        self.columns.get(name).ok_or_else(|| {
            let known: Vec<String> = self.columns.keys().map(|name| format!("`{name}`")).collect();
            Fault::input(format!("there is no column `{name}`; columns: {}", known.join(", ")))
        })
    }

    pub(super) fn mixed(&self) -> Result<Value, Fault> {
        let (formula, response, variables) = self.read()?;
        let model = stats::mixed_model(&formula, &response, &variables).map_err(Fault::input)?;
        let terms = model.terms.iter().map(|term| {
            json!({ "term": term.term, "df": term.df, "den_df": term.den_df, "f": term.f, "p": term.p })
        });
        let coefficients = model.coefficients.iter().map(|fixed| {
            json!({
                "name": fixed.name, "estimate": fixed.estimate, "se": fixed.se, "df": fixed.df,
                "t": fixed.t, "p": fixed.p,
            })
        });
        let random = model.random.iter().map(|random| {
            json!({
                "group": random.group, "groups": random.groups, "effects": random.effects,
                "sd": random.sd, "correlations": random.correlations,
            })
        });
        Ok(json!({
            "terms": terms.collect::<Vec<_>>(), "coefficients": coefficients.collect::<Vec<_>>(),
            "random": random.collect::<Vec<_>>(), "residual_sd": model.residual_sd,
            "criterion": model.criterion, "n": model.observations, "aliased": model.aliased,
            "singular": model.singular,
        }))
    }

    pub(super) fn repeated(&self) -> Result<Value, Fault> {
        let (formula, response, variables) = self.read()?;
        let found =
            stats::repeated_measures(&formula, &response, &variables).map_err(Fault::input)?;
        let terms = found.terms.iter().map(|term| {
            let sphericity = term.sphericity.as_ref();
            json!({
                "term": term.term, "ss": term.ss, "df": term.df, "error_ss": term.error_ss,
                "error_df": term.error_df, "f": term.f, "p": term.p,
                "partial_eta_sq": term.partial_eta_sq,
                "greenhouse_geisser_p": sphericity.map(|found| found.greenhouse_geisser_p),
                "huynh_feldt_p": sphericity.map(|found| found.huynh_feldt_p),
                "mauchly_p": sphericity.and_then(|found| found.mauchly).map(|(_, p)| p),
            })
        });
        Ok(json!({
            "terms": terms.collect::<Vec<_>>(), "subjects": found.subjects, "left_out": found.left_out,
        }))
    }
}

impl Anova {
    pub(super) fn compute(&self) -> Result<Value, Fault> {
        let kind = match self.kind {
            1 => SumsOfSquares::TypeI,
            2 => SumsOfSquares::TypeII,
            3 => SumsOfSquares::TypeIII,
            other => {
                return Err(Fault::input(format!("`type` is {other}; expected 1, 2 or 3")));
            }
        };
        let (formula, response, variables) = self.model.read()?;
        let found =
            stats::anova_by_formula(&formula, &response, &variables, kind).map_err(Fault::input)?;
        let mut terms = Vec::new();
        for (at, term) in found.terms.iter().enumerate() {
            let sizes = found.effect_intervals(at, 0.95).map_err(Fault::input)?;
            let ends = sizes.map(|sizes| sizes.partial_eta_sq);
            terms.push(json!({
                "term": term.term, "ss": term.ss, "df": term.df, "ms": term.ms, "f": term.f, "p": term.p,
                "eta_sq": term.eta_sq, "partial_eta_sq": term.partial_eta_sq, "omega_sq": term.omega_sq,
                "partial_eta_sq_low": ends.map(|ends| ends.low),
                "partial_eta_sq_high": ends.map(|ends| ends.high),
            }));
        }
        let residual = found.residual;
        Ok(json!({
            "terms": terms,
            "residual": { "ss": residual.ss, "df": residual.df, "ms": residual.ms },
            "n": found.observations, "aliased": found.aliased,
        }))
    }
}

impl Pairs {
    pub(super) fn compute(&self) -> Result<Value, Fault> {
        let (formula, response, variables) = self.model.read()?;
        let of: Vec<&str> = self.factors.iter().map(String::as_str).collect();
        let pairs = stats::tukey_by_formula(&formula, &response, &variables, &of, self.confidence);
        Ok(answer::pairs(&pairs.map_err(Fault::input)?))
    }
}
