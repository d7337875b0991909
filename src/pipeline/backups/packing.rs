//! Bytes of backups: hashed, packed and unpacked as streams of bounded memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::engine::compress;
use crate::model::manifest::Packing;
use crate::model::value::format_hex;

/// Bytes that are worked on at a time.
const BLOCK: usize = 1 << 20;

/// Largest window that is unpacked, as a power of two: 128 MiB, zstd's own bound without `--long`.
const WINDOW: u32 = 27;

/// Bytes and their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Hashes a file from the disk, not from what this machine still remembers of it.
pub fn sum(file: &File, cancel: &CancellationToken) -> io::Result<Sum> {
    // Advice only: where it is not taken the bytes come from memory.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    pour(file, &mut io::sink(), u64::MAX, cancel)
}

/// What a file holds, not packed. Reading it ends with an error where the run is interrupted.
pub fn content(file: File, packing: Packing, cancel: &CancellationToken) -> io::Result<Box<dyn Read + Send>> {
    let file = Until { from: file, cancel: cancel.clone() };
    if packing == Packing::None {
        return Ok(Box::new(file));
    }
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(WINDOW)?;
    Ok(Box::new(decoder))
}

/// A file that can be read until the run is interrupted.
struct Until {
    from: File,
    cancel: CancellationToken,
}

impl Read for Until {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            // Of a kind after which nobody tries again.
            return Err(io::Error::other("interrupted"));
        }
        self.from.read(to)
    }
}

/// Hashes what is packed in a file, at most that many bytes of it.
pub fn unpacked_sum(packed: &File, most: u64, cancel: &CancellationToken) -> io::Result<Sum> {
    unpack(packed, &mut io::sink(), most, cancel)
}

/// Packs.
pub fn pack(plain: &File, packed: &File, cancel: &CancellationToken) -> io::Result<Sum> {
    let mut encoder = compress::zstd(packed)?;
    let sum = pour(plain, &mut encoder, u64::MAX, cancel)?;
    encoder.finish()?;
    Ok(sum)
}

/// Unpacks; more than `most` bytes are an error.
pub fn unpack(packed: &File, to: &mut impl Write, most: u64, cancel: &CancellationToken) -> io::Result<Sum> {
    let mut decoder = zstd::Decoder::new(BufReader::new(packed))?;
    decoder.window_log_max(WINDOW)?;
    pour(decoder, to, most, cancel)
}

fn pour(mut from: impl Read, to: &mut impl Write, most: u64, cancel: &CancellationToken) -> io::Result<Sum> {
    let (mut block, mut hash, mut bytes) = (vec![0; BLOCK], Sha256::new(), 0_u64);
    loop {
        if cancel.is_cancelled() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        let read = match from.read(&mut block) {
            Ok(0) => return Ok(Sum { bytes, sha256: format_hex(&hash.finalize()) }),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        bytes += read as u64;
        if bytes > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds more than the manifest says"));
        }
        hash.update(&block[..read]);
        to.write_all(&block[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_no_more() {
        let cancel = CancellationToken::new();
        let (mut plain, mut packed) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        plain.write_all(&b"techcare ".repeat(500_000)).unwrap();
        plain.rewind().unwrap();
        let written = pack(&plain, &packed, &cancel).unwrap();
        assert_eq!(written.bytes, 4_500_000);
        packed.rewind().unwrap();
        assert_eq!(unpacked_sum(&packed, written.bytes, &cancel).unwrap(), written);
        packed.rewind().unwrap();
        assert!(unpacked_sum(&packed, written.bytes - 1, &cancel).is_err());
        cancel.cancel();
        plain.rewind().unwrap();
        assert!(sum(&plain, &cancel).is_err());
    }
}
