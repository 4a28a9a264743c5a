//! PNG files.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};

use super::{
    exif,
    pixels::{MEMORY, Photograph},
};

/// The first bytes of every PNG file.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What the first chunk says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    bits: u8,
}

impl Header {
    /// Reads the chunk IHDR, which is always the first.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        // Signature, length and name come before width, height and depth.
        let Some((&[w3, w2, w1, w0, h3, h2, h1, h0, bits], b"IHDR")) =
            bytes.get(16..25).and_then(|fields| fields.as_array::<9>()).zip(bytes.get(12..16))
        else {
            return Err("it is truncated within its header".to_owned());
        };
        Ok(Self { size: [[w3, w2, w1, w0], [h3, h2, h1, h0]].map(u32::from_be_bytes), bits })
    }

    /// Memory that decoding a pixel needs at most, in bytes: four colors.
    pub(super) fn bytes_per_pixel(&self) -> u64 {
        if self.bits > 8 { 8 } else { 4 }
    }
}

/// Decodes a file. Also returns the orientation that its EXIF data ask for, 2 to 8.
pub(super) fn decode(bytes: &[u8]) -> Result<(Photograph, Option<u16>), String> {
    let fail = |error: png::DecodingError| error.to_string();
    let limits = png::Limits { bytes: MEMORY as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes and fewer than 8 bits become 8 bits; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fail)?;
    let size = reader.output_buffer_size().filter(|size| *size as u64 <= MEMORY);
    let mut pixels = vec![0; size.ok_or("it has too many pixels")?];
    let frame = reader.next_frame(&mut pixels).map_err(fail)?;
    let orientation = reader.info().exif_metadata.as_ref().and_then(|tiff| exif::orientation(tiff));
    pixels.truncate(frame.buffer_size());
    if frame.bit_depth == BitDepth::Sixteen {
        let deep = pixels.as_chunks::<2>().0.iter();
        pixels = if frame.color_type == ColorType::Grayscale {
            // Scaled to the nearest of 255 levels. Pillow clips such an image to white.
            deep.map(|sample| ((u32::from(u16::from_be_bytes(*sample)) + 128) / 257) as u8)
                .collect()
        } else {
            // The upper byte, as in Pillow.
            deep.map(|[high, _]| *high).collect()
        };
    }
    let channels = frame.color_type.samples();
    let image = Photograph::new([frame.width, frame.height], channels, pixels);
    Ok((image.ok_or("it has no pixels, or too few")?, orientation))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Encoded, *};

    /// A PNG file of 2 × 1 pixels.
    fn file(color: ColorType, depth: BitDepth, palette: &[u8], pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette);
        }
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    /// Red, green and blue of each pixel.
    fn colors(file: &[u8]) -> Vec<u8> {
        let (image, orientation) = decode(file).unwrap();
        assert_eq!(orientation, None);
        [image.pixel(0, 0), image.pixel(1, 0)].concat()
    }

    #[test]
    fn every_kind_of_png_becomes_red_green_and_blue() {
        let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
        let rgb = |color, depth, pixels: &[u8]| colors(&file(color, depth, &[], pixels));
        assert_eq!(rgb(ColorType::Grayscale, eight, &[7, 200]), [7, 7, 7, 200, 200, 200]);
        // Two pixels of one bit: white, black.
        let bits = rgb(ColorType::Grayscale, BitDepth::One, &[0b1000_0000]);
        assert_eq!(bits, [255, 255, 255, 0, 0, 0]);
        let alpha = rgb(ColorType::GrayscaleAlpha, eight, &[7, 0, 200, 255]);
        assert_eq!(alpha, [7, 7, 7, 200, 200, 200]);
        assert_eq!(rgb(ColorType::Rgb, eight, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
        let alpha = rgb(ColorType::Rgba, eight, &[1, 2, 3, 0, 4, 5, 6, 255]);
        assert_eq!(alpha, [1, 2, 3, 4, 5, 6]);
        // 16 bits are rounded to the nearest of 255 levels: 0x0180 = 384 is 1.49 of 257.
        let deep = rgb(ColorType::Grayscale, sixteen, &[0x01, 0x80, 0xff, 0xff]);
        assert_eq!(deep, [1, 1, 1, 255, 255, 255]);
        let palette = file(ColorType::Indexed, eight, &[10, 20, 30, 40, 50, 60], &[1, 0]);
        assert_eq!(colors(&palette), [40, 50, 60, 10, 20, 30]);
        // 16 bits of several colors: the upper byte.
        let deep = rgb(ColorType::Rgb, sixteen, &[1, 255, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]);
        assert_eq!(deep, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_damaged_or_huge_png_is_refused() {
        let whole = file(ColorType::Rgb, BitDepth::Eight, &[], &[1, 2, 3, 4, 5, 6]);
        assert!(decode(&whole[..whole.len() - 20]).is_err());
        let mut huge = whole;
        // The width and the height of the header, and its checksum.
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let sum = crc32fast::hash(&huge[12..29]);
        huge[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = Encoded::new(huge).err().unwrap();
        assert!(error.contains("65536×65536 pixels need more than 384 MiB"), "{error}");
    }

    #[test]
    fn the_orientation_of_a_png_is_noticed() {
        let mut bytes = file(ColorType::Grayscale, BitDepth::Eight, &[], &[1, 2]);
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
        let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
        let named = [b"eXIf", &exif[..]].concat();
        chunk.extend(&named);
        chunk.extend(crc32fast::hash(&named).to_be_bytes());
        // After the header of 33 bytes.
        bytes.splice(33..33, chunk);
        assert_eq!(decode(&bytes).unwrap().1, Some(3));
    }

    proptest! {
        #[test]
        fn mutated_files_cause_no_panic(
            changes in prop::collection::vec((0_usize..200, any::<u8>()), 1..6),
            cut in 0_usize..200,
        ) {
            let mut bytes = file(ColorType::Rgb, BitDepth::Eight, &[], &[1, 2, 3, 4, 5, 6]);
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes.truncate(cut.max(8));
            if let Ok(encoded) = Encoded::new(bytes) {
                drop(encoded.decode());
            }
        }
    }
}
