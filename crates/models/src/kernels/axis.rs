//! One axis of a convolution or a pool: which input each window reads.

use std::ops::Range;

use candle_core::{Result, bail};
use units::limits;

/// The windows along one axis of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Pixels of the input.
    pub(crate) size: usize,
    /// Pixels that a window reads.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Pixels added at each side.
    pub(crate) padding: usize,
    /// Distance of the pixels that a window reads.
    pub(crate) dilation: usize,
    /// Number of windows.
    pub(crate) out: usize,
}

impl Axis {
    /// # Errors
    ///
    /// If the kernel, the stride or the dilation is 0, or a window is larger than the padded input.
    pub(crate) fn new(
        size: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
    ) -> Result<Self> {
        if kernel == 0 || stride == 0 || dilation == 0 {
            bail!("kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1");
        }
        for value in [size, kernel, stride, padding, dilation] {
            if let Err(error) = limits::IMAGE_SIDE.check(value.max(1)) {
                bail!("{error}");
            }
        }
        let (padded, window) = (size + 2 * padding, (kernel - 1) * dilation + 1);
        if padded < window {
            bail!(
                "a window of {window} pixels is larger than an image of {size} pixels with padding \
                 {padding}"
            );
        }
        Ok(Self { size, kernel, stride, padding, dilation, out: (padded - window) / stride + 1 })
    }

    /// The input pixel that a window reads at a place of the kernel, unless it is padding.
    pub(crate) fn source(&self, window: usize, place: usize) -> Option<usize> {
        (window * self.stride + place * self.dilation)
            .checked_sub(self.padding)
            .filter(|at| *at < self.size)
    }

    /// The windows that read input, not padding, at a place of the kernel, and the pixel that the first of
    /// them reads.
    pub(crate) fn inside(&self, place: usize) -> (Range<usize>, usize) {
        let offset = place * self.dilation;
        let first = self.padding.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.size + self.padding).saturating_sub(offset).div_ceil(self.stride);
        let end = end.min(self.out);
        let first = first.min(end);
        (first..end, (first * self.stride + offset).saturating_sub(self.padding))
    }

    /// The places of the kernel at which a window reads input, not padding, and the pixel at the first of them;
    /// for windows without dilation.
    pub(crate) fn places(&self, window: usize) -> (Range<usize>, usize) {
        let start = window * self.stride;
        let first = self.padding.saturating_sub(start).min(self.kernel);
        let end = (self.size + self.padding).saturating_sub(start).min(self.kernel).max(first);
        (first..end, (start + first).saturating_sub(self.padding))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_contain_exactly_the_windows_that_read_input(
            size in 1..9_usize, kernel in 1..6_usize, stride in 1..4_usize, padding in 0..7_usize,
            dilation in 1..4_usize,
        ) {
            let Ok(axis) = Axis::new(size, kernel, stride, padding, dilation) else {
                return Ok(());
            };
            for place in 0..kernel {
                let (windows, start) = axis.inside(place);
                for window in 0..axis.out {
                    let source = axis.source(window, place);
                    prop_assert_eq!(source.is_some(), windows.contains(&window));
                    if let Some(at) = source {
                        prop_assert_eq!(at, start + (window - windows.start) * stride);
                    }
                }
            }
            if dilation == 1 {
                for window in 0..axis.out {
                    let (places, start) = axis.places(window);
                    for place in 0..kernel {
                        let source = axis.source(window, place);
                        prop_assert_eq!(source.is_some(), places.contains(&place));
                        if let Some(at) = source {
                            prop_assert_eq!(at, start + place - places.start);
                        }
                    }
                }
            }
        }
    }
}
