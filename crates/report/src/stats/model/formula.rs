//! Formulas of models, in the notation of Wilkinson and Rogers (1973, Applied Statistics 22:392) as R has it.

use std::fmt;

use super::role::Role;

/// A column that a formula names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedColumn {
    /// Its name.
    pub name: String,
    /// What the formula says that it is.
    pub role: Role,
}

/// A product of columns, such as `a:b`: positions in [`Formula::columns`], ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(pub(super) Vec<usize>);

/// Effects that vary between the levels of a group, such as `(1 + x | group)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomEffects {
    /// Whether the group has an intercept of its own.
    pub intercept: bool,
    /// Columns whose effects vary between groups.
    pub slopes: Vec<usize>,
    /// The columns whose combinations of levels are the groups.
    pub group: Term,
    /// Whether the effects of one group may be correlated (`|`) or not (`||`).
    pub correlated: bool,
}

/// Repeated measures: `Error(subject/(a*b))`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repeated {
    /// The column that names the subject.
    pub subject: usize,
    /// The columns that vary within a subject.
    pub within: Vec<usize>,
}

/// A model: the response, the fixed effects, and what varies at random.
///
/// | notation | meaning |
/// |---|---|
/// | `a + b` | both |
/// | `a:b` | their interaction |
/// | `a*b` | `a + b + a:b` |
/// | `a/b` | `a + a:b`: `b` is nested in `a` |
/// | `(a + b + c)^2` | all terms of up to two columns |
/// | `a*b - a:b` | without `a:b` |
/// | `factor(x)`, `covariate(x)` | numbers as the levels of a factor; numbers as numbers |
/// | `(1\|g)`, `(x\|g)`, `(x\|\|g)` | random intercepts of `g`; with a random slope of `x`; uncorrelated |
/// | `(1\|a/b)` | `(1\|a) + (1\|a:b)` |
/// | `Error(s/(a*b))` | `a` and `b` are measured repeatedly within each `s` |
///
/// A name with other characters than letters, digits, `_` and `.` stands between backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Formula {
    /// The column of the response.
    pub response: String,
    /// All other columns, in the order of their first appearance.
    pub columns: Vec<NamedColumn>,
    /// The fixed effects, by the number of their columns and then in the order of their appearance.
    pub fixed: Vec<Term>,
    /// The random effects.
    pub random: Vec<RandomEffects>,
    /// The repeated measures.
    pub repeated: Option<Repeated>,
}

impl Formula {
    /// The name of a term: its columns joined by `:`.
    pub fn name(&self, term: &Term) -> String {
        let names: Vec<&str> = term.0.iter().map(|at| self.columns[*at].name.as_str()).collect();
        names.join(":")
    }

    /// Positions of the columns that name groups: of random effects, and of repeated measures.
    #[must_use]
    pub fn groups(&self) -> Vec<usize> {
        let random = self.random.iter().flat_map(|effects| effects.group.columns().iter().copied());
        let repeated = self.repeated.iter().flat_map(|repeated| {
            std::iter::once(repeated.subject).chain(repeated.within.iter().copied())
        });
        random.chain(repeated).collect()
    }

    /// The position of a column.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether a column occurs in a fixed term.
    pub(super) fn is_fixed(&self, column: usize) -> bool {
        self.fixed.iter().any(|term| term.0.contains(&column))
    }
}

impl Term {
    /// Positions in [`Formula::columns`], ascending.
    pub fn columns(&self) -> &[usize] {
        &self.0
    }

    pub(super) fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|column| self.0.contains(column))
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |at: &usize| {
            let NamedColumn { name, role } = &self.columns[*at];
            match role {
                Role::Unstated => quoted(name),
                Role::Factor => format!("factor({})", quoted(name)),
                Role::Covariate => format!("covariate({})", quoted(name)),
            }
        };
        let joined =
            |columns: &[usize], sign: &str| columns.iter().map(name).collect::<Vec<_>>().join(sign);
        let mut parts: Vec<String> = self.fixed.iter().map(|term| joined(&term.0, ":")).collect();
        for effects in &self.random {
            let mut inner = vec![if effects.intercept { "1" } else { "0" }.to_owned()];
            inner.extend(effects.slopes.iter().map(name));
            let bar = if effects.correlated { "|" } else { "||" };
            parts.push(format!("({} {bar} {})", inner.join(" + "), joined(&effects.group.0, ":")));
        }
        if let Some(Repeated { subject, within }) = &self.repeated {
            parts.push(format!("Error({}/({}))", name(subject), joined(within, "*")));
        }
        if parts.is_empty() {
            parts.push("1".to_owned());
        }
        write!(f, "{} ~ {}", quoted(&self.response), parts.join(" + "))
    }
}

/// A name as a formula has it, between backticks if it has other characters than letters, digits, `_` and `.`.
fn quoted(name: &str) -> String {
    let is_plain =
        name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.'))
            && name.starts_with(|letter: char| !letter.is_ascii_digit())
            && name != ".";
    if is_plain { name.to_owned() } else { format!("`{name}`") }
}
