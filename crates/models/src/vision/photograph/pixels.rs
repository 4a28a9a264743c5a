//! A decoded image.

/// Memory that decoding one image may use, in bytes: about 100 million pixels.
pub(super) const MEMORY: u64 = 384 << 20;

/// An image of 8 bits per color.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Photograph {
    /// Width and height in pixels.
    pub(in super::super) size: [u32; 2],
    /// 1 (gray), 2 (gray and opacity), 3 (red, green, blue) or 4 (and opacity).
    channels: usize,
    /// `[height][width][channels]`
    values: Vec<u8>,
}

impl Photograph {
    /// An image of bytes `[height][width][channels]`; `None` if their number is another, or 0.
    pub(in super::super) fn new(size: [u32; 2], channels: usize, values: Vec<u8>) -> Option<Self> {
        let [width, height] = size.map(u64::from);
        let bytes = width.checked_mul(height)?.checked_mul(channels as u64)?;
        let whole = bytes > 0 && bytes == values.len() as u64 && (1..=4).contains(&channels);
        whole.then_some(Self { size, channels, values })
    }

    /// The color of the pixel at column x and row y. Opacity is ignored, as in Pillow.
    pub(in super::super) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let index = (y as usize * self.size[0] as usize + x as usize) * self.channels;
        if self.channels < 3 {
            return [self.values[index]; 3];
        }
        [self.values[index], self.values[index + 1], self.values[index + 2]]
    }

    /// The image in gray: ITU-R BT.601 luma with Pillow's rounding (`convert("L")`).
    pub(in super::super) fn gray(self) -> Self {
        if self.channels < 3 {
            return self;
        }
        let luma = |color: &[u8]| {
            let [red, green, blue] = [color[0], color[1], color[2]].map(u32::from);
            ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
        };
        let values = self.values.chunks_exact(self.channels).map(luma).collect();
        Self { channels: 1, values, ..self }
    }
}
