//! A tokenizer for SQLite's SQL that takes any text: what it does not know becomes a token of one character, and an
//! unfinished quote ends where the text ends. Everything keeps its place in the text, so that expressions are
//! handed on in the words in which they were written.

/// Kind of a token, with quotes taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A bare word: keyword or name.
    Word,
    /// A name in double quotes, backticks or brackets.
    Quoted,
    /// A character string.
    Text,
    /// Hexadecimal digits of `x'…'`.
    Blob,
    /// A number without sign.
    Number,
    /// Anything else.
    Mark(char),
}

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its text without quotes.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Token {
    /// Whether this is that keyword (a quoted name never is).
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether this is that mark.
    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// Whether this can be a name. SQLite takes a string where it expects a name.
    pub fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Text)
    }
}

/// All tokens of a text; blanks and comments are left out.
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let skipped = blank(rest);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let (kind, text, length) = match first {
            '\'' => quoted(rest, '\'', Kind::Text),
            '"' | '`' => quoted(rest, first, Kind::Quoted),
            '[' => {
                let end = rest.find(']').unwrap_or(rest.len());
                (Kind::Quoted, rest[1..end].to_owned(), (end + 1).min(rest.len()))
            }
            'x' | 'X' if rest[1..].starts_with('\'') => {
                let (_, text, length) = quoted(&rest[1..], '\'', Kind::Blob);
                (Kind::Blob, text, length + 1)
            }
            '0'..='9' => number(rest),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Kind::Word, rest[..length].to_owned(), length)
            }
            mark => (Kind::Mark(mark), mark.to_string(), mark.len_utf8()),
        };
        out.push(Token { kind, text, start: at, end: at + length });
        at += length;
    }
    out
}

/// Position of the token that closes the parenthesis at `open`; the last token if it is never closed.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_mark('(') {
            depth += 1;
        } else if token.is_mark(')') {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len().saturating_sub(1)
}

/// Parts of a range of tokens between commas that are in no parentheses; as ranges.
pub fn split_commas(tokens: &[Token], from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (from, 0_usize);
    for (at, token) in tokens.iter().enumerate().take(to).skip(from) {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Mark(',') if depth == 0 => {
                parts.push((start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < to {
        parts.push((start, to));
    }
    parts
}

/// Bytes of the blank or comment that the text begins with.
fn blank(rest: &str) -> usize {
    if rest.starts_with("--") {
        return rest.find('\n').map_or(rest.len(), |end| end + 1);
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    rest.find(|c: char| !(c.is_ascii_whitespace() || c == '\u{feff}')).unwrap_or(rest.len())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// A quoted text at the start of `rest`, in which the quote is doubled to stand for itself.
fn quoted(rest: &str, quote: char, kind: Kind) -> (Kind, String, usize) {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            text.push(c);
            chars.next();
        } else {
            return (kind, text, at + 1);
        }
    }
    (kind, text, rest.len())
}

fn number(rest: &str) -> (Kind, String, usize) {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let exponent_sign = matches!(bytes[end], b'+' | b'-')
            && matches!(bytes[end - 1], b'e' | b'E')
            && !rest.starts_with("0x")
            && !rest.starts_with("0X");
        if bytes[end].is_ascii_alphanumeric() || matches!(bytes[end], b'.' | b'_') || exponent_sign {
            end += 1;
        } else {
            break;
        }
    }
    (Kind::Number, rest[..end].to_owned(), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        tokens(sql).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn quotes_of_all_kinds_come_off() {
        assert_eq!(
            texts("\"a\"\"b\" `c``d` [e f] 'it''s' x'0AfF' 1.5e-3 -- gone\n/* gone */ é"),
            ["a\"b", "c`d", "e f", "it's", "0AfF", "1.5e-3", "é"]
        );
    }

    #[test]
    fn unfinished_text_is_no_reason_to_stop() {
        for sql in ["'abc", "\"abc", "[abc", "/* abc", "x'12", "é'", "1e+", "(((", "\u{0}"] {
            let all = tokens(sql);
            assert!(all.iter().all(|t| t.end <= sql.len()), "{sql}");
        }
    }

    #[test]
    fn commas_in_parentheses_do_not_split() {
        let all = tokens("a, f(b, c), 'd,e'");
        assert_eq!(split_commas(&all, 0, all.len()).len(), 3);
        assert_eq!(closing(&all, 3), 7);
    }
}
