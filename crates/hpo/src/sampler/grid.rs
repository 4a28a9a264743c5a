//! Grids, in random order.

use crate::{
    random::Stream,
    space::{Kind, Parameter, Space},
    study::HpoError,
};

/// Equally spaced values of each parameter, on its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Values of each parameter, at least 1.
    pub values: usize,
    /// Whether the upper bound is one of them.
    pub upper_bound: bool,
}

impl Grid {
    /// The study's grid: five values from the lower bound on, without the upper one.
    #[must_use]
    pub fn paper() -> Self {
        Self { values: 5, upper_bound: false }
    }

    /// Number of cells; saturates.
    #[must_use]
    pub fn cells(&self, space: &Space) -> u64 {
        let steps = space.parameters().iter().map(|it| self.steps(it));
        steps.fold(1, u64::saturating_mul)
    }

    /// How many values a parameter has: all choices, and no more whole numbers than there are.
    fn steps(&self, parameter: &Parameter) -> u64 {
        let values = self.values as u64;
        match (parameter.kind, parameter.cells()) {
            (Kind::Categorical, Some(cells)) => cells,
            (_, Some(cells)) => cells.min(values),
            (_, None) => values,
        }
    }

    fn value(&self, parameter: &Parameter, index: u64) -> f64 {
        let steps = self.steps(parameter);
        if parameter.cells() == Some(steps) {
            return parameter.low + index as f64;
        }
        let parts = if self.upper_bound { steps.max(2) - 1 } else { steps };
        parameter.at(index as f64 / parts as f64)
    }

    pub(super) fn suggest(
        &self,
        space: &Space,
        seed: u64,
        number: u32,
    ) -> Result<Vec<f64>, HpoError> {
        let cells = self.cells(space);
        if u64::from(number) >= cells {
            return Err(HpoError::GridExhausted { cells, number });
        }
        let mut cell = shuffled(cells, seed, number);
        let value = |it: &Parameter| {
            let steps = self.steps(it);
            let index = cell % steps;
            cell /= steps;
            self.value(it, index)
        };
        Ok(space.parameters().iter().map(value).collect())
    }
}

/// Element `number` of an order of the numbers 0..n that the seed determines.
fn shuffled(n: u64, seed: u64, number: u32) -> u64 {
    let mut random = Stream::new(seed, 0, "grid");
    if n <= 100_000 {
        return random.permutation(n as usize)[number as usize] as u64;
    }
    // Too many to write down: n and the step have no common divisor, so no number comes twice.
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let first = (random.unit() * n as f64) as u64;
    let mut step = (n as f64 * (0.3 + 0.4 * random.unit())) as u64;
    while gcd(n, step) != 1 {
        step += 1;
    }
    let place = u128::from(first) + u128::from(step) * u128::from(number);
    (place % u128::from(n)) as u64
}
