//! The layer factorial of a data set: complete blocks, and sums over them.

use std::collections::HashMap;

use record::StudyNetwork;
use serde::Serialize;

use super::{Estimate, distinct, looks::ERROR_RATE, resample::Sums, rows::LayerRow};

/// A complete block: every cell of the factorial once, trained from one seed with one setting of the
/// optimizer, in the order of the cells.
pub(crate) type Block<'a> = Vec<&'a LayerRow>;

/// The complete blocks of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Factorial<'a> {
    pub(crate) data: &'a str,
    /// The cells, sorted by convolution blocks, linear layers and ReLU.
    pub(crate) cells: Vec<StudyNetwork>,
    pub(crate) blocks: Vec<Block<'a>>,
    /// Per block: the energy of each cell minus `center`, the accuracy of each cell, and the sum of the
    /// squares of these energies.
    sums: Sums,
    /// Mean of all energies; sums of differences from it lose no digits.
    center: f64,
    /// The error rate of the intervals that verdicts rest on.
    error_rate: f64,
}

/// A response of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Response {
    /// Energy, in joules.
    #[serde(rename = "energy_j")]
    Energy,
    /// Accuracy on the test images, in [0, 1].
    #[serde(rename = "accuracy")]
    Accuracy,
}

impl Response {
    /// Its name in the study's tables and in `published.json`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Energy => "energy_j",
            Self::Accuracy => "accuracy",
        }
    }

    /// Its name for readers.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Accuracy => "accuracy",
        }
    }

    /// The response of a training.
    pub(crate) fn of(self, row: &LayerRow) -> f64 {
        match self {
            Self::Energy => row.energy.joules.0,
            Self::Accuracy => row.accuracy,
        }
    }
}

/// The factorial of each data set, in order of first appearance.
pub(crate) fn factorials(rows: &[LayerRow]) -> Vec<Factorial<'_>> {
    factorials_at(rows, ERROR_RATE)
}

/// The same, with the error rate of the intervals that verdicts rest on.
pub(crate) fn factorials_at(rows: &[LayerRow], error_rate: f64) -> Vec<Factorial<'_>> {
    let mut sets: Vec<(&str, Vec<&LayerRow>)> = Vec::new();
    for row in rows {
        match sets.iter_mut().find(|set| set.0 == row.data) {
            Some((_, rows)) => rows.push(row),
            None => sets.push((&row.data, vec![row])),
        }
    }
    sets.into_iter().map(|(data, rows)| Factorial::of(data, &rows, error_rate)).collect()
}

