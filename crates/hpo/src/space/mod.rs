//! Search spaces: parameters, their conditions and the constraints between them.

mod constraint;
mod parameter;

pub use self::{
    constraint::Constraint,
    parameter::{Condition, Parameter, ParameterKind, Scale},
};
use crate::{
    error::HpoError,
    random::{RandomStream, sobol},
};

/// A search space: parameters, and constraints between them.
///
/// A *point* is a value for each parameter, in order. A parameter that is not active at a point (see
/// [`Parameter::only_if`]) has the value in the middle of its range there, so that points that differ
/// only in inactive parameters are equal. A *place* is the same point in the unit cube.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
    /// Indices of the parameters that each one depends on, one per condition.
    parents: Vec<Vec<usize>>,
    constraints: Vec<Constraint>,
    /// A point that satisfies the constraints.
    example: Vec<f64>,
}

/// Points drawn before the space counts as empty, or a draw gives up.
const DRAWS: u32 = 16_384;
/// At most this many cells of a finite space are looked at one by one.
const LOOKED_AT: u64 = 1 << 22;

impl Space {
    /// A space of these parameters, without constraints.
    ///
    /// # Errors
    ///
    /// If there are no parameters, two have the same name, a range is empty or not finite, a range on a
    /// log scale begins at or below 0, a step is invalid, or a condition does not name an earlier
    /// parameter and values of it.
    pub fn new(mut parameters: Vec<Parameter>) -> Result<Self, HpoError> {
        if parameters.is_empty() {
            return Err(HpoError::EmptySpace);
        }
        let mut parents = Vec::new();
        for index in 0..parameters.len() {
            let (before, rest) = parameters.split_at_mut(index);
            let parameter = &mut rest[0];
            let name = parameter.name.clone();
            let is_duplicate = before.iter().any(|other| other.name == name);
            let duplicate = is_duplicate.then_some("is defined twice; rename one of the two");
            if let Some(problem) = duplicate.or_else(|| parameter.problem()) {
                let (low, high) = (parameter.low, parameter.high);
                return Err(HpoError::Parameter { name, low, high, problem });
            }
            let conditions = parameter.conditions.iter_mut();
            let found: Result<Vec<usize>, HpoError> =
                conditions.map(|condition| parent(before, &name, condition)).collect();
            parents.push(found?);
        }
        let mut space = Self { parameters, parents, constraints: Vec::new(), example: Vec::new() };
        space.example = space.at(&vec![0.5; space.dimensions()]);
        Ok(space)
    }

