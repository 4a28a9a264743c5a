//! Grids, in random order.

use std::collections::HashSet;

use super::bits;
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

/// The values of one parameter.
enum Axis {
    /// All, so many.
    All(u64),
    /// These.
    Some(Vec<f64>),
}

impl Axis {
    fn len(&self) -> u64 {
        match self {
            Self::All(cells) => *cells,
            Self::Some(values) => values.len() as u64,
        }
    }

    fn value(&self, parameter: &Parameter, index: u64) -> f64 {
        match self {
            Self::All(_) => parameter.nth(index),
            Self::Some(values) => values[index as usize],
        }
    }
}

impl Grid {
    /// The study's grid: five values from the lower bound on, without the upper one.
    #[must_use]
    pub fn paper() -> Self {
        Self { values: 5, upper_bound: false }
    }

    /// Number of cells; saturates. Of a space with constraints or conditions, cells that are not
    /// allowed, or equal to another, do not count, unless there are more than can be looked at.
    #[must_use]
    pub fn cells(&self, space: &Space) -> u64 {
        if !space.is_box() && self.places(space) <= WRITTEN_DOWN {
            return self.distinct(space).len() as u64;
        }
        self.places(space)
    }

    fn places(&self, space: &Space) -> u64 {
        let steps = space.parameters().iter().map(|it| self.axis(it).len());
        steps.fold(1, u64::saturating_mul)
    }

    /// Of at most [`WRITTEN_DOWN`] cells, those that are allowed and not equal to one before.
    fn distinct(&self, space: &Space) -> Vec<Vec<f64>> {
        let mut seen = HashSet::new();
        let cells = (0..self.places(space)).map(|it| self.cell(space, it));
        cells.filter(|it| space.allows(it) && seen.insert(bits(it))).collect()
    }

    fn cell(&self, space: &Space, mut index: u64) -> Vec<f64> {
        let value = |it: &Parameter| {
            let axis = self.axis(it);
            let step = index % axis.len();
            index /= axis.len();
            axis.value(it, step)
        };
        let mut cell: Vec<f64> = space.parameters().iter().map(value).collect();
        space.settle(&mut cell);
        cell
    }

    /// All choices; of the others so many evenly spaced ones, or all if there are no more.
    fn axis(&self, parameter: &Parameter) -> Axis {
        let cells = parameter.cells();
        let all =
            cells.filter(|it| parameter.kind == Kind::Categorical || *it <= self.values as u64);
        if let Some(cells) = all {
            return Axis::All(cells);
        }
        let parts = if self.upper_bound { self.values.max(2) - 1 } else { self.values.max(1) };
        let at = |index: usize| parameter.at(index as f64 / parts as f64);
        let mut values: Vec<f64> = (0..self.values.max(1)).map(at).collect();
        // Evenly spaced logarithms of small whole numbers may be the same number.
        values.dedup();
        Axis::Some(values)
    }

    pub(super) fn suggest(
        &self,
        space: &Space,
        seed: u64,
        number: u32,
    ) -> Result<Vec<f64>, HpoError> {
        let exhausted = |cells| HpoError::GridExhausted { cells, number };
        let places = self.places(space);
        if space.is_box() {
            let at = shuffled(places, seed, u64::from(number));
            return at.map(|it| self.cell(space, it)).ok_or_else(|| exhausted(places));
        }
        if places <= WRITTEN_DOWN {
            let mut cells = self.distinct(space);
            let at = shuffled(cells.len() as u64, seed, u64::from(number));
            return at
                .map(|it| cells.swap_remove(it as usize))
                .ok_or_else(|| exhausted(cells.len() as u64));
        }
        let mut seen = HashSet::new();
        let order = (0..LOOKED_AT).map_while(|it| shuffled(places, seed, it));
        let mut cells = order
            .map(|it| self.cell(space, it))
            .filter(|it| space.allows(it) && seen.insert(bits(it)));
        cells.nth(number as usize).ok_or_else(|| exhausted(u64::from(number)))
    }
}

/// Cells up to which an order is written down, and cells of larger grids that are looked at.
const WRITTEN_DOWN: u64 = 100_000;
const LOOKED_AT: u64 = 1 << 22;

/// Element `number` of an order of the numbers 0..n that the seed determines; none beyond it.
fn shuffled(n: u64, seed: u64, number: u64) -> Option<u64> {
    if number >= n {
        return None;
    }
    let mut random = Stream::new(seed, 0, "grid");
    if n <= WRITTEN_DOWN {
        return random.permutation(n as usize).get(number as usize).map(|it| *it as u64);
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
    Some((place % u128::from(n)) as u64)
}