impl<'a> Factorial<'a> {
    fn of(data: &'a str, rows: &[&'a LayerRow], error_rate: f64) -> Self {
        let mut cells = distinct(rows.iter().map(|row| row.network));
        cells.sort_by_key(|cell| (cell.conv, cell.linear, cell.relu));
        // Blocks in order of first appearance, with a list of rows for each cell.
        let mut indices: HashMap<(u32, &str), usize> = HashMap::new();
        let mut blocks: Vec<Vec<Vec<&LayerRow>>> = Vec::new();
        for row in rows {
            let index = *indices.entry((row.repetition, &row.setting)).or_insert_with(|| {
                blocks.push(vec![Vec::new(); cells.len()]);
                blocks.len() - 1
            });
            let cell = cells.iter().position(|cell| *cell == row.network).unwrap_or(0);
            blocks[index][cell].push(row);
        }
        let blocks: Vec<Block<'a>> = blocks
            .into_iter()
            .filter(|block| block.iter().all(|cell| cell.len() == 1))
            .map(|block| block.into_iter().flatten().collect())
            .collect();
        let energies = || blocks.iter().flatten().map(|row| row.energy.joules.0);
        let center = super::mean(energies()).unwrap_or(0.0);
        let width = 2 * cells.len() + 1;
        let mut columns = Vec::with_capacity(blocks.len() * width);
        for block in &blocks {
            columns.extend(block.iter().map(|row| row.energy.joules.0 - center));
            columns.extend(block.iter().map(|row| row.accuracy));
            let squares = block.iter().map(|row| (row.energy.joules.0 - center).powi(2));
            columns.push(squares.sum());
        }
        Self { data, cells, sums: Sums::of(&columns, width), blocks, center, error_rate }
    }

    /// Mean of a response over the cells that a condition picks, from sums over `blocks` blocks.
    fn mean_in(
        &self,
        sums: &[f64],
        blocks: usize,
        response: Response,
        pick: impl Fn(&StudyNetwork) -> bool,
    ) -> Option<f64> {
        let (from, shift) = match response {
            Response::Energy => (0, self.center),
            Response::Accuracy => (self.cells.len(), 0.0),
        };
        let picked = self.cells.iter().zip(&sums[from..]).filter(|cell| pick(cell.0));
        let (sum, count) = picked.fold((0.0, 0), |(sum, n), cell| (sum + cell.1, n + 1));
        (count * blocks > 0).then(|| sum / (count * blocks) as f64 + shift)
    }

    /// Mean of a response in a cell.
    pub(crate) fn cell_mean(&self, cell: StudyNetwork, response: Response) -> Option<Estimate> {
        if self.blocks.is_empty() {
            return None;
        }
        let blocks = self.sums.units();
        self.sums.estimate(|sums| self.mean_in(sums, blocks, response, |network| *network == cell))
    }

    /// The fewest and the most convolution blocks; `None` if they are equal.
    fn conv_range(&self) -> Option<(u32, u32)> {
        let levels = || self.cells.iter().map(|cell| cell.conv);
        Some((levels().min()?, levels().max()?)).filter(|(low, high)| low < high)
    }

    /// The contrast over the complete blocks; `None` if there are none.
    pub(crate) fn contrast(&self) -> Option<Contrast> {
        let (few, many) = self.conv_range().filter(|_| !self.blocks.is_empty())?;
        let energy = |sums: &[f64], blocks, conv| {
            self.mean_in(sums, blocks, Response::Energy, |network| network.conv == conv)
                .filter(|mean| *mean > 0.0)
        };
        let accuracy = |sums: &[f64], blocks, conv| {
            self.mean_in(sums, blocks, Response::Accuracy, |network| network.conv == conv)
        };
        let rate = self.error_rate;
        Some(Contrast {
            conv: (few, many),
            saving: self.sums.jackknife(rate, |sums, n| {
                Some(1.0 - energy(sums, n, few)? / energy(sums, n, many)?)
            })?,
            accuracy_cost: self.sums.jackknife(rate, |sums, n| {
                Some(accuracy(sums, n, many)? - accuracy(sums, n, few)?)
            })?,
            increase: self.sums.jackknife(rate, |sums, n| {
                Some(energy(sums, n, many)? / energy(sums, n, few)? - 1.0)
            })?,
            elasticity: self.sums.jackknife(rate, |sums, n| {
                let gain = (accuracy(sums, n, many)? / accuracy(sums, n, few)?).ln();
                let cost = (energy(sums, n, many)? / energy(sums, n, few)?).ln();
                (cost.abs() > 1e-9).then(|| gain / cost)
            }),
        })
    }

    /// η² of the convolution blocks minus the larger η² of the other two factors; `None` unless every
    /// combination of levels is a cell.
    ///
    /// Every block has every cell once, so the factors are orthogonal, and a main effect has the same
    /// sum of squares for every type: that of the means of its levels.
    pub(crate) fn lead(&self) -> Option<Estimate> {
        let levels = [
            distinct(self.cells.iter().map(|cell| cell.conv)).len(),
            distinct(self.cells.iter().map(|cell| cell.linear)).len(),
            distinct(self.cells.iter().map(|cell| cell.relu)).len(),
        ];
        if levels.iter().any(|count| *count < 2)
            || levels.iter().product::<usize>() != self.cells.len()
        {
            return None;
        }
        self.sums.jackknife(self.error_rate, |sums, blocks| {
            let [conv, linear, relu] = self.eta_squares(sums, blocks)?;
            Some(conv - linear.max(relu))
        })
    }

    /// η² of convolution blocks, linear layers and ReLU, from sums over `blocks` blocks.
    fn eta_squares(&self, sums: &[f64], blocks: usize) -> Option<[f64; 3]> {
        let cells = self.cells.len();
        let rows = (cells * blocks) as f64;
        let grand = sums[..cells].iter().sum::<f64>() / rows;
        let total = sums[2 * cells] - rows * grand * grand;
        // Rounding errors alone can be this large.
        let noise = rows * (4.0 * f64::EPSILON * self.center).powi(2);
        if total <= noise {
            return None;
        }
        let share = |level: fn(&StudyNetwork) -> u32| {
            let mut by_level: HashMap<u32, (f64, usize)> = HashMap::new();
            for (cell, sum) in self.cells.iter().zip(sums) {
                let (all, count) = by_level.entry(level(cell)).or_default();
                *all += sum;
                *count += 1;
            }
            let squares = by_level.values().map(|(sum, count)| {
                let rows = (count * blocks) as f64;
                rows * (sum / rows - grand).powi(2)
            });
            squares.sum::<f64>() / total
        };
        Some([
            share(|cell| cell.conv),
            share(|cell| cell.linear),
            share(|cell| u32::from(cell.relu)),
        ])
    }
}

