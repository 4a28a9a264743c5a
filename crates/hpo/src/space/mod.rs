//! Search spaces: what may vary, on which scale, and together with what.

mod constraint;
mod parameter;

pub use self::{
    constraint::Constraint,
    parameter::{Condition, Kind, Parameter, Scale},
};
use crate::{
    random::{Stream, sobol},
    study::HpoError,
};

/// Parameters, and what must hold between them.
///
/// A point is a value for each parameter, in order. One that does not matter at a point (see
/// [`Parameter::only_if`]) has the value in the middle of its range there, so that points that
/// differ in nothing that matters are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
    /// Where each one's condition looks.
    parents: Vec<Option<usize>>,
    constraints: Vec<Constraint>,
    /// A point that keeps the constraints.
    example: Vec<f64>,
}

/// Points drawn before a space counts as empty, and before a draw gives up.
const DRAWS: u32 = 16_384;
/// Cells of a finite space that are looked at one by one.
const LOOKED_AT: u64 = 1 << 22;

impl Space {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// If there is none, two share a name, a range is empty or not finite, a log range touches 0, a
    /// step makes no sense, or a condition names no earlier parameter or no value of it.
    pub fn new(mut parameters: Vec<Parameter>) -> Result<Self, HpoError> {
        if parameters.is_empty() {
            return Err(HpoError::EmptySpace);
        }
        let mut parents = Vec::new();
        for index in 0..parameters.len() {
            let (before, rest) = parameters.split_at_mut(index);
            let it = &mut rest[0];
            let twice = before.iter().any(|other| other.name == it.name);
            let problem = if twice { Some("is there twice") } else { it.problem() };
            if let Some(problem) = problem {
                let name = it.name.clone();
                return Err(HpoError::Parameter { name, low: it.low, high: it.high, problem });
            }
            let name = it.name.clone();
            parents.push(match &mut it.condition {
                Some(condition) => Some(parent(before, name, condition)?),
                None => None,
            });
        }
        let mut space = Self { parameters, parents, constraints: Vec::new(), example: Vec::new() };
        space.example = space.at(&vec![0.5; space.dimensions()]);
        Ok(space)
    }

    /// The same with constraints, all of which a point must keep. What does not matter at a point is
    /// not constrained there.
    ///
    /// # Errors
    ///
    /// If one names no parameter, or a categorical one, or no point keeps them all.
    pub fn constrained(self, constraints: Vec<Constraint>) -> Result<Self, HpoError> {
        for it in &constraints {
            for name in it.names() {
                let problem = match self.parameters.iter().find(|it| it.name == name) {
                    Some(it) if it.kind == Kind::Categorical => {
                        format!("`{name}` is categorical and has no size; make others depend on it")
                    }
                    Some(_) => continue,
                    None => {
                        let names: Vec<&str> =
                            self.parameters.iter().map(|it| it.name.as_str()).collect();
                        format!("`{name}` is no parameter; there are {}", names.join(", "))
                    }
                };
                return Err(HpoError::Constraint { text: it.text().to_owned(), problem });
            }
        }
        let mut space = Self { constraints, ..self };
        let draws = (0..DRAWS).map(|it| space.at(&sobol(0, "example", it, space.dimensions())));
        let found = draws.into_iter().find(|it| space.allows(it));
        let found =
            found.or_else(|| (0..space.cells()?.min(LOOKED_AT)).find_map(|it| space.cell(it)));
        space.example = found.ok_or_else(|| HpoError::Infeasible {
            constraints: space
                .constraints
                .iter()
                .map(|it| format!("`{}`", it.text()))
                .collect::<Vec<_>>()
                .join(" and "),
        })?;
        Ok(space)
    }

