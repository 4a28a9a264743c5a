//! The random effects of a model as blocks of columns.

use super::super::{formula::RandomEffects, frame::Frame, role::Variable};
use crate::stats::StatsError;

/// Most effects of one group, and most parameters of all covariances.
const MOST_EFFECTS: usize = 6;
const MOST_PARAMETERS: usize = 21;

/// The random effects `(… | group)`.
pub(super) struct Block {
    /// The group of each row.
    pub(super) groups: Vec<usize>,
    pub(super) levels: usize,
    /// An effect's values, one for each row.
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) correlated: bool,
    pub(super) group: String,
    pub(super) names: Vec<String>,
}

impl Block {
    fn new(frame: &Frame<'_>, effects: &RandomEffects) -> Result<Self, StatsError> {
        let (groups, levels) = frame.groups_of(&effects.group)?;
        let rows = frame.rows();
        let (mut columns, mut names) = (Vec::new(), Vec::new());
        if effects.intercept {
            columns.push(vec![1.0; rows]);
            names.push("(Intercept)".to_owned());
        }
        for slope in &effects.slopes {
            match frame.variables[*slope] {
                Variable::Covariate { name, values } => {
                    columns.push(values.clone());
                    names.push(name.clone());
                }
                // As in R: differences from the first level, or all levels without an intercept.
                Variable::Factor(factor) => {
                    for code in usize::from(effects.intercept)..factor.levels.len() {
                        let is_level = |other: &usize| f64::from(u8::from(*other == code));
                        columns.push(factor.codes.iter().map(is_level).collect());
                        names.push(format!("{}[{}]", factor.name, factor.levels[code]));
                    }
                }
            }
        }
        let group = frame.formula.name(&effects.group);
        let too_many = |what: &str, found, expected| {
            let what = format!("{what} of the groups `{group}`");
            Err(StatsError::TooMany { what, found, expected })
        };
        if columns.len() > MOST_EFFECTS {
            return too_many("random effects", columns.len(), MOST_EFFECTS);
        }
        if columns.len() * levels.len() >= rows {
            return too_many(
                "random effects of all levels",
                columns.len() * levels.len(),
                rows - 1,
            );
        }
        let (levels, correlated) = (levels.len(), effects.correlated);
        Ok(Self { groups, levels, columns, correlated, group, names })
    }

    /// The blocks of a formula, the one with the most levels first.
    pub(super) fn all(frame: &Frame<'_>) -> Result<Vec<Self>, StatsError> {
        let random = &frame.formula.random;
        if let Some((at, effects)) = random.iter().enumerate().find(|(at, effects)| {
            random[..*at]
                .iter()
                .any(|other| other.group == effects.group && other.intercept && effects.intercept)
        }) {
            let group = frame.formula.name(&effects.group);
            return Err(StatsError::Formula {
                formula: frame.formula.to_string(),
                reason: format!(
                    "the groups `{group}` have an intercept in random effects {} and another before; write \
                     `(0 + x | {group})` for a slope of its own",
                    at + 1
                ),
            });
        }
        let mut blocks: Vec<Self> =
            random.iter().map(|effects| Self::new(frame, effects)).collect::<Result<_, _>>()?;
        let parameters: usize = blocks.iter().map(Self::parameters).sum();
        if parameters > MOST_PARAMETERS {
            let what = "variances and correlations of random effects".to_owned();
            return Err(StatsError::TooMany { what, found: parameters, expected: MOST_PARAMETERS });
        }
        blocks.sort_by_key(|block| std::cmp::Reverse(block.levels));
        Ok(blocks)
    }

    pub(super) fn size(&self) -> usize {
        self.columns.len()
    }

    /// Number of parameters of the covariance.
    pub(super) fn parameters(&self) -> usize {
        if self.correlated { self.size() * (self.size() + 1) / 2 } else { self.size() }
    }

    /// The relative Cholesky factor `Λ` of one group, row by row: the covariance is `σ² ΛΛ'`. Its parameters
    /// are the lower triangle column by column, or the diagonal.
    pub(super) fn factor(&self, theta: &[f64]) -> Vec<f64> {
        let q = self.size();
        let mut lambda = vec![0.0; q * q];
        let mut next = theta.iter();
        for column in 0..q {
            let rows = if self.correlated { column..q } else { column..column + 1 };
            for row in rows {
                lambda[row * q + column] = next.next().copied().unwrap_or_default();
            }
        }
        lambda
    }

    /// Parameters of independent effects with the residual's variance.
    pub(super) fn start(&self) -> Vec<f64> {
        let q = self.size();
        if !self.correlated {
            return vec![1.0; q];
        }
        (0..q)
            .flat_map(|column| (column..q).map(move |row| f64::from(u8::from(row == column))))
            .collect()
    }
}
