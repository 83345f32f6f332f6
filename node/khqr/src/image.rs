//! A payload as a QR code: SVG, PNG, and block characters for a terminal. Error correction is level M, or L for what
//! only then fits. A quiet zone of four modules is part of each picture.
//!
//! Must not know: what the payload says.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of the quiet zone on each side, by ISO/IEC 18004.
const QUIET: usize = 4;
/// Pixels of a module in a PNG.
const MODULE_PIXELS: usize = 8;

/// The text is longer than [`crate::PAYLOAD_BYTES_MAX`]: no QR code holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no QR code holds so long a text")
    }
}

impl std::error::Error for TooLong {}

/// A QR code: a square of dark and light modules.
#[derive(Debug, Clone)]
pub struct Qr {
    /// Rows from the top, quiet zone included; `true` is dark.
    rows: Vec<Vec<bool>>,
}

impl Qr {
    /// Encodes `payload` as bytes of UTF-8.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn new(payload: &str) -> Result<Self, TooLong> {
        let encode = |level| QrCode::with_error_correction_level(payload.as_bytes(), level);
        let code = encode(EcLevel::M).or_else(|_| encode(EcLevel::L)).map_err(|_| TooLong)?;
        let width = code.width();
        let side = width.saturating_add(QUIET).saturating_add(QUIET);
        let mut rows = vec![vec![false; side]; QUIET];
        for line in code.to_colors().chunks(width) {
            let quiet = std::iter::repeat_n(false, QUIET);
            rows.push(quiet.clone().chain(line.iter().map(|color| *color == Color::Dark)).chain(quiet).collect());
        }
        rows.resize(side, vec![false; side]);
        Ok(Qr { rows })
    }

    /// Modules on a side, quiet zone included.
    #[must_use]
    pub fn side(&self) -> usize {
        self.rows.len()
    }

    /// An SVG document, one unit for each module.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut path = String::new();
        for (y, row) in self.rows.iter().enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, dark)| **dark) {
                // Writing to a string does not fail.
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        let side = self.side();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\n\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\n<path d=\"{path}\"/>\n</svg>\n"
        )
    }

    /// A PNG file: black on white, eight pixels for each module.
    ///
    /// # Errors
    /// None that a picture of this size has; the encoder's type has room for some.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let pixels = self.side().saturating_mul(MODULE_PIXELS);
        let pixels = u32::try_from(pixels).map_err(|_| png::EncodingError::LimitsExceeded)?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, pixels, pixels);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        let mut data = Vec::new();
        for row in &self.rows {
            let shade = |dark: &bool| std::iter::repeat_n(if *dark { 0 } else { 0xff }, MODULE_PIXELS);
            let line: Vec<u8> = row.iter().flat_map(shade).collect();
            (0..MODULE_PIXELS).for_each(|_| data.extend_from_slice(&line));
        }
        writer.write_image_data(&data)?;
        writer.finish()?;
        Ok(file)
    }

    /// Lines of block characters, two rows of modules in each: dark is ink, so it wants black upon white.
    #[must_use]
    pub fn blocks(&self) -> String {
        let mut text = String::new();
        for pair in self.rows.chunks(2) {
            let (upper, lower) = (pair.first().into_iter().flatten(), pair.get(1).into_iter().flatten());
            text.extend(upper.zip(lower.chain(std::iter::repeat(&false))).map(|halves| match halves {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PAYLOAD_BYTES_MAX;

    #[test]
    fn all_three_show_the_same_modules() {
        let qr = Qr::new("00020101021129180014jonhsmith@nbcq").unwrap();
        let side = qr.side();
        let blocks: Vec<Vec<char>> = qr.blocks().lines().map(|line| line.chars().collect()).collect();
        let decoder = png::Decoder::new(std::io::Cursor::new(qr.png().unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(usize::try_from(info.width).unwrap(), side * MODULE_PIXELS);
        let svg = qr.svg();
        for y in 0..side {
            for x in 0..side {
                let dark = qr.rows[y][x];
                let block = blocks[y / 2][x];
                assert_eq!(dark, block == '█' || block == if y % 2 == 0 { '▀' } else { '▄' });
                let pixel = pixels[(y * MODULE_PIXELS + 3) * side * MODULE_PIXELS + x * MODULE_PIXELS + 5];
                assert_eq!(dark, pixel == 0);
                assert_eq!(dark, svg.contains(&format!("M{x} {y}h1")));
            }
        }
        let quiet = |row: &Vec<bool>| row[..QUIET].iter().chain(&row[side - QUIET..]).any(|dark| *dark);
        assert!(!qr.rows.iter().any(quiet) && !qr.rows[..QUIET].iter().flatten().any(|dark| *dark));
    }

    #[test]
    fn whatever_is_read_at_all_has_a_code() {
        assert!(Qr::new(&"a".repeat(PAYLOAD_BYTES_MAX)).is_ok());
        assert_eq!(Qr::new(&"a".repeat(PAYLOAD_BYTES_MAX + 1)).map(|_| ()), Err(TooLong));
    }
}