    /// The same space with constraints, all of which a point must satisfy. A constraint does not apply
    /// where one of its parameters is inactive.
    ///
    /// # Errors
    ///
    /// If a constraint names something that is not a parameter, or a categorical parameter, or no point
    /// satisfies all constraints.
    pub fn constrained(self, constraints: Vec<Constraint>) -> Result<Self, HpoError> {
        for constraint in &constraints {
            for name in constraint.names() {
                let problem = match self.parameters.iter().find(|parameter| parameter.name == name)
                {
                    Some(parameter) if parameter.kind == ParameterKind::Categorical => format!(
                        "`{name}` is categorical and cannot be compared; use `only_if` to make \
                         other parameters depend on it"
                    ),
                    Some(_) => continue,
                    None => {
                        let names: Vec<&str> = self
                            .parameters
                            .iter()
                            .map(|parameter| parameter.name.as_str())
                            .collect();
                        format!(
                            "unknown parameter `{name}`; available parameters: {}",
                            names.join(", ")
                        )
                    }
                };
                let text = constraint.text().to_owned();
                return Err(HpoError::Constraint { text, problem });
            }
        }
        let mut space = Self { constraints, ..self };
        let draws =
            (0..DRAWS).map(|index| space.at(&sobol(0, "example", index, space.dimensions())));
        let found = draws.into_iter().find(|point| space.allows(point));
        let found = found.or_else(|| {
            (0..space.cells()?.min(space.looked_at())).find_map(|index| space.cell(index))
        });
        space.example = found.ok_or_else(|| HpoError::Infeasible {
            constraints: space
                .constraints
                .iter()
                .map(|constraint| format!("`{}`", constraint.text()))
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

    /// The point at places in [0, 1]; inactive parameters have the middle of their ranges.
    #[must_use]
    pub fn at(&self, places: &[f64]) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .parameters
            .iter()
            .zip(places)
            .map(|(parameter, place)| parameter.at(*place))
            .collect();
        self.settle(&mut values);
        values
    }

    /// Sets inactive parameters to the middle of their ranges.
    pub(crate) fn settle(&self, values: &mut [f64]) {
        if self.parents.iter().any(|parents| !parents.is_empty()) {
            let active = self.active(values);
            for ((value, parameter), active) in values.iter_mut().zip(&self.parameters).zip(active)
            {
                if !active {
                    *value = parameter.at(0.5);
                }
            }
        }
    }

    /// The places of a point's values, each in [0, 1].
    #[must_use]
    pub fn places(&self, values: &[f64]) -> Vec<f64> {
        self.parameters
            .iter()
            .zip(values)
            .map(|(parameter, value)| parameter.place(*value))
            .collect()
    }

    /// Which parameters are active at a point: those without a condition, and those whose conditions
    /// all hold.
    #[must_use]
    pub fn active(&self, values: &[f64]) -> Vec<bool> {
        let mut active: Vec<bool> = Vec::with_capacity(values.len());
        for (parameter, parents) in self.parameters.iter().zip(&self.parents) {
            let mut conditions = parents.iter().zip(&parameter.conditions);
            let holds = conditions
                .all(|(at, condition)| active[*at] && condition.values.contains(&values[*at]));
            active.push(holds);
        }
        active
    }

    /// Which parameters are categorical, so that their values have no order.
    pub(crate) fn unordered(&self) -> Vec<bool> {
        self.parameters
            .iter()
            .map(|parameter| parameter.kind == ParameterKind::Categorical)
            .collect()
    }

    /// Which parameters have a gradient at a point: those that are active and take all values of their
    /// range.
    pub(crate) fn free(&self, values: &[f64]) -> Vec<bool> {
        let active = self.active(values);
        self.parameters
            .iter()
            .zip(active)
            .map(|(parameter, active)| active && parameter.continuous())
            .collect()
    }

    /// Whether a point satisfies the constraints.
    #[must_use]
    pub fn allows(&self, values: &[f64]) -> bool {
        if self.constraints.is_empty() {
            return true;
        }
        let active = self.active(values);
        let value = |name: &str| {
            let at = self.parameters.iter().position(|parameter| parameter.name == name)?;
            active[at].then_some(values[at])
        };
        self.constraints.iter().all(|constraint| constraint.holds(&value))
    }

    /// Whether there are constraints.
    pub(crate) fn is_constrained(&self) -> bool {
        !self.constraints.is_empty()
    }

    /// Whether there are neither constraints nor conditions, so that every combination of values is a
    /// point.
    pub(crate) fn is_box(&self) -> bool {
        self.constraints.is_empty() && self.parents.iter().all(Vec::is_empty)
    }

    /// Whether values are a point of the space: one value of each parameter, in order, that satisfies
    /// conditions and constraints.
    #[must_use]
    pub fn has(&self, values: &[f64]) -> bool {
        let mut settled = values.to_vec();
        values.len() == self.dimensions()
            && self.parameters.iter().zip(values).all(|(parameter, value)| parameter.has(*value))
            && {
                self.settle(&mut settled);
                settled == values
            }
            && self.allows(values)
    }

    /// The point of these values: each rounded to the parameter's nearest value if it is as good as
    /// equal to it, and inactive ones set to the middle of their ranges. `None` if there is no such
    /// point.
    #[must_use]
    pub fn point(&self, values: &[f64]) -> Option<Vec<f64>> {
        let near = |(parameter, value): (&Parameter, &f64)| {
            let nearest = parameter.nearest(*value);
            let unit = parameter.step.unwrap_or(0.0).max(value.abs());
            if (nearest - value).abs() <= 1e-9 * unit { nearest } else { *value }
        };
        let mut point: Vec<f64> = self.parameters.iter().zip(values).map(near).collect();
        self.settle(&mut point);
        self.has(&point).then_some(point)
    }

    /// An allowed point, uniform on the parameters' scales.
    pub fn draw(&self, random: &mut RandomStream) -> Vec<f64> {
        let mut draws = (0..DRAWS).map(|_| self.at(&random.point(self.dimensions())));
        draws.find(|point| self.allows(point)).unwrap_or_else(|| self.example.clone())
    }

    /// Allowed point `number` of a scrambled Sobol sequence.
    pub(crate) fn spread(&self, seed: u64, purpose: &str, number: u32) -> Vec<f64> {
        let at = |index: u32| self.at(&sobol(seed, purpose, index, self.dimensions()));
        if self.constraints.is_empty() {
            return at(number);
        }
        let most = DRAWS.saturating_mul(number.saturating_add(1));
        let mut allowed = (0..most).map(at).filter(|point| self.allows(point));
        allowed.nth(number as usize).unwrap_or_else(|| self.example.clone())
    }

    /// The number of combinations of values, an upper bound of the number of points; `None` if a
    /// parameter takes all values of a range, or the number exceeds `u64::MAX`.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        self.parameters
            .iter()
            .try_fold(1_u64, |cells, parameter| cells.checked_mul(parameter.cells()?))
    }

    /// How many cells are looked at one by one: fewer if each takes longer.
    fn looked_at(&self) -> u64 {
        let work = self.dimensions() as u64 * (1 + self.constraints.len() as u64);
        (8 * LOOKED_AT / work.max(8)).max(1024)
    }

    /// Combination `index` of a finite space; the first parameter runs fastest. `None` if it equals
    /// another point or is not allowed.
    fn cell(&self, mut index: u64) -> Option<Vec<f64>> {
        let value = |parameter: &Parameter| {
            let cells = parameter.cells().unwrap_or(1);
            let step = index % cells;
            index /= cells;
            parameter.nth(step)
        };
        let values: Vec<f64> = self.parameters.iter().map(value).collect();
        (self.is_box() || self.has(&values)).then_some(values)
    }

    /// The points of a finite space, from a share in [0, 1) of them on and around to it again; none if
    /// the space is not finite.
    pub(crate) fn walk(&self, from: f64) -> impl Iterator<Item = Vec<f64>> {
        let cells = self.cells().unwrap_or(0);
        let start = (from * cells as f64) as u64;
        (0..cells.min(self.looked_at())).filter_map(move |step| self.cell((start + step) % cells))
    }
}

/// A point as a key for sets and maps.
pub(crate) fn key(point: &[f64]) -> Vec<u64> {
    point.iter().map(|value| value.to_bits()).collect()
}

/// Index of the earlier parameter that a condition names. The condition's values become exact values of
/// that parameter.
fn parent(before: &[Parameter], name: &str, condition: &mut Condition) -> Result<usize, HpoError> {
    let parent = condition.parent.clone();
    let error = |problem: String| HpoError::Condition { name: name.to_owned(), parent, problem };
    let Some(at) = before.iter().position(|parameter| parameter.name == condition.parent) else {
        return Err(error("which is not a parameter before it; define that one first".to_owned()));
    };
    let parent = &before[at];
    let Some(step) = parent.step else {
        return Err(error(
            "which takes all values of a range; give that parameter a step".to_owned(),
        ));
    };
    if condition.values.is_empty() {
        return Err(error("but its condition lists no values; list at least one".to_owned()));
    }
    for value in &mut condition.values {
        let nearest = parent.nearest(*value);
        if (nearest - *value).abs() > 1e-6 * step || value.is_nan() {
            return Err(error(format!("which never has the value {value}")));
        }
        *value = nearest;
    }
    Ok(at)
}
