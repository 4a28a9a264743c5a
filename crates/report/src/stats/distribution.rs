//! Tails and quantiles of distributions. The arguments are checked by the callers, so that none of
//! these functions can fail.

use std::f64::consts::SQRT_2;

use statrs::distribution::{
    ChiSquared, Continuous, ContinuousCDF, FisherSnedecor, Normal, StudentsT,
};

const CHECKED: &str = "degrees of freedom are checked to be positive before";

/// P(Z > z). From libm's erfc, whose relative error of 1e-15 holds in the tail; statrs' is 1e-10.
pub(super) fn normal_sf(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

pub(crate) fn normal_cdf(z: f64) -> f64 {
    normal_sf(-z)
}

pub(super) fn normal_pdf(z: f64) -> f64 {
    (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

/// z with P(Z ≤ z) = p.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// P(|Z| ≥ |z|).
pub(super) fn normal_two_sided(z: f64) -> f64 {
    (2.0 * normal_sf(z.abs())).min(1.0)
}

/// P(|T| ≥ |t|).
pub(crate) fn t_two_sided(t: f64, df: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    (2.0 * StudentsT::new(0.0, 1.0, df).expect(CHECKED).sf(t.abs())).min(1.0)
}

/// t with P(T ≤ t) = p.
pub(crate) fn t_quantile(p: f64, df: f64) -> f64 {
    if p < 0.5 {
        return -t_quantile(1.0 - p, df);
    }
    let student = StudentsT::new(0.0, 1.0, df).expect(CHECKED);
    // Statrs' inverse loses digits with many degrees of freedom (6e-5 at a million), where the
    // normal quantile is a good start; Newton's steps on the tail restore them.
    let start = if df > 1e3 { normal_quantile(p) } else { student.inverse_cdf(p) };
    (0..4).fold(start, |t, _| t + (student.sf(t) - (1.0 - p)) / student.pdf(t))
}

/// P(F > f).
pub(crate) fn f_sf(f: f64, df1: f64, df2: f64) -> f64 {
    if f.is_infinite() {
        return 0.0;
    }
    FisherSnedecor::new(df1, df2).expect(CHECKED).sf(f)
}

/// P(χ² > x).
pub(crate) fn chi_squared_sf(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).expect(CHECKED).sf(x)
}

/// P(χ² ≤ x).
pub(crate) fn chi_squared_cdf(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).expect(CHECKED).cdf(x)
}
