//! A register of 16 sums, for each set of instructions.

mod portable;
mod sizes;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(super) use self::x86::{Avx2, Vnni};
pub(super) use self::{
    portable::Portable,
    sizes::{group, pixels},
};

/// Sums in a register, and output channels of a panel.
pub(super) const LANES: usize = 16;

/// 16 integers of 32 bits.
///
/// # Safety
///
/// The methods of an implementation may be called only on processors that have the instructions it uses;
/// [`by_set`] checks this.
pub(super) trait Words: Copy {
    /// Terms of a sum that are multiplied at a time, and that share a word of 32 bits: 4 bytes or 2 integers of
    /// 16 bits.
    const GROUP: usize;
    /// The most pixels of a tile of one panel, of two and of four; 0 if there is no such tile.
    const PIXELS: [usize; 3];
    /// 16 numbers.
    type Floats: Floats;

    unsafe fn zero() -> Self;
    /// Loads 16 words.
    unsafe fn load(from: *const i32) -> Self;
    /// Stores 16 words.
    unsafe fn store(self, to: *mut i32);
    /// Loads 16 bytes.
    unsafe fn load_bytes(from: *const u8) -> Self;
    /// The same word 16 times.
    unsafe fn splat(from: *const u8) -> Self;
    /// Adds the products of [`Words::GROUP`] terms to each sum.
    unsafe fn add_products(self, image: Self, weights: Self) -> Self;
    /// Adds the products of words that fit into 16 bits.
    unsafe fn add_words(self, image: Self, weights: Self) -> Self;
    /// The sums as numbers.
    unsafe fn floats(self) -> Self::Floats;
}

/// 16 numbers of single precision.
///
/// # Safety
///
/// As for [`Words`].
pub(super) trait Floats: Copy {
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    /// Stores the first `lanes` numbers.
    unsafe fn store(self, to: *mut f32, lanes: usize);
    /// Rounds numbers of 0 to 255, halves to even, and stores the first `lanes`.
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize);
}

/// Defines a kernel that is compiled for several sets: `fn name<V>(arguments) { body }` becomes
/// `unsafe fn name(set, arguments)`, which runs the body with the words of the set.
macro_rules! by_set {
    ($(#[$doc:meta])* fn $name:ident<$words:ident>($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe fn $name(set: $crate::kernels::bytes::set::ByteSet, $($arg: $type),*) {
            use $crate::kernels::bytes::{set::ByteSet, words::Portable};

            #[inline(always)]
            unsafe fn body<$words: $crate::kernels::bytes::words::Words>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::bytes::words::{Avx2, Vnni};

                #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
                unsafe fn vnni($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX-512 with VNNI.
                    unsafe { body::<Vnni>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX2.
                    unsafe { body::<Avx2>($($arg),*) }
                }
                match set {
                    // SAFETY: a set is only used on processors that have it; the rest is the caller's contract.
                    ByteSet::Amx | ByteSet::Vnni => return unsafe { vnni($($arg),*) },
                    // SAFETY: as above.
                    ByteSet::Avx2 => return unsafe { avx2($($arg),*) },
                    ByteSet::Portable => {}
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _: ByteSet = set;
            // SAFETY: portable words run on any processor; the rest is the caller's contract.
            unsafe { body::<Portable>($($arg),*) }
        }
    };
}
pub(super) use by_set;
