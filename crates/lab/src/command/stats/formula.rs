//! The data of a model by formula.

use anyhow::Context;
use report::{
    Figure,
    stats::{Factor, Formula, Role, StatsError, Variable},
};

use super::{
    data::{Data, Rows},
    figure,
    table::{Table, quoted},
    warn::{self, Note},
};

/// A formula with the columns of a file.
pub(super) struct Model {
    pub(super) formula: Formula,
    pub(super) data: Data,
    pub(super) response: Vec<f64>,
    pub(super) variables: Vec<Variable>,
    table: Table,
    /// What was decided about columns of numbers.
    notes: Vec<Note>,
}

impl Model {
    pub(super) fn read(rows: &Rows, text: &str) -> Result<Self, anyhow::Error> {
        let formula: Formula = text.parse().context("flag `--formula`")?;
        let mut data = rows.of(&formula.response);
        let names: Vec<&str> = formula.columns.iter().map(|column| column.name.as_str()).collect();
        let table = data.table(&names)?;
        let response = table.numbers(&formula.response)?;
        let groups = formula.groups();
        let (mut variables, mut factors, mut covariates) = (Vec::new(), Vec::new(), Vec::new());
        for (at, column) in formula.columns.iter().enumerate() {
            let name = column.name.as_str();
            let numbers = match column.role {
                Role::Factor => None,
                Role::Covariate => Some(table.numbers(name)?),
                _ if groups.contains(&at) => None,
                _ => table.numbers(name).ok().filter(|values| {
                    let levels = Variable::are_levels(values);
                    if levels { &mut factors } else { &mut covariates }.push(name.to_owned());
                    !levels
                }),
            };
            variables.push(match numbers {
                Some(values) => Variable::Covariate { name: name.to_owned(), values },
                None => Variable::Factor(table.factor(name)?),
            });
        }
        let mut notes = Vec::new();
        for (columns, holds, taken, other) in [
            (
                &factors,
                "few different whole numbers",
                "factors, with a level for each",
                "covariate",
            ),
            (&covariates, "numbers", "covariates, with one slope", "factor"),
        ] {
            if let Some(first) = columns.first() {
                let verb = if columns.len() == 1 { "holds" } else { "hold" };
                let text = format!(
                    "{} {verb} {holds}; such columns are taken for {taken}. Write `{other}({first})` for the \
                     other.",
                    quoted(columns)
                );
                notes.push(Note { kind: "numbers", text });
            }
        }
        let fixed = |name: &str| {
            formula
                .fixed
                .iter()
                .flat_map(|term| term.columns())
                .any(|at| formula.columns[*at].name == name)
        };
        data.beside = variables
            .iter()
            .filter(|variable| !matches!(variable, Variable::Factor(factor) if fixed(&factor.name)))
            .map(|variable| variable.name().to_owned())
            .collect();
        Ok(Self { formula, data, response, variables, table, notes })
    }

    /// The means of the fixed factors, and the residuals of the fixed effects.
    pub(super) fn figures(&self) -> Result<Vec<Figure>, anyhow::Error> {
        let factors: Vec<Factor> = self.factors();
        let mut figures = Vec::new();
        if !factors.is_empty() {
            figures.push(figure::interaction(&self.title(), &factors, &self.response)?);
        }
        figures.extend(figure::residuals(
            &self.title(),
            &self.formula,
            &self.response,
            &self.variables,
        )?);
        Ok(figures)
    }

    /// The response for titles, with the origin of its joules.
    pub(super) fn title(&self) -> String {
        self.table.title(&self.data.response)
    }

    /// The factors with fixed effects.
    fn factors(&self) -> Vec<Factor> {
        let is_beside = |name: &String| self.data.beside.contains(name);
        let factor = |variable: &Variable| match variable {
            Variable::Factor(factor) if !is_beside(&factor.name) => Some(factor.clone()),
            _ => None,
        };
        self.variables.iter().filter_map(factor).collect()
    }

    /// The error of a statistic with the file.
    pub(super) fn complaint(&self, error: StatsError) -> anyhow::Error {
        let remedy = match error {
            StatsError::EmptyCell { .. } => " (a formula without the interaction, or `--type 2`)",
            _ => "",
        };
        anyhow::anyhow!("`{}`: {error}{remedy}", self.data.file.display())
    }

    /// What was left out, and what was decided. `aliased` are terms that others determine.
    pub(super) fn notes(&self, aliased: &[String]) -> Vec<Note> {
        let mut notes = warn::of_table(&self.table, &self.data.response);
        notes.extend(self.decided(aliased));
        notes
    }

    fn decided(&self, aliased: &[String]) -> Vec<Note> {
        let mut notes = self.notes.clone();
        if !aliased.is_empty() {
            let text =
                format!("the terms before determine {}, which is left out.", quoted(aliased));
            notes.push(Note { kind: "aliased", text });
        }
        notes
    }

    /// The same, and what a screening of the fixed factors finds.
    pub(super) fn screened(&self, aliased: &[String]) -> Result<Vec<Note>, anyhow::Error> {
        let factors = self.factors();
        let mut notes = self.decided(aliased);
        if factors.is_empty() {
            notes.extend(warn::of_table(&self.table, &self.data.response));
        } else {
            notes.extend(warn::notes(&self.table, &self.data, &self.response, &factors)?);
        }
        Ok(notes)
    }
}
