//! How the speed of a machine changed between measurements of the same batches.

use units::Joules;

use crate::calibration::BatchMeasurement;

/// The share by which batches took longer later than earlier: the geometric mean over sizes and
/// pauses, less 1. `None` unless both have the same sizes and pauses, with times above 0.
#[must_use]
pub fn speed_drift(earlier: &[BatchMeasurement], later: &[BatchMeasurement]) -> Option<f64> {
    ratio(later, earlier, |batch| Some(batch.service.0)).map(|ratio| ratio - 1.0)
}

/// Scales each sweep of measurements to the speed and the power that the machine had during
/// `reference`.
///
/// A sweep measures each size and pause once, and all sweeps have the same length. A single sweep
/// says little about a single size: slowness that lasts half a second covers all batches measured
/// meanwhile. Together, its batches give the speed of their time, and the batches of all sweeps give
/// the relation of the sizes and pauses to each other.
#[must_use]
pub fn scaled_to_speed_of(
    reference: &[BatchMeasurement],
    measurements: &[BatchMeasurement],
) -> Vec<BatchMeasurement> {
    let Some(first) = measurements.first() else { return Vec::new() };
    let alike = |batch: &&BatchMeasurement| (batch.size, batch.pause) == (first.size, first.pause);
    let sweeps = measurements.iter().filter(alike).count().max(1);
    let scaled = measurements.chunks((measurements.len() / sweeps).max(1)).flat_map(|sweep| {
        let longer = ratio(reference, sweep, |batch| Some(batch.service.0)).unwrap_or(1.0);
        let more = ratio(reference, sweep, |batch| batch.energy.map(|energy| energy.0));
        let more = more.unwrap_or(longer);
        sweep.iter().map(move |batch| BatchMeasurement {
            service: batch.service * longer,
            energy: batch.energy.map(|energy| Joules(energy.0 * more)),
            ..*batch
        })
    });
    scaled.collect()
}

/// The geometric mean, over sizes and pauses, of the ratios of a value in `some` to that in
/// `others`. `None` unless both have the same sizes and pauses, all with a value above 0.
fn ratio(
    some: &[BatchMeasurement],
    others: &[BatchMeasurement],
    value: fn(&BatchMeasurement) -> Option<f64>,
) -> Option<f64> {
    let mean = |all: &[BatchMeasurement], like: &BatchMeasurement| {
        let alike = all.iter().filter(|batch| (batch.size, batch.pause) == (like.size, like.pause));
        let values: Option<Vec<f64>> = alike.map(value).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let logarithms: Option<Vec<f64>> =
        some.iter().map(|batch| Some((mean(some, batch)? / mean(others, batch)?).ln())).collect();
    let logarithms = logarithms?;
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    mean.is_finite().then(|| mean.exp())
}

#[cfg(test)]
mod tests {
    use units::Seconds;

    use super::*;

    const ROWS: [(usize, f64); 4] = [(1, 0.0), (1, 0.01), (8, 0.0), (8, 0.01)];

    fn sweep(factor: f64) -> Vec<BatchMeasurement> {
        let row = |&(size, pause): &(usize, f64)| BatchMeasurement {
            size,
            pause: Seconds(pause),
            service: Seconds(factor * (size as f64 + pause)),
            cv: None,
            energy: Some(Joules(3.0 * factor * factor * size as f64)),
        };
        ROWS.iter().map(row).collect()
    }

    #[test]
    fn a_slower_machine_gives_a_drift_and_an_equal_one_gives_zero() {
        let mut reversed = sweep(1.0);
        // The sizes are measured forwards and backwards by turns.
        reversed.reverse();
        assert!(speed_drift(&sweep(1.0), &reversed).unwrap().abs() < 1e-12);
        assert!((speed_drift(&sweep(1.0), &sweep(1.1)).unwrap() - 0.1).abs() < 1e-12);
        assert!((speed_drift(&sweep(1.0), &sweep(0.9)).unwrap() + 0.1).abs() < 1e-12);
        // The number of measurements of each size does not matter.
        let twice = [sweep(1.1), sweep(1.1)].concat();
        assert!((speed_drift(&sweep(1.0), &twice).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(speed_drift(&sweep(1.0)[..1], &sweep(1.0)), None);
        assert_eq!(speed_drift(&[], &[]), None);
    }

    #[test]
    fn all_sweeps_give_the_shape_and_the_reference_gives_the_speed() {
        let mut odd = sweep(2.0);
        odd.reverse();
        // One size and pause takes half as long again, in one sweep.
        odd[0].service = odd[0].service * 1.5;
        let all = [sweep(1.0), odd, sweep(4.0)].concat();
        let scaled = scaled_to_speed_of(&all[8..], &all);
        assert_eq!(scaled.len(), all.len());
        for (batch, last) in scaled.iter().zip(sweep(4.0)).chain(scaled[8..].iter().zip(sweep(4.0)))
        {
            assert!((batch.service.0 / last.service.0 - 1.0).abs() < 1e-12, "{batch:?} {last:?}");
            assert!((batch.energy.unwrap().0 / last.energy.unwrap().0 - 1.0).abs() < 1e-12);
        }
        // The odd sweep is now as fast as the last one; its odd size remains.
        assert!(speed_drift(&scaled[4..8], &scaled[8..]).unwrap().abs() < 1e-12);
        let others = scaled[5].service.0 / scaled[10].service.0;
        assert!((scaled[4].service.0 / scaled[11].service.0 / others - 1.5).abs() < 1e-12);
    }
}
