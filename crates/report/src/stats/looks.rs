//! Error rates of a study that looks at its results more than once.

use super::StatsError;

/// The error rate of each look, so that all looks together have at most `error_rate`.
///
/// `looks` are the numbers of repetitions after which the study looks at its results and may stop. Until a share t of
/// all repetitions, the study has spent `α(t) = α · t²` of its error rate (Kim and DeMets 1987): little at early looks,
/// where few repetitions say little about their own spread. The levels are used as they are (Bonferroni's inequality), which
/// holds for any test and any dependence between the looks, and is a little wider than Lan and DeMets (1983), who use
/// the joint normal distribution.
///
/// # Errors
///
/// If there is no look, a look is not later than the one before it, or the error rate is not in (0, 1).
pub fn look_error_rates(looks: &[u32], error_rate: f64) -> Result<Vec<f64>, StatsError> {
    super::error::check_confidence(error_rate)?;
    super::error::check_count("looks", looks.len(), 1)?;
    let rises = looks[0] > 0 && looks.windows(2).all(|pair| pair[0] < pair[1]);
    if !rises {
        return Err(StatsError::OutOfRange {
            parameter: "looks".to_owned(),
            value: f64::from(looks[0]),
            expected: "numbers above 0, each larger than the one before it",
        });
    }
    let all = f64::from(looks[looks.len() - 1]);
    let spent = |at: u32| error_rate * (f64::from(at) / all).powi(2);
    let before = std::iter::once(&0).chain(looks);
    Ok(looks.iter().zip(before).map(|(at, before)| spent(*at) - spent(*before)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_share_the_error_rate() {
        let rates = look_error_rates(&[3, 5, 10], 0.05).unwrap();
        for (rate, expected) in rates.iter().zip([0.0045, 0.008, 0.0375]) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        assert_eq!(look_error_rates(&[7], 0.05).unwrap(), [0.05]);
        for bad in [&[][..], &[0], &[3, 3], &[5, 3]] {
            assert!(look_error_rates(bad, 0.05).is_err(), "{bad:?}");
        }
    }
}
