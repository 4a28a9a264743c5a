//! How soon a server that has waited serves as before.

use record::Seconds;

use crate::service::ServiceLaw;

/// Batches of one size that were served one after another, the first after a pause; or several such
/// stretches alike: their means.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Requests in each batch.
    pub size: usize,
    /// Before the first batch.
    pub pause: Seconds,
    /// What each batch took, in order.
    pub services: Vec<Seconds>,
}

/// The time within which what a pause did fades, for [`ServiceLaw::recovering`]: of 0 and of those
/// from 0.1 ms to the time of the longest stretch, the one with which the law says best (least
/// squares) by how much the first batches of a stretch take longer than the last.
///
/// 0 without stretches, and where the law knows no pauses.
#[must_use]
pub fn recovery(law: &ServiceLaw, stretches: &[Stretch]) -> Seconds {
    const STEPS: i32 = 200;
    const SHORTEST_S: f64 = 1e-4;
    let length = |it: &Stretch| it.services.iter().map(|it| it.0).sum::<f64>();
    // Nobody has seen what fades more slowly.
    let longest = stretches.iter().map(length).fold(SHORTEST_S, f64::max);
    let time = |step| SHORTEST_S * (longest / SHORTEST_S).powf(f64::from(step) / f64::from(STEPS));
    let mut best = (0.0, f64::INFINITY);
    for recovery_s in [0.0].into_iter().chain((0..=STEPS).map(time)) {
        // Fails for times that are not finite, if a stretch took that long.
        let Ok(law) = law.clone().recovering(recovery_s) else { continue };
        let error = stretches.iter().map(|it| distance(&law, it)).sum();
        // The shortest of equals.
        if error < best.1 {
            best = (recovery_s, error);
        }
    }
    Seconds(best.0)
}

/// Squares of how far off the batches are, relatively, at the speed that fits the stretch best: that
/// of a machine drifts.
fn distance(law: &ServiceLaw, stretch: &Stretch) -> f64 {
    let mut last = None;
    let ratios: Vec<f64> = stretch
        .services
        .iter()
        .map(|it| {
            let pause_s = last.map_or(stretch.pause.0, |_| 0.0);
            let rest = law.rest(stretch.size, pause_s, last);
            let service_s = law.mean_rest_s(stretch.size, rest);
            last = Some((rest, service_s));
            it.0 / service_s
        })
        .collect();
    let speed = ratios.iter().sum::<f64>() / ratios.len() as f64;
    ratios.iter().map(|it| (it / speed - 1.0).powi(2)).sum()
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

    /// By hand: what a pause did fades with the seconds of service.
    fn stretch(pause: f64, recovery_s: f64, factor: f64) -> Stretch {
        let more = law().mean_after_s(1, pause) - 0.008;
        let mut share = 1.0;
        let mut served = || {
            let service = 0.008 + share * more;
            share *= (-service / recovery_s).exp();
            Seconds(factor * service)
        };
        Stretch { size: 1, pause: Seconds(pause), services: (0..4).map(|_| served()).collect() }
    }

    #[test]
    fn a_known_recovery_is_found_whatever_the_speed() {
        for recovery_s in [0.003, 0.01, 0.04] {
            let stretches = [stretch(0.01, recovery_s, 1.0), stretch(0.06, recovery_s, 1.2)];
            let found = recovery(&law(), &stretches).0;
            assert!((found / recovery_s - 1.0).abs() < 0.06, "{found} is not {recovery_s}");
        }
    }

    #[test]
    fn nothing_to_recover_from_is_none() {
        assert_eq!(recovery(&law(), &[]), Seconds(0.0));
        let at_once =
            Stretch { services: [12.0, 8.0, 8.0].map(Seconds).to_vec(), ..stretch(9.0, 1.0, 1.0) };
        assert_eq!(recovery(&law(), &[at_once]), Seconds(0.0));
        let plain = ServiceLaw::table(&[(1, 0.008)]).unwrap();
        assert_eq!(recovery(&plain, &[stretch(0.01, 0.02, 1.0)]), Seconds(0.0));
    }
}
