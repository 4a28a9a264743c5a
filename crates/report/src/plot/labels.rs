//! Places names beside marks so that they do not overlap.

use super::frame::{Panel, text_width};

/// Moves positions apart, as little as possible, until they differ by `gap`; within bounds if they fit.
///
/// Overlapping neighbors become one block around their common mean (the pool-adjacent-violators
/// algorithm for isotonic regression of the positions minus their ranks × gap).
pub(super) fn spread(places: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    // Blocks: the sum of positions minus rank × gap, and the number of members.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        let mut block = (places[*index] - rank as f64 * gap, 1);
        while let Some(last) = blocks.last().copied() {
            if last.0 / (last.1 as f64) <= block.0 / block.1 as f64 {
                break;
            }
            block = (block.0 + last.0, block.1 + last.1);
            blocks.pop();
        }
        blocks.push(block);
    }
    let level = blocks.iter().flat_map(|(sum, n)| std::iter::repeat_n(sum / *n as f64, *n));
    let top = low;
    let bottom = high - gap * places.len().saturating_sub(1) as f64;
    let mut result = vec![0.0; places.len()];
    for (rank, (index, level)) in order.iter().zip(level).enumerate() {
        result[*index] = level.min(bottom).max(top) + rank as f64 * gap;
    }
    result
}

/// A rectangle that is taken: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taken(pub(super) f64, pub(super) f64, pub(super) f64, pub(super) f64);

impl Taken {
    fn overlaps(self, other: Self) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }
}

/// Position and text anchor of a name beside a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) anchor: &'static str,
}

/// Places names beside points, those with the fewest free positions first; `None` if a name has none.
pub(super) fn beside(
    points: &[(f64, f64, &str)],
    mut taken: Vec<Taken>,
    within: Panel,
) -> Vec<Option<Placed>> {
    taken.extend(points.iter().map(|(x, y, _)| Taken(x - 5.0, y - 5.0, x + 5.0, y + 5.0)));
    let free = |(place, area): (Placed, Taken), taken: &[Taken]| {
        let inside = area.0 >= within.left
            && area.1 >= within.top
            && area.2 <= within.right
            && area.3 <= within.bottom;
        (inside && !taken.iter().any(|other| other.overlaps(area))).then_some((place, area))
    };
    let mut order: Vec<usize> =
        (0..points.len()).filter(|index| !points[*index].2.is_empty()).collect();
    order.sort_by_key(|index| {
        places(points[*index]).into_iter().filter(|place| free(*place, &taken).is_some()).count()
    });
    let mut placed = vec![None; points.len()];
    for index in order {
        let found = places(points[index]).into_iter().find_map(|place| free(place, &taken));
        if let Some((place, area)) = found {
            taken.push(area);
            placed[index] = Some(place);
        }
    }
    placed
}

/// The possible positions of a name, best first, with the area that it takes.
fn places((x, y, name): (f64, f64, &str)) -> [(Placed, Taken); 8] {
    const AWAY: f64 = 8.0;
    let width = text_width(name);
    // Right, left, above, below, then the corners.
    [
        (x + AWAY, y + 4.0, "start"),
        (x - AWAY, y + 4.0, "end"),
        (x, y - AWAY, "middle"),
        (x, y + AWAY + 9.0, "middle"),
        (x + 5.0, y - 7.0, "start"),
        (x + 5.0, y + 15.0, "start"),
        (x - 5.0, y - 7.0, "end"),
        (x - 5.0, y + 15.0, "end"),
    ]
    .map(|(x, y, anchor)| {
        let left = match anchor {
            "start" => x,
            "end" => x - width,
            _ => x - width / 2.0,
        };
        (Placed { x, y, anchor }, Taken(left, y - 10.0, left + width, y + 3.0))
    })
}

/// Small areas along a line, so that names do not cover it.
pub(super) fn along(vertices: &[(f64, f64)]) -> Vec<Taken> {
    const STEP: f64 = 6.0;
    vertices
        .windows(2)
        .flat_map(|pair| {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let steps = ((x1 - x0).hypot(y1 - y0) / STEP).ceil().max(1.0);
            (0..=steps as usize).map(move |step| {
                let share = step as f64 / steps;
                let (x, y) = (x0 + share * (x1 - x0), y0 + share * (y1 - y0));
                Taken(x - 1.0, y - 1.0, x + 1.0, y + 1.0)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_far_enough_apart_do_not_move() {
        assert_eq!(spread(&[40.0, 10.0], 14.0, (0.0, 100.0)), [40.0, 10.0]);
    }

    #[test]
    fn close_positions_move_apart_around_their_middle() {
        assert_eq!(spread(&[50.0, 50.0, 90.0], 14.0, (0.0, 100.0)), [43.0, 57.0, 90.0]);
    }

    proptest! {
        #[test]
        fn spread_places_keep_gap_and_bounds(
            places in prop::collection::vec(0.0..300.0_f64, 1..12),
        ) {
            let mut spread = spread(&places, 14.0, (0.0, 300.0));
            spread.sort_by(f64::total_cmp);
            prop_assert!(spread.windows(2).all(|pair| pair[1] - pair[0] >= 14.0 - 1e-9), "{spread:?}");
            prop_assert!(spread.iter().all(|place| (-1e-9..=300.0 + 1e-9).contains(place)), "{spread:?}");
        }

        #[test]
        fn names_never_overlap(
            places in prop::collection::vec((0.0..300.0_f64, 0.0..200.0_f64), 1..40),
        ) {
            let points: Vec<_> = places.iter().map(|(x, y)| (*x, *y, "resnet50")).collect();
            let within = Panel { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 };
            let placed: Vec<_> = beside(&points, Vec::new(), within).into_iter().flatten().collect();
            let width = text_width("resnet50");
            let left = |placed: &Placed| match placed.anchor {
                "start" => placed.x,
                "end" => placed.x - width,
                _ => placed.x - width / 2.0,
            };
            for (index, a) in placed.iter().enumerate() {
                for b in &placed[index + 1..] {
                    let apart = (left(a) - left(b)).abs() >= width || (a.y - b.y).abs() >= 13.0;
                    prop_assert!(apart, "{a:?} over {b:?}");
                }
            }
        }
    }
}
