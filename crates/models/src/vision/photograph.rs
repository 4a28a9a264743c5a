//! Decoding JPEG and PNG files to bytes of red, green and blue.

use std::{io::Cursor, path::Path};

use png::{BitDepth, Transformations};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Memory that decoding one image may use, in bytes.
const MEMORY: usize = 512 << 20;

/// An image of 8 bits per color.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Photograph {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// `[height][width][3]`
    pub(super) rgb: Vec<u8>,
}

impl Photograph {
    /// An image of bytes `[height][width][3]`; `None` if their number is another, or 0.
    pub(super) fn new(size: [u32; 2], rgb: Vec<u8>) -> Option<Self> {
        let [width, height] = size.map(u64::from);
        let bytes = width.checked_mul(height)?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len() as u64).then_some(Self { size, rgb })
    }

    /// Reads a file, whose first bytes tell the format.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        if bytes.starts_with(b"\xff\xd8\xff") {
            jpeg(&bytes)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            png(&bytes)
        } else {
            Err("unknown image format".to_owned())
        }
    }

    /// The color of the pixel at column x and row y.
    pub(super) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let index = (y as usize * self.size[0] as usize + x as usize) * 3;
        [self.rgb[index], self.rgb[index + 1], self.rgb[index + 2]]
    }
}

fn jpeg(bytes: &[u8]) -> Result<Photograph, String> {
    let fail = |error: zune_jpeg::errors::DecodeErrors| error.to_string();
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(fail)?;
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colors = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(colors));
    let (width, height) = decoder.dimensions().ok_or("the file has no header")?;
    check_memory(decoder.output_buffer_size())?;
    let pixels = decoder.decode().map_err(fail)?;
    let channels = if gray { 1 } else { 3 };
    photograph(width, height, &pixels, channels)
}

fn png(bytes: &[u8]) -> Result<Photograph, String> {
    let fail = |error: png::DecodingError| error.to_string();
    let limits = png::Limits { bytes: MEMORY };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes and fewer than 8 bits become 8 bits; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fail)?;
    let size = reader.output_buffer_size();
    check_memory(size)?;
    let mut pixels = vec![0; size.unwrap_or(0)];
    let frame = reader.next_frame(&mut pixels).map_err(fail)?;
    pixels.truncate(frame.buffer_size());
    if frame.bit_depth == BitDepth::Sixteen {
        let round = |[high, low]: &[u8; 2]| {
            ((u32::from(u16::from_be_bytes([*high, *low])) + 128) / 257) as u8
        };
        pixels = pixels.as_chunks::<2>().0.iter().map(round).collect();
    }
    let channels = frame.color_type.samples();
    photograph(frame.width as usize, frame.height as usize, &pixels, channels)
}

fn check_memory(bytes: Option<usize>) -> Result<(), String> {
    match bytes {
        Some(bytes) if bytes <= MEMORY => Ok(()),
        _ => Err(format!("its pixels need more than {} MiB of memory", MEMORY >> 20)),
    }
}

/// An image of 1 channel (gray), 2 (gray, alpha), 3 (red, green, blue) or 4 (and alpha). Alpha is ignored.
fn photograph(
    width: usize,
    height: usize,
    pixels: &[u8],
    channels: usize,
) -> Result<Photograph, String> {
    let rgb = pixels.chunks_exact(channels).flat_map(|pixel| match *pixel {
        [gray] | [gray, _] => [gray; 3],
        [red, green, blue, ..] => [red, green, blue],
        [] => [0; 3],
    });
    let size = [width, height].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    Photograph::new(size, rgb.collect()).ok_or_else(|| "it has no pixels, or too few".to_owned())
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, ColorType};

    use super::*;

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

    #[test]
    fn every_kind_of_png_becomes_red_green_and_blue() {
        let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
        let rgb = |color, depth, pixels: &[u8]| png(&file(color, depth, &[], pixels)).unwrap().rgb;
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
        assert_eq!(png(&palette).unwrap().rgb, [40, 50, 60, 10, 20, 30]);
    }

    #[test]
    fn a_damaged_or_huge_png_is_refused() {
        let whole = file(ColorType::Rgb, BitDepth::Eight, &[], &[1, 2, 3, 4, 5, 6]);
        assert!(png(&whole[..whole.len() - 20]).is_err());
        let mut huge = whole;
        // The width and the height of the header, and its checksum.
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let sum = crc32fast::hash(&huge[12..29]);
        huge[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = png(&huge).unwrap_err();
        assert!(error.contains("512 MiB"), "{error}");
    }
}
