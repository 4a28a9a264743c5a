//! Random forests of regression trees over the unit cube (Breiman 2001): what fANOVA takes apart, and
//! a surrogate that makes no assumption about smoothness.

use crate::{random::Stream, space::Space};

/// Trees, and the least trials in a leaf.
const TREES: u32 = 64;
const LEAF: usize = 3;
/// The share of parameters looked at for a split, as SMAC's forests have it.
const LOOKED_AT: f64 = 5.0 / 6.0;

/// What trials say about parameters that were not tried: the mean of many trees, each grown on a
/// bootstrap sample.
#[derive(Clone, Debug)]
pub struct Forest {
    space: Space,
    pub(super) trees: Vec<Tree>,
}

/// Leaves that fill the unit cube.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) leaves: Vec<Leaf>,
}

#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// From and to along each axis.
    pub(super) sides: Vec<(f64, f64)>,
    pub(super) value: f64,
}

impl Leaf {
    fn holds(&self, place: &[f64]) -> bool {
        // The last side of an axis holds its end too.
        self.sides
            .iter()
            .zip(place)
            .all(|((from, to), at)| from <= at && (at < to || (*to == 1.0 && *at == 1.0)))
    }
}

impl Forest {
    /// Of points and their values; none of fewer than two.
    #[must_use]
    pub fn fit(space: &Space, points: &[Vec<f64>], values: &[f64], seed: u64) -> Option<Self> {
        let places: Vec<Vec<f64>> = points.iter().map(|it| space.places(it)).collect();
        if places.len() < 2 || places.len() != values.len() {
            return None;
        }
        let tree = |number: u32| {
            let mut random = Stream::new(seed, number, "tree");
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

    /// What a point is expected to give.
    #[must_use]
    pub fn predict(&self, point: &[f64]) -> f64 {
        let place = self.space.places(point);
        let each = self
            .trees
            .iter()
            .filter_map(|tree| tree.leaves.iter().find(|it| it.holds(&place)).map(|it| it.value));
        each.sum::<f64>() / self.trees.len() as f64
    }
}

/// A sum and a sum of squares, of which variances are made.
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

    /// Squared deviations from the mean, summed.
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
        random: &mut Stream,
    ) {
        let Some((axis, at)) = split(places, values, rows, random) else {
            let value = rows.iter().map(|it| values[*it]).sum::<f64>() / rows.len() as f64;
            self.leaves.push(Leaf { sides, value });
            return;
        };
        rows.sort_by(|a, b| places[*a][axis].total_cmp(&places[*b][axis]));
        let middle = rows.partition_point(|it| places[*it][axis] < at);
        let (low, high) = rows.split_at_mut(middle);
        let mut below = sides.clone();
        below[axis].1 = at;
        let mut above = sides;
        above[axis].0 = at;
        self.grow(places, values, low, below, random);
        self.grow(places, values, high, above, random);
    }
}

/// The axis and the place that leave the least scatter; none if nothing does.
fn split(
    places: &[Vec<f64>],
    values: &[f64],
    rows: &mut [usize],
    random: &mut Stream,
) -> Option<(usize, f64)> {
    let dimensions = places[0].len();
    let looked_at = ((dimensions as f64 * LOOKED_AT).ceil() as usize).max(1);
    let mut whole = Sums::default();
    rows.iter().for_each(|it| whole.add(values[*it], 1.0));
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
