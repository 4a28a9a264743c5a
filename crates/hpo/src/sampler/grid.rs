//! Grids, in random order.

use crate::{random::Stream, space::Space, study::HpoError};

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
    pub fn cells(&self, dimensions: usize) -> usize {
        self.values.saturating_pow(u32::try_from(dimensions).unwrap_or(u32::MAX))
    }

    pub(super) fn suggest(
        &self,
        space: &Space,
        seed: u64,
        number: u32,
    ) -> Result<Vec<f64>, HpoError> {
        let cells = self.cells(space.dimensions());
        let order = Stream::new(seed, 0, "grid").permutation(cells);
        let cell = order.get(number as usize).copied();
        let mut cell = cell.ok_or(HpoError::GridExhausted { cells, number })?;
        let steps = if self.upper_bound { self.values.max(2) - 1 } else { self.values };
        let places: Vec<f64> = (0..space.dimensions())
            .map(|_| {
                let index = cell % self.values;
                cell /= self.values;
                index as f64 / steps as f64
            })
            .collect();
        Ok(space.at(&places))
    }
}
