//! The outermost layer: a ZIP file of a fixed shape, written from front to end and covered by one SHA-256. Members are
//! stored, each with ZIP64 sizes and a data descriptor; the comment at the very end holds the digest of everything
//! before its own 64 digits. Any unzip reads it; this reader takes nothing but that shape, so that there is nothing to
//! interpret: whatever is cut, turned or added shows. Described in `docs/archive.md`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use crate::model::value::format_hex;

/// What the comment of every archive begins with.
const MARK: &str = "techcare-db archive 1, sha256 of all bytes before: ";

/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Bytes of the end: ZIP64 end of central directory (56), its locator (20), end of central directory (22), comment.
const END: usize = 56 + 20 + 22 + MARK.len() + DIGITS;

/// Members that an archive may have, and bytes of the name of one.
const MOST_MEMBERS: u64 = 1_000_000;
const LONGEST_NAME: usize = 64;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const END_32: u32 = 0x0605_4b50;

/// 4.5, the version that has ZIP64.
const VERSION: u16 = 45;
/// Sizes follow the data; the name is UTF-8.
const FLAGS: u16 = 0x0808;
/// 1980-01-01, the first day of ZIP: times stand in the manifest.
const DAY: u16 = 0x0021;
/// A regular file that its owner may read and write.
const ATTRIBUTES: u32 = 0o100_600 << 16;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Where its bytes begin.
    pub start: u64,
    /// Its bytes.
    pub bytes: u64,
    crc: u32,
}

impl Member {
    /// Where its header begins.
    fn header(&self) -> u64 {
        self.start - (30 + self.name.len() as u64 + 20)
    }

    /// Where its descriptor ends.
    fn end(&self) -> u64 {
        self.start + self.bytes + 24
    }

    /// Whether its content is what was written, by the checksum of ZIP.
    pub fn holds(&self, content: &[u8]) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        crc.sum() == self.crc && content.len() as u64 == self.bytes
    }

    fn local_header(&self) -> Vec<u8> {
        let mut out = Fields::of(LOCAL);
        out.u16(VERSION).u16(FLAGS).u16(0).u16(0).u16(DAY).u32(0).u32(u32::MAX).u32(u32::MAX);
        out.u16(length(&self.name)).u16(20).bytes(self.name.as_bytes());
        out.u16(1).u16(16).u64(0).u64(0);
        out.0
    }

    fn descriptor(&self) -> Vec<u8> {
        let mut out = Fields::of(DESCRIPTOR);
        out.u32(self.crc).u64(self.bytes).u64(self.bytes);
        out.0
    }

    fn central_header(&self) -> Vec<u8> {
        let mut out = Fields::of(CENTRAL);
        // Made on Unix, so that the attributes are its.
        out.u16(VERSION | 3 << 8).u16(VERSION).u16(FLAGS).u16(0).u16(0).u16(DAY);
        out.u32(self.crc).u32(u32::MAX).u32(u32::MAX).u16(length(&self.name)).u16(28);
        out.u16(0).u16(0).u16(0).u32(ATTRIBUTES).u32(u32::MAX).bytes(self.name.as_bytes());
        out.u16(1).u16(24).u64(self.bytes).u64(self.bytes).u64(self.header());
        out.0
    }
}

/// The end of an archive, but for the 64 digits.
fn end(members: u64, directory: u64, bytes: u64) -> Vec<u8> {
    let mut out = Fields::of(END_64);
    out.u64(44).u16(VERSION | 3 << 8).u16(VERSION).u32(0).u32(0);
    out.u64(members).u64(members).u64(bytes).u64(directory);
    // Of a damaged end the numbers may be any.
    out.u32(LOCATOR_64).u32(0).u64(directory.wrapping_add(bytes)).u32(1);
    out.u32(END_32).u16(0).u16(0).u16(u16::MAX).u16(u16::MAX).u32(u32::MAX).u32(u32::MAX);
    out.u16(u16::try_from(MARK.len() + DIGITS).unwrap_or(0)).bytes(MARK.as_bytes());
    out.0
}

/// Names are ours and short.
fn length(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(0)
}

/// Little-endian fields.
struct Fields(Vec<u8>);

