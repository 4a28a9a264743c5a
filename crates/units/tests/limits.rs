//! The limits of numbers from outside.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_units::limits::{self, Limit};

const TEN: Limit<u64> = Limit::whole("number of things", "", 1, 10);
const HALVES: Limit<f64> = Limit::real("length", "meters", -0.5, 0.5);

#[test]
fn both_ends_of_a_range_belong_to_it() {
    for value in [1_u64, 2, 9, 10] {
        assert_eq!(TEN.check(value), Ok(value));
    }
    for value in [0_u64, 11, u64::MAX] {
        assert_eq!(
            TEN.check(value).unwrap_err().to_string(),
            format!("number of things is {value}, expected a whole number from 1 to 10")
        );
    }
    for value in [-0.5, 0.0, -0.0, 0.5, f64::MIN_POSITIVE] {
        assert_eq!(HALVES.check(value), Ok(value));
    }
    for value in [0.5_f64.next_up(), (-0.5_f64).next_down(), f64::MAX, f64::MIN] {
        assert!(HALVES.check(value).is_err(), "{value}");
    }
}

#[test]
fn every_type_of_whole_number_is_checked_without_losing_digits() {
    assert!(TEN.check(10_u8).is_ok() && TEN.check(10_usize).is_ok());
    // As a `u64`, this would be 1.
    assert!(TEN.check((1_u128 << 64) + 1).is_err());
    assert!(TEN.check(std::num::NonZeroU32::MAX).is_err());
}

#[test]
fn nan_and_infinities_are_never_within_a_limit() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for limit in [limits::FINITE, limits::DURATION_S, limits::SHARE, HALVES] {
            assert!(limit.check(value).is_err(), "{value}");
            assert!(limit.duration(value).is_err(), "{value}");
        }
    }
    assert_eq!(
        limits::RATE_PER_S.check(f64::NAN).unwrap_err().to_string(),
        "rate is NaN, expected a number from 1e-9 to 1e9 requests per second"
    );
}

#[test]
fn a_text_that_is_not_a_number_is_quoted() {
    assert_eq!(
        TEN.parse::<u32>("-1").unwrap_err().of_key("--things").to_string(),
        "`--things` is `-1`, expected a whole number from 1 to 10"
    );
    let hostile = "\u{1b}[31m".to_owned() + &"9".repeat(10_000);
    let error = limits::WAIT_S.parse(&hostile).unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.len() < 200, "{error}");
    assert_eq!(TEN.parser::<usize>()(" 7 "), Ok(7));
    assert_eq!(HALVES.parser()("0.25"), Ok(0.25));
    assert!(HALVES.parse("nan").is_err());
}

#[test]
fn a_time_that_no_duration_holds_is_refused() {
    assert!(HALVES.duration(-0.25).is_err());
    assert_eq!(limits::WAIT_S.duration(1.5).unwrap().as_millis(), 1500);
    assert!(Limit::real("time", "seconds", 0.0, 1e300).duration(1e299).is_err());
}

proptest! {
    #[test]
    fn a_whole_number_is_accepted_if_and_only_if_it_is_in_the_range(value in any::<u64>(), small in 0_u64..20) {
        for value in [value, small] {
            prop_assert_eq!(TEN.check(value).is_ok(), (1..=10).contains(&value));
            prop_assert_eq!(TEN.parse::<u64>(&value.to_string()).is_ok(), (1..=10).contains(&value));
        }
    }

    #[test]
    fn a_real_number_is_accepted_if_and_only_if_it_is_in_the_range(bits in any::<u64>(), near in -1.0_f64..1.0) {
        for value in [f64::from_bits(bits), near] {
            prop_assert_eq!(HALVES.check(value).is_ok(), value.abs() <= 0.5);
            if let Ok(duration) = limits::DURATION_S.duration(value) {
                prop_assert!((duration.as_secs_f64() - value).abs() <= 1e-9 + 1e-15 * value);
            }
        }
    }

    /// Neither a product nor a sum wraps around.
    #[test]
    fn products_and_sums_are_exact_or_refused(numbers in prop::collection::vec(any::<u64>(), 0..5), shift in 0_u32..64) {
        let numbers: Vec<u64> = numbers.iter().map(|number| number >> shift).collect();
        let all = Limit::whole("number", "", 0, u64::MAX);
        let product = numbers.iter().try_fold(1_u128, |product, &number| product.checked_mul(number.into()));
        let exact = if numbers.contains(&0) { Some(0) } else { product };
        prop_assert_eq!(all.product(&numbers).ok(), exact.and_then(|number| u64::try_from(number).ok()));
        let sum: u128 = numbers.iter().map(|&number| u128::from(number)).sum();
        prop_assert_eq!(all.sum(&numbers).ok(), u64::try_from(sum).ok());
        if let Err(error) = all.product(&numbers) {
            prop_assert!(error.to_string().contains(" × "), "{}", error);
        }
    }

    #[test]
    fn a_product_of_real_numbers_is_finite_or_refused(a in any::<f64>(), b in any::<f64>()) {
        match limits::FINITE.product(&[a, b]) {
            Ok(product) => prop_assert!(product.is_finite() && product == a * b),
            Err(_) => prop_assert!((a * b).is_nan() || (a * b).abs() > 1e300),
        }
    }
}
