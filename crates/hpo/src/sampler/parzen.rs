//! A density of points, as a mixture of one kernel a point and a wide one.

use crate::{
    random::RandomStream,
    space::{Parameter, ParameterKind, Space},
};

/// A mixture over the unit cube. Each kernel is a product over the parameters: a normal distribution
/// cut off at 0 and 1, or for a categorical parameter the point's choice with most of the weight. A
/// parameter that is not active at a point is uniform in its kernel.
pub(super) struct Parzen<'a> {
    space: &'a Space,
    /// Places of the points; `None` where a parameter is not active.
    centers: Vec<Vec<Option<f64>>>,
    /// Deviations of the normal distributions, for each point along each axis.
    widths: Vec<Vec<f64>>,
}

impl<'a> Parzen<'a> {
    /// The density of these points of the space.
    pub(super) fn new(space: &'a Space, points: &[&[f64]]) -> Self {
        let centers = points.iter().map(|point| {
            let active = space.active(point);
            let places = space.places(point).into_iter().zip(active);
            places.map(|(place, active)| active.then_some(place)).collect()
        });
        let centers: Vec<Vec<Option<f64>>> = centers.collect();
        let mut widths: Vec<Vec<f64>> = vec![vec![1.0; space.dimensions()]; centers.len()];
        for axis in 0..space.dimensions() {
            neighbor_distances(&centers, axis, &mut widths);
        }
        Self { space, centers, widths }
    }

    /// Places drawn from the density.
    pub(super) fn draw(&self, random: &mut RandomStream) -> Vec<f64> {
        let chosen = (random.unit() * (self.centers.len() + 1) as f64) as usize;
        let Some(center) = self.centers.get(chosen) else {
            return random.point(self.space.dimensions());
        };
        let places = center.iter().zip(self.space.parameters()).zip(&self.widths[chosen]);
        let draw = |((place, parameter), width): ((&Option<f64>, &Parameter), &f64)| {
            let Some(place) = *place else { return random.unit() };
            if parameter.kind == ParameterKind::Categorical {
                let stays = random.unit() < self.same(parameter.cells().unwrap_or(1));
                return if stays { place } else { random.unit() };
            }
            // Drawn again until it is inside, as the cut-off distribution.
            let mut draws = (0..64).map(|_| place + width * random.normal());
            draws.find(|place| (0.0..=1.0).contains(place)).unwrap_or(place)
        };
        places.map(draw).collect()
    }

    /// The logarithm of the density at places, over the parameters that are active there.
    pub(super) fn log_density(&self, places: &[f64], active: &[bool]) -> f64 {
        let parameters = self.space.parameters();
        let mut logs = Vec::with_capacity(self.centers.len() + 1);
        // The wide kernel is uniform.
        logs.push(0.0);
        for (center, widths) in self.centers.iter().zip(&self.widths) {
            let mut log = 0.0;
            for (axis, parameter) in parameters.iter().enumerate() {
                let (true, Some(center)) = (active[axis], center[axis]) else { continue };
                log += if parameter.kind == ParameterKind::Categorical {
                    let cells = parameter.cells().unwrap_or(1);
                    let same = parameter.at(center) == parameter.at(places[axis]);
                    let stays = self.same(cells);
                    let moved = 1.0 - stays;
                    (if same { stays * cells as f64 + moved } else { moved }).max(1e-300).ln()
                } else {
                    log_normal(places[axis], (center, widths[axis]), parameter.cells())
                };
            }
            logs.push(log);
        }
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|log| (log - most).exp()).sum();
        most + (sum / logs.len() as f64).ln()
    }

    /// The share of a kernel that stays on the point's own choice; the rest is uniform.
    fn same(&self, cells: u64) -> f64 {
        let n = self.centers.len() as f64;
        n / (n + cells as f64)
    }
}

/// Sets the width of each point that is active along an axis: the larger distance to its two neighbors there, as
/// Bergstra et al. 2011. The edges of the cube count as neighbors only of a single point. No width is below the
/// share of the range that one of the points has, or 1 %.
fn neighbor_distances(centers: &[Vec<Option<f64>>], axis: usize, widths: &mut [Vec<f64>]) {
    let active = centers.iter().enumerate();
    let mut active: Vec<(usize, f64)> =
        active.filter_map(|(index, center)| Some((index, center[axis]?))).collect();
    active.sort_by(|a, b| a.1.total_cmp(&b.1));
    let least = 1.0 / (active.len() as f64 + 2.0).min(100.0);
    let is_single = active.len() == 1;
    let width = |place: usize| {
        let own = active[place].1;
        let edge = |distance: f64| if is_single { distance } else { 0.0 };
        let below = place.checked_sub(1).map_or(edge(own), |below| own - active[below].1);
        let above = active.get(place + 1).map_or(edge(1.0 - own), |above| above.1 - own);
        below.max(above).clamp(least, 1.0)
    };
    for (place, (index, _)) in active.iter().enumerate() {
        widths[*index][axis] = width(place);
    }
}

/// The logarithm of the mean density of a kernel over the value's cell or, without cells, at the place.
fn log_normal(place: f64, (center, width): (f64, f64), cells: Option<u64>) -> f64 {
    let below = |place: f64| 0.5 * libm::erfc((center - place) / width / 2.0_f64.sqrt());
    let inside = below(1.0) - below(0.0);
    if let Some(cells) = cells.filter(|cells| (*cells as f64) * width < 2.0) {
        let half = 0.5 / cells as f64;
        let mass = below((place + half).min(1.0)) - below((place - half).max(0.0));
        return (mass * cells as f64 / inside).max(1e-300).ln();
    }
    let z = (place - center) / width;
    -0.5 * z * z - (width * (2.0 * std::f64::consts::PI).sqrt() * inside).ln()
}

#[cfg(test)]
mod tests {
    use super::Parzen;
    use crate::{Parameter, Scale, Space, random::RandomStream};

    #[test]
    fn a_density_has_the_integral_one_and_its_draws_follow_it() {
        let space = Space::new(vec![
            Parameter::new("x", 0.0, 1.0, Scale::Linear),
            Parameter::categorical("c", 3),
        ]);
        let Ok(space) = space else { panic!("the space is valid") };
        let parzen = Parzen::new(&space, &[&[0.05, 0.0], &[0.9, 2.0], &[0.6, 2.0]]);
        let density =
            |x: f64, c: f64| parzen.log_density(&space.places(&[x, c]), &[true, true]).exp();
        let steps = 2_000;
        let middle = |step: i32| (f64::from(step) + 0.5) / f64::from(steps);
        let sum_of = |c: f64| (0..steps).map(|step| density(middle(step), c)).sum::<f64>();
        let each = [0.0, 1.0, 2.0].map(|c| sum_of(c) / f64::from(steps) / 3.0);
        assert!((each.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{each:?}");
        let mut random = RandomStream::new(1, 0, "test");
        let mut counts = [0.0; 3];
        for _ in 0..20_000 {
            counts[space.at(&parzen.draw(&mut random))[1] as usize] += 1.0 / 20_000.0;
        }
        for (count, expected) in counts.iter().zip(each) {
            assert!((count - expected).abs() < 0.015, "{counts:?} {each:?}");
        }
    }
}
