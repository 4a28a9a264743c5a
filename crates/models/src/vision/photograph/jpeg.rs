//! JPEG files (ITU-T T.81): their structure is checked first, because decoders fill up what is missing.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{exif, pixels::Photograph};

/// What the markers of a whole file say.
#[derive(Debug, PartialEq)]
pub(super) struct Structure {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    components: u8,
    /// Whether the coefficients of the whole image are kept until its last scan.
    buffered: bool,
    /// Whether nothing lies between segments. Some cameras leave bytes there, which decoders skip.
    tidy: bool,
    /// The orientation that its EXIF data ask for, 2 to 8.
    pub(super) orientation: Option<u16>,
}

impl Structure {
    /// Reads the markers of a file from the first to that of its end.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        let truncated = || "it is truncated: its end is missing".to_owned();
        let (mut tidy, mut orientation) = (true, None);
        let (mut frame, mut scans) = (None, None);
        // Behind the marker of the start of the image.
        let mut at = 2;
        loop {
            let skipped =
                bytes[at..].iter().position(|byte| *byte == 0xff).ok_or_else(truncated)?;
            tidy &= skipped == 0;
            at += skipped;
            // Any number of 0xff may come before a marker.
            let fill = bytes[at..].iter().position(|byte| *byte != 0xff).ok_or_else(truncated)?;
            let marker = bytes[at + fill];
            at += fill + 1;
            match marker {
                0x00 => tidy = false,
                // Markers without a segment: restarts, and the start of an image.
                0x01 | 0xd0..=0xd8 => {}
                0xd9 => break,
                _ => {
                    let length = bytes.get(at..at + 2).ok_or_else(truncated)?;
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                    let segment = bytes.get(at + 2..at + length.max(2)).ok_or_else(truncated)?;
                    at += length.max(2);
                    match marker {
                        0xe1 => {
                            let tiff = segment.strip_prefix(b"Exif\0\0");
                            orientation = orientation.or_else(|| exif::orientation(tiff?));
                        }
                        0xc4 | 0xc8 | 0xcc => {}
                        0xc0..=0xcf => frame = frame.or(Some((marker, segment))),
                        0xda => {
                            scans = scans.or(segment.first().copied());
                            at += entropy_coded(&bytes[at..]).ok_or_else(truncated)?;
                        }
                        _ => {}
                    }
                }
            }
        }
        let (Some((marker, &[_, h1, h0, w1, w0, components, ..])), Some(scanned)) = (frame, scans)
        else {
            return Err("it has no image data".to_owned());
        };
        let size = [[w1, w0], [h1, h0]].map(|bytes| u32::from(u16::from_be_bytes(bytes)));
        let progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
        let buffered = progressive || scanned < components;
        Ok(Self { size, components, buffered, tidy, orientation })
    }

    /// Memory that decoding a pixel needs at most, in bytes: the result, and coefficients of 16 bits.
    pub(super) fn bytes_per_pixel(&self) -> u64 {
        let components = u64::from(self.components);
        let result = if components == 1 { 1 } else { 3 };
        result + if self.buffered { 2 * components } else { 0 }
    }
}

/// The number of bytes up to the next marker that ends the data; `None` if no such marker follows.
fn entropy_coded(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == 0xff)?;
        match bytes.get(at + 1)? {
            // A byte 0xff of the data, and restarts.
            0x00 | 0xd0..=0xd7 => at += 2,
            _ => return Some(at),
        }
    }
}

/// Decodes a file. CMYK becomes RGB by Adobe's convention (inverted), with Adobe's marker or without, as in
/// Pillow.
pub(super) fn decode(bytes: &[u8], structure: &Structure) -> Result<Photograph, String> {
    let fail = |error: zune_jpeg::errors::DecodeErrors| error.to_string();
    let options = DecoderOptions::default()
        // Data that end too early are an error then, but bytes between segments, too.
        .set_strict_mode(structure.tidy)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(fail)?;
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (colors, channels) = if gray { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    decoder.set_options(options.jpeg_set_out_colorspace(colors));
    let size = decoder.dimensions().ok_or("the file has no header")?;
    if [size.0, size.1] != structure.size.map(|side| side as usize) {
        return Err("it has several headers that differ".to_owned());
    }
    let pixels = decoder.decode().map_err(fail)?;
    Photograph::new(structure.size, channels, pixels)
        .ok_or_else(|| "it has no pixels, or too few".to_owned())
}
