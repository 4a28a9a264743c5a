//! Random-effects means against metafor (R) on the trials of the BCG vaccine (Colditz et al. 1994).

use wattlab_report::stats::{BetweenStudies, RandomEffectsMean, StatsError, random_effects_mean};

/// Cases and others among the vaccinated, then among the others, in 13 trials (`metafor::dat.bcg`).
const BCG: [[f64; 4]; 13] = [
    [4.0, 119.0, 11.0, 128.0],
    [6.0, 300.0, 29.0, 274.0],
    [3.0, 228.0, 11.0, 209.0],
    [62.0, 13536.0, 248.0, 12619.0],
    [33.0, 5036.0, 47.0, 5761.0],
    [180.0, 1361.0, 372.0, 1079.0],
    [8.0, 2537.0, 10.0, 619.0],
    [505.0, 87886.0, 499.0, 87892.0],
    [29.0, 7470.0, 45.0, 7232.0],
    [17.0, 1699.0, 65.0, 1600.0],
    [186.0, 50448.0, 141.0, 27197.0],
    [5.0, 2493.0, 3.0, 2338.0],
    [27.0, 16886.0, 29.0, 17825.0],
];

/// Log risk ratios and their variances.
fn bcg(between: BetweenStudies) -> RandomEffectsMean {
    let (mut effects, mut variances) = (Vec::new(), Vec::new());
    for [a, b, c, d] in BCG {
        effects.push((a / (a + b) / (c / (c + d))).ln());
        variances.push(1.0 / a - 1.0 / (a + b) + 1.0 / c - 1.0 / (c + d));
    }
    random_effects_mean(&effects, &variances, between, 0.95).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 6e-5, "{found}, expected {expected}");
}

/// Estimate, τ², I² and Q are those that metafor's manual prints for `rma(yi, vi, data = dat)`; standard error
/// and interval by Hartung and Knapp were computed from the same formulas with SciPy.
#[test]
fn reml_with_hartung_and_knapp_agrees_with_metafor() {
    let found = bcg(BetweenStudies::Reml);
    close(found.estimate, -0.7145);
    close(found.tau_squared, 0.3132);
    close(found.se, 0.180792);
    close(found.p, 0.0019);
    close(found.interval.low, -1.108444);
    close(found.interval.high, -0.320621);
    close(found.prediction.low, -1.996017);
    close(found.prediction.high, 0.566952);
    assert!((found.i_squared * 100.0 - 92.22).abs() < 6e-3, "{found:?}");
    assert!((found.q - 152.2330).abs() < 6e-5, "{found:?}");
    assert!(found.q_p < 1e-4);
}

/// `rma(yi, vi, data = dat, method = "PM")`: τ² is 0.3181.
#[test]
fn paule_and_mandel_agrees_with_metafor() {
    let found = bcg(BetweenStudies::PauleMandel);
    close(found.tau_squared, 0.3181);
    close(found.estimate, -0.7150);
}

#[test]
fn equal_studies_have_no_variance_between_them() {
    for between in [BetweenStudies::Reml, BetweenStudies::PauleMandel] {
        let found = random_effects_mean(&[1.0, 1.1, 0.9], &[1.0, 1.0, 1.0], between, 0.95).unwrap();
        assert_eq!((found.tau_squared, found.i_squared), (0.0, 0.0));
        assert!((found.estimate - 1.0).abs() < 1e-12);
        assert_eq!(found.prediction, found.interval);
    }
}

#[test]
fn the_answer_scales_with_the_effects() {
    let (effects, variances) = ([0.1, 0.5, -0.2, 0.9], [0.01, 0.04, 0.02, 0.05]);
    let mean = |scale: f64| {
        let effects = effects.map(|effect| effect * scale);
        let variances = variances.map(|variance| variance * scale * scale);
        random_effects_mean(&effects, &variances, BetweenStudies::Reml, 0.95).unwrap()
    };
    let (one, tiny) = (mean(1.0), mean(1e-6));
    assert!((one.estimate - tiny.estimate * 1e6).abs() < 1e-9);
    assert!((one.tau_squared - tiny.tau_squared * 1e12).abs() < 1e-9);
}

#[test]
fn studies_that_cannot_be_pooled_are_refused() {
    let pooled = |effects: &[f64], variances: &[f64]| {
        random_effects_mean(effects, variances, BetweenStudies::Reml, 0.95)
    };
    assert!(pooled(&[1.0], &[1.0]).is_err());
    assert!(pooled(&[1.0, 2.0], &[1.0]).is_err());
    let refused = pooled(&[1.0, 2.0], &[1.0, 0.0]);
    assert!(matches!(refused, Err(StatsError::OutOfRange { .. })), "{refused:?}");
    assert!(pooled(&[1.0, f64::NAN], &[1.0, 1.0]).is_err());
}
