//! How fast the machine was: the same batches, measured at several times.

use inference_sim::Observation;
use record::Joules;

/// By what share batches took longer later than earlier: the geometric mean over sizes and pauses,
/// less 1. `None` unless both have the same.
pub(super) fn drift(earlier: &[Observation], later: &[Observation]) -> Option<f64> {
    ratio(later, earlier, |it| Some(it.service.0)).map(|it| it - 1.0)
}

/// Observations, each sweep of them as if the machine had been as fast, and had drawn as much, as
/// during those.
///
/// Every sweep has each size and pause once. One alone says little of a single one: slowness that
/// lasts for half a second covers all batches measured meanwhile. Together they tell the speed of
/// their time, and those of all times what the sizes and pauses are to each other.
pub(super) fn at_speed_of(those: &[Observation], all: &[Observation]) -> Vec<Observation> {
    let first = |it: &Observation| (it.size, it.pause) == (all[0].size, all[0].pause);
    let sweep = all.len() / all.iter().filter(|it| first(it)).count().max(1);
    let sweeps = all.chunks(sweep.max(1));
    let scaled = sweeps.flat_map(|sweep| {
        let longer = ratio(those, sweep, |it| Some(it.service.0)).unwrap_or(1.0);
        let more = ratio(those, sweep, |it| it.energy.map(|it| it.0)).unwrap_or(longer);
        sweep.iter().map(move |it| Observation {
            service: it.service * longer,
            energy: it.energy.map(|it| Joules(it.0 * more)),
            ..*it
        })
    });
    scaled.collect()
}

/// The geometric mean, over sizes and pauses, of what a value is in some to what it is in others.
/// `None` unless both have the same sizes and pauses, all with a value above 0.
fn ratio(
    some: &[Observation],
    others: &[Observation],
    value: fn(&Observation) -> Option<f64>,
) -> Option<f64> {
    let mean = |all: &[Observation], like: &Observation| {
        let alike = all.iter().filter(|it| (it.size, it.pause) == (like.size, like.pause));
        let values: Option<Vec<f64>> = alike.map(value).collect();
        values.map(|it| it.iter().sum::<f64>() / it.len() as f64)
    };
    let logarithms: Option<Vec<f64>> =
        some.iter().map(|it| Some((mean(some, it)? / mean(others, it)?).ln())).collect();
    let logarithms = logarithms?;
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    mean.is_finite().then(|| mean.exp())
}

#[cfg(test)]
mod tests {
    use record::Seconds;

    use super::*;

    const ROWS: [(usize, f64); 4] = [(1, 0.0), (1, 0.01), (8, 0.0), (8, 0.01)];

    fn sweep(factor: f64) -> Vec<Observation> {
        let row = |&(size, pause): &(usize, f64)| Observation {
            size,
            pause: Seconds(pause),
            service: Seconds(factor * (size as f64 + pause)),
            cv: None,
            energy: Some(Joules(3.0 * factor * factor * size as f64)),
        };
        ROWS.iter().map(row).collect()
    }

    #[test]
    fn a_slower_machine_is_a_drift_and_an_equal_one_is_none() {
        let mut reversed = sweep(1.0);
        // To and fro, as they are measured.
        reversed.reverse();
        assert!(drift(&sweep(1.0), &reversed).unwrap().abs() < 1e-12);
        assert!((drift(&sweep(1.0), &sweep(1.1)).unwrap() - 0.1).abs() < 1e-12);
        assert!((drift(&sweep(1.0), &sweep(0.9)).unwrap() + 0.1).abs() < 1e-12);
        // However often each was measured.
        let twice = [sweep(1.1), sweep(1.1)].concat();
        assert!((drift(&sweep(1.0), &twice).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(drift(&sweep(1.0)[..1], &sweep(1.0)), None);
        assert_eq!(drift(&[], &[]), None);
    }

    #[test]
    fn all_sweeps_tell_the_shape_and_those_beside_the_speed() {
        let mut odd = sweep(2.0);
        odd.reverse();
        // Half as long again, in one sweep and of one size and pause alone.
        odd[0].service = odd[0].service * 1.5;
        let all = [sweep(1.0), odd, sweep(4.0)].concat();
        let scaled = at_speed_of(&all[8..], &all);
        assert_eq!(scaled.len(), all.len());
        for (it, last) in scaled.iter().zip(sweep(4.0)).chain(scaled[8..].iter().zip(sweep(4.0))) {
            assert!((it.service.0 / last.service.0 - 1.0).abs() < 1e-12, "{it:?} {last:?}");
            assert!((it.energy.unwrap().0 / last.energy.unwrap().0 - 1.0).abs() < 1e-12);
        }
        // The odd sweep is as fast as the last, and stays odd.
        assert!(drift(&scaled[4..8], &scaled[8..]).unwrap().abs() < 1e-12);
        let others = scaled[5].service.0 / scaled[10].service.0;
        assert!((scaled[4].service.0 / scaled[11].service.0 / others - 1.5).abs() < 1e-12);
    }
}
