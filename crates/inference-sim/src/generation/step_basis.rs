//! The parts of which a fitted law of steps is the sum.

use super::{law::StepLaw, measured::MeasuredStep};

/// A constant, a line or a table over the tokens of a step, and what of sequences, context and pairs was
/// measured in all steps.
#[derive(Clone, Debug)]
pub(super) struct Basis {
    /// The tokens of the rows of the table; none for a line.
    knots: Vec<u64>,
    sequences: bool,
    context: bool,
    pairs: bool,
}

impl Basis {
    /// With a table of `segments` pieces between the least and the most tokens, or a line for one; `None` if
    /// there are not as many different numbers of tokens.
    pub(super) fn new(steps: &[MeasuredStep], segments: usize) -> Option<Self> {
        let mut tokens: Vec<u64> = steps.iter().map(|step| step.tokens).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let knots = match segments {
            0 | 1 => Vec::new(),
            // At least two numbers of tokens in a piece.
            _ if tokens.len() <= 2 * segments => return None,
            _ => (0..=segments).map(|at| tokens[at * (tokens.len() - 1) / segments]).collect(),
        };
        Some(Self {
            knots,
            sequences: steps.iter().all(|step| step.sequences.is_some()),
            context: steps.iter().all(|step| step.context.is_some()),
            pairs: steps.iter().all(|step| step.pairs.is_some()),
        })
    }

    /// Rows of the table; 0 for a line.
    pub(super) fn rows(&self) -> usize {
        self.knots.len()
    }

    pub(super) fn count(&self) -> usize {
        let others = [self.sequences, self.context, self.pairs];
        self.knots.len().max(2) + others.iter().filter(|given| **given).count()
    }

    /// The parts of a step.
    pub(super) fn features(&self, step: &MeasuredStep) -> Vec<f64> {
        let tokens = step.tokens as f64;
        let mut features = vec![1.0];
        if self.knots.is_empty() {
            features.push(tokens);
        }
        for (at, ends) in self.knots.windows(2).enumerate() {
            let [from, to] = [ends[0] as f64, ends[1] as f64];
            let share = ((tokens - from) / (to - from)).max(0.0);
            let is_last = at + 2 == self.knots.len();
            features.push(if is_last { share } else { share.min(1.0) });
        }
        let others = [
            step.sequences.filter(|_| self.sequences).map(|sequences| sequences as f64),
            step.context.filter(|_| self.context),
            step.pairs.filter(|_| self.pairs),
        ];
        features.extend(others.into_iter().flatten());
        features
    }

    /// The law with these coefficients of the parts.
    pub(super) fn law(&self, coefficients: &[f64]) -> StepLaw {
        let mut law = StepLaw::default();
        let (of_tokens, mut others) = coefficients.split_at(self.knots.len().max(2));
        if self.knots.is_empty() {
            (law.base, law.per_token) = (of_tokens[0], of_tokens[1]);
        } else {
            let mut value = 0.0;
            let rows = self.knots.iter().zip(of_tokens).map(|(&tokens, more)| {
                value += more;
                (u32::try_from(tokens).unwrap_or(u32::MAX), value)
            });
            law.table = rows.collect();
        }
        for (given, value) in [
            (self.sequences, &mut law.per_sequence),
            (self.context, &mut law.per_context),
            (self.pairs, &mut law.per_pair),
        ] {
            if let Some((&first, rest)) = others.split_first().filter(|_| given) {
                (*value, others) = (first, rest);
            }
        }
        law
    }
}
