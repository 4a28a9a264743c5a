//! The estimated standard deviation as a random variable: what makes a normal law into Student's, a
//! noncentral one, or that of the studentized range.

/// Mean of `g(s)` over `s = √(χ²_ν / ν)`, for a monotone `g` with values in [0, 1].
///
/// The trapezoidal rule in `u = ln s`, where density and integrand are smooth and die off
/// exponentially, so that its error falls exponentially with the step (Trefethen and Weideman 2014).
/// `sharpness` is the largest `|d/du|` of the argument of a normal law within `g`: the steps follow
/// the narrower of the density and that. The relative error also holds in the tails.
pub(super) fn mean_over_scaled_chi(df: f64, sharpness: f64, g: impl Fn(f64) -> f64) -> f64 {
    // At most 0.15: the density of ln s is analytic within π/4 of the real line.
    let step = (0.45 / ((2.0 * df).sqrt() + sharpness)).min(0.15);
    // ν u − ν e^{2u} / 2 up to its largest value, at u = 0.
    let weight = |u: f64| (df * (u - (2.0 * u).exp_m1() / 2.0)).exp();
    let (mut sum, mut total) = (g(1.0), 1.0);
    for direction in [1.0, -1.0] {
        for k in 1_u32.. {
            let u = direction * f64::from(k) * step;
            let weight = weight(u);
            sum += weight * g(u.exp());
            total += weight;
            // What is left is less than the last weight times a few steps: g is at most 1.
            if weight < sum * 1e-18 || weight < 1e-300 {
                break;
            }
        }
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::distribution::{normal_sf, t_two_sided};

    #[test]
    fn the_mean_over_the_scaled_chi_is_students_t() {
        for (t, df) in
            [(0.3, 1.0), (2.0, 4.0), (2.5, 30.0), (12.0, 7.0), (6.0, 3064.0), (40.0, 3000.0)]
        {
            let found = 2.0 * mean_over_scaled_chi(df, t, |s| normal_sf(t * s));
            let expected = t_two_sided(t, df);
            assert!((found / expected - 1.0).abs() < 1e-9, "{t} {df}: {found:e}, {expected:e}");
        }
    }
}
