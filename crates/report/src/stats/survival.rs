//! Times until an event, some of them censored.

use super::{
    Interval, StatsError,
    distribution::normal_quantile,
    error::{check_confidence, check_length, check_sample},
};

/// A step of the survival curve.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SurvivalStep {
    /// Time of the event, or any other cost that only grows.
    pub time: f64,
    /// Share of the cases without the event after this time.
    pub share: f64,
    /// Confidence interval of that share; `None` once the event has happened to all cases.
    pub interval: Option<Interval>,
    /// Number of cases at risk just before this time.
    pub at_risk: usize,
}

/// Share of the cases without an event, by time (Kaplan and Meier 1958).
///
/// `times[i]` is the time of the event of case `i` or, if `happened[i]` is false, the time at which the
/// case was censored. `S = Π (1 − dᵢ / nᵢ)`; the interval is Greenwood's on the
/// `log(−log S)` scale (Kalbfleisch and Prentice 1980), as R's `survfit(conf.type = "log-log")`.
/// A case censored at the time of an event counts as at risk.
///
/// # Errors
///
/// If there is no case, lengths differ, a value is not a number, or the confidence is not in (0, 1).
pub fn kaplan_meier(
    times: &[f64],
    happened: &[bool],
    confidence: f64,
) -> Result<Vec<SurvivalStep>, StatsError> {
    check_sample("times", times, 1)?;
    check_length("happened", happened.len(), times.len())?;
    check_confidence(confidence)?;
    let z = normal_quantile((1.0 + confidence) / 2.0);
    let mut cases: Vec<(f64, bool)> = times.iter().copied().zip(happened.iter().copied()).collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut share, mut greenwood) = (1.0, 0.0);
    let mut steps = Vec::new();
    let mut at = 0;
    while at < cases.len() {
        let time = cases[at].0;
        let same = cases[at..].iter().take_while(|case| case.0 == time).count();
        let events = cases[at..at + same].iter().filter(|case| case.1).count();
        let at_risk = cases.len() - at;
        if events > 0 {
            let (d, n) = (events as f64, at_risk as f64);
            share *= 1.0 - d / n;
            greenwood += d / (n * (n - d));
            let interval = (events < at_risk).then(|| {
                let scaled = z * greenwood.sqrt() / f64::ln(share);
                let at = |sign: f64| share.powf((sign * scaled).exp());
                let (a, b) = (at(1.0), at(-1.0));
                Interval { low: a.min(b), high: a.max(b), confidence }
            });
            steps.push(SurvivalStep { time, share, interval, at_risk });
        }
        at += same;
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remission under 6-MP (Freireich et al. 1963), the example of every textbook; R's survfit.
    #[test]
    fn kaplan_meier_agrees_with_freireichs_remissions() {
        let weeks = [
            6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0, 6.0, 9.0, 10.0, 11.0, 17.0, 19.0,
            20.0, 25.0, 32.0, 32.0, 34.0, 35.0,
        ];
        let relapsed: Vec<bool> = (0..21).map(|case| case < 9).collect();
        let found = kaplan_meier(&weeks, &relapsed, 0.95).unwrap();
        let shown: Vec<(f64, f64, usize)> = found
            .iter()
            .map(|found| (found.time, (found.share * 1e4).round() / 1e4, found.at_risk))
            .collect();
        let expected = [
            (6.0, 0.8571, 21),
            (7.0, 0.8067, 17),
            (10.0, 0.7529, 15),
            (13.0, 0.6902, 12),
            (16.0, 0.6275, 11),
            (22.0, 0.5378, 7),
            (23.0, 0.4482, 6),
        ];
        assert_eq!(shown, expected);
        let first = found[0].interval.unwrap();
        assert!(
            (first.low - 0.6197).abs() < 1e-4 && (first.high - 0.9516).abs() < 1e-4,
            "{first:?}"
        );
    }

    #[test]
    fn survival_without_events_or_with_all_at_once() {
        assert_eq!(kaplan_meier(&[1.0, 2.0], &[false, false], 0.95), Ok(Vec::new()));
        let all = kaplan_meier(&[3.0, 3.0], &[true, true], 0.95).unwrap();
        assert_eq!((all[0].share, all[0].interval), (0.0, None));
        assert!(kaplan_meier(&[], &[], 0.95).is_err());
    }
}
