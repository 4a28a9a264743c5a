//! The limits of every number that a user or a file can give, and arithmetic that stays within them.
//!
//! A number from outside is checked once, where it is read: against the constant for its kind, such as
//! [`TRIALS`] or [`RATE_PER_S`]. The limits are generous, far beyond any sensible use, so that they
//! only stop slips and hostile input: a zero too many, a NaN, a size that would exhaust the memory.
//!
//! ```
//! use wattlab_units::limits;
//!
//! assert_eq!(limits::TRIALS.check(64_u32)?, 64);
//! let error = limits::TRIALS.check(u32::MAX).unwrap_err().of_key("tuning.trials");
//! assert_eq!(
//!     error.to_string(),
//!     "`tuning.trials` is 4294967295, expected a whole number from 1 to 1000000"
//! );
//! // A product of checked numbers is checked again.
//! assert!(limits::VALUES_IN_MEMORY.product(&[1 << 40, 1 << 40]).is_err());
//! # Ok::<(), limits::OutOfRange>(())
//! ```

mod error;
mod table;
mod whole;

use std::{str::FromStr, time::Duration};

pub use self::{error::OutOfRange, table::*, whole::Whole};

/// The range of one kind of number; both ends belong to it.
///
/// Whole numbers have a `Limit<u64>`, which checks every unsigned type; all others a `Limit<f64>`,
/// which refuses NaN and infinities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit<T> {
    name: &'static str,
    unit: &'static str,
    min: T,
    max: T,
}

impl<T: Copy> Limit<T> {
    /// What the number is, in error messages: `rate`, `number of trials`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The unit in error messages: `seconds`, `requests per second`; empty for a plain number.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The smallest number allowed.
    #[must_use]
    pub const fn min(&self) -> T {
        self.min
    }

    /// The largest number allowed.
    #[must_use]
    pub const fn max(&self) -> T {
        self.max
    }
}

impl Limit<u64> {
    /// A range of whole numbers.
    ///
    /// # Panics
    ///
    /// If `min` is above `max`; in a `const`, the program then does not compile.
    #[must_use]
    pub const fn whole(name: &'static str, unit: &'static str, min: u64, max: u64) -> Self {
        assert!(min <= max, "a limit must contain at least one number");
        Self { name, unit, min, max }
    }

    /// The value, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not.
    pub fn check<N: Whole>(&self, value: N) -> Result<N, OutOfRange> {
        match value.to_u64() {
            Some(number) if (self.min..=self.max).contains(&number) => Ok(value),
            _ => Err(self.out_of_range(value.to_string())),
        }
    }

    /// The number that a text stands for, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the text is not a whole number, or the number is not within the limit.
    pub fn parse<N: Whole + FromStr>(&self, text: &str) -> Result<N, OutOfRange> {
        let value = text.trim().parse::<N>().map_err(|_| self.out_of_text(text))?;
        self.check(value)
    }

    /// [`Limit::parse`] as a function, to read an argument of a command line with.
    pub fn parser<N: Whole + FromStr>(
        self,
    ) -> impl Fn(&str) -> Result<N, OutOfRange> + Clone + Send + Sync + 'static {
        move |text| self.parse(text)
    }

    /// The product of some numbers, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not, or is larger than a `u64` holds.
    pub fn product(&self, factors: &[u64]) -> Result<u64, OutOfRange> {
        // A factor 0 makes the product 0, whatever overflows before it.
        let product = if factors.contains(&0) {
            Some(0)
        } else {
            factors.iter().try_fold(1_u64, |product, &factor| product.checked_mul(factor))
        };
        self.computed(product, factors, " × ")
    }

    /// The sum of some numbers, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not, or is larger than a `u64` holds.
    pub fn sum(&self, terms: &[u64]) -> Result<u64, OutOfRange> {
        let sum = terms.iter().try_fold(0_u64, |sum, &term| sum.checked_add(term));
        self.computed(sum, terms, " + ")
    }

    fn computed(&self, result: Option<u64>, of: &[u64], sign: &str) -> Result<u64, OutOfRange> {
        result.filter(|number| (self.min..=self.max).contains(number)).ok_or_else(|| {
            let numbers: Vec<String> = of.iter().map(u64::to_string).collect();
            self.out_of_range(numbers.join(sign))
        })
    }

    /// The allowed range as text: `a whole number from 1 to 4096`.
    #[must_use]
    pub fn expected(&self) -> String {
        let range = format!("a whole number from {} to {}", self.min, self.max);
        with_unit(range, self.unit)
    }

    fn out_of_range(&self, found: String) -> OutOfRange {
        OutOfRange::new(self.name, found, self.expected())
    }

    fn out_of_text(&self, text: &str) -> OutOfRange {
        self.out_of_range(error::quoted(text))
    }
}

impl Limit<f64> {
    /// A range of real numbers.
    ///
    /// # Panics
    ///
    /// If an end is not finite or `min` is above `max`; in a `const`, the program then does not
    /// compile.
    #[must_use]
    pub const fn real(name: &'static str, unit: &'static str, min: f64, max: f64) -> Self {
        assert!(min.is_finite() && max.is_finite() && min <= max, "a limit is a finite range");
        Self { name, unit, min, max }
    }

    /// The value, if it is within the limit; NaN and infinities never are.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not.
    pub fn check(&self, value: f64) -> Result<f64, OutOfRange> {
        if (self.min..=self.max).contains(&value) {
            Ok(value)
        } else {
            Err(self.out_of_range(error::number(value)))
        }
    }

    /// The number that a text stands for, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if the text is not a number, or the number is not within the limit.
    pub fn parse(&self, text: &str) -> Result<f64, OutOfRange> {
        let value = text.trim().parse().map_err(|_| self.out_of_range(error::quoted(text)))?;
        self.check(value)
    }

    /// [`Limit::parse`] as a function, to read an argument of a command line with.
    pub fn parser(
        self,
    ) -> impl Fn(&str) -> Result<f64, OutOfRange> + Clone + Send + Sync + 'static {
        move |text| self.parse(text)
    }

    /// A number of seconds as a [`Duration`], rounded to a nanosecond.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not within the limit, or is negative.
    pub fn duration(&self, seconds: f64) -> Result<Duration, OutOfRange> {
        let seconds = self.check(seconds)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| self.out_of_range(error::number(seconds)))
    }

    /// The product of some numbers, if it is within the limit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if it is not.
    pub fn product(&self, factors: &[f64]) -> Result<f64, OutOfRange> {
        self.check(factors.iter().product()).map_err(|_| {
            let numbers: Vec<String> =
                factors.iter().map(|factor| error::number(*factor)).collect();
            self.out_of_range(numbers.join(" × "))
        })
    }

    /// The allowed range as text: `a number from 0 to 1e9 seconds`.
    #[must_use]
    pub fn expected(&self) -> String {
        let range =
            format!("a number from {} to {}", error::number(self.min), error::number(self.max));
        with_unit(range, self.unit)
    }

    fn out_of_range(&self, found: String) -> OutOfRange {
        OutOfRange::new(self.name, found, self.expected())
    }
}

fn with_unit(range: String, unit: &str) -> String {
    if unit.is_empty() { range } else { format!("{range} {unit}") }
}
