//! Decoding JPEG and PNG files to bytes of color, as Pillow's `Image.open(file).convert("RGB")` does, with
//! two differences: 16-bit gray is scaled instead of clipped to white, and a truncated file is an error
//! that names it.

mod exif;
mod jpeg;
mod pixels;
mod portable;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use self::pixels::MEMORY;
pub(super) use self::pixels::Photograph;
use units::{open_regular, read_at_most};

/// Bytes of a file at most.
const FILE: u64 = 64 << 20;
/// Memory from which on only one image is decoded at a time, in bytes.
const LARGE: u64 = 64 << 20;

/// The turn of the only large image that is decoded at the moment.
static TURN: Mutex<()> = Mutex::new(());

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

    /// A lock that only one large image can hold, so that threads do not decode several at once and add up their
    /// memory. It is held until the image is no longer needed. `None` for small images, which do not wait.
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
