//! Factors and the cells of a design.

use std::collections::BTreeMap;

use super::{
    StatsError,
    error::{check_length, check_values},
};

/// A factor: it has a level for each observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its name in terms such as `a:b`.
    pub name: String,
    /// Distinct levels in order of first appearance.
    pub levels: Vec<String>,
    /// For each observation the index of its level.
    pub codes: Vec<usize>,
}

impl Factor {
    /// Creates a factor from the level of each observation.
    pub fn new(name: &str, values: impl IntoIterator<Item = String>) -> Self {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut levels: Vec<String> = Vec::new();
        let codes = values
            .into_iter()
            .map(|value| match seen.get(&value) {
                Some(code) => *code,
                None => {
                    levels.push(value.clone());
                    seen.insert(value, levels.len() - 1);
                    levels.len() - 1
                }
            })
            .collect();
        Self { name: name.to_owned(), levels, codes }
    }

    /// The same factor with sorted levels: by value if all are numbers, else by name.
    #[must_use]
    pub fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.levels.len()).collect();
        let numbers: Option<Vec<f64>> =
            self.levels.iter().map(|level| level.parse().ok()).collect();
        match numbers {
            Some(numbers) => order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b])),
            None => order.sort_by(|a, b| self.levels[*a].cmp(&self.levels[*b])),
        }
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, code)| place[*code] = at);
        Self {
            name: self.name,
            levels: order.iter().map(|code| self.levels[*code].clone()).collect(),
            // A code without a level is kept; the analysis reports it.
            codes: self
                .codes
                .iter()
                .map(|code| place.get(*code).copied().unwrap_or(*code))
                .collect(),
        }
    }

    /// A factor whose levels are the combinations of levels that occur, such as `3 1 yes`, sorted with
    /// the first factor varying fastest (as in R's `interaction` and JASP).
    ///
    /// # Errors
    ///
    /// If there is no factor, lengths differ or a code names no level.
    pub fn crossed(factors: &[Self]) -> Result<Self, StatsError> {
        let rows = factors.first().map_or(0, |factor| factor.codes.len());
        factors.iter().try_for_each(|factor| factor.check(rows))?;
        let last_first: Vec<Self> = factors.iter().rev().cloned().collect();
        let cells = Cells::of(&last_first);
        let level = |key: &Vec<usize>| {
            let mut names = level_names(&last_first, key);
            names.reverse();
            names.join(" ")
        };
        let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
        Ok(Self {
            name: names.join(" "),
            levels: cells.keys.iter().map(level).collect(),
            codes: cells.of_row,
        })
    }

    /// The response, grouped by level.
    ///
    /// # Errors
    ///
    /// If lengths differ, a value is not a number, a code names no level or a level has no
    /// observation.
    pub fn split(&self, response: &[f64]) -> Result<Vec<Vec<f64>>, StatsError> {
        check_values("response", response)?;
        self.check(response.len())?;
        let mut groups = vec![Vec::new(); self.levels.len()];
        self.codes.iter().zip(response).for_each(|(code, value)| groups[*code].push(*value));
        Ok(groups)
    }

    /// Checks the codes: one per row, each names a level, and each level is used.
    pub(super) fn check(&self, rows: usize) -> Result<(), StatsError> {
        check_length(&self.name, self.codes.len(), rows)?;
        let levels = self.levels.len();
        if levels < 2 {
            return Err(StatsError::Levels { factor: self.name.clone(), levels });
        }
        let mut used = vec![false; levels];
        for (index, code) in self.codes.iter().copied().enumerate() {
            match used.get_mut(code) {
                Some(used) => *used = true,
                None => {
                    let factor = self.name.clone();
                    return Err(StatsError::Code { factor, index, code, levels });
                }
            }
        }
        match used.iter().position(|used| !used) {
            Some(level) => Err(StatsError::EmptyLevel {
                factor: self.name.clone(),
                level: self.levels[level].clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The combinations of levels that occur.
pub(super) struct Cells {
    /// The code of each factor, in lexical order.
    pub(super) keys: Vec<Vec<usize>>,
    /// For each observation the index of its cell.
    pub(super) of_row: Vec<usize>,
}

impl Cells {
    /// The cells of factors that are checked already.
    pub(super) fn of(factors: &[Factor]) -> Self {
        let rows = factors.first().map_or(0, |factor| factor.codes.len());
        let mut found: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        let mut key = vec![0; factors.len()];
        for row in 0..rows {
            key.iter_mut().zip(factors).for_each(|(code, factor)| *code = factor.codes[row]);
            match found.get_mut(key.as_slice()) {
                Some(rows) => rows.push(row),
                None => {
                    found.insert(key.clone(), vec![row]);
                }
            }
        }
        let mut of_row = vec![0; rows];
        for (cell, members) in found.values().enumerate() {
            members.iter().for_each(|row| of_row[*row] = cell);
        }
        Self { keys: found.into_keys().collect(), of_row }
    }

    /// The values of each cell.
    pub(super) fn split(&self, values: &[f64]) -> Vec<Vec<f64>> {
        let mut groups = vec![Vec::new(); self.keys.len()];
        self.of_row.iter().zip(values).for_each(|(cell, value)| groups[*cell].push(*value));
        groups
    }

    /// The first combination of levels that does not occur, as `conv=4, relu=yes`.
    pub(super) fn missing(&self, factors: &[Factor]) -> Option<String> {
        let all =
            factors.iter().try_fold(1_usize, |all, factor| all.checked_mul(factor.levels.len()));
        if all == Some(self.keys.len()) {
            return None;
        }
        // Both are in lexical order, so the first difference is a gap.
        let mut expected = vec![0; factors.len()];
        for key in &self.keys {
            if *key != expected {
                break;
            }
            for (code, factor) in expected.iter_mut().zip(factors).rev() {
                *code += 1;
                if *code < factor.levels.len() {
                    break;
                }
                *code = 0;
            }
        }
        let names = level_names(factors, &expected);
        let parts =
            factors.iter().zip(names).map(|(factor, level)| format!("{}={level}", factor.name));
        Some(parts.collect::<Vec<_>>().join(", "))
    }
}

pub(super) fn level_names(factors: &[Factor], key: &[usize]) -> Vec<String> {
    factors.iter().zip(key).map(|(factor, code)| factor.levels[*code].clone()).collect()
}
