//! How fast the effect of a pause fades.

use units::Seconds;

use crate::service::ServiceLaw;

/// Batches of one size that were served one after another, the first after a pause; or the means of
/// several such sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSequence {
    /// Requests in each batch.
    pub size: usize,
    /// The pause before the first batch.
    pub pause: Seconds,
    /// The time of each batch, in order.
    pub services: Vec<Seconds>,
}

/// Fits the time in which the effect of a pause fades, for [`ServiceLaw::recovering`].
///
/// Of 0 and the times from 0.1 ms to that of the longest sequence, it is the one with which the law
/// predicts best (by least squares) how much longer the first batches of a sequence take than the
/// last. 0 without sequences, and if the law does not depend on pauses.
#[must_use]
pub fn fit_recovery(law: &ServiceLaw, sequences: &[BatchSequence]) -> Seconds {
    const STEPS: i32 = 200;
    const SHORTEST_S: f64 = 1e-4;
    let length =
        |sequence: &BatchSequence| sequence.services.iter().map(|time| time.0).sum::<f64>();
    // The measurements say nothing about slower fading.
    let longest = sequences.iter().map(length).fold(SHORTEST_S, f64::max);
    let time = |step| SHORTEST_S * (longest / SHORTEST_S).powf(f64::from(step) / f64::from(STEPS));
    let mut best = (0.0, f64::INFINITY);
    for recovery_s in [0.0].into_iter().chain((0..=STEPS).map(time)) {
        // This fails for times that are not finite, if a sequence took that long.
        let Ok(law) = law.clone().recovering(recovery_s) else { continue };
        let error = sequences.iter().map(|sequence| distance(&law, sequence)).sum();
        // Of equally good times, the shortest.
        if error < best.1 {
            best = (recovery_s, error);
        }
    }
    Seconds(best.0)
}

/// The sum of the squared relative errors of the batches' times. The machine's speed, which drifts,
/// is the one that fits the sequence best.
fn distance(law: &ServiceLaw, sequence: &BatchSequence) -> f64 {
    let mut last = None;
    let ratios: Vec<f64> = sequence
        .services
        .iter()
        .map(|measured| {
            let pause_s = last.map_or(sequence.pause.0, |_| 0.0);
            let pause = law.pause_effect(sequence.size, pause_s, last);
            let service_s = law.mean_with_pause_s(sequence.size, pause);
            last = Some((pause, service_s));
            measured.0 / service_s
        })
        .collect();
    let speed = ratios.iter().sum::<f64>() / ratios.len() as f64;
    ratios.iter().map(|ratio| (ratio / speed - 1.0).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AfterPause;

    fn law() -> ServiceLaw {
        let after = [
            AfterPause { pause_s: 0.01, table: vec![(1, 0.010)] },
            AfterPause { pause_s: 0.06, table: vec![(1, 0.012)] },
        ];
        ServiceLaw::table_by_pause(&[(1, 0.008)], &after).unwrap()
    }

    /// Computed independently: the effect of a pause fades with the seconds of service.
    fn sequence(pause: f64, recovery_s: f64, factor: f64) -> BatchSequence {
        let more = law().mean_after_s(1, pause) - 0.008;
        let mut share = 1.0;
        let mut served = || {
            let service = 0.008 + share * more;
            share *= (-service / recovery_s).exp();
            Seconds(factor * service)
        };
        let services = (0..4).map(|_| served()).collect();
        BatchSequence { size: 1, pause: Seconds(pause), services }
    }

    #[test]
    fn a_known_recovery_time_is_found_at_any_speed() {
        for recovery_s in [0.003, 0.01, 0.04] {
            let sequences = [sequence(0.01, recovery_s, 1.0), sequence(0.06, recovery_s, 1.2)];
            let found = fit_recovery(&law(), &sequences).0;
            assert!((found / recovery_s - 1.0).abs() < 0.06, "{found} is not {recovery_s}");
        }
    }

    #[test]
    fn without_an_effect_of_pauses_the_recovery_time_is_zero() {
        assert_eq!(fit_recovery(&law(), &[]), Seconds(0.0));
        let at_once = BatchSequence {
            services: [12.0, 8.0, 8.0].map(Seconds).to_vec(),
            ..sequence(9.0, 1.0, 1.0)
        };
        assert_eq!(fit_recovery(&law(), &[at_once]), Seconds(0.0));
        let plain = ServiceLaw::table(&[(1, 0.008)]).unwrap();
        assert_eq!(fit_recovery(&plain, &[sequence(0.01, 0.02, 1.0)]), Seconds(0.0));
    }
}