/// Effects of the change from the most to the fewest convolution blocks, averaged over the other
/// factors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contrast {
    /// The fewest and the most convolution blocks.
    pub(crate) conv: (u32, u32),
    /// Share of the energy that the smaller network saves.
    pub(crate) saving: Estimate,
    /// Accuracy that the smaller network loses, in [-1, 1]; negative if it gains.
    pub(crate) accuracy_cost: Estimate,
    /// Energy of the larger network over that of the smaller one, minus 1.
    pub(crate) increase: Estimate,
    /// d ln accuracy / d ln energy between the two.
    pub(crate) elasticity: Option<Estimate>,
}

#[cfg(test)]
mod tests {
    use record::{Energy, Joules, NetworkKind, Origin};

    use super::*;
    use crate::stats;

    /// A factorial with noise from a fixed sequence.
    fn rows(blocks: u32) -> Vec<LayerRow> {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let mut rows = Vec::new();
        for repetition in 0..blocks {
            for (conv, linear, relu) in
                (0..8).map(|bits| (1 + 3 * (bits & 1), 3 + 2 * (bits & 2), bits & 4 > 0))
            {
                let joules = 100.0 + 20.0 * f64::from(conv) + 3.0 * f64::from(linear) + noise();
                rows.push(LayerRow {
                    data: "d".into(),
                    network: StudyNetwork { kind: NetworkKind::SimpleCnn, conv, linear, relu },
                    setting: "s".into(),
                    repetition,
                    order: 0,
                    energy: Energy {
                        joules: Joules(joules),
                        uncertainty: Joules(1.0),
                        origin: Origin::Measured,
                    },
                    accuracy: 0.5 + 0.1 * noise(),
                });
            }
        }
        rows
    }

    /// The shortcut for orthogonal factors against the analysis of variance itself.
    #[test]
    fn shares_of_sums_are_those_of_the_analysis_of_variance() {
        let rows = rows(20);
        let found = factorials(&rows);
        let shares = found[0].eta_squares(found[0].sums.whole(), 20).unwrap();
        let factor =
            |name, level: fn(&LayerRow) -> String| stats::Factor::new(name, rows.iter().map(level));
        let factors = [
            factor("conv", |row| row.network.conv.to_string()),
            factor("linear", |row| row.network.linear.to_string()),
            factor("relu", |row| row.network.relu.to_string()),
        ];
        let response: Vec<f64> = rows.iter().map(|row| row.energy.joules.0).collect();
        let anova = stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).unwrap();
        for (share, term) in shares.iter().zip(&anova.terms) {
            assert!((share - term.eta_sq).abs() < 1e-12, "{share} {term:?}");
        }
    }

    #[test]
    fn a_block_that_lacks_a_cell_or_has_one_twice_is_left_out() {
        let mut rows = rows(6);
        rows.remove(3);
        let twice = rows[10].clone();
        rows[9] = twice;
        let found = factorials(&rows);
        assert_eq!(found[0].blocks.len(), 4);
        assert!(found[0].contrast().unwrap().saving.ci95.is_some());
    }
}
