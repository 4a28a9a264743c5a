//! The Bayesian signed-rank test beside baycomp 1.0.3.

use wattlab_report::stats::{PracticalDifference, bayesian_signed_rank};

/// `SignedRankTest.probs(d, zeros, rope=…, nsamples=50000)`, the mean of four seeds: larger, equivalent, smaller.
#[test]
fn probabilities_agree_with_baycomp() {
    let eight = [0.3, 0.5, -0.1, 0.2, 0.4, 0.6, 0.1, 0.05];
    let ten = [0.02, 0.01, -0.03, 0.0, 0.05, -0.04, 0.02, 0.01, 0.03, -0.01];
    for (differences, rope, expected) in [
        (&eight[..], 0.1, [0.9482, 0.0518, 0.0]),
        (&eight, 0.0, [0.9982, 0.0, 0.0018]),
        (&[1.0, -1.0, 2.0, -2.0, 0.5, -0.4], 0.3, [0.4891, 0.0644, 0.4465]),
        (&ten, 0.04, [0.0, 1.0, 0.0]),
        (&[-1.0, -2.0, -0.5, -0.2, 0.1], 0.2, [0.0, 0.0993, 0.9007]),
    ] {
        let zeros = vec![0.0; differences.len()];
        let PracticalDifference { smaller, equivalent, larger, .. } =
            bayesian_signed_rank(differences, &zeros, rope, 1).unwrap();
        for (found, expected) in [larger, equivalent, smaller].into_iter().zip(expected) {
            assert!((found - expected).abs() < 0.01, "{found} {expected} for {differences:?}");
        }
        assert!((smaller + equivalent + larger - 1.0).abs() < 1e-9);
    }
    assert!(bayesian_signed_rank(&eight, &eight, -1.0, 1).is_err());
}
