//! Activation functions.

use crate::kernels::lanes::dispatch;

/// An activation function. The order is that of the numbers in `device/vision.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x · sigmoid(x) (Elfwing et al. 2017).
    Silu,
    /// relu6(x + 3) / 6 (Howard et al. 2019).
    HardSigmoid,
    /// x · relu6(x + 3) / 6 (Howard et al. 2019).
    HardSwish,
    /// x · Φ(x), with the error function and not its tanh approximation (Hendrycks and Gimpel 2016).
    Gelu,
}

impl Activation {
    /// The lower and the upper bound, if the activation only limits values to a range.
    pub(super) fn bounds(self) -> Option<(f32, f32)> {
        match self {
            Self::None => Some((f32::NEG_INFINITY, f32::INFINITY)),
            Self::Relu => Some((0.0, f32::INFINITY)),
            Self::Relu6 => Some((0.0, 6.0)),
            _ => None,
        }
    }

    /// Applies it to each value in place.
    pub(crate) fn apply(self, values: &mut [f32]) {
        let (at, len) = (values.as_mut_ptr(), values.len());
        // SAFETY: there are `len` floats at `at`.
        unsafe {
            match self {
                Self::None => {}
                Self::Relu => relu(at, len),
                Self::Relu6 => relu6(at, len),
                Self::Sigmoid => sigmoid(at, len),
                Self::Silu => silu(at, len),
                Self::HardSigmoid => hard_sigmoid(at, len),
                Self::HardSwish => hard_swish(at, len),
                Self::Gelu => gelu(at, len),
            }
        }
    }
}

/// Defines a kernel that maps each value; the compiler vectorizes it for each instruction set.
macro_rules! map {
    ($name:ident, $of:expr) => {
        dispatch! {
            /// # Safety
            ///
            /// There are `len` floats at `at`.
            fn $name<V>(at: *mut f32, len: usize) {
                // SAFETY: the caller's contract.
                let values = unsafe { std::slice::from_raw_parts_mut(at, len) };
                let of: fn(f32) -> f32 = $of;
                // In chunks of 16: rows of a tile are too short for the loops that the compiler would make.
                let (chunks, rest) = values.as_chunks_mut::<16>();
                for chunk in chunks {
                    *chunk = chunk.map(of);
                }
                for value in rest {
                    *value = of(*value);
                }
            }
        }
    };
}

map!(relu, |x| x.max(0.0));
map!(relu6, |x| x.clamp(0.0, 6.0));
map!(sigmoid, |x| 1.0 / (1.0 + exp(-x)));
map!(silu, |x| x / (1.0 + exp(-x)));
map!(hard_sigmoid, |x| (x + 3.0).clamp(0.0, 6.0) * (1.0 / 6.0));
map!(hard_swish, |x| x * ((x + 3.0).clamp(0.0, 6.0) * (1.0 / 6.0)));
map!(gelu, |x| 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)));

/// eˣ, exact to two units in the last place for x between −87 and 88; other arguments are clamped. Computed as
/// 2ⁿ·eʳ with |r| ≤ ln 2 / 2 and the polynomial of `expf` in Cephes (Moshier).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let n = x * std::f32::consts::LOG2_E + ROUND - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // 2ⁿ, since n is within ±127.
    p * f32::from_bits((((n as i32) + 127) as u32) << 23)
}

/// The error function, exact to 5·10⁻⁷: a rational function for x between −4 and 4, where it reaches ±1 in
/// single precision (with the coefficients of `erf` in Eigen and XLA).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let y = x * x;
    let p = -2.726_142_3e-10;
    let p = p * y + 2.770_681e-8;
    let p = p * y + -2.101_024_3e-6;
    let p = p * y + -5.692_506_4e-5;
    let p = p * y + -7.349_906_4e-4;
    let p = p * y + -2.954_600_2e-3;
    let p = p * y + -1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * y + -2.133_740_2e-4;
    let q = q * y + -1.682_827e-3;
    let q = q * y + -7.373_329_2e-3;
    let q = q * y + -1.426_474_7e-2;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_accurate_to_single_precision() {
        for step in -8700..8800 {
            let x = step as f32 * 0.01;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(1e30) > 1e38);
    }

    /// The expected values are from Abramowitz and Stegun 1964, table 7.1.
    #[test]
    fn the_error_function_agrees_with_published_tables() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916),
            (0.5, 0.520_499_878),
            (1.0, 0.842_700_793),
            (1.5, 0.966_105_146),
            (2.0, 0.995_322_265),
            (3.0, 0.999_977_91),
            (6.0, 1.0),
        ] {
            assert!((f64::from(erf(x)) - expected).abs() < 5e-7, "{x}: {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    #[test]
    fn activations_agree_with_their_formulas() {
        let inputs: Vec<f32> = (-40..=40).map(|i| i as f32 * 0.2).collect();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let hard = |x: f64| (x + 3.0).clamp(0.0, 6.0) / 6.0;
        let formulas: [(Activation, &dyn Fn(f64) -> f64); 7] = [
            (Activation::None, &|x| x),
            (Activation::Relu, &|x| x.max(0.0)),
            (Activation::Relu6, &|x| x.clamp(0.0, 6.0)),
            (Activation::Sigmoid, &sigmoid),
            (Activation::Silu, &|x| x * sigmoid(x)),
            (Activation::HardSigmoid, &hard),
            (Activation::HardSwish, &|x| x * hard(x)),
        ];
        for (activation, formula) in formulas {
            let mut found = inputs.clone();
            activation.apply(&mut found);
            for (x, found) in inputs.iter().zip(found) {
                let expected = formula(f64::from(*x));
                assert!((f64::from(found) - expected).abs() < 2e-6, "{activation:?} of {x}");
            }
        }
        let mut found = [1.0, -1.0, 3.0];
        Activation::Gelu.apply(&mut found);
        for (found, expected) in found.into_iter().zip([0.841_344_8, -0.158_655_25, 2.995_950_3]) {
            assert!((found - expected).abs() < 1e-6_f32, "{found}");
        }
    }
}
