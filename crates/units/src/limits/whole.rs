//! The types of whole numbers that a limit can check.

use std::{fmt, num};

mod sealed {
    pub trait Sealed {}
}

/// An unsigned whole number.
pub trait Whole: sealed::Sealed + Copy + fmt::Display {
    /// The number, if a `u64` holds it.
    fn to_u64(self) -> Option<u64>;
}

macro_rules! whole {
    ($($plain:ty),*; $($non_zero:ty),*) => {
        $(
            impl sealed::Sealed for $plain {}
            impl Whole for $plain {
                fn to_u64(self) -> Option<u64> { u64::try_from(self).ok() }
            }
        )*
        $(
            impl sealed::Sealed for $non_zero {}
            impl Whole for $non_zero {
                fn to_u64(self) -> Option<u64> { u64::try_from(self.get()).ok() }
            }
        )*
    };
}

whole!(u8, u16, u32, u64, u128, usize; num::NonZeroU32, num::NonZeroU64, num::NonZeroUsize);
