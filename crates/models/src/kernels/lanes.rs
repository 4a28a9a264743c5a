//! Sixteen floats as one value: an AVX-512 register if the processor has AVX-512, otherwise portable code.

/// Sixteen floats.
///
/// # Safety
///
/// The methods of an implementation may be called only on processors that have the instructions it uses;
/// [`dispatch`] checks this.
pub(super) trait Lanes: Copy {
    /// Whether one register holds all sixteen floats.
    const WIDE: bool;

    unsafe fn splat(value: f32) -> Self;
    /// Loads 16 floats from `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// Stores 16 floats at `to`.
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · a + b`.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
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
    /// The transpose of 16 rows of 16 floats.
    unsafe fn turned(rows: [Self; 16]) -> [Self; 16];
}

/// Portable lanes; with `FMA`, multiply-adds are fused.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Portable<const FMA: bool>([f32; 16]);

impl<const FMA: bool> Portable<FMA> {
    #[inline(always)]
    fn zip(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self.0;
        for (out, other) in out.iter_mut().zip(other.0) {
            *out = of(*out, other);
        }
        Self(out)
    }
}

impl<const FMA: bool> Lanes for Portable<FMA> {
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 16])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's contract: there are 16 floats at `from`.
        Self(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's contract: there is room for 16 floats at `to`.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        let mut out = self.0;
        for i in 0..16 {
            // Without the instruction, `mul_add` would be a slow library call.
            out[i] = if FMA { out[i].mul_add(a.0[i], b.0[i]) } else { out[i] * a.0[i] + b.0[i] };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn where_positive(self, value: Self) -> Self {
        self.zip(value, |lane, value| if lane > 0.0 { value } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn add_where_equal(
        self,
        other: Self,
        value: Self,
        to: Self,
        left: Self,
    ) -> (Self, Self) {
        let (mut to, mut left) = (to.0, left.0);
        for i in 0..16 {
            let hit = self.0[i] == other.0[i] && left[i] != 0.0;
            to[i] += if hit { value.0[i] } else { 0.0 };
            left[i] = if hit { 0.0 } else { left[i] };
        }
        (Self(to), Self(left))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut lanes = self.0;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn turned(rows: [Self; 16]) -> [Self; 16] {
        std::array::from_fn(|lane| Self(rows.map(|row| row.0[lane])))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![expect(
        clippy::undocumented_unsafe_blocks,
        reason = "each block is one intrinsic, under the trait's contract"
    )]

    use std::arch::x86_64::*;

    use super::Lanes;

    /// One AVX-512 register.
    #[derive(Clone, Copy)]
    pub(in crate::kernels) struct Avx512(__m512);

    impl Lanes for Avx512 {
        const WIDE: bool = true;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            Self(unsafe { _mm512_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn where_positive(self, value: Self) -> Self {
            unsafe {
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
                Self(_mm512_maskz_mov_ps(mask, value.0))
            }
        }
        #[inline(always)]
        unsafe fn add_where_equal(
            self,
            other: Self,
            value: Self,
            to: Self,
            left: Self,
        ) -> (Self, Self) {
            unsafe {
                let open = _mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(left.0, _mm512_setzero_ps());
                let hit = _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>(open, self.0, other.0);
                let to = _mm512_mask_add_ps(to.0, hit, to.0, value.0);
                (Self(to), Self(_mm512_maskz_mov_ps(!hit, left.0)))
            }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self.0) }
        }
        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
        }
        #[inline(always)]
        unsafe fn turned(rows: [Self; 16]) -> [Self; 16] {
            let mut a = rows.map(|row| row.0);
            // Transpose pairs, then groups of four within each quarter of a register, then the quarters.
            unsafe {
                let mut b = a;
                for i in 0..8 {
                    b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                    b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
                }
                for i in 0..4 {
                    for half in 0..2 {
                        let low = _mm512_castps_pd(b[4 * i + half]);
                        let high = _mm512_castps_pd(b[4 * i + 2 + half]);
                        a[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                        a[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
                    }
                }
                for i in 0..4 {
                    b[i] = _mm512_shuffle_f32x4::<0x88>(a[i], a[4 + i]);
                    b[4 + i] = _mm512_shuffle_f32x4::<0xdd>(a[i], a[4 + i]);
                    b[8 + i] = _mm512_shuffle_f32x4::<0x88>(a[8 + i], a[12 + i]);
                    b[12 + i] = _mm512_shuffle_f32x4::<0xdd>(a[8 + i], a[12 + i]);
                }
                for i in 0..4 {
                    a[i] = _mm512_shuffle_f32x4::<0x88>(b[i], b[8 + i]);
                    a[8 + i] = _mm512_shuffle_f32x4::<0xdd>(b[i], b[8 + i]);
                    a[4 + i] = _mm512_shuffle_f32x4::<0x88>(b[4 + i], b[12 + i]);
                    a[12 + i] = _mm512_shuffle_f32x4::<0xdd>(b[4 + i], b[12 + i]);
                }
            }
            a.map(Self)
        }
    }
}

/// Defines a kernel that is compiled for several instruction sets: `fn name<V>(arguments) { body }` becomes
/// `unsafe fn name(arguments)`, which runs the body with the widest lanes that the processor supports.
macro_rules! dispatch {
    ($(#[$doc:meta])* fn $name:ident<$lanes:ident>($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe fn $name($($arg: $type),*) {
            #[inline(always)]
            unsafe fn body<$lanes: $crate::kernels::lanes::Lanes>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::lanes::{Avx512, Portable};

                #[target_feature(enable = "avx512f")]
                unsafe fn avx512($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX-512F.
                    unsafe { body::<Avx512>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $type),*) {
                    // SAFETY: the caller's contract; the processor has AVX2 and FMA.
                    unsafe { body::<Portable<true>>($($arg),*) }
                }
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: just checked; the rest is the caller's contract.
                    return unsafe { avx512($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("fma")
                {
                    // SAFETY: just checked; the rest is the caller's contract.
                    return unsafe { avx2($($arg),*) };
                }
            }
            const FMA: bool = cfg!(target_arch = "aarch64");
            // SAFETY: portable lanes run on any processor; the rest is the caller's contract.
            unsafe { body::<$crate::kernels::lanes::Portable<FMA>>($($arg),*) }
        }
    };
}
pub(super) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests on one processor are valid for others, because all kinds of lanes agree.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn portable_and_wide_lanes_give_equal_results() {
        fn run<V: Lanes>() -> Vec<f32> {
            let a: Vec<f32> = (0..16).map(|i| (i as f32 - 7.5) * 0.25).collect();
            let b: Vec<f32> = (0..16).map(|i| ((i * 7) % 5) as f32 - 2.0).collect();
            let mut out = Vec::new();
            let mut keep = |value: V| {
                let mut lanes = [0.0; 16];
                // SAFETY: room for 16 floats; the test checked the processor.
                unsafe { value.store(lanes.as_mut_ptr()) };
                out.extend(lanes);
            };
            // SAFETY: both have 16 floats; the test checked the processor.
            unsafe {
                let (a, b) = (V::load(a.as_ptr()), V::load(b.as_ptr()));
                keep(a.add(b));
                keep(a.mul(b));
                keep(a.max(b));
                keep(a.min(b));
                keep(a.where_positive(b));
                let (to, left) = b.add_where_equal(V::splat(1.0), a, b, V::splat(1.0));
                keep(to);
                keep(left);
                keep(V::splat(a.sum()));
                keep(a.mul_add(b, V::splat(0.5)));
                let rows = std::array::from_fn(|row| a.mul(V::splat(row as f32)));
                V::turned(rows).into_iter().for_each(keep);
            }
            out
        }
        let portable = run::<Portable<false>>();
        assert_eq!(
            run::<Portable<true>>(),
            portable,
            "these numbers are exact with and without FMA"
        );
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            assert_eq!(run::<Avx512>(), portable);
        } else {
            eprintln!("skipped: this processor has no AVX-512");
        }
    }
}
