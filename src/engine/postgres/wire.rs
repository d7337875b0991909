//! Bytes of `COPY … (FORMAT binary)`: the framing of rows, and the values whose binary form is not plain big-endian
//! (numeric, bit, interval, the two epochs). Which column uses which form is for `read` and `write` to say.

use std::fmt::Write as _;

use crate::model::value;

/// First bytes of a binary COPY: signature, flags, length of the header's extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Last bytes of a binary COPY.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Length that stands for NULL.
const NULL: i32 = -1;

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xc000;
const NUMERIC_INFINITY: u16 = 0xd000;
const NUMERIC_MINUS_INFINITY: u16 = 0xf000;

/// Why bytes or text are no value of their type.
pub(super) type Reason = &'static str;

/// Cuts what COPY sends into rows. PostgreSQL sends a row at a time, but the protocol does not promise it: rows
/// that arrive in pieces are put together first.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pending: Vec<u8>,
    started: bool,
    ended: bool,
}

impl Rows {
    /// Hands every whole row of `chunk` (and of what was left before it) to `row`.
    pub(super) fn feed<E: From<Reason>>(
        &mut self,
        chunk: &[u8],
        mut row: impl FnMut(Fields<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.pending.is_empty() {
            let used = self.cut(chunk, &mut row)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut joined = std::mem::take(&mut self.pending);
            joined.extend_from_slice(chunk);
            let used = self.cut(&joined, &mut row)?;
            joined.drain(..used);
            self.pending = joined;
        }
        Ok(())
    }

    /// Whether the trailer has been seen: without it the rows may not be all.
    pub(super) fn is_complete(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    fn cut<E: From<Reason>>(
        &mut self,
        bytes: &[u8],
        row: &mut impl FnMut(Fields<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut at = 0;
        if !self.started {
            if bytes.len() < HEADER.len() {
                return Ok(0);
            }
            if bytes[..11] != HEADER[..11] || bytes[11..HEADER.len()].iter().any(|b| *b != 0) {
                return Err("what came is no binary COPY".into());
            }
            self.started = true;
            at = HEADER.len();
        }
        while !self.ended {
            let Some(count) = bytes.get(at..).and_then(read_i16) else { break };
            if count < 0 {
                self.ended = true;
                at += 2;
                break;
            }
            let body = at + 2;
            let Some(end) = end_of_row(bytes, body, count) else { break };
            row(Fields { rest: &bytes[body..end] })?;
            at = end;
        }
        Ok(at)
    }
}

fn end_of_row(bytes: &[u8], mut at: usize, count: i16) -> Option<usize> {
    for _ in 0..count {
        let length = read_i32(bytes.get(at..)?)?;
        at += 4 + usize::try_from(length).unwrap_or(0);
    }
    (at <= bytes.len()).then_some(at)
}

/// Values of one row, in column order; `None` is NULL.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = read_i32(self.rest)?;
        self.rest = &self.rest[4..];
        let Ok(length) = usize::try_from(length) else { return Some(None) };
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(value))
    }
}

fn read_i16(bytes: &[u8]) -> Option<i16> {
    bytes.first_chunk().map(|b| i16::from_be_bytes(*b))
}

fn read_i32(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().map(|b| i32::from_be_bytes(*b))
}

/// An integer of 2, 4 or 8 bytes.
pub(super) fn integer(bytes: &[u8]) -> Result<i64, Reason> {
    match bytes {
        [a, b] => Ok(i64::from(i16::from_be_bytes([*a, *b]))),
        [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([*a, *b, *c, *d]))),
        _ => bytes.try_into().map(i64::from_be_bytes).map_err(|_| "is no integer"),
    }
}

/// A floating point number of 4 or 8 bytes.
pub(super) fn float(bytes: &[u8]) -> Result<f64, Reason> {
    match bytes {
        [a, b, c, d] => Ok(f64::from(f32::from_be_bytes([*a, *b, *c, *d]))),
        _ => bytes.try_into().map(f64::from_be_bytes).map_err(|_| "is no floating point number"),
    }
}

