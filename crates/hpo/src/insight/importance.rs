//! Which parameters matter: functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014, "An
//! efficient approach for assessing hyperparameter importance").

use units::{Importance, Share};

use super::forest::{Forest, Tree};
use crate::space::Space;

/// Which parameters explain the values, by functional analysis of variance (fANOVA) on a random
/// forest. `None` if there are fewer than two trials, or all values are equal.
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
        let variance = trees.iter().map(|tree| (of(tree) - mean).powi(2)).sum::<f64>() / n;
        Share { mean, deviation: variance.sqrt() }
    };
    let pairs = trees.first()?.pairs.iter().enumerate();
    Some(Importance {
        alone: (0..space.dimensions()).map(|axis| share(&|tree| tree.alone[axis])).collect(),
        pairs: pairs.map(|(at, pair)| (pair.0, pair.1, share(&|tree| tree.pairs[at].2))).collect(),
    })
}

/// The shares according to one tree.
struct Parts {
    alone: Vec<f64>,
    pairs: Vec<(usize, usize, f64)>,
}

/// The mean of a tree over all but some axes, as a step function of these axes.
struct Marginal {
    cuts: Vec<Vec<f64>>,
    /// A value per cell; the first axis runs fastest.
    values: Vec<f64>,
}

impl Marginal {
    fn of(tree: &Tree, axes: &[usize]) -> Self {
        let cuts: Vec<Vec<f64>> = axes
            .iter()
            .map(|axis| {
                let mut cuts: Vec<f64> =
                    tree.leaves.iter().map(|leaf| leaf.sides[*axis].0).collect();
                cuts.push(1.0);
                cuts.sort_by(f64::total_cmp);
                cuts.dedup();
                cuts
            })
            .collect();
        let cells = cuts.iter().map(|cuts| cuts.len() - 1).product();
        let mut values = vec![0.0; cells];
        for leaf in &tree.leaves {
            let others = leaf.sides.iter().enumerate().filter(|side| !axes.contains(&side.0));
            let share: f64 = others.map(|(_, (from, to))| to - from).product();
            // The cells that the leaf covers: the first and the end along each axis.
            let ranges: Vec<(usize, usize)> = axes
                .iter()
                .zip(&cuts)
                .map(|(axis, cuts)| {
                    let (from, to) = leaf.sides[*axis];
                    (cuts.partition_point(|cut| *cut < from), cuts.partition_point(|cut| *cut < to))
                })
                .collect();
            let mut cell: Vec<usize> = ranges.iter().map(|range| range.0).collect();
            'cells: loop {
                let at = cell
                    .iter()
                    .zip(&cuts)
                    .rev()
                    .fold(0, |at, (step, cuts)| at * (cuts.len() - 1) + step);
                values[at] += share * leaf.value;
                for (step, (from, to)) in cell.iter_mut().zip(&ranges) {
                    *step += 1;
                    if *step < *to {
                        continue 'cells;
                    }
                    *step = *from;
                }
                break;
            }
        }
        Self { cuts, values }
    }

    /// The variance of the step function, each cell weighted by its size.
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
    /// `None` if the tree is constant.
    fn of(tree: &Tree) -> Option<Self> {
        let size =
            |sides: &[(f64, f64)]| -> f64 { sides.iter().map(|side| side.1 - side.0).product() };
        let mean: f64 = tree.leaves.iter().map(|leaf| size(&leaf.sides) * leaf.value).sum();
        let all: f64 =
            tree.leaves.iter().map(|leaf| size(&leaf.sides) * (leaf.value - mean).powi(2)).sum();
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
