//! Random forests of regression trees over the unit cube (Breiman 2001): the basis of fANOVA, and a
//! surrogate that makes no assumption about smoothness.

use crate::{random::RandomStream, space::Space};

/// Number of trees, and the smallest number of trials in a leaf.
const TREES: u32 = 64;
const LEAF: usize = 3;
/// The share of parameters that are considered for a split, as in SMAC's forests.
const LOOKED_AT: f64 = 5.0 / 6.0;

/// A prediction of values at points that were not tried: the mean of many regression trees, each grown
/// on a bootstrap sample of the trials.
#[derive(Clone, Debug)]
pub struct Forest {
    space: Space,
    pub(super) trees: Vec<Tree>,
}

/// A regression tree: leaves that together fill the unit cube.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) leaves: Vec<Leaf>,
}

#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Where the leaf begins and ends along each axis.
    pub(super) sides: Vec<(f64, f64)>,
    pub(super) value: f64,
}

impl Leaf {
    fn holds(&self, place: &[f64]) -> bool {
        // The last leaf along an axis includes the end of the axis.
        self.sides
            .iter()
            .zip(place)
            .all(|((from, to), at)| from <= at && (at < to || (*to == 1.0 && *at == 1.0)))
    }
}

impl Forest {
    /// A forest fitted to points and their values; `None` if there are fewer than two points, or not
    /// one value per point.
    #[must_use]
    pub fn fit(space: &Space, points: &[Vec<f64>], values: &[f64], seed: u64) -> Option<Self> {
        let places: Vec<Vec<f64>> = points.iter().map(|point| space.places(point)).collect();
        if places.len() < 2 || places.len() != values.len() {
            return None;
        }
        let tree = |number: u32| {
            let mut random = RandomStream::new(seed, number, "tree");
            let n = places.len();
            let mut rows: Vec<usize> =
                (0..n).map(|_| (random.unit() * n as f64) as usize).collect();
            let mut tree = Tree { leaves: Vec::new() };
            let sides = vec![(0.0, 1.0); space.dimensions()];
            tree.grow(&places, values, &mut rows, sides, &mut random);
            tree
        };
        Some(Self { space: space.clone(), trees: (0..TREES).map(tree).collect() })
    }

    /// The expected value at a point.
    #[must_use]
    pub fn predict(&self, point: &[f64]) -> f64 {
        let place = self.space.places(point);
        let each = self.trees.iter().filter_map(|tree| {
            tree.leaves.iter().find(|leaf| leaf.holds(&place)).map(|leaf| leaf.value)
        });
        each.sum::<f64>() / self.trees.len() as f64
    }
}

/// The count, the sum and the sum of squares of some values.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64, sign: f64) {
        self.count += sign;
        self.sum += sign * value;
        self.squares += sign * value * value;
    }

    /// The sum of squared deviations from the mean.
    fn scatter(&self) -> f64 {
        (self.squares - self.sum * self.sum / self.count.max(1.0)).max(0.0)
    }
}

impl Tree {
    fn grow(
        &mut self,
        places: &[Vec<f64>],
        values: &[f64],
        rows: &mut [usize],
        sides: Vec<(f64, f64)>,
        random: &mut RandomStream,
    ) {
        let Some((axis, at)) = split(places, values, rows, random) else {
            let value = rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64;
            self.leaves.push(Leaf { sides, value });
            return;
        };
        rows.sort_by(|a, b| places[*a][axis].total_cmp(&places[*b][axis]));
        let middle = rows.partition_point(|row| places[*row][axis] < at);
        let (low, high) = rows.split_at_mut(middle);
        let mut below = sides.clone();
        below[axis].1 = at;
        let mut above = sides;
        above[axis].0 = at;
        self.grow(places, values, low, below, random);
        self.grow(places, values, high, above, random);
    }
}

/// The axis and the place at which a split leaves the least scatter; `None` if no split reduces it.
fn split(
    places: &[Vec<f64>],
    values: &[f64],
    rows: &mut [usize],
    random: &mut RandomStream,
) -> Option<(usize, f64)> {
    let dimensions = places[0].len();
    let looked_at = ((dimensions as f64 * LOOKED_AT).ceil() as usize).max(1);
    let mut whole = Sums::default();
    rows.iter().for_each(|row| whole.add(values[*row], 1.0));
    let mut best = (whole.scatter() * (1.0 - 1e-9), None);
    for axis in random.permutation(dimensions).into_iter().take(looked_at) {
        rows.sort_by(|a, b| places[*a][axis].total_cmp(&places[*b][axis]));
        let (mut low, mut high) = (Sums::default(), whole);
        for index in 1..rows.len() {
            let value = values[rows[index - 1]];
            low.add(value, 1.0);
            high.add(value, -1.0);
            let (a, b) = (places[rows[index - 1]][axis], places[rows[index]][axis]);
            let scatter = low.scatter() + high.scatter();
            if a < b && index >= LEAF && rows.len() - index >= LEAF && scatter < best.0 {
                best = (scatter, Some((axis, 0.5 * (a + b))));
            }
        }
    }
    best.1
}
