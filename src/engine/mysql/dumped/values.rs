//! The text of an INSERT, value by value, as `mariadb-dump` and `mysqldump` write it.

use std::io::{self, BufRead};

use crate::model::error::{Error, ErrorKind, Result};

/// A dump that says something else than these programs write.
pub(super) fn unreadable(why: &str) -> Error {
    Error::new(ErrorKind::Verify, "the rows of the dump cannot be read back").why(why)
}

fn failed(why: &io::Error) -> Error {
    Error::new(ErrorKind::Verify, "the dump cannot be read").why(why)
}

/// Reads up to one of these bytes, and it.
pub(super) fn until(from: &mut impl BufRead, ends: &[u8], to: &mut Vec<u8>) -> Result<()> {
    loop {
        let part = match from.fill_buf() {
            Ok(part) => part,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(&e)),
        };
        let end = part.iter().position(|byte| ends.contains(byte));
        let taken = end.map_or(part.len(), |at| at + 1);
        to.extend_from_slice(&part[..taken]);
        from.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(());
        }
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Null,
    Hex,
    Quoted,
    Bare,
}

/// Values of an INSERT, one after the other.
pub(super) struct Values<'a, R> {
    pub(super) from: &'a mut R,
    pub(super) value: Vec<u8>,
}

impl<R: BufRead> Values<'_, R> {
    fn peek(&mut self) -> Result<u8> {
        loop {
            match self.from.fill_buf() {
                Ok([]) => return Err(unreadable("it ends within the rows of a table")),
                Ok([byte, ..]) => return Ok(*byte),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(&e)),
            }
        }
    }

    fn next(&mut self) -> Result<u8> {
        let byte = self.peek()?;
        self.from.consume(1);
        Ok(byte)
    }

    /// The next byte that is no blank.
    fn sound(&mut self) -> Result<u8> {
        loop {
            let byte = self.peek()?;
            if !byte.is_ascii_whitespace() {
                return Ok(byte);
            }
            self.from.consume(1);
        }
    }

    pub(super) fn sign(&mut self, sign: u8) -> Result<()> {
        self.either(sign, sign).map(drop)
    }

    pub(super) fn either(&mut self, one: u8, other: u8) -> Result<u8> {
        let byte = self.sound()?;
        if byte != one && byte != other {
            return Err(unreadable("a statement that fills a table is not as the programs write it"));
        }
        self.from.consume(1);
        Ok(byte)
    }

    /// The rest of a name between backticks.
    pub(super) fn name(&mut self) -> Result<String> {
        let mut name = Vec::new();
        loop {
            until(self.from, b"`", &mut name)?;
            if name.pop() != Some(b'`') {
                return Err(unreadable("it ends within a name"));
            }
            if self.peek()? != b'`' {
                return String::from_utf8(name).map_err(|_| unreadable("a name is not in UTF-8"));
            }
            name.push(b'`');
            self.from.consume(1);
        }
    }

    /// The list of columns, if there is one, and the word behind it.
    pub(super) fn columns(&mut self) -> Result<Option<Vec<String>>> {
        let listed = if self.sound()? == b'(' {
            self.from.consume(1);
            let mut names = Vec::new();
            loop {
                self.sign(b'`')?;
                names.push(self.name()?);
                if self.either(b',', b')')? == b')' {
                    break Some(names);
                }
            }
        } else {
            None
        };
        for letter in b"VALUES" {
            self.sign(*letter)?;
        }
        Ok(listed)
    }

    /// Takes a value; its bytes are in `value`.
    pub(super) fn value(&mut self) -> Result<Form> {
        self.value.clear();
        let mut first = self.sound()?;
        if first == b'_' {
            // The character set of what follows, which is bytes.
            until(self.from, b" ", &mut self.value)?;
            self.value.clear();
            first = self.sound()?;
        }
        if first == b'\'' {
            self.from.consume(1);
            self.quoted()?;
            return Ok(Form::Quoted);
        }
        self.bare()?;
        if let Some(digits) = self.value.strip_prefix(b"0x") {
            let bytes = hex(digits).ok_or_else(|| unreadable("a value has digits that are none"))?;
            self.value = bytes;
            return Ok(Form::Hex);
        }
        Ok(if self.value == b"NULL" { Form::Null } else { Form::Bare })
    }

    /// What stands before the next comma or parenthesis.
    fn bare(&mut self) -> Result<()> {
        loop {
            self.peek()?;
            let part = self.from.fill_buf().map_err(|e| failed(&e))?;
            let end = part.iter().position(|byte| matches!(byte, b',' | b')'));
            let taken = end.unwrap_or(part.len());
            self.value.extend_from_slice(&part[..taken]);
            self.from.consume(taken);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// The rest of a text between quotes, as the programs write it whatever the server's `sql_mode` is.
    fn quoted(&mut self) -> Result<()> {
        loop {
            self.peek()?;
            let part = self.from.fill_buf().map_err(|e| failed(&e))?;
            let end = part.iter().position(|byte| matches!(byte, b'\'' | b'\\'));
            let taken = end.unwrap_or(part.len());
            self.value.extend_from_slice(&part[..taken]);
            self.from.consume(taken);
            if end.is_none() {
                continue;
            }
            if self.next()? == b'\\' {
                let meant = match self.next()? {
                    b'0' => 0,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'Z' => 26,
                    itself => itself,
                };
                self.value.push(meant);
            } else if self.peek()? == b'\'' {
                self.from.consume(1);
                self.value.push(b'\'');
            } else {
                return Ok(());
            }
        }
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
