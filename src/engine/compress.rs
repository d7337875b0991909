//! How files of ours are packed with zstd.

use std::io::{self, Write};

use zstd::stream::write::Encoder;

/// zstd's own default: above it, time grows faster than files shrink.
pub const ZSTD_LEVEL: i32 = 3;

/// Packs into a frame with a checksum, so that a damaged file is found when it is unpacked.
pub fn zstd<W: Write>(to: W) -> io::Result<Encoder<'static, W>> {
    let mut encoder = Encoder::new(to, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}
