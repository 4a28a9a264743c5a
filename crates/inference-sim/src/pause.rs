//! What depends on the size of a batch, and on how long its server had served nothing before.

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

pub(crate) const PAUSES: &str = "pauses in seconds, above 0 and rising, each with a table";

/// What was measured of batches that began after a pause.
///
/// While a server waits, others displace what it had in the caches, clocks fall and threads go to
/// sleep: the next batch takes longer and draws more than one that follows another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterPause {
    /// Seconds from the end of a batch to the start of the next one on the same server.
    pub pause_s: f64,
    /// Rows `[n, value]`, n from 1 and rising: seconds of a batch in `service`, joules in `power`.
    pub table: Vec<(usize, f64)>,
}

/// Values by size and pause: linear between the rows and between the pauses, constant outside them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tables {
    /// Without a pause.
    at_once: Vec<(usize, f64)>,
    after: Vec<AfterPause>,
}

/// How far a server is from one that serves without a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rest {
    /// Seconds for which it served nothing; infinite before its first batch.
    pub(crate) pause_s: f64,
    /// What is left of what that did: 1 right after it, less with every batch since.
    pub(crate) share: f64,
}

impl Rest {
    /// Right after a pause.
    #[inline]
    pub(crate) fn after(pause_s: f64) -> Self {
        Self { pause_s, share: 1.0 }
    }
}

/// How messages call the parts of [`Tables`].
pub(crate) struct Keys {
    pub(crate) table: &'static str,
    pub(crate) after: &'static str,
    /// What a table should be.
    pub(crate) expected: &'static str,
}

impl Tables {
    pub(crate) fn new(
        at_once: &[(usize, f64)],
        after: &[AfterPause],
        keys: &Keys,
    ) -> Result<Self, ConfigError> {
        check(at_once, keys.table, keys.expected)?;
        let mut last = 0.0;
        for it in after {
            if !(it.pause_s.is_finite() && it.pause_s > last) {
                let found = format!("a pause of {} s after {last} s", it.pause_s);
                return Err(ConfigError::Invalid { key: keys.after, found, expected: PAUSES });
            }
            last = it.pause_s;
            check(&it.table, keys.after, keys.expected)?;
        }
        Ok(Self { at_once: at_once.to_vec(), after: after.to_vec() })
    }

    /// Right after another batch.
    #[inline]
    pub(crate) fn at_once(&self, size: usize) -> f64 {
        interpolate(&self.at_once, size)
    }

    /// After the longest pause that there is a table of.
    pub(crate) fn rested(&self, size: usize) -> f64 {
        interpolate(self.after.last().map_or(&self.at_once, |it| &it.table), size)
    }

    /// After so many seconds.
    #[inline]
    pub(crate) fn after(&self, size: usize, pause_s: f64) -> f64 {
        if self.after.is_empty() || pause_s <= 0.0 {
            return self.at_once(size);
        }
        self.between(size, pause_s)
    }

    /// On a server as rested as that.
    #[inline]
    pub(crate) fn rest(&self, size: usize, rest: Rest) -> f64 {
        let whole = self.after(size, rest.pause_s);
        if rest.share == 1.0 {
            return whole;
        }
        let at_once = self.at_once(size);
        at_once + rest.share * (whole - at_once)
    }

    fn between(&self, size: usize, pause_s: f64) -> f64 {
        let above = self.after.partition_point(|it| it.pause_s < pause_s);
        let Some(long) = self.after.get(above) else { return self.rested(size) };
        let (shorter_s, short) = above
            .checked_sub(1)
            .and_then(|below| self.after.get(below))
            .map_or((0.0, &self.at_once), |it| (it.pause_s, &it.table));
        let (low, high) = (interpolate(short, size), interpolate(&long.table, size));
        low + (high - low) * (pause_s - shorter_s) / (long.pause_s - shorter_s)
    }

    pub(crate) fn knows_pauses(&self) -> bool {
        !self.after.is_empty()
    }

    /// The sizes that there are rows of without a pause.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.at_once.iter().map(|&(size, _)| size)
    }
}

fn check(
    rows: &[(usize, f64)],
    key: &'static str,
    expected: &'static str,
) -> Result<(), ConfigError> {
    let invalid = |found: String| Err(ConfigError::Invalid { key, found, expected });
    if rows.is_empty() {
        return invalid("empty".to_owned());
    }
    let mut last = 0;
    for &(size, value) in rows {
        if size <= last {
            return invalid(format!("a row for {size} requests after {last}"));
        }
        if !(value.is_finite() && value >= 0.0) {
            return invalid(format!("{value} for {size} requests"));
        }
        last = size;
    }
    Ok(())
}

/// Linear between the rows, constant outside them.
fn interpolate(rows: &[(usize, f64)], size: usize) -> f64 {
    let above = rows.partition_point(|&(row, _)| row < size);
    match (above.checked_sub(1).and_then(|below| rows.get(below)), rows.get(above)) {
        (Some(&(below, low)), Some(&(above, high))) => {
            low + (high - low) * (size - below) as f64 / (above - below) as f64
        }
        (Some(&(_, value)), None) | (None, Some(&(_, value))) => value,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { table: "table", after: "after", expected: "rows" };

    #[test]
    fn values_are_linear_between_rows_and_pauses_and_constant_outside() {
        let after = [
            AfterPause { pause_s: 0.1, table: vec![(2, 0.4), (4, 0.5)] },
            AfterPause { pause_s: 0.3, table: vec![(2, 0.8)] },
        ];
        let tables = Tables::new(&[(2, 0.2), (4, 0.3), (8, 0.9)], &after, &KEYS).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        };
        for (size, expected) in [(1, 0.2), (2, 0.2), (3, 0.25), (6, 0.6), (8, 0.9), (100, 0.9)] {
            near(tables.at_once(size), expected);
            near(tables.after(size, 0.0), expected);
        }
        for (pause, expected) in
            [(0.05, 0.3), (0.1, 0.4), (0.2, 0.6), (0.3, 0.8), (9.0, 0.8), (f64::INFINITY, 0.8)]
        {
            near(tables.after(2, pause), expected);
        }
        near(tables.rested(4), 0.8);
    }

    #[test]
    fn tables_and_pauses_must_rise() {
        let after = |pause_s| AfterPause { pause_s, table: vec![(1, 0.1)] };
        for pauses in [vec![0.0], vec![-1.0], vec![f64::NAN], vec![0.2, 0.2], vec![f64::INFINITY]] {
            let after: Vec<_> = pauses.into_iter().map(after).collect();
            let error = Tables::new(&[(1, 0.1)], &after, &KEYS).unwrap_err();
            assert!(error.to_string().contains("`after`"), "{error}");
        }
        for rows in [vec![], vec![(0, 0.1)], vec![(2, 0.1), (2, 0.2)], vec![(1, -0.1)]] {
            assert!(Tables::new(&rows, &[], &KEYS).is_err(), "{rows:?}");
            let after = AfterPause { pause_s: 1.0, table: rows };
            assert!(Tables::new(&[(1, 0.1)], &[after], &KEYS).is_err());
        }
    }
}
