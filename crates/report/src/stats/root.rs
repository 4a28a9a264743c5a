//! Roots of a function.

/// The root of a continuous function between two points, by Chandrupatla's method (1997): inverse
/// quadratic interpolation where that is safe, else bisection.
///
/// Without a change of sign, the result is the end where the function is nearer to 0; a confidence
/// limit is then beyond the range that is searched.
pub(super) fn root(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    if fa.signum() == fb.signum() {
        return if fa.abs() < fb.abs() { a } else { b };
    }
    let mut share = 0.5;
    for _ in 0..200 {
        let x = a + share * (b - a);
        let fx = f(x);
        // a is the newest point, b the one on the other side, c the one before.
        let (c, fc);
        if fx.signum() == fa.signum() {
            (c, fc) = (a, fa);
        } else {
            (c, fc) = (b, fb);
            (b, fb) = (a, fa);
        }
        (a, fa) = (x, fx);
        let best = if fa.abs() < fb.abs() { a } else { b };
        let tolerance = 4.0 * f64::EPSILON * best.abs() + 1e-14;
        let least = tolerance / (b - a).abs();
        if least > 0.5 || fa == 0.0 {
            return best;
        }
        let (xi, phi) = ((a - b) / (c - b), (fa - fb) / (fc - fb));
        let interpolates = phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi;
        share = if interpolates {
            fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        } else {
            0.5
        };
        share = share.clamp(least, 1.0 - least);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_to_the_last_digits() {
        for (f, low, high, expected) in [
            ((|x| x * x - 2.0) as fn(f64) -> f64, 0.0, 2.0, 2_f64.sqrt()),
            (|x| 1.0 - x.exp(), -30.0, 5.0, 0.0),
            (|x| (x - 3.0).powi(9), -10.0, 3.5, 3.0),
            (|x| if x < 0.3 { 1.0 } else { -1.0 }, 0.0, 1.0, 0.3),
        ] {
            let found = root(low, high, f);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        assert_eq!(root(1.0, 2.0, |x| x), 1.0);
    }
}
