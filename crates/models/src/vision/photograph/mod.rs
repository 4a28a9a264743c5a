//! Decoding JPEG and PNG files to bytes of color, as Pillow's `Image.open(file).convert("RGB")` does, with
//! two differences: 16-bit gray is scaled instead of clipped to white, and a truncated file is an error
//! that names it.

mod exif;
mod jpeg;
mod portable;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::files::{open_regular, read_at_most};

/// Bytes of a file at most.
const FILE: u64 = 64 << 20;
/// Memory that decoding one image may use, in bytes: about 100 million pixels.
const MEMORY: u64 = 384 << 20;
/// Memory from which on only one image is decoded at a time, in bytes.
const LARGE: u64 = 64 << 20;

/// The turn of the only large image that is decoded at the moment.
static TURN: Mutex<()> = Mutex::new(());

/// An image of 8 bits per color.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Photograph {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// 1 (gray), 2 (gray and opacity), 3 (red, green, blue) or 4 (and opacity).
    channels: usize,
    /// `[height][width][channels]`
    values: Vec<u8>,
}

impl Photograph {
    /// An image of bytes `[height][width][channels]`; `None` if their number is another, or 0.
    pub(super) fn new(size: [u32; 2], channels: usize, values: Vec<u8>) -> Option<Self> {
        let [width, height] = size.map(u64::from);
        let bytes = width.checked_mul(height)?.checked_mul(channels as u64)?;
        let whole = bytes > 0 && bytes == values.len() as u64 && (1..=4).contains(&channels);
        whole.then_some(Self { size, channels, values })
    }

    /// The color of the pixel at column x and row y. Opacity is ignored, as in Pillow.
    pub(super) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let index = (y as usize * self.size[0] as usize + x as usize) * self.channels;
        if self.channels < 3 {
            return [self.values[index]; 3];
        }
        [self.values[index], self.values[index + 1], self.values[index + 2]]
    }

    /// The image in gray: ITU-R BT.601 luma with Pillow's rounding (`convert("L")`).
    pub(super) fn gray(self) -> Self {
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

/// A file of an image, before it is decoded.
pub(super) struct Encoded {
    bytes: Vec<u8>,
    format: Format,
}

enum Format {
    Jpeg(jpeg::Structure),
    Png(portable::Header),
}

impl Encoded {
    /// Reads a file, whose first bytes tell the format.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let read = open_regular(path).and_then(|file| read_at_most(file, FILE));
        Self::new(read.map_err(|error| error.to_string())?)
    }

    fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let format = if bytes.starts_with(b"\xff\xd8\xff") {
            Format::Jpeg(jpeg::Structure::of(&bytes)?)
        } else if bytes.starts_with(portable::SIGNATURE) {
            Format::Png(portable::Header::of(&bytes)?)
        } else {
            return Err("unknown image format".to_owned());
        };
        let encoded = Self { bytes, format };
        let ([width, height], memory) = (encoded.size(), encoded.memory());
        if memory > MEMORY {
            return Err(format!(
                "its {width}×{height} pixels need more than {} MiB of memory; make it smaller",
                MEMORY >> 20
            ));
        }
        Ok(encoded)
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> [u32; 2] {
        match &self.format {
            Format::Jpeg(structure) => structure.size,
            Format::Png(header) => header.size,
        }
    }

    /// Memory that decoding needs at most, in bytes.
    fn memory(&self) -> u64 {
        let [width, height] = self.size().map(u64::from);
        let each = match &self.format {
            Format::Jpeg(structure) => structure.bytes_per_pixel(),
            Format::Png(header) => header.bytes_per_pixel(),
        };
        width.saturating_mul(height).saturating_mul(each)
    }

    /// The turn of a large image: so many threads do not decode large images at once that their memory adds
    /// up. Held until the image is no longer needed; `None` for small images, which do not wait.
    pub(super) fn turn(&self) -> Option<MutexGuard<'static, ()>> {
        (self.memory() > LARGE).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The image, and the orientation that its EXIF data ask for, 2 to 8, if they do.
    pub(super) fn decode(self) -> Result<(Photograph, Option<u16>), String> {
        match self.format {
            Format::Jpeg(structure) => {
                let orientation = structure.orientation;
                jpeg::decode(&self.bytes, &structure).map(|image| (image, orientation))
            }
            Format::Png(_) => portable::decode(&self.bytes),
        }
    }
}
