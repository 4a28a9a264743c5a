//! One parameter of a search space.

/// How a parameter's range is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Evenly in the logarithm; the range must be above 0.
    Log,
}

/// Which values of its range a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All of them, or those a step apart.
    Real,
    /// Whole numbers.
    Integer,
    /// The indices of choices without an order.
    Categorical,
}

/// When a parameter matters: while an earlier one has one of some values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The earlier parameter's name.
    pub parent: String,
    /// Its values.
    pub values: Vec<f64>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in messages.
    pub name: String,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// How the range is divided.
    pub scale: Scale,
    /// Which values of the range it takes.
    pub kind: Kind,
    /// How far its values are apart, counted from the lowest; none of a real one that takes all.
    pub step: Option<f64>,
    /// When it matters; always without a condition.
    pub condition: Option<Condition>,
}

impl Parameter {
    /// A real parameter; [`Space::new`](crate::Space::new) checks it.
    #[must_use]
    pub fn new(name: &str, low: f64, high: f64, scale: Scale) -> Self {
        let (name, kind) = (name.to_owned(), Kind::Real);
        Self { name, low, high, scale, kind, step: None, condition: None }
    }

    /// A whole number, both bounds included.
    #[must_use]
    pub fn integer(name: &str, low: i64, high: i64, scale: Scale) -> Self {
        let real = Self::new(name, low as f64, high as f64, scale);
        Self { kind: Kind::Integer, step: Some(1.0), ..real }
    }

    /// One of so many choices without an order; its value is the choice's index.
    #[must_use]
    pub fn categorical(name: &str, choices: usize) -> Self {
        let real = Self::new(name, 0.0, choices as f64 - 1.0, Scale::Linear);
        Self { kind: Kind::Categorical, step: Some(1.0), ..real }
    }

    /// The same with values a step apart, from the lowest one on; the upper bound is one of them if
    /// the range is a multiple of the step.
    #[must_use]
    pub fn stepped(self, step: f64) -> Self {
        Self { step: Some(step), ..self }
    }

    /// The same, but it matters only while an earlier parameter has one of these values.
    #[must_use]
    pub fn only_if(self, parent: &str, values: &[f64]) -> Self {
        let condition = Condition { parent: parent.to_owned(), values: values.to_vec() };
        Self { condition: Some(condition), ..self }
    }

    /// Whether it takes all values of its range.
    pub(crate) fn continuous(&self) -> bool {
        self.step.is_none()
    }

    /// How many values it takes; none if all of a range.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        self.step.map(|step| ((self.high - self.low) / step + 1e-9) as u64 + 1)
    }

    /// The value so many steps above the lowest, to nine digits of a step: three steps of 0.3 are
    /// 0.9, and not the number before.
    pub(crate) fn nth(&self, index: u64) -> f64 {
        let step = self.step.unwrap_or(0.0);
        let value = self.low + index as f64 * step;
        let scale = 10.0_f64.powi((9.0 - step.log10().floor()).clamp(0.0, 22.0) as i32);
        let exact = (value * scale).abs() < 2.0_f64.powi(52);
        let value = if exact { (value * scale).round() / scale } else { value };
        value.clamp(self.low, self.high)
    }

    /// The nearest of its values.
    pub(super) fn nearest(&self, value: f64) -> f64 {
        match (self.step, self.cells()) {
            (Some(step), Some(cells)) => {
                self.nth((((value - self.low) / step).round().max(0.0) as u64).min(cells - 1))
            }
            _ => value.clamp(self.low, self.high),
        }
    }

    /// Whether it takes this value.
    pub(crate) fn has(&self, value: f64) -> bool {
        value.is_finite() && self.nearest(value) == value
    }

    /// The range that places divide: half a step beyond the outermost values, so that each has its
    /// share.
    fn range(&self) -> (f64, f64) {
        let margin = self.step.unwrap_or(0.0) / 2.0;
        let top = self.cells().map_or(self.high, |it| self.nth(it - 1));
        let (low, high) = (self.low - margin, top + margin);
        match self.scale {
            Scale::Linear => (low, high),
            Scale::Log => (low.ln(), high.ln()),
        }
    }

    /// The value at a place in [0, 1] of the range.
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

    /// What is wrong with it by itself.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let whole = |it: Option<f64>| it.is_none_or(|it| it.fract() == 0.0);
        if !(self.low.is_finite() && self.high.is_finite()) {
            Some("must have finite bounds")
        } else if self.name.is_empty() {
            Some("must have a name")
        } else if !(self.high - self.low).is_finite() {
            Some("is wider than numbers go; narrow it")
        } else if self.kind == Kind::Categorical && self.high < 0.0 {
            Some("needs at least one choice")
        } else if if self.continuous() { self.low >= self.high } else { self.low > self.high } {
            Some("is empty; its lower bound must be below the upper")
        } else if self.scale == Scale::Log && self.low <= 0.0 {
            Some("is on a log scale, so its lower bound must be above 0")
        } else if self.step.is_some_and(|it| !(it > 0.0 && it.is_finite())) {
            Some("has a step that is not above 0")
        } else if self.kind == Kind::Categorical && self.step != Some(1.0) {
            Some("is categorical and has no steps")
        } else if self.kind == Kind::Integer && !whole(self.step) {
            Some("is a whole number, so its step must be one")
        } else if self.scale == Scale::Log
            && !matches!((self.kind, self.step), (_, None) | (Kind::Integer, Some(1.0)))
        {
            Some("is on a log scale and has a step; leave out one of the two")
        } else if self.low.abs().max(self.high.abs()) / self.step.unwrap_or(f64::INFINITY)
            > 2.0_f64.powi(52)
        {
            Some("has more than 2⁵² values, which are not told apart; take a larger step")
        } else {
            None
        }
    }
}