/// A date as days since 1970-01-01. Infinities have the same bits here and there.
pub(super) fn date(bytes: &[u8]) -> Result<i32, Reason> {
    let days = bytes.try_into().map(i32::from_be_bytes).map_err(|_| "is no date")?;
    if matches!(days, i32::MAX | i32::MIN) {
        return Ok(days);
    }
    days.checked_add(EPOCH_DAYS).ok_or("is a date out of range")
}

/// A timestamp as the cell of its microseconds since 1970-01-01; as with dates, infinities stay what they are.
pub(super) fn timestamp(bytes: &[u8]) -> Result<i64, Reason> {
    let micros = bytes.try_into().map(i64::from_be_bytes).map_err(|_| "is no timestamp")?;
    if matches!(micros, i64::MAX | i64::MIN) {
        return Ok(micros);
    }
    value::pack_micros(i128::from(micros) + i128::from(EPOCH_MICROS)).ok_or("is a timestamp out of range")
}

/// Days as PostgreSQL counts them.
pub(super) fn from_days(days: i32) -> Option<[u8; 4]> {
    if matches!(days, i32::MAX | i32::MIN) {
        return Some(days.to_be_bytes());
    }
    days.checked_sub(EPOCH_DAYS).filter(|d| !matches!(*d, i32::MAX | i32::MIN)).map(i32::to_be_bytes)
}

/// A cell's microseconds as PostgreSQL counts them.
pub(super) fn from_micros(micros: i64) -> Option<[u8; 8]> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return Some(micros.to_be_bytes());
    }
    let micros = i64::try_from(value::unpack_micros(micros) - i128::from(EPOCH_MICROS)).ok()?;
    Some(micros).filter(|m| !matches!(*m, i64::MAX | i64::MIN)).map(i64::to_be_bytes)
}

/// An interval that is a time span only, in microseconds.
pub(super) fn span(bytes: &[u8]) -> Result<i64, Reason> {
    let (micros, rest) = bytes.split_first_chunk().ok_or("is no interval")?;
    if rest.len() != 8 || rest.iter().any(|b| *b != 0) {
        return Err("is an interval with days or months, which is no time span");
    }
    Ok(i64::from_be_bytes(*micros))
}

/// A numeric as text with all its digits.
pub(super) fn numeric(bytes: &[u8], out: &mut String) -> Result<(), Reason> {
    const NO: Reason = "is no numeric";
    out.clear();
    let (head, groups) = bytes.split_first_chunk::<8>().ok_or(NO)?;
    let [n0, n1, w0, w1, s0, s1, d0, d1] = *head;
    let count = i64::from(u16::from_be_bytes([n0, n1]));
    let weight = i64::from(i16::from_be_bytes([w0, w1]));
    let scale = usize::from(u16::from_be_bytes([d0, d1]));
    match u16::from_be_bytes([s0, s1]) {
        0 => {}
        NUMERIC_NEGATIVE => out.push('-'),
        NUMERIC_NAN => out.push_str("NaN"),
        NUMERIC_INFINITY => out.push_str("Infinity"),
        NUMERIC_MINUS_INFINITY => out.push_str("-Infinity"),
        _ => return Err(NO),
    }
    if out.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    if groups.len() != usize::try_from(count * 2).map_err(|_| NO)? {
        return Err(NO);
    }
    let group = |at: i64| -> u16 {
        let pair = usize::try_from(at).ok().and_then(|at| groups.get(at * 2..at * 2 + 2));
        pair.map_or(0, |p| u16::from_be_bytes([p[0], p[1]]))
    };
    if weight < 0 {
        out.push('0');
    } else {
        let _ = write!(out, "{}", group(0));
        for at in 1..=weight {
            let _ = write!(out, "{:04}", group(at));
        }
    }
    if scale > 0 {
        out.push('.');
        let whole = out.len() + scale;
        let mut at = weight + 1;
        while out.len() < whole {
            let _ = write!(out, "{:04}", group(at));
            at += 1;
        }
        out.truncate(whole);
    }
    Ok(())
}

