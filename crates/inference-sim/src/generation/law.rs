//! How long a step takes, and how many joules.

use std::sync::Arc;

use super::scheduler::TokenStep;

/// A number of a step, such as its seconds or its joules: a part of every step, parts of each
/// token, sequence and so on, and a part from a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StepLaw {
    pub(super) base: f64,
    pub(super) per_token: f64,
    pub(super) per_sequence: f64,
    pub(super) per_context: f64,
    pub(super) per_pair: f64,
    /// Rows of tokens and the value, rising in tokens.
    pub(super) table: Arc<[(u32, f64)]>,
}

impl StepLaw {
    #[inline]
    pub(super) fn of(&self, step: &TokenStep) -> f64 {
        let linear = self.base
            + self.per_token * step.tokens as f64
            + self.per_sequence * step.sequences as f64
            + self.per_context * step.context as f64
            + self.per_pair * step.pairs;
        if self.table.is_empty() { linear } else { linear + self.tabled(step.tokens) }
    }

    /// Linear between the rows; below the first its value, above the last on the line through the
    /// last two.
    fn tabled(&self, tokens: u64) -> f64 {
        let above = self.table.partition_point(|&(row, _)| u64::from(row) < tokens);
        let rows = match (above, self.table.len()) {
            (0, _) => return self.table[0].1,
            (_, 1) => return self.table[0].1,
            (above, count) => above.min(count - 1) - 1,
        };
        let [(from, low), (to, high)] = [self.table[rows], self.table[rows + 1]];
        let share = (tokens as f64 - f64::from(from)) / f64::from(to - from);
        (low + (high - low) * share).max(low.min(high))
    }

    /// Whether every step has 0 of it.
    pub(super) fn is_zero(&self) -> bool {
        let parts = [self.base, self.per_token, self.per_sequence, self.per_context, self.per_pair];
        parts.iter().all(|&part| part == 0.0) && self.table.iter().all(|row| row.1 == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_linear_between_its_rows_and_goes_on_like_its_end() {
        let law = StepLaw { table: [(8, 1.0), (16, 2.0), (32, 6.0)].into(), ..StepLaw::default() };
        let at = |tokens| law.of(&TokenStep { tokens, ..TokenStep::default() });
        for (tokens, expected) in [(1, 1.0), (8, 1.0), (12, 1.5), (24, 4.0), (32, 6.0), (40, 8.0)] {
            assert!((at(tokens) - expected).abs() < 1e-12, "{tokens}: {}", at(tokens));
        }
        assert!(StepLaw::default().is_zero() && !law.is_zero());
    }
}
