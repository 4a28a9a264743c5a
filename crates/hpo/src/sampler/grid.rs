//! Grid search.

use std::{collections::HashSet, sync::Arc};

use units::limits::{self, OutOfRange};

use super::{
    entry::{SamplerEntry, Setting, SettingValue},
    interface::{Sampler, Suggestion},
};
use crate::{
    error::HpoError,
    random::RandomStream,
    search::SearchState,
    space::{Parameter, ParameterKind, Space, key},
};

/// Grid search: every cell of a grid once, in random order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Number of values of each parameter, at least 1, equally spaced on its scale. A categorical
    /// parameter, or one that takes fewer values, has all of them.
    pub values: usize,
    /// Whether the upper bound is one of the values.
    pub upper_bound: bool,
}

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "grid",
    "grid search: every cell once, in random order",
    &[
        Setting::new("values", "values of each parameter", SettingValue::Count(5)),
        Setting::new(
            "paper",
            "use the published study's grid: five values, without the upper bounds",
            SettingValue::Switch(false),
        ),
    ],
    |settings| {
        let values = match (settings.get("paper"), settings.get("values")) {
            (Some(SettingValue::Switch(true)), _) => return Ok(Arc::new(Grid::paper())),
            (_, Some(SettingValue::Count(values))) => {
                usize::try_from(*values).unwrap_or(usize::MAX)
            }
            _ => 5,
        };
        limits::GRID_VALUES
            .check(values as u64)
            .map_err(|error| refused(&error.of_key("values")))?;
        Ok(Arc::new(Grid { values, upper_bound: true }))
    },
);

fn refused(error: &OutOfRange) -> HpoError {
    HpoError::SamplerSetting { sampler: "grid".to_owned(), problem: error.to_string() }
}

impl Sampler for Grid {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        self.cell_of_trial(search.space, search.seed, search.number).map(Suggestion::from)
    }

    // Each cell belongs to one trial number already.
    fn may_repeat(&self) -> bool {
        true
    }
}

/// The values of one parameter.
enum Axis {
    /// All values of the parameter: their number.
    All(u64),
    /// These values.
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
    /// The grid of the published study: five values, without the upper bound.
    #[must_use]
    pub const fn paper() -> Self {
        Self { values: 5, upper_bound: false }
    }

    /// Number of cells, at most `u64::MAX`. In a space with constraints or conditions, cells that are
    /// not allowed or equal another cell do not count, unless the grid has more than 100,000 cells.
    #[must_use]
    pub fn cells(&self, space: &Space) -> u64 {
        if !space.is_box() && self.places(space) <= WRITTEN_DOWN {
            return self.distinct(space).len() as u64;
        }
        self.places(space)
    }

    fn places(&self, space: &Space) -> u64 {
        self.axes(space).iter().map(Axis::len).fold(1, u64::saturating_mul)
    }

    /// The cells that are allowed and differ from all cells before, of a grid of at most
    /// [`WRITTEN_DOWN`] cells.
    fn distinct(&self, space: &Space) -> Vec<Vec<f64>> {
        let mut seen = HashSet::new();
        let axes = self.axes(space);
        let cells = (0..self.places(space)).map(|index| cell(&axes, space, index));
        cells.filter(|cell| space.allows(cell) && seen.insert(key(cell))).collect()
    }

    fn axes(&self, space: &Space) -> Vec<Axis> {
        space.parameters().iter().map(|parameter| self.axis(parameter)).collect()
    }

    /// The values of a parameter: all of them if it is categorical or takes no more than
    /// `self.values`, otherwise evenly spaced ones.
    fn axis(&self, parameter: &Parameter) -> Axis {
        let cells = parameter.cells();
        let takes_all = |cells: &u64| {
            parameter.kind == ParameterKind::Categorical || *cells <= self.values as u64
        };
        let all = cells.filter(takes_all);
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

    fn cell_of_trial(&self, space: &Space, seed: u64, number: u32) -> Result<Vec<f64>, HpoError> {
        let exhausted = |cells| HpoError::GridExhausted { cells, number };
        let all = [self.values as u64, space.dimensions() as u64];
        limits::ALL_GRID_VALUES.product(&all).map_err(|error| refused(&error))?;
        let axes = self.axes(space);
        let places = axes.iter().map(Axis::len).fold(1, u64::saturating_mul);
        if space.is_box() {
            let at = shuffled(places, seed, u64::from(number));
            return at.map(|index| cell(&axes, space, index)).ok_or_else(|| exhausted(places));
        }
        if places <= WRITTEN_DOWN {
            let mut cells = self.distinct(space);
            let at = shuffled(cells.len() as u64, seed, u64::from(number));
            return at
                .map(|index| cells.swap_remove(index as usize))
                .ok_or_else(|| exhausted(cells.len() as u64));
        }
        let mut seen = HashSet::new();
        let most = LOOKED_AT / space.dimensions().max(1) as u64;
        let order = (0..most.max(1024)).map_while(|position| shuffled(places, seed, position));
        let mut cells = order
            .map(|index| cell(&axes, space, index))
            .filter(|cell| space.allows(cell) && seen.insert(key(cell)));
        cells.nth(number as usize).ok_or_else(|| exhausted(u64::from(number)))
    }
}

/// Cell `index`, with the first parameter running fastest.
fn cell(axes: &[Axis], space: &Space, mut index: u64) -> Vec<f64> {
    let value = |(axis, parameter): (&Axis, &Parameter)| {
        let step = index % axis.len();
        index /= axis.len();
        axis.value(parameter, step)
    };
    let mut cell: Vec<f64> = axes.iter().zip(space.parameters()).map(value).collect();
    space.settle(&mut cell);
    cell
}

/// The order of a grid with at most this many cells is a random permutation.
const WRITTEN_DOWN: u64 = 100_000;
/// At most this many cells of a larger grid are looked at to find one that is allowed.
const LOOKED_AT: u64 = 1 << 22;

/// Element `number` of a random order of the numbers 0 to n − 1, which the seed determines; `None`
/// from n on.
fn shuffled(n: u64, seed: u64, number: u64) -> Option<u64> {
    if number >= n {
        return None;
    }
    let mut random = RandomStream::new(seed, 0, "grid");
    if n <= WRITTEN_DOWN {
        return random.permutation(n as usize).get(number as usize).map(|index| *index as u64);
    }
    // Too many for a permutation: n and the step are coprime, so no number comes twice.
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
