use std::fmt::Write;

use qrcode::{Color, QrCode};

/// Modules of quiet around the code (ISO/IEC 18004 §9.1).
const QUIET: usize = 4;

/// A QR code as the `d` of one SVG path, and how many units it is wide and high.
pub(in crate::http) fn qr_path(text: &str) -> (String, usize) {
    // A few dozen characters fit into every version from the third on.
    let Ok(code) = QrCode::new(text.as_bytes()) else { return (String::new(), 2 * QUIET) };
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    (path, width + 2 * QUIET)
}
