//! The layer factorial of a data set: complete blocks, and what is summed over them.

use std::collections::HashMap;

use record::StudyNetwork;

use super::{Estimate, distinct, resample::Sums, rows::LayerRow};

/// One complete block: every cell of the factorial once, trained from the same seed with the same
/// setting of the optimizer, in the order of the cells.
pub(crate) type Block<'a> = Vec<&'a LayerRow>;

/// The complete blocks of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Factorial<'a> {
    pub(crate) data: &'a str,
    /// By convolution blocks, linear layers, ReLU.
    pub(crate) cells: Vec<StudyNetwork>,
    pub(crate) blocks: Vec<Block<'a>>,
    /// Of each cell its energy and its accuracy, then the squares of all energies around `center`.
    sums: Sums,
    /// About the mean of all energies: what is summed around it keeps its digits.
    center: f64,
}

/// A response of a training.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Response {
    /// In joules.
    Energy,
    /// On the test images, in [0, 1].
    Accuracy,
}

/// The factorial of every data set, in order of first appearance.
pub(crate) fn factorials(rows: &[LayerRow]) -> Vec<Factorial<'_>> {
    let mut sets: Vec<(&str, Vec<&LayerRow>)> = Vec::new();
    for row in rows {
        match sets.iter_mut().find(|it| it.0 == row.data) {
            Some((_, rows)) => rows.push(row),
            None => sets.push((&row.data, vec![row])),
        }
    }
    sets.into_iter().map(|(data, rows)| Factorial::of(data, &rows)).collect()
}