/// A bit string as `0` and `1`.
pub(super) fn bits(bytes: &[u8], out: &mut String) -> Result<(), Reason> {
    const NO: Reason = "is no bit string";
    out.clear();
    let (length, data) = bytes.split_first_chunk().ok_or(NO)?;
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| NO)?;
    if data.len() != length.div_ceil(8) {
        return Err(NO);
    }
    out.extend((0..length).map(|at| if data[at / 8] >> (7 - at % 8) & 1 == 1 { '1' } else { '0' }));
    Ok(())
}

/// Appends NULL.
pub(super) fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&NULL.to_be_bytes());
}

/// Appends the length of a value that comes next.
pub(super) fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), Reason> {
    let length = i32::try_from(length).map_err(|_| "is larger than PostgreSQL's 1 GiB")?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends a value with its length.
pub(super) fn put(out: &mut Vec<u8>, value: &[u8]) -> Result<(), Reason> {
    put_length(out, value.len())?;
    out.extend_from_slice(value);
    Ok(())
}

/// Appends a value whose length is known when it has been written.
pub(super) fn put_sized(
    out: &mut Vec<u8>,
    value: impl FnOnce(&mut Vec<u8>) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    value(out)?;
    let length = i32::try_from(out.len() - at - 4).map_err(|_| "is larger than PostgreSQL's 1 GiB")?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends the body of a numeric.
pub(super) fn put_numeric(out: &mut Vec<u8>, text: &str) -> Result<(), Reason> {
    const NO: Reason = "is no decimal number";
    const LONG: Reason = "has more digits than numeric holds";
    let special = match text {
        "NaN" => Some(NUMERIC_NAN),
        "Infinity" => Some(NUMERIC_INFINITY),
        "-Infinity" => Some(NUMERIC_MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        return Ok(());
    }
    let (negative, body) = text.strip_prefix('-').map_or((false, text), |b| (true, b));
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let whole = whole.trim_start_matches('0').as_bytes();
    let fraction = fraction.as_bytes();
    if body.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(NO);
    }
    let head = out.len();
    out.extend_from_slice(&[0; 8]);
    let digits_at = out.len();
    let mut weight = i16::try_from(whole.len().div_ceil(4)).map_err(|_| LONG)? - 1;
    // Groups of four digits that are aligned to the point: the first one of the whole part may be short, and so
    // may the last one of the fraction.
    let first = whole.len() % 4;
    let (short, rest) = whole.split_at(first);
    let groups = (first > 0)
        .then_some((short, 0))
        .into_iter()
        .chain(rest.chunks(4).map(|g| (g, 0)))
        .chain(fraction.chunks(4).map(|g| (g, 4 - g.len())));
    for (group, padding) in groups {
        let value = group.iter().fold(0_u16, |n, b| n * 10 + u16::from(b - b'0'));
        let value = (0..padding).fold(value, |n, _| n * 10);
        if value == 0 && out.len() == digits_at {
            weight = weight.checked_sub(1).ok_or(LONG)?;
        } else {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
    while out.len() > digits_at && out[out.len() - 2..] == [0, 0] {
        out.truncate(out.len() - 2);
    }
    let is_zero = out.len() == digits_at;
    let count = i16::try_from((out.len() - digits_at) / 2).map_err(|_| LONG)?;
    let scale = u16::try_from(fraction.len()).ok().filter(|s| *s <= 0x3fff).ok_or(LONG)?;
    let sign = if negative && !is_zero { NUMERIC_NEGATIVE } else { 0 };
    let weight = if is_zero { 0 } else { weight };
    out[head..head + 2].copy_from_slice(&count.to_be_bytes());
    out[head + 2..head + 4].copy_from_slice(&weight.to_be_bytes());
    out[head + 4..head + 6].copy_from_slice(&sign.to_be_bytes());
    out[head + 6..head + 8].copy_from_slice(&scale.to_be_bytes());
    Ok(())
}

/// Appends the body of a bit string from `0` and `1`.
pub(super) fn put_bits(out: &mut Vec<u8>, text: &str) -> Result<(), Reason> {
    let length = i32::try_from(text.len()).map_err(|_| "is longer than a bit string can be")?;
    out.extend_from_slice(&length.to_be_bytes());
    for chunk in text.as_bytes().chunks(8) {
        let mut byte = 0_u8;
        for (at, digit) in chunk.iter().enumerate() {
            match digit {
                b'0' => {}
                b'1' => byte |= 0x80 >> at,
                _ => return Err("is no bit string"),
            }
        }
        out.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        let mut bytes = Vec::new();
        put_numeric(&mut bytes, text).unwrap();
        let mut out = String::new();
        numeric(&bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn decimals_keep_every_digit() {
        let long = format!("{}.{}", "9".repeat(1000), "1".repeat(1001));
        for text in [
            "0",
            "1",
            "-1",
            "12.30",
            "0.00",
            "0.0001",
            "0.00001",
            "-0.5",
            "10000",
            "100000000",
            "99999999.9999",
            "12345678901234567890.12345678901234567890",
            "NaN",
            "Infinity",
            "-Infinity",
            "0.000000000001",
            "10000.0001",
            long.as_str(),
        ] {
            assert_eq!(round(text), text);
        }
        assert_eq!(round("-0.00"), "0.00");
        assert_eq!(round("007"), "7");
        for text in ["", "-", "1e5", "1,5", "abc"] {
            assert!(put_numeric(&mut Vec::new(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_servers_own_bytes_are_read() {
        // SELECT numeric_send(-12345.678)
        let sent = [0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c];
        let mut out = String::new();
        numeric(&sent, &mut out).unwrap();
        assert_eq!(out, "-12345.678");
        let mut encoded = Vec::new();
        put_numeric(&mut encoded, "-12345.678").unwrap();
        assert_eq!(encoded, sent);
    }

    #[test]
    fn bit_strings_keep_their_length() {
        for text in ["", "1", "0101", "11111111", "101010101", "0000000000000001"] {
            let mut bytes = Vec::new();
            put_bits(&mut bytes, text).unwrap();
            let mut out = String::new();
            bits(&bytes, &mut out).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn infinities_stay_what_they_are() {
        assert_eq!(date(&i32::MAX.to_be_bytes()), Ok(i32::MAX));
        assert_eq!(timestamp(&i64::MIN.to_be_bytes()), Ok(i64::MIN));
        assert_eq!(from_days(i32::MIN), Some(i32::MIN.to_be_bytes()));
        assert_eq!(from_micros(i64::MAX), Some(i64::MAX.to_be_bytes()));
        assert_eq!(date(&0_i32.to_be_bytes()), Ok(10_957));
        assert_eq!(from_days(10_957), Some([0; 4]));
        assert_eq!(timestamp(&0_i64.to_be_bytes()), Ok(946_684_800_000_000));
        // 294276-12-31 23:59:59.999999, the last that PostgreSQL takes, and the first that are no microseconds since 1970.
        for micros in
            [9_224_318_015_999_999_999_i128 - 946_684_800_000_000, i128::from(i64::MAX) - 946_684_800_000_000]
        {
            let sent = i64::try_from(micros).unwrap().to_be_bytes();
            assert_eq!(timestamp(&sent).ok().and_then(from_micros), Some(sent));
        }
    }

    #[test]
    fn rows_come_whole_however_they_are_cut() {
        let mut sent = HEADER.to_vec();
        for number in [7_i64, 8] {
            sent.extend_from_slice(&[0, 2]);
            put(&mut sent, &number.to_be_bytes()).unwrap();
            put_null(&mut sent);
        }
        sent.extend_from_slice(TRAILER);
        for size in [1, 3, 19, 25, sent.len()] {
            let mut rows = Rows::default();
            let mut seen = Vec::new();
            for chunk in sent.chunks(size) {
                rows.feed(chunk, |mut fields| {
                    seen.push(integer(fields.next().flatten().unwrap())?);
                    assert_eq!(fields.next(), Some(None));
                    assert_eq!(fields.next(), None);
                    Ok::<_, Reason>(())
                })
                .unwrap();
            }
            assert!(rows.is_complete());
            assert_eq!(seen, [7, 8]);
        }
    }
}