    /// The parameters in order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of parameters.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.parameters.len()
    }

    /// Values at places in [0, 1]; those that do not matter are in the middle of their ranges.
    #[must_use]
    pub fn at(&self, places: &[f64]) -> Vec<f64> {
        let mut values: Vec<f64> =
            self.parameters.iter().zip(places).map(|(it, place)| it.at(*place)).collect();
        self.settle(&mut values);
        values
    }

    /// Puts what does not matter into the middle of its range.
    pub(crate) fn settle(&self, values: &mut [f64]) {
        if self.parents.iter().any(Option::is_some) {
            let active = self.active(values);
            for ((value, it), active) in values.iter_mut().zip(&self.parameters).zip(active) {
                if !active {
                    *value = it.at(0.5);
                }
            }
        }
    }

    /// Places of values.
    #[must_use]
    pub fn places(&self, values: &[f64]) -> Vec<f64> {
        self.parameters.iter().zip(values).map(|(it, value)| it.place(*value)).collect()
    }

    /// Which parameters matter at a point.
    #[must_use]
    pub fn active(&self, values: &[f64]) -> Vec<bool> {
        let mut active: Vec<bool> = Vec::with_capacity(values.len());
        for (it, parent) in self.parameters.iter().zip(&self.parents) {
            active.push(match (parent, &it.condition) {
                (Some(at), Some(condition)) => {
                    active[*at] && condition.values.contains(&values[*at])
                }
                _ => true,
            });
        }
        active
    }

    /// Which parameters have no order.
    pub(crate) fn unordered(&self) -> Vec<bool> {
        self.parameters.iter().map(|it| it.kind == Kind::Categorical).collect()
    }

    /// Which parameters have slopes to follow at a point: those that matter and take all values.
    pub(crate) fn free(&self, values: &[f64]) -> Vec<bool> {
        let active = self.active(values);
        self.parameters.iter().zip(active).map(|(it, active)| active && it.continuous()).collect()
    }

    /// Whether a point keeps the constraints.
    #[must_use]
    pub fn allows(&self, values: &[f64]) -> bool {
        if self.constraints.is_empty() {
            return true;
        }
        let active = self.active(values);
        let value = |name: &str| {
            let at = self.parameters.iter().position(|it| it.name == name)?;
            active[at].then_some(values[at])
        };
        self.constraints.iter().all(|it| it.holds(&value))
    }

    /// Whether some of its points are not allowed.
    pub(crate) fn is_constrained(&self) -> bool {
        !self.constraints.is_empty()
    }

    /// Whether each point is a product of values: nothing depends on anything.
    pub(crate) fn is_box(&self) -> bool {
        self.constraints.is_empty() && self.parents.iter().all(Option::is_none)
    }

    /// Whether these are values of its parameters, in their order, that it allows.
    pub(crate) fn has(&self, values: &[f64]) -> bool {
        let mut settled = values.to_vec();
        values.len() == self.dimensions()
            && self.parameters.iter().zip(values).all(|(it, value)| it.has(*value))
            && {
                self.settle(&mut settled);
                settled == values
            }
            && self.allows(values)
    }

    /// An allowed point, uniform on the parameters' scales.
    pub(crate) fn draw(&self, random: &mut Stream) -> Vec<f64> {
        let mut draws = (0..DRAWS).map(|_| self.at(&random.point(self.dimensions())));
        draws.find(|it| self.allows(it)).unwrap_or_else(|| self.example.clone())
    }

    /// The allowed points of a scrambled Sobol sequence, one after another.
    pub(crate) fn spread(&self, seed: u64, purpose: &str, number: u32) -> Vec<f64> {
        let at = |index: u32| self.at(&sobol(seed, purpose, index, self.dimensions()));
        if self.constraints.is_empty() {
            return at(number);
        }
        let most = DRAWS.saturating_mul(number.saturating_add(1));
        let mut allowed = (0..most).map(at).filter(|it| self.allows(it));
        allowed.nth(number as usize).unwrap_or_else(|| self.example.clone())
    }

    /// At most how many points it has; none if a parameter takes all of a range, or they are more
    /// than can be counted.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        self.parameters.iter().try_fold(1_u64, |cells, it| cells.checked_mul(it.cells()?))
    }

    /// Point `index` of a finite space, counted from the lowest; the first parameter runs fastest.
    /// None if it is another's equal, or not allowed.
    fn cell(&self, mut index: u64) -> Option<Vec<f64>> {
        let value = |it: &Parameter| {
            let cells = it.cells().unwrap_or(1);
            let step = index % cells;
            index /= cells;
            it.nth(step)
        };
        let values: Vec<f64> = self.parameters.iter().map(value).collect();
        (self.is_box() || self.has(&values)).then_some(values)
    }

    /// The points of a finite space from a place in [0, 1) on, around to it again; none of others.
    pub(crate) fn walk(&self, from: f64) -> impl Iterator<Item = Vec<f64>> {
        let cells = self.cells().unwrap_or(0);
        let start = (from * cells as f64) as u64;
        (0..cells.min(LOOKED_AT)).filter_map(move |step| self.cell((start + step) % cells))
    }
}

/// Where a condition looks among the parameters before; its values become the parent's.
fn parent(
    before: &[Parameter],
    name: String,
    condition: &mut Condition,
) -> Result<usize, HpoError> {
    let parent = condition.parent.clone();
    let error = |problem: String| HpoError::Condition { name, parent, problem };
    let Some(at) = before.iter().position(|it| it.name == condition.parent) else {
        return Err(error("which is none of the parameters before it; put it first".to_owned()));
    };
    let parent = &before[at];
    let Some(step) = parent.step else {
        return Err(error("which takes all values of a range; give it steps".to_owned()));
    };
    if condition.values.is_empty() {
        return Err(error("but names none of its values".to_owned()));
    }
    for value in &mut condition.values {
        let nearest = parent.nearest(*value);
        if (nearest - *value).abs() > 1e-6 * step || value.is_nan() {
            return Err(error(format!("which never is {value}")));
        }
        *value = nearest;
    }
    Ok(at)
}