impl<'a> Factorial<'a> {
    fn of(data: &'a str, rows: &[&'a LayerRow]) -> Self {
        let mut cells = distinct(rows.iter().map(|it| it.network));
        cells.sort_by_key(|it| (it.conv, it.linear, it.relu));
        // In order of first appearance; a place for each cell.
        let mut places: HashMap<(u32, &str), usize> = HashMap::new();
        let mut blocks: Vec<Vec<Vec<&LayerRow>>> = Vec::new();
        for row in rows {
            let at = *places.entry((row.repetition, &row.setting)).or_insert_with(|| {
                blocks.push(vec![Vec::new(); cells.len()]);
                blocks.len() - 1
            });
            let cell = cells.iter().position(|it| *it == row.network).unwrap_or(0);
            blocks[at][cell].push(row);
        }
        let blocks: Vec<Block<'a>> = blocks
            .into_iter()
            .filter(|it| it.iter().all(|cell| cell.len() == 1))
            .map(|it| it.into_iter().flatten().collect())
            .collect();
        let energies = || blocks.iter().flatten().map(|it| it.energy.joules.0);
        let center = super::mean(energies()).unwrap_or(0.0);
        let width = 2 * cells.len() + 1;
        let mut columns = Vec::with_capacity(blocks.len() * width);
        for block in &blocks {
            columns.extend(block.iter().map(|it| it.energy.joules.0 - center));
            columns.extend(block.iter().map(|it| it.accuracy));
            let squares = block.iter().map(|it| (it.energy.joules.0 - center).powi(2));
            columns.push(squares.sum());
        }
        Self { data, cells, sums: Sums::of(&columns, width), blocks, center }
    }

    /// The mean of a response over the cells that a condition picks, from sums over blocks.
    fn mean_in(
        &self,
        sums: &[f64],
        response: Response,
        pick: impl Fn(&StudyNetwork) -> bool,
    ) -> Option<f64> {
        let (from, shift) = match response {
            Response::Energy => (0, self.center),
            Response::Accuracy => (self.cells.len(), 0.0),
        };
        let picked = self.cells.iter().zip(&sums[from..]).filter(|it| pick(it.0));
        let (sum, count) = picked.fold((0.0, 0), |(sum, n), it| (sum + it.1, n + 1));
        (count > 0).then(|| sum / (count * self.sums.units()) as f64 + shift)
    }

    /// The mean of a response in a cell.
    pub(crate) fn cell_mean(&self, cell: StudyNetwork, response: Response) -> Option<Estimate> {
        if self.blocks.is_empty() {
            return None;
        }
        self.sums.estimate(|sums| self.mean_in(sums, response, |it| *it == cell))
    }

    /// Convolution blocks of the smallest and the largest network.
    fn conv_range(&self) -> Option<(u32, u32)> {
        let levels = || self.cells.iter().map(|it| it.conv);
        Some((levels().min()?, levels().max()?)).filter(|(low, high)| low < high)
    }

    /// The contrast over complete blocks; `None` without any.
    pub(crate) fn contrast(&self) -> Option<Contrast> {
        let (few, many) = self.conv_range().filter(|_| !self.blocks.is_empty())?;
        let energy = |sums: &[f64], conv| {
            self.mean_in(sums, Response::Energy, |it| it.conv == conv).filter(|it| *it > 0.0)
        };
        let accuracy =
            |sums: &[f64], conv| self.mean_in(sums, Response::Accuracy, |it| it.conv == conv);
        Some(Contrast {
            conv: (few, many),
            saving: self.sums.estimate(|it| Some(1.0 - energy(it, few)? / energy(it, many)?))?,
            accuracy_cost: self
                .sums
                .estimate(|it| Some(accuracy(it, many)? - accuracy(it, few)?))?,
            increase: self.sums.estimate(|it| Some(energy(it, many)? / energy(it, few)? - 1.0))?,
            elasticity: self.sums.estimate(|it| {
                let gain = (accuracy(it, many)? / accuracy(it, few)?).ln();
                let cost = (energy(it, many)? / energy(it, few)?).ln();
                (cost.abs() > 1e-9).then(|| gain / cost)
            }),
        })
    }

    /// η² of the convolution blocks minus the larger η² of the other two factors; `None` unless every
    /// combination of levels is a cell.
    ///
    /// Every block has every cell once, so that the factors are orthogonal: a main effect's sum of
    /// squares is that of its levels' means, whatever the type.
    pub(crate) fn lead(&self) -> Option<Estimate> {
        let levels = [
            distinct(self.cells.iter().map(|it| it.conv)).len(),
            distinct(self.cells.iter().map(|it| it.linear)).len(),
            distinct(self.cells.iter().map(|it| it.relu)).len(),
        ];
        if levels.iter().any(|it| *it < 2) || levels.iter().product::<usize>() != self.cells.len() {
            return None;
        }
        self.sums.estimate(|it| {
            let [conv, linear, relu] = self.eta_squares(it)?;
            Some(conv - linear.max(relu))
        })
    }

    /// η² of convolution blocks, linear layers and ReLU, from sums over blocks.
    fn eta_squares(&self, sums: &[f64]) -> Option<[f64; 3]> {
        let cells = self.cells.len();
        let rows = (cells * self.sums.units()) as f64;
        let grand = sums[..cells].iter().sum::<f64>() / rows;
        let total = sums[2 * cells] - rows * grand * grand;
        // Rounding alone leaves this much.
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
                let rows = (count * self.sums.units()) as f64;
                rows * (sum / rows - grand).powi(2)
            });
            squares.sum::<f64>() / total
        };
        Some([share(|it| it.conv), share(|it| it.linear), share(|it| u32::from(it.relu))])
    }
}

/// What the change from most to fewest convolution blocks does, averaged over the other factors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contrast {
    /// Levels compared.
    pub(crate) conv: (u32, u32),
    /// Share of the energy that the smaller network saves.
    pub(crate) saving: Estimate,
    /// Accuracy that it costs, in [-1, 1]; negative if it gains.
    pub(crate) accuracy_cost: Estimate,
    /// Energy of the larger one over that of the smaller, minus 1.
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
                (0..8).map(|it| (1 + 3 * (it & 1), 3 + 2 * (it & 2), it & 4 > 0))
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
        let shares = found[0].eta_squares(found[0].sums.whole()).unwrap();
        let factor =
            |name, level: fn(&LayerRow) -> String| stats::Factor::new(name, rows.iter().map(level));
        let factors = [
            factor("conv", |it| it.network.conv.to_string()),
            factor("linear", |it| it.network.linear.to_string()),
            factor("relu", |it| it.network.relu.to_string()),
        ];
        let response: Vec<f64> = rows.iter().map(|it| it.energy.joules.0).collect();
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
        assert!(found[0].contrast().unwrap().saving.ci95.is_none());
    }
}
