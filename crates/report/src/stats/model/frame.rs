//! A formula with the values of its columns.

use super::{
    formula::{Formula, Term},
    role::{Role, Variable},
};
use crate::stats::{
    Factor, StatsError,
    error::{check_count, check_length, check_values, constant, is_constant},
};

/// A response and the columns of a formula, checked.
pub(super) struct Frame<'a> {
    pub(super) formula: &'a Formula,
    pub(super) response: &'a [f64],
    /// In the order of the formula's columns.
    pub(super) variables: Vec<&'a Variable>,
}

impl<'a> Frame<'a> {
    /// Finds each column of the formula among the variables, and checks the values.
    pub(super) fn new(
        formula: &'a Formula,
        response: &'a [f64],
        variables: &'a [Variable],
    ) -> Result<Self, StatsError> {
        check_values("response", response)?;
        check_count("values in `response`", response.len(), 3)?;
        if is_constant(response) {
            return Err(constant("response"));
        }
        let mut found = Vec::with_capacity(formula.columns.len());
        for column in &formula.columns {
            let name = &column.name;
            let fail =
                |reason: String| StatsError::Formula { formula: formula.to_string(), reason };
            let variable = variables.iter().find(|variable| variable.name() == name);
            let variable = variable.ok_or_else(|| fail(format!("there is no column `{name}`")))?;
            check_length(name, variable.rows(), response.len())?;
            match (variable, column.role) {
                (Variable::Factor(_), Role::Covariate) => {
                    return Err(fail(format!("column `{name}` holds levels, expected numbers")));
                }
                (Variable::Covariate { .. }, Role::Factor) => {
                    return Err(fail(format!("column `{name}` holds numbers, expected levels")));
                }
                (Variable::Factor(factor), _) => factor.check(response.len())?,
                (Variable::Covariate { values, .. }, _) => {
                    check_values(name, values)?;
                    if is_constant(values) {
                        return Err(constant(name));
                    }
                }
            }
            found.push(variable);
        }
        let frame = Self { formula, response, variables: found };
        for column in frame.groups() {
            frame.factor(column)?;
        }
        Ok(frame)
    }

    /// The columns that must be factors.
    fn groups(&self) -> impl Iterator<Item = usize> {
        let random = self.formula.random.iter().flat_map(|effects| effects.group.0.clone());
        let repeated = self.formula.repeated.iter().flat_map(|repeated| {
            std::iter::once(repeated.subject).chain(repeated.within.iter().copied())
        });
        random.chain(repeated)
    }

    pub(super) fn rows(&self) -> usize {
        self.response.len()
    }

    /// The factor in a column.
    pub(super) fn factor(&self, column: usize) -> Result<&'a Factor, StatsError> {
        match self.variables[column] {
            Variable::Factor(factor) => Ok(factor),
            Variable::Covariate { name, .. } => Err(StatsError::Formula {
                formula: self.formula.to_string(),
                reason: format!("column `{name}` names groups, expected a factor, not a covariate"),
            }),
        }
    }

    /// For each row the index of its group, and the number of groups; groups are the combinations of levels
    /// that occur.
    pub(super) fn groups_of(&self, group: &Term) -> Result<(Vec<usize>, Vec<String>), StatsError> {
        let factors: Vec<Factor> =
            group.0.iter().map(|column| self.factor(*column).cloned()).collect::<Result<_, _>>()?;
        let crossed = Factor::crossed(&factors)?;
        Ok((crossed.codes, crossed.levels))
    }
}
