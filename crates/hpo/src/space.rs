//! Search spaces: what may vary, and on which scale.

use crate::study::HpoError;

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
    /// All of them.
    Real,
    /// Whole numbers.
    Integer,
    /// The indices of choices without an order.
    Categorical,
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
}

impl Parameter {
    /// A real parameter; [`Space::new`] checks it.
    #[must_use]
    pub fn new(name: &str, low: f64, high: f64, scale: Scale) -> Self {
        Self { name: name.to_owned(), low, high, scale, kind: Kind::Real }
    }

    /// A whole number, both bounds included.
    #[must_use]
    pub fn integer(name: &str, low: i64, high: i64, scale: Scale) -> Self {
        Self { kind: Kind::Integer, ..Self::new(name, low as f64, high as f64, scale) }
    }

    /// One of so many choices without an order; its value is the choice's index.
    #[must_use]
    pub fn categorical(name: &str, choices: usize) -> Self {
        let high = choices as f64 - 1.0;
        Self { kind: Kind::Categorical, ..Self::new(name, 0.0, high, Scale::Linear) }
    }

    /// How many values it takes; none if it is real.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        (self.kind != Kind::Real).then(|| (self.high - self.low) as u64 + 1)
    }

    /// Whether it takes this value.
    pub(crate) fn has(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value) && (self.kind == Kind::Real || value.fract() == 0.0)
    }

    /// The range that places divide: half a step beyond the outermost whole numbers, so that each
    /// has its share.
    fn range(&self) -> (f64, f64) {
        let margin = if self.kind == Kind::Real { 0.0 } else { 0.5 };
        let (low, high) = (self.low - margin, self.high + margin);
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
        let value = if self.scale == Scale::Log { value.exp() } else { value };
        let value = if self.kind == Kind::Real { value } else { value.round() };
        value.clamp(self.low, self.high)
    }

    /// The place of a value, in [0, 1].
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range();
        let value = if self.scale == Scale::Log { value.ln() } else { value };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn problem(&self) -> Option<&'static str> {
        let real = self.kind == Kind::Real;
        if !(self.low.is_finite() && self.high.is_finite()) {
            Some("must have finite bounds")
        } else if self.kind == Kind::Categorical && self.high < 0.0 {
            Some("needs at least one choice")
        } else if if real { self.low >= self.high } else { self.low > self.high } {
            Some("is empty; its lower bound must be below the upper")
        } else if self.scale == Scale::Log && self.low <= 0.0 {
            Some("is on a log scale, so its lower bound must be above 0")
        } else if !real && self.low.abs().max(self.high.abs()) > 2.0_f64.powi(52) {
            Some("has whole numbers beyond 2⁵², which are not told apart; divide them")
        } else {
            None
        }
    }
}

/// A box of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Space(Vec<Parameter>);

impl Space {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// If there is none, two share a name, a range is empty or not finite, or a log range touches 0.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self, HpoError> {
        if parameters.is_empty() {
            return Err(HpoError::EmptySpace);
        }
        for (index, it) in parameters.iter().enumerate() {
            let twice = parameters[..index].iter().any(|other| other.name == it.name);
            let problem = if twice { Some("is there twice") } else { it.problem() };
            if let Some(problem) = problem {
                let name = it.name.clone();
                return Err(HpoError::Parameter { name, low: it.low, high: it.high, problem });
            }
        }
        Ok(Self(parameters))
    }

    /// The parameters in order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.0
    }

    /// Number of parameters.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// Values at places in [0, 1].
    #[must_use]
    pub fn at(&self, places: &[f64]) -> Vec<f64> {
        self.0.iter().zip(places).map(|(it, place)| it.at(*place)).collect()
    }

    /// Places of values.
    #[must_use]
    pub fn places(&self, values: &[f64]) -> Vec<f64> {
        self.0.iter().zip(values).map(|(it, value)| it.place(*value)).collect()
    }

    /// Whether these are values of its parameters, in their order.
    pub(crate) fn has(&self, values: &[f64]) -> bool {
        values.len() == self.dimensions()
            && self.0.iter().zip(values).all(|(it, value)| it.has(*value))
    }

    /// How many points it has; none if a parameter is real, or they are more than can be counted.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        self.0.iter().try_fold(1_u64, |cells, it| cells.checked_mul(it.cells()?))
    }

    /// Point `index` of a finite space, counted from the lowest; the first parameter runs fastest.
    pub(crate) fn cell(&self, mut index: u64) -> Vec<f64> {
        let value = |it: &Parameter| {
            let cells = it.cells().unwrap_or(1);
            let step = index % cells;
            index /= cells;
            it.low + step as f64
        };
        self.0.iter().map(value).collect()
    }
}
