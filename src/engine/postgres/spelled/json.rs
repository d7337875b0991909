//! JSON: whether a text is any (`json` keeps it as it is), and whether it is the one spelling that `jsonb` has of it.
//! Without recursion, because documents may be as deep as they like.

/// Digits of a numeric before the point, and after it.
/// <https://www.postgresql.org/docs/current/datatype-numeric.html>
const MOST_WHOLE: usize = 131_072;
const MOST_FRACTION: usize = 16_383;

/// Whether `json` takes a text.
pub(in super::super) fn is_json(text: &str) -> bool {
    Scanner { text: text.as_bytes(), at: 0, binary: false }.document().is_some()
}

/// Whether a text is as `jsonb` prints it: a blank after each colon and comma, keys once each and in the order of their
/// length, numbers without exponents, and only those characters escaped that have to be.
pub(in super::super) fn is_jsonb(text: &str) -> bool {
    Scanner { text: text.as_bytes(), at: 0, binary: true }.document().is_some()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// As `jsonb` prints it.
    binary: bool,
}

/// What is open, the innermost last.
enum Open {
    Array,
    /// With the key before.
    Object(Option<Vec<u8>>),
}

impl Scanner<'_> {
    fn document(mut self) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        'value: loop {
            self.blanks();
            match self.peek()? {
                b'[' => {
                    self.at += 1;
                    self.blanks();
                    if !self.take(b"]") {
                        open.push(Open::Array);
                        continue 'value;
                    }
                }
                b'{' => {
                    self.at += 1;
                    self.blanks();
                    if !self.take(b"}") {
                        let key = self.key(None)?;
                        open.push(Open::Object(Some(key)));
                        continue 'value;
                    }
                }
                b'"' => drop(self.string(false)?),
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value has ended.
            loop {
                self.blanks();
                let Some(innermost) = open.last_mut() else {
                    return (self.at == self.text.len()).then_some(());
                };
                if self.take(b",") {
                    self.blank()?;
                    if let Open::Object(before) = innermost {
                        let before = before.take();
                        let key = self.key(before)?;
                        *innermost = Open::Object(Some(key));
                    }
                    continue 'value;
                }
                let end: &[u8] = if matches!(innermost, Open::Array) { b"]" } else { b"}" };
                self.word(end)?;
                open.pop();
            }
        }
    }

    /// A key and its colon; what it says only where that tells whether the next key may follow.
    fn key(&mut self, before: Option<Vec<u8>>) -> Option<Vec<u8>> {
        self.blanks();
        let key = self.string(self.binary)?;
        self.blanks();
        self.word(b":")?;
        self.blank()?;
        let follows = before.is_none_or(|before| (before.len(), &before) < (key.len(), &key));
        (follows || !self.binary).then_some(key)
    }

    /// A string; what it says if that is asked for.
    fn string(&mut self, wanted: bool) -> Option<Vec<u8>> {
        self.word(b"\"")?;
        let mut said = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(said),
                b'\\' => self.escape(wanted.then_some(&mut said))?,
                0..=0x1f => return None,
                _ if wanted => said.push(byte),
                _ => {}
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, said: Option<&mut Vec<u8>>) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        let means = match byte {
            b'"' | b'\\' => byte,
            b'/' if !self.binary => byte,
            b'b' => 8,
            b'f' => 0xc,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' if self.binary => {
                let digits = self.digits()?;
                let number = hex(digits)?;
                // The other control characters, in lower case; NUL there is none.
                let plain = !matches!(number, 0 | 8..=10 | 12 | 13) && number < 0x20;
                if !plain || digits.iter().any(u8::is_ascii_uppercase) {
                    return None;
                }
                u8::try_from(number).ok()?
            }
            b'u' => return self.unit(),
            _ => return None,
        };
        if let Some(said) = said {
            said.push(means);
        }
        Some(())
    }

    /// A code unit by its number; of a pair, both.
    fn unit(&mut self) -> Option<()> {
        let digits = self.digits()?;
        match hex(digits)? {
            0xd800..=0xdbff => {
                self.word(b"\\u")?;
                let digits = self.digits()?;
                matches!(hex(digits)?, 0xdc00..=0xdfff).then_some(())
            }
            0xdc00..=0xdfff => None,
            _ => Some(()),
        }
    }

    fn digits(&mut self) -> Option<[u8; 4]> {
        let digits = self.text.get(self.at..self.at + 4)?.try_into().ok()?;
        self.at += 4;
        Some(digits)
    }

    fn number(&mut self) -> Option<()> {
        let negative = self.take(b"-");
        let whole = self.run();
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let mut zero = whole == b"0";
        let mut fits = whole.len() <= MOST_WHOLE;
        if self.take(b".") {
            let fraction = self.run();
            if fraction.is_empty() {
                return None;
            }
            zero &= fraction.iter().all(|b| *b == b'0');
            fits &= fraction.len() <= MOST_FRACTION;
        }
        if self.binary {
            return (fits && !(negative && zero)).then_some(());
        }
        if self.take(b"e") || self.take(b"E") {
            let _ = self.take(b"+") || self.take(b"-");
            return (!self.run().is_empty()).then_some(());
        }
        Some(())
    }

    /// Decimal digits.
    fn run(&mut self) -> &[u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, word: &[u8]) -> bool {
        let there = self.text[self.at..].starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.take(word).then_some(())
    }

    /// Blanks that nobody needs.
    fn blanks(&mut self) {
        while !self.binary && matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The one blank that `jsonb` prints.
    fn blank(&mut self) -> Option<()> {
        if self.binary { self.word(b" ") } else { Some(()) }
    }
}

fn hex(digits: [u8; 4]) -> Option<u32> {
    let hex = digits.iter().all(u8::is_ascii_hexdigit);
    u32::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok().filter(|_| hex)
}