impl Fields {
    fn of(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Writes an archive, one member after the other, and never goes back.
pub struct Writer<W> {
    to: W,
    written: u64,
    whole: Sha256,
    members: Vec<Member>,
    current: Option<(flate2::Crc, Sha256)>,
}

impl<W: Write> Writer<W> {
    /// Nothing yet.
    pub fn new(to: W) -> Self {
        Self { to, written: 0, whole: Sha256::new(), members: Vec::new(), current: None }
    }

    /// Begins a member; what is written from now on is its content.
    pub fn begin(&mut self, name: &str) -> io::Result<()> {
        let start = self.written + 30 + name.len() as u64 + 20;
        let member = Member { name: name.to_owned(), start, bytes: 0, crc: 0 };
        self.put(&member.local_header())?;
        self.members.push(member);
        self.current = Some((flate2::Crc::new(), Sha256::new()));
        Ok(())
    }

    /// Ends a member; answers its length and the SHA-256 of its content, in hexadecimal.
    pub fn end(&mut self) -> io::Result<(u64, String)> {
        let (Some((crc, hash)), Some(mut member)) = (self.current.take(), self.members.pop()) else {
            return Err(io::Error::other("no member was begun"));
        };
        member.bytes = self.written - member.start;
        member.crc = crc.sum();
        self.put(&member.descriptor())?;
        let bytes = member.bytes;
        self.members.push(member);
        Ok((bytes, format_hex(&hash.finalize())))
    }

    /// Ends the archive; answers the writer and the SHA-256 that the archive ends with.
    pub fn finish(mut self) -> io::Result<(W, String)> {
        let directory = self.written;
        for member in std::mem::take(&mut self.members) {
            self.put(&member.central_header())?;
            self.members.push(member);
        }
        let bytes = self.written - directory;
        self.put(&end(self.members.len() as u64, directory, bytes))?;
        let digest = format_hex(&self.whole.finalize());
        self.to.write_all(digest.as_bytes())?;
        self.to.flush()?;
        Ok((self.to, digest))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.whole.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Content of the member that was begun.
impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes)?;
        if let Some((crc, hash)) = &mut self.current {
            crc.update(bytes);
            hash.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Why a file is no whole archive, as a clause.
pub type Damage = String;

/// Whether a file is an archive, by its first bytes: the header of the member that comes first. `false` as well for a
/// file that is shorter than that.
pub fn begins(file: &File, first: &str) -> io::Result<bool> {
    let expected = Member { name: first.to_owned(), start: 0, bytes: 0, crc: 0 }.local_header();
    let mut head = vec![0; expected.len()];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(head == expected),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// The members of an archive in their order, found through its end; every byte outside of their content is looked at.
pub fn members(file: &File) -> io::Result<Result<Vec<Member>, Damage>> {
    let length = file.metadata()?.len();
    let Some(at) = length.checked_sub(END as u64) else { return Ok(Err("it is too short".into())) };
    let mut tail = vec![0; END];
    file.read_exact_at(&mut tail, at)?;
    let whole = &tail[..END - DIGITS];
    let (members, bytes, directory) = (u64_at(whole, 24), u64_at(whole, 40), u64_at(whole, 48));
    if end(members, directory, bytes) != whole {
        return Ok(Err("its end is missing: it was cut off, or something was added".into()));
    }
    let sized = directory.checked_add(bytes) == Some(at) && members <= MOST_MEMBERS && members <= bytes / 74;
    if !sized || bytes > MOST_MEMBERS * (74 + LONGEST_NAME as u64) {
        return Ok(Err("its directory is not where it should be".into()));
    }
    let mut listed = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_exact_at(&mut listed, directory)?;
    parse(file, &listed, members, directory)
}

/// Reads the directory: one entry behind the other, members without a gap between them.
fn parse(file: &File, listed: &[u8], count: u64, directory: u64) -> io::Result<Result<Vec<Member>, Damage>> {
    let wrong = |nth: u64| Ok(Err(format!("entry {} of its directory is damaged", nth + 1)));
    let mut found: Vec<Member> = Vec::new();
    let (mut rest, mut begins) = (listed, 0_u64);
    for nth in 0..count {
        let Some(name_length) = rest.get(28..30).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))
        else {
            return wrong(nth);
        };
        let size = 46 + name_length + 28;
        if name_length > LONGEST_NAME || rest.len() < size {
            return wrong(nth);
        }
        let (entry, after) = rest.split_at(size);
        let Ok(name) = std::str::from_utf8(&entry[46..46 + name_length]) else { return wrong(nth) };
        let member = Member {
            name: name.to_owned(),
            start: begins + 50 + name_length as u64,
            bytes: u64_at(entry, 46 + name_length + 4),
            crc: u32::from_le_bytes([entry[16], entry[17], entry[18], entry[19]]),
        };
        if member.bytes > directory || member.end() > directory || member.central_header() != entry {
            return wrong(nth);
        }
        for (expected, at) in
            [(member.local_header(), begins), (member.descriptor(), member.start + member.bytes)]
        {
            let mut there = vec![0; expected.len()];
            file.read_exact_at(&mut there, at)?;
            if there != expected {
                return Ok(Err(format!("the header of {name} is damaged")));
            }
        }
        begins = member.end();
        rest = after;
        found.push(member);
    }
    if !rest.is_empty() || begins != directory {
        return Ok(Err("its directory does not list all of it".into()));
    }
    Ok(Ok(found))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes)
}

/// The digest that a file ends with and the one of what stands before it; equal in an archive that is as it was
/// written. Reads everything.
pub fn digests(file: &File) -> io::Result<(String, String)> {
    let length = file.metadata()?.len();
    let before = length.saturating_sub(DIGITS as u64);
    let is = sha256(Stretch::new(file, 0, before))?;
    let mut said = Vec::with_capacity(DIGITS);
    Stretch::new(file, before, length - before).read_to_end(&mut said)?;
    Ok((String::from_utf8_lossy(&said).into_owned(), is))
}

/// SHA-256 of a member's content, in hexadecimal.
pub fn digest(file: &File, member: &Member) -> io::Result<String> {
    sha256(Stretch::of(file, member))
}

fn sha256(mut content: Stretch<'_>) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(format_hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// A stretch of a file, read without moving the place where others read.
pub struct Stretch<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl<'a> Stretch<'a> {
    fn new(file: &'a File, at: u64, left: u64) -> Self {
        Self { file, at, left }
    }

    /// Content of a member.
    pub fn of(file: &'a File, member: &Member) -> Self {
        Self::new(file, member.start, member.bytes)
    }
}

impl Read for Stretch<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        if most == 0 {
            return Ok(0);
        }
        let n = self.file.read_at(&mut to[..most], self.at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(contents: &[(&str, &[u8])]) -> (Vec<u8>, String) {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in contents {
            writer.begin(name).unwrap();
            writer.write_all(content).unwrap();
            writer.end().unwrap();
        }
        writer.finish().unwrap()
    }

    fn on_disk(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn members_come_back_and_the_digest_covers_everything() {
        let long = vec![7; 70_000];
        let (bytes, digest) = write(&[("a.json", b"{}"), ("data/0001", &long), ("empty", b"")]);
        let file = on_disk(&bytes);
        assert!(begins(&file, "a.json").unwrap() && !begins(&file, "b.json").unwrap());
        let found = members(&file).unwrap().unwrap();
        let names: Vec<&str> = found.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["a.json", "data/0001", "empty"]);
        let mut content = Vec::new();
        Stretch::of(&file, &found[1]).read_to_end(&mut content).unwrap();
        assert_eq!(content, long);
        assert_eq!(digests(&file).unwrap(), (digest.clone(), digest));
    }

    #[test]
    fn every_byte_outside_of_the_content_is_looked_at() {
        let (bytes, _) = write(&[("a.json", b"0123456789"), ("b", b"x")]);
        let content = |at: usize| (56..66).contains(&at) || at == 66 + 24 + 51;
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let file = on_disk(&damaged);
            let (said, is) = digests(&file).unwrap();
            assert_ne!(said, is, "byte {at}");
            let in_digits = at >= bytes.len() - DIGITS;
            assert_eq!(members(&file).unwrap().is_ok(), content(at) || in_digits, "byte {at}");
        }
    }

    #[test]
    fn what_is_cut_or_added_to_is_no_archive() {
        let (bytes, _) = write(&[("a.json", b"0123456789")]);
        for length in 0..bytes.len() {
            assert!(members(&on_disk(&bytes[..length])).unwrap().is_err(), "{length}");
        }
        for (front, back) in [(&b"x"[..], &b""[..]), (b"", b"x")] {
            let longer = [front, &bytes, back].concat();
            assert!(members(&on_disk(&longer)).unwrap().is_err());
        }
    }
}
