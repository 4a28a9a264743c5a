//! Tables by batch size and by the length of the pause before the batch.

use serde::{Deserialize, Serialize};
use units::limits::{self, Limit};

use crate::error::ConfigError;

const PAUSES: &str = "pauses in seconds, rising from above 0 to at most 1e9, each with a table";

/// Measurements of batches that started after a pause.
///
/// While a server pauses, other processes displace its data from the caches, clock frequencies
/// fall and threads go to sleep: the next batch takes longer and more energy than one that follows
/// another at once.
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
    back_to_back: Vec<(usize, f64)>,
    after: Vec<AfterPause>,
}

/// What is left of the effect of a server's last pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PauseEffect {
    /// Seconds for which the server served nothing; infinite before its first batch.
    pub(crate) pause_s: f64,
    /// The share of the effect that is left: 1 right after the pause, less with every batch since.
    pub(crate) share: f64,
}

impl PauseEffect {
    /// Right after a pause.
    #[inline]
    pub(crate) fn after(pause_s: f64) -> Self {
        Self { pause_s, share: 1.0 }
    }
}

/// The names of the parts of [`Tables`] in messages.
pub(crate) struct Keys {
    pub(crate) table: &'static str,
    pub(crate) after: &'static str,
    /// What a table must be.
    pub(crate) expected: &'static str,
    /// The limit of its values.
    pub(crate) limit: Limit<f64>,
}

impl Tables {
    pub(crate) fn new(
        back_to_back: &[(usize, f64)],
        after: &[AfterPause],
        keys: &Keys,
    ) -> Result<Self, ConfigError> {
        check(back_to_back, keys.table, keys)?;
        let mut last = 0.0;
        for AfterPause { pause_s, table } in after {
            if limits::DURATION_S.check(*pause_s).is_err() || *pause_s <= last {
                let found = format!("a pause of {pause_s} s after {last} s");
                return Err(ConfigError::Invalid { key: keys.after, found, expected: PAUSES });
            }
            last = *pause_s;
            check(table, keys.after, keys)?;
        }
        Ok(Self { back_to_back: back_to_back.to_vec(), after: after.to_vec() })
    }

    /// Right after another batch.
    #[inline]
    pub(crate) fn back_to_back(&self, size: usize) -> f64 {
        interpolate(&self.back_to_back, size)
    }

    /// After the longest pause that was measured.
    fn after_longest_pause(&self, size: usize) -> f64 {
        let longest = self.after.last();
        interpolate(longest.map_or(&self.back_to_back, |pause| &pause.table), size)
    }

    /// Right after a pause of this many seconds.
    #[inline]
    pub(crate) fn after(&self, size: usize, pause_s: f64) -> f64 {
        if self.after.is_empty() || pause_s <= 0.0 {
            return self.back_to_back(size);
        }
        self.between(size, pause_s)
    }

    /// With what is left of the effect of a pause.
    #[inline]
    pub(crate) fn with_pause(&self, size: usize, pause: PauseEffect) -> f64 {
        let whole = self.after(size, pause.pause_s);
        if pause.share == 1.0 {
            return whole;
        }
        let none = self.back_to_back(size);
        none + pause.share * (whole - none)
    }

    fn between(&self, size: usize, pause_s: f64) -> f64 {
        let above = self.after.partition_point(|shorter| shorter.pause_s < pause_s);
        let Some(long) = self.after.get(above) else { return self.after_longest_pause(size) };
        let (shorter_s, short) = above
            .checked_sub(1)
            .and_then(|below| self.after.get(below))
            .map_or((0.0, &self.back_to_back), |short| (short.pause_s, &short.table));
        let (low, high) = (interpolate(short, size), interpolate(&long.table, size));
        low + (high - low) * (pause_s - shorter_s) / (long.pause_s - shorter_s)
    }

    pub(crate) fn depends_on_pauses(&self) -> bool {
        !self.after.is_empty()
    }

    /// The sizes of the rows without a pause.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.back_to_back.iter().map(|&(size, _)| size)
    }
}

fn check(rows: &[(usize, f64)], key: &'static str, keys: &Keys) -> Result<(), ConfigError> {
    let expected = keys.expected;
    let invalid = |found: String| Err(ConfigError::Invalid { key, found, expected });
    if rows.is_empty() {
        return invalid("empty".to_owned());
    }
    let mut last = 0;
    for &(size, value) in rows {
        if size <= last || limits::BATCH.check(size).is_err() {
            return invalid(format!("a row for {size} requests after {last}"));
        }
        if keys.limit.check(value).is_err() {
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

    const KEYS: Keys =
        Keys { table: "table", after: "after", expected: "rows", limit: limits::DURATION_S };

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
            near(tables.back_to_back(size), expected);
            near(tables.after(size, 0.0), expected);
        }
        for (pause, expected) in
            [(0.05, 0.3), (0.1, 0.4), (0.2, 0.6), (0.3, 0.8), (9.0, 0.8), (f64::INFINITY, 0.8)]
        {
            near(tables.after(2, pause), expected);
        }
        near(tables.after_longest_pause(4), 0.8);
    }

    #[test]
    fn tables_and_pauses_must_rise_within_their_limits() {
        let after = |pause_s| AfterPause { pause_s, table: vec![(1, 0.1)] };
        for pauses in [vec![0.0], vec![-1.0], vec![f64::NAN], vec![0.2, 0.2], vec![f64::INFINITY]] {
            let after: Vec<_> = pauses.into_iter().map(after).collect();
            let error = Tables::new(&[(1, 0.1)], &after, &KEYS).unwrap_err();
            assert!(error.to_string().contains("`after`"), "{error}");
        }
        for rows in
            [vec![], vec![(0, 0.1)], vec![(2, 0.1), (2, 0.2)], vec![(1, -0.1)], vec![(1, 1e10)]]
        {
            assert!(Tables::new(&rows, &[], &KEYS).is_err(), "{rows:?}");
            let after = AfterPause { pause_s: 1.0, table: rows };
            assert!(Tables::new(&[(1, 0.1)], &[after], &KEYS).is_err());
        }
    }
}
