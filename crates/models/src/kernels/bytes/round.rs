//! Rounding of small numbers.

/// Adding and subtracting 1.5·2²³ rounds a small number to the nearest integer, halves to the even one.
const ROUND: f32 = 12_582_912.0;

/// The integer nearest to a number of 0 to 255.
///
/// # Safety
///
/// The number is in this range.
#[inline(always)]
pub(super) unsafe fn rounded(value: f32) -> u8 {
    // SAFETY: the caller's contract: the sum is a number that fits.
    unsafe { (value + ROUND - ROUND).to_int_unchecked::<i32>() as u8 }
}
