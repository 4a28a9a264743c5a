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

/// A real parameter.
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
}

impl Parameter {
    /// A parameter; [`Space::new`] checks it.
    #[must_use]
    pub fn new(name: &str, low: f64, high: f64, scale: Scale) -> Self {
        Self { name: name.to_owned(), low, high, scale }
    }

    /// The value at a place in [0, 1] of the range.
    #[must_use]
    pub fn at(&self, place: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => self.low + place * (self.high - self.low),
            Scale::Log => (self.low.ln() + place * (self.high.ln() - self.low.ln())).exp(),
        };
        value.clamp(self.low, self.high)
    }

    /// The place of a value, in [0, 1].
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
        };
        place.clamp(0.0, 1.0)
    }
}

/// A box of real parameters.
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
            let problem = if parameters[..index].iter().any(|other| other.name == it.name) {
                "is there twice"
            } else if !(it.low.is_finite() && it.high.is_finite() && it.low < it.high) {
                "must have finite bounds, the lower below the upper"
            } else if it.scale == Scale::Log && it.low <= 0.0 {
                "is on a log scale, so its lower bound must be above 0"
            } else {
                continue;
            };
            return Err(HpoError::Parameter {
                name: it.name.clone(),
                low: it.low,
                high: it.high,
                problem,
            });
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
}
