//! Factorials over networks of the user: complete blocks, and means of cells.

use super::{
    Estimate, Response, distinct,
    resample::{estimate, mean},
    rows::OwnRow,
};

/// The complete blocks of a network on a data set. A block has every cell once, trained from one seed with one
/// setting of the optimizer, in the order of the cells.
#[derive(Clone, Debug)]
pub(crate) struct OwnFactorial<'a> {
    pub(crate) data: &'a str,
    pub(crate) file: &'a str,
    /// Paths of the values that vary.
    pub(crate) factors: Vec<&'a str>,
    /// The level of each factor, for each cell, in order of first appearance.
    pub(crate) cells: Vec<Vec<&'a str>>,
    pub(crate) blocks: Vec<Vec<&'a OwnRow>>,
}

/// The factorial of each network and data set, in order of first appearance.
pub(crate) fn own_factorials(rows: &[OwnRow]) -> Vec<OwnFactorial<'_>> {
    let sets = distinct(rows.iter().map(|row| (row.data.as_str(), row.file.as_str())));
    let of = |(data, file): (&'_ str, &'_ str)| {
        let rows = rows.iter().filter(|row| (row.data.as_str(), row.file.as_str()) == (data, file));
        OwnFactorial::of(rows.collect())
    };
    sets.into_iter().filter_map(of).collect()
}

fn levels(row: &OwnRow) -> Vec<&str> {
    row.levels.iter().map(|(_, level)| level.as_str()).collect()
}

impl<'a> OwnFactorial<'a> {
    fn of(rows: Vec<&'a OwnRow>) -> Option<Self> {
        let first = rows.first()?;
        let mut cells = distinct(rows.iter().map(|row| levels(row)));
        cells.sort();
        let units = distinct(rows.iter().map(|row| (row.repetition, row.setting.as_str())));
        let block = |unit: (u32, &str)| -> Option<Vec<&'a OwnRow>> {
            let of_cell = |cell: &Vec<&str>| {
                let mut found = rows.iter().filter(|row| {
                    (row.repetition, row.setting.as_str()) == unit && levels(row) == *cell
                });
                let only = found.next().copied();
                only.filter(|_| found.next().is_none())
            };
            cells.iter().map(of_cell).collect()
        };
        let blocks = units.into_iter().filter_map(block).collect();
        Some(Self {
            data: &first.data,
            file: &first.file,
            factors: first.levels.iter().map(|(path, _)| path.as_str()).collect(),
            cells,
            blocks,
        })
    }

    /// Mean of a response in the cell of an index, with an interval over blocks.
    pub(crate) fn cell_mean(&self, cell: usize, response: Response) -> Option<Estimate> {
        estimate(self.blocks.len(), |units| {
            mean(units.iter().map(|unit| response.of_own(self.blocks[*unit][cell])))
        })
    }
}

impl Response {
    /// The response of a training of a network of the user.
    fn of_own(self, row: &OwnRow) -> f64 {
        match self {
            Self::Energy => row.energy.joules.0,
            Self::Accuracy => row.accuracy,
        }
    }
}
