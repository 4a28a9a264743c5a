//! One parameter of a search space.

/// The scale of a parameter's range, on which a search is uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart; the range must be above 0.
    Log,
}

/// Which values of its range a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// All values, or those a step apart.
    Real,
    /// Whole numbers.
    Integer,
    /// The indices of choices without an order.
    Categorical,
}

/// When a parameter is active: while an earlier parameter has one of some values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The earlier parameter's name.
    pub parent: String,
    /// The values of the earlier parameter for which this one is active.
    pub values: Vec<f64>,
}

/// One dimension of a search space.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, unique in the space; constraints and messages use it.
    pub name: String,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// The scale on which a search is uniform.
    pub scale: Scale,
    /// Which values of the range it takes.
    pub kind: ParameterKind,
    /// The distance between its values, counted from the lowest; `None` if it takes all values.
    pub step: Option<f64>,
    /// The parameter is active where all of these conditions hold. Without conditions it is always active.
    pub conditions: Vec<Condition>,
}

impl Parameter {
    /// A real parameter that takes all values from `low` to `high`. [`Space::new`](crate::Space::new)
    /// checks the range.
    #[must_use]
    pub fn new(name: &str, low: f64, high: f64, scale: Scale) -> Self {
        let (name, kind) = (name.to_owned(), ParameterKind::Real);
        Self { name, low, high, scale, kind, step: None, conditions: Vec::new() }
    }

    /// A whole number from `low` to `high`, both included.
    #[must_use]
    pub fn integer(name: &str, low: i64, high: i64, scale: Scale) -> Self {
        let real = Self::new(name, low as f64, high as f64, scale);
        Self { kind: ParameterKind::Integer, step: Some(1.0), ..real }
    }

    /// One of several choices without an order; its value is the index of the choice, from 0.
    #[must_use]
    pub fn categorical(name: &str, choices: usize) -> Self {
        let real = Self::new(name, 0.0, choices as f64 - 1.0, Scale::Linear);
        Self { kind: ParameterKind::Categorical, step: Some(1.0), ..real }
    }

    /// The same parameter with values a step apart, from the lowest one on. The upper bound is one of
    /// them if the range is a multiple of the step.
    #[must_use]
    pub fn stepped(self, step: f64) -> Self {
        Self { step: Some(step), ..self }
    }

    /// The same parameter, active only while an earlier parameter has one of these values. Given
    /// several times, all conditions must hold.
    #[must_use]
    pub fn only_if(mut self, parent: &str, values: &[f64]) -> Self {
        let condition = Condition { parent: parent.to_owned(), values: values.to_vec() };
        self.conditions.push(condition);
        self
    }

    /// Whether it takes all values of its range.
    pub(crate) fn continuous(&self) -> bool {
        self.step.is_none()
    }

    /// Number of values it takes; `None` if it takes all values of a range.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        self.step.map(|step| ((self.high - self.low) / step + 1e-9) as u64 + 1)
    }

    /// The value `index` steps above the lowest, rounded to nine digits of a step, so that three steps
    /// of 0.3 are exactly 0.9.
    pub(crate) fn nth(&self, index: u64) -> f64 {
        let step = self.step.unwrap_or(0.0);
        let value = self.low + index as f64 * step;
        let scale = 10.0_f64.powi((9.0 - step.log10().floor()).clamp(0.0, 22.0) as i32);
        let exact = (value * scale).abs() < 2.0_f64.powi(52);
        let value = if exact { (value * scale).round() / scale } else { value };
        value.clamp(self.low, self.high)
    }

    /// The value of the parameter that is nearest to a number.
    pub(super) fn nearest(&self, value: f64) -> f64 {
        match (self.step, self.cells()) {
            (Some(step), Some(cells)) => {
                self.nth((((value - self.low) / step).round().max(0.0) as u64).min(cells - 1))
            }
            _ => value.clamp(self.low, self.high),
        }
    }

    /// Whether the parameter takes this value.
    pub(crate) fn has(&self, value: f64) -> bool {
        value.is_finite() && self.nearest(value) == value
    }

    /// The range that corresponds to places 0 to 1. It ends half a step beyond the outermost values, so
    /// that every value has an equal share.
    fn range(&self) -> (f64, f64) {
        let margin = self.step.unwrap_or(0.0) / 2.0;
        let top = self.cells().map_or(self.high, |cells| self.nth(cells - 1));
        let (low, high) = (self.low - margin, top + margin);
        match self.scale {
            Scale::Linear => (low, high),
            Scale::Log => (low.ln(), high.ln()),
        }
    }

    /// The value at a place in [0, 1].
    #[must_use]
    pub fn at(&self, place: f64) -> f64 {
        let (low, high) = self.range();
        let value = low + place * (high - low);
        self.nearest(if self.scale == Scale::Log { value.exp() } else { value })
    }

    /// The place of a value, in [0, 1].
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range();
        let value = if self.scale == Scale::Log { value.ln() } else { value };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// What is wrong with the parameter by itself; `None` if nothing is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let is_whole = |step: Option<f64>| step.is_none_or(|step| step.fract() == 0.0);
        if !(self.low.is_finite() && self.high.is_finite()) {
            Some("must have finite bounds")
        } else if self.name.is_empty() {
            Some("must have a name")
        } else if !(self.high - self.low).is_finite() {
            Some("is too wide for floating-point numbers; narrow it")
        } else if self.kind == ParameterKind::Categorical && self.high < 0.0 {
            Some("needs at least one choice")
        } else if if self.continuous() { self.low >= self.high } else { self.low > self.high } {
            Some("is empty; its lower bound must be below the upper")
        } else if self.scale == Scale::Log && self.low <= 0.0 {
            Some("is on a log scale, so its lower bound must be above 0")
        } else if self.step.is_some_and(|step| !(step > 0.0 && step.is_finite())) {
            Some("must have a finite step above 0")
        } else if self.kind == ParameterKind::Categorical && self.step != Some(1.0) {
            Some("is categorical and cannot have a step")
        } else if self.kind == ParameterKind::Integer && !is_whole(self.step) {
            Some("takes whole numbers, so its step must be a whole number")
        } else if self.scale == Scale::Log
            && !matches!((self.kind, self.step), (_, None) | (ParameterKind::Integer, Some(1.0)))
        {
            Some("is on a log scale and has a step; leave out one of the two")
        } else if self.low.abs().max(self.high.abs()) / self.step.unwrap_or(f64::INFINITY)
            > 2.0_f64.powi(52)
        {
            Some("has more than 2⁵² values, the most that can be told apart; take a larger step")
        } else {
            None
        }
    }
}
