//! Which parameters matter: functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014, "An
//! efficient approach for assessing hyperparameter importance").

use super::forest::{Forest, Tree};
use crate::space::Space;

/// A share of the variance over the whole space.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Over the trees.
    pub mean: f64,
    /// How much trees differ.
    pub deviation: f64,
}

/// Shares of the variance of what a study's values are over the whole space.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// Of each parameter alone.
    pub alone: Vec<Share>,
    /// Of each two together, beyond what each has alone.
    pub pairs: Vec<(usize, usize, Share)>,
}

/// Takes the values of trials apart; none of fewer than two trials, or if all gave the same.
///
/// Choices are split in the order of their indices, so the share of a categorical parameter with many
/// choices is a lower bound.
#[must_use]
pub fn importance(
    space: &Space,
    points: &[Vec<f64>],
    values: &[f64],
    seed: u64,
) -> Option<Importance> {
    let forest = Forest::fit(space, points, values, seed)?;
    let trees: Vec<Parts> = forest.trees.iter().filter_map(Parts::of).collect();
    let share = |of: &dyn Fn(&Parts) -> f64| {
        let n = trees.len() as f64;
        let mean = trees.iter().map(of).sum::<f64>() / n;
        let variance = trees.iter().map(|it| (of(it) - mean).powi(2)).sum::<f64>() / n;
        Share { mean, deviation: variance.sqrt() }
    };
    let pairs = trees.first()?.pairs.iter().enumerate();
    Some(Importance {
        alone: (0..space.dimensions()).map(|axis| share(&|it| it.alone[axis])).collect(),
        pairs: pairs.map(|(at, it)| (it.0, it.1, share(&|tree| tree.pairs[at].2))).collect(),
    })
}

/// Shares of one tree.
struct Parts {
    alone: Vec<f64>,
    pairs: Vec<(usize, usize, f64)>,
}

/// The tree's mean over the other axes, between the places at which it changes along some axes.
struct Marginal {
    cuts: Vec<Vec<f64>>,
    /// The first axis's runs fastest.
    values: Vec<f64>,
}

impl Marginal {
    fn of(tree: &Tree, axes: &[usize]) -> Self {
        let cuts: Vec<Vec<f64>> = axes
            .iter()
            .map(|axis| {
                let mut cuts: Vec<f64> = tree.leaves.iter().map(|it| it.sides[*axis].0).collect();
                cuts.push(1.0);
                cuts.sort_by(f64::total_cmp);
                cuts.dedup();
                cuts
            })
            .collect();
        let cells = cuts.iter().map(|it| it.len() - 1).product();
        let mut values = vec![0.0; cells];
        for leaf in &tree.leaves {
            let others = leaf.sides.iter().enumerate().filter(|it| !axes.contains(&it.0));
            let share: f64 = others.map(|(_, (from, to))| to - from).product();
            // Cells that the leaf covers: from and to along each of the axes.
            let ranges: Vec<(usize, usize)> = axes
                .iter()
                .zip(&cuts)
                .map(|(axis, cuts)| {
                    let (from, to) = leaf.sides[*axis];
                    (cuts.partition_point(|it| *it < from), cuts.partition_point(|it| *it < to))
                })
                .collect();
            let mut cell: Vec<usize> = ranges.iter().map(|it| it.0).collect();
            'cells: loop {
                let at = cell
                    .iter()
                    .zip(&cuts)
                    .rev()
                    .fold(0, |at, (it, cuts)| at * (cuts.len() - 1) + it);
                values[at] += share * leaf.value;
                for (it, (from, to)) in cell.iter_mut().zip(&ranges) {
                    *it += 1;
                    if *it < *to {
                        continue 'cells;
                    }
                    *it = *from;
                }
                break;
            }
        }
        Self { cuts, values }
    }

    /// Its variance, each cell counting by its size.
    fn variance(&self, mean: f64) -> f64 {
        let size = |mut at: usize| -> f64 {
            let side = |cuts: &Vec<f64>| {
                let step = at % (cuts.len() - 1);
                at /= cuts.len() - 1;
                cuts[step + 1] - cuts[step]
            };
            self.cuts.iter().map(side).product()
        };
        let each = self.values.iter().enumerate();
        each.map(|(at, value)| size(at) * (value - mean).powi(2)).sum()
    }
}

impl Parts {
    /// None of a tree that is the same everywhere.
    fn of(tree: &Tree) -> Option<Self> {
        let size = |sides: &[(f64, f64)]| -> f64 { sides.iter().map(|it| it.1 - it.0).product() };
        let mean: f64 = tree.leaves.iter().map(|it| size(&it.sides) * it.value).sum();
        let all: f64 =
            tree.leaves.iter().map(|it| size(&it.sides) * (it.value - mean).powi(2)).sum();
        if all.is_nan() || all <= 1e-12 * mean * mean {
            return None;
        }
        let dimensions = tree.leaves.first()?.sides.len();
        let alone: Vec<f64> =
            (0..dimensions).map(|axis| Marginal::of(tree, &[axis]).variance(mean) / all).collect();
        let mut pairs = Vec::new();
        for b in 0..dimensions {
            for a in 0..b {
                let both = Marginal::of(tree, &[a, b]).variance(mean) / all;
                // The variance of a sum of orthogonal parts.
                pairs.push((a, b, (both - alone[a] - alone[b]).max(0.0)));
            }
        }
        Some(Self { alone, pairs })
    }
}
