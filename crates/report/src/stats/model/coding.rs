//! The columns by which a model represents a term.

use std::collections::BTreeMap;

use super::{formula::Term, frame::Frame, role::Variable};
use crate::stats::StatsError;

/// Most columns of all fixed terms together: a fit takes their square times the number of rows.
pub(super) const MOST_COLUMNS: usize = 1000;

/// The values of a formula's columns at one point: a code or a number each.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Level(usize),
    Number(f64),
}

impl Frame<'_> {
    /// The values of a row.
    pub(super) fn point(&self, row: usize) -> Vec<Value> {
        let value = |variable: &&Variable| match variable {
            Variable::Factor(factor) => Value::Level(factor.codes[row]),
            Variable::Covariate { values, .. } => Value::Number(values[row]),
        };
        self.variables.iter().map(value).collect()
    }
}

/// How a term becomes columns.
///
/// A factor has sum-to-zero contrasts, or, if the model lacks the term without it, all of its levels, as in
/// R's `model.matrix`. So `b` in `a + a:b` has contrasts within each level of `a`, among the levels that occur
/// there: `b` is nested.
pub(super) struct Coding {
    /// Positions of the columns with all levels, with contrasts, and with numbers.
    whole: Vec<usize>,
    contrasts: Vec<usize>,
    numbers: Vec<usize>,
    /// The combinations of levels of `whole` that occur.
    groups: BTreeMap<Vec<usize>, Group>,
    pub(super) width: usize,
}

struct Group {
    /// The first of its columns.
    start: usize,
    /// For each column of `contrasts` its codes that occur in the group.
    levels: Vec<Vec<usize>>,
}

impl Coding {
    pub(super) fn new(frame: &Frame<'_>, term: &Term) -> Result<Self, StatsError> {
        let (mut whole, mut contrasts, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for column in term.columns() {
            let rest: Vec<usize> = term.0.iter().copied().filter(|other| other != column).collect();
            match frame.variables[*column] {
                Variable::Covariate { .. } => numbers.push(*column),
                Variable::Factor(_) if rest.is_empty() => contrasts.push(*column),
                Variable::Factor(_) if frame.formula.fixed.contains(&Term(rest)) => {
                    contrasts.push(*column);
                }
                Variable::Factor(_) => whole.push(*column),
            }
        }
        let mut groups: BTreeMap<Vec<usize>, Group> = BTreeMap::new();
        for row in 0..frame.rows() {
            let point = frame.point(row);
            let group = groups
                .entry(codes(&point, &whole))
                .or_insert_with(|| Group { start: 0, levels: vec![Vec::new(); contrasts.len()] });
            for (levels, code) in group.levels.iter_mut().zip(codes(&point, &contrasts)) {
                if let Err(at) = levels.binary_search(&code) {
                    levels.insert(at, code);
                }
            }
        }
        let mut width = 0_usize;
        for group in groups.values_mut() {
            group.start = width;
            let columns = group.levels.iter().map(|levels| levels.len() - 1);
            width = columns.fold(1, usize::saturating_mul).saturating_add(width);
        }
        if width > MOST_COLUMNS {
            return Err(StatsError::TooMany {
                what: format!("columns for the term `{}`", frame.formula.name(term)),
                found: width,
                expected: MOST_COLUMNS,
            });
        }
        Ok(Self { whole, contrasts, numbers, groups, width })
    }

    /// Whether the term is nested in others.
    pub(super) fn is_nested(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Positions of the factors with contrasts.
    pub(super) fn contrasted(&self) -> &[usize] {
        &self.contrasts
    }

    /// The columns' values at a point.
    pub(super) fn values(&self, point: &[Value]) -> Vec<f64> {
        let mut values = vec![0.0; self.width];
        let Some(group) = self.groups.get(&codes(point, &self.whole)) else { return values };
        let number: f64 = self.numbers.iter().map(|column| number(&point[*column])).product();
        let mut products = vec![number];
        for (levels, code) in group.levels.iter().zip(codes(point, &self.contrasts)) {
            products = products
                .iter()
                .flat_map(|product| {
                    (0..levels.len() - 1).map(move |at| product * contrast(levels, code, at))
                })
                .collect();
        }
        values[group.start..group.start + products.len()].copy_from_slice(&products);
        values
    }

    /// The columns' names, such as `wool[A]:tension[L]`.
    pub(super) fn names(&self, frame: &Frame<'_>) -> Vec<String> {
        let level = |column: usize, code: usize| match frame.variables[column] {
            Variable::Factor(factor) => format!("{}[{}]", factor.name, factor.levels[code]),
            Variable::Covariate { name, .. } => name.clone(),
        };
        let mut names = Vec::with_capacity(self.width);
        for (key, group) in &self.groups {
            let numbers = self.numbers.iter().map(|column| level(*column, 0));
            let whole = self.whole.iter().zip(key).map(|(column, code)| level(*column, *code));
            let mut products: Vec<Vec<String>> = vec![whole.chain(numbers).collect()];
            for (column, levels) in self.contrasts.iter().zip(&group.levels) {
                let without_last = &levels[..levels.len() - 1];
                products = products
                    .iter()
                    .flat_map(|product| {
                        without_last.iter().map(|code| {
                            let mut product = product.clone();
                            product.push(level(*column, *code));
                            product
                        })
                    })
                    .collect();
            }
            names.extend(products.iter().map(|product| product.join(":")));
        }
        names
    }
}

fn codes(point: &[Value], columns: &[usize]) -> Vec<usize> {
    let code = |column: &usize| match point[*column] {
        Value::Level(code) => code,
        Value::Number(_) => 0,
    };
    columns.iter().map(code).collect()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        Value::Level(_) => 1.0,
    }
}

/// Sum to zero: 1 in a level's own column, −1 in all columns for the last level. A level that does not occur in
/// the group has 0.
fn contrast(levels: &[usize], code: usize, column: usize) -> f64 {
    match levels.binary_search(&code) {
        Ok(at) if at == column => 1.0,
        Ok(at) if at + 1 == levels.len() => -1.0,
        _ => 0.0,
    }
}
