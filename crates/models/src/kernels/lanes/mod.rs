//! A register of floats as one value, for each instruction set.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use self::portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use self::x86::{Avx2, Avx512};

/// A register of [`Lanes::WIDTH`] floats. A kernel that works on 16 floats at a time, such as those of
/// blocks of 16 images, needs `16 / WIDTH` of them.
///
/// # Safety
///
/// The methods of an implementation may be called only on processors that have the instructions it uses;
/// [`dispatch`] checks this.
pub(super) trait Lanes: Copy {
    /// Floats of a register: 4, 8 or 16.
    const WIDTH: usize;
    /// Registers of the processor: 16 or 32. Kernels choose the sizes of their tiles by this.
    const REGISTERS: usize;

    unsafe fn splat(value: f32) -> Self;
    /// Loads the floats at `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// Stores the floats at `to`.
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · a + b`.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger one; `other` if one of them is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller one; `other` if one of them is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// `value` in lanes where `self > 0`, and 0 in the others.
    unsafe fn where_positive(self, value: Self) -> Self;
    /// Adds `value` to `to` in the lanes where `self == other` and `left` is not 0, and sets those lanes of
    /// `left` to 0. Returns the new `to` and `left`.
    unsafe fn add_where_equal(self, other: Self, value: Self, to: Self, left: Self)
    -> (Self, Self);
    /// Sum of the lanes, always in the same order.
    unsafe fn sum(self) -> f32;
    /// Prefetches the cache line of an address, which may be invalid. Does nothing if the processor has no
    /// such instruction.
    unsafe fn prefetch(address: *const f32);
    /// Transposes `WIDTH` rows of `WIDTH` floats, of which those from `rows` on count as zeros. The rows are
    /// `from_pitch` floats apart. Stores the first `terms` rows of the result, `to_pitch` floats apart.
    unsafe fn transpose(
        from: *const f32,
        from_pitch: usize,
        rows: usize,
        to: *mut f32,
        to_pitch: usize,
        terms: usize,
    );
}

/// Defines a kernel that is compiled for several instruction sets: `fn name<V>(arguments) { body }` becomes
/// `unsafe fn name(arguments)`, which runs the body with the lanes of [`InstructionSet::current`].
///
/// [`InstructionSet::current`]: super::InstructionSet::current
macro_rules! dispatch {
    ($(#[$doc:meta])* fn $name:ident<$lanes:ident>($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe fn $name($($arg: $type),*) {
            use $crate::kernels::{InstructionSet, lanes::Portable};

            #[inline(always)]
            unsafe fn body<$lanes: $crate::kernels::lanes::Lanes>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::lanes::{Avx2, Avx512};

                #[target_feature(enable = "avx512f,avx2,fma")]
                unsafe fn avx512($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX-512F.
                    unsafe { body::<Avx512>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX2 and FMA.
                    unsafe { body::<Avx2>($($arg),*) }
                }
                match InstructionSet::current() {
                    // SAFETY: the processor has the current set; the rest is the caller's contract.
                    InstructionSet::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    InstructionSet::Avx2 => return unsafe { avx2($($arg),*) },
                    InstructionSet::Portable => {}
                }
            }
            // SAFETY: portable lanes run on any processor; the rest is the caller's contract.
            unsafe { body::<Portable>($($arg),*) }
        }
    };
}
pub(super) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::InstructionSet;

    /// The results of all operations on 16 lanes.
    fn run<V: Lanes>() -> Vec<f32> {
        let a: Vec<f32> = (0..16).map(|i| (i as f32 - 7.5) * 0.25).collect();
        let b: Vec<f32> = (0..16).map(|i| ((i * 7) % 5) as f32 - 2.0).collect();
        let mut outs = vec![Vec::new(); 10];
        for first in (0..16).step_by(V::WIDTH) {
            let mut at = 0;
            let mut keep = |value: V| {
                let mut lanes = [0.0; 16];
                // SAFETY: room for 16 floats; the test checked the processor.
                unsafe { value.store(lanes.as_mut_ptr()) };
                outs[at].extend_from_slice(&lanes[..V::WIDTH]);
                at += 1;
            };
            // SAFETY: both have 16 floats; the test checked the processor.
            unsafe {
                let (a, b) = (V::load(a[first..].as_ptr()), V::load(b[first..].as_ptr()));
                keep(a.add(b));
                keep(a.mul(b));
                keep(a.max(b));
                keep(a.min(b));
                keep(V::splat(f32::NAN).max(a));
                keep(a.where_positive(b));
                let (to, left) = b.add_where_equal(V::splat(1.0), a, b, V::splat(1.0));
                keep(to);
                keep(left);
                keep(a.mul_add(b, V::splat(0.5)));
                outs[9].push(a.sum());
            }
        }
        let sum = outs.pop().unwrap_or_default().iter().sum();
        outs.concat().into_iter().chain([sum]).collect()
    }

    /// Transposes a matrix [rows][WIDTH] with a pitch of 20, of which only `terms` columns are stored.
    fn transposed<V: Lanes>(rows: usize, terms: usize) -> Vec<f32> {
        let from: Vec<f32> = (0..16 * 20).map(|i| i as f32).collect();
        let mut to = vec![-1.0; 16 * 18];
        // SAFETY: there are 16 rows of 20 and of 18 floats; the test checked the processor.
        unsafe { V::transpose(from.as_ptr(), 20, rows, to.as_mut_ptr(), 18, terms) };
        for (place, found) in to.iter().enumerate() {
            let (term, row) = (place / 18, place % 18);
            let expected = match (term < terms, row < V::WIDTH) {
                (true, true) if row < rows => from[row * 20 + term],
                (true, true) => 0.0,
                _ => -1.0,
            };
            assert_eq!(*found, expected, "row {row}, term {term} of {rows}×{terms}");
        }
        to
    }

    fn transposes<V: Lanes>() {
        for rows in 0..=V::WIDTH {
            for terms in 0..=V::WIDTH {
                transposed::<V>(rows, terms);
            }
        }
    }

    /// Tests on one processor are valid for others, because all kinds of lanes agree.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn lanes_of_all_instruction_sets_give_equal_results() {
        let portable = run::<Portable>();
        transposes::<Portable>();
        #[cfg(target_arch = "x86_64")]
        {
            if InstructionSet::Avx2.is_available() {
                assert_eq!(run::<Avx2>(), portable, "these numbers are exact with and without FMA");
                transposes::<Avx2>();
            } else {
                eprintln!("skipped: this processor has no AVX2");
            }
            if InstructionSet::Avx512.is_available() {
                assert_eq!(run::<Avx512>(), portable);
                transposes::<Avx512>();
            } else {
                eprintln!("skipped: this processor has no AVX-512");
            }
        }
    }
}
