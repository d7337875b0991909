//! What `pg_restore` writes where it has no database to write into: a script of entries, each under a comment that says
//! what it is. It is read entry by entry and never handed to a program that would obey it, and the schema that its names
//! stand in is exchanged for another. Pure.

use std::collections::{HashSet, VecDeque};

use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::types::quote;

/// How the comment of an entry begins.
const HEADS: [&str; 2] = ["-- Name: ", "-- Data for Name: "];

/// The last comment of a script that was written to its end.
const END: &[u8] = b"-- PostgreSQL database dump complete";

/// Where the rows of a table end.
const ROWS_END: &[u8] = b"\\.\n";

/// An object of a dump, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it is: `TABLE`, `FK CONSTRAINT`, `ACL`.
    pub kind: String,
    /// Its name, for messages.
    pub name: String,
    /// Its statements.
    pub text: String,
}

impl Entry {
    /// From its comment.
    fn under(head: &str) -> Option<Self> {
        let rest = HEADS.iter().find_map(|begin| head.strip_prefix(begin))?;
        // A name may hold anything but a line end; a kind holds no semicolon.
        let (name, rest) = rest.rsplit_once("; Type: ")?;
        let kind = rest.split_once(';')?.0;
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), text: String::new() })
    }

    /// The statements apart from the one that says whose it is, and that one.
    pub(super) fn apart_from_owner(&self) -> (&str, Option<&str>) {
        let mut text = self.text.trim_end();
        loop {
            let (rest, last) = text.rsplit_once("\n\n").unwrap_or(("", text));
            let last = last.trim_start_matches('\n');
            if last.starts_with("ALTER ") && last.contains(" OWNER TO ") && last.ends_with(';') {
                return (rest, Some(last));
            }
            // Settings for the entry that comes next stand at the end of this one.
            if rest.is_empty() || !last.starts_with("SET default_table") {
                return (&self.text, None);
            }
            text = rest.trim_end();
        }
    }
}

/// A part of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Statements to be run.
    Entry(Entry),
    /// The COPY that rows follow, up to [`Piece::RowsEnd`].
    Copy(Entry),
    /// Whole lines of rows.
    Rows(Vec<u8>),
    /// The last row of a COPY has been read.
    RowsEnd,
}

/// Takes the script apart while it is being written.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What has come and is no whole line yet.
    rest: Vec<u8>,
    entry: Option<Entry>,
    in_rows: bool,
    /// The line before was an empty comment, as it stands before a head.
    before_head: bool,
    complete: bool,
    pieces: VecDeque<Piece>,
}

impl Reader {
    /// Takes the next bytes; an error is a clause that says what is wrong with them.
    pub(super) fn push(&mut self, block: &[u8]) -> Result<(), String> {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(block);
        let (mut at, mut rows_from) = (0, 0);
        while let Some(length) = bytes[at..].iter().position(|b| *b == b'\n') {
            let line = &bytes[at..=at + length];
            if self.in_rows {
                if line == ROWS_END {
                    self.rows(&bytes[rows_from..at]);
                    self.pieces.push_back(Piece::RowsEnd);
                    self.in_rows = false;
                }
            } else {
                self.line(line)?;
                rows_from = at + length + 1;
            }
            at += length + 1;
        }
        if self.in_rows {
            self.rows(&bytes[rows_from..at]);
        }
        bytes.drain(..at);
        self.rest = bytes;
        Ok(())
    }

    /// The next piece of what has come.
    pub(super) fn pop(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// Whether the script was written to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    fn rows(&mut self, lines: &[u8]) {
        if !lines.is_empty() {
            self.pieces.push_back(Piece::Rows(lines.to_vec()));
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let before_head = std::mem::replace(&mut self.before_head, line == b"--\n");
        if self.complete {
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| "it is not in UTF-8".to_owned())?;
        let between = || self.entry.as_ref().is_none_or(|entry| is_whole(&entry.text));
        if before_head && text.starts_with("-- ") && between() {
            if line.starts_with(END) {
                self.end_entry();
                self.complete = true;
                return Ok(());
            }
            if let Some(next) = Entry::under(text) {
                self.end_entry();
                self.entry = Some(next);
                return Ok(());
            }
        }
        let Some(entry) = &mut self.entry else {
            // What stands before the first entry are settings of the session, which has its own.
            return match text.strip_prefix("SET client_encoding = ") {
                Some(encoding) if encoding != "'UTF8';\n" => Err(format!("it is in {}", encoding.trim_end())),
                _ => Ok(()),
            };
        };
        if entry.text.is_empty() && text == "--\n" {
            return Ok(());
        }
        entry.text.push_str(text);
        if entry.kind == "TABLE DATA" && text.ends_with(" FROM stdin;\n") && is_whole(&entry.text) {
            self.pieces.extend(self.entry.take().map(Piece::Copy));
            self.in_rows = true;
        }
        Ok(())
    }

    fn end_entry(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        // The first line of the next head has come along.
        if let Some(own) = entry.text.strip_suffix("--\n") {
            entry.text.truncate(own.len());
        }
        if !entry.text.trim().is_empty() {
            self.pieces.push_back(Piece::Entry(entry));
        }
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// White space or a comment.
    Blank,
    /// A name that is not quoted, a keyword, a number.
    Word,
    /// A quoted name.
    Quoted,
    /// A text without escapes.
    Literal,
    /// Anything else.
    Other,
}

/// The first token: what it is, how many bytes, and whether its end is there.
fn token(text: &str) -> (Is, usize, bool) {
    let bytes = text.as_bytes();
    let run = |is: fn(u8) -> bool| bytes.iter().position(|b| !is(*b)).unwrap_or(bytes.len());
    let until = |end: &str, from: usize| match text.get(from..).and_then(|rest| rest.find(end)) {
        Some(at) => (from + at + end.len(), true),
        None => (text.len(), false),
    };
    let of = |is: Is, (length, whole): (usize, bool)| (is, length, whole);
    match bytes {
        [] => (Is::Blank, 0, true),
        [b'-', b'-', ..] => of(Is::Blank, (until("\n", 2).0, true)),
        [b'/', b'*', ..] => of(Is::Blank, comment(bytes)),
        [b'\'', ..] => of(Is::Literal, quoted(bytes, 1, b'\'', false)),
        [b'E' | b'e', b'\'', ..] => of(Is::Other, quoted(bytes, 2, b'\'', true)),
        [b'"', ..] => of(Is::Quoted, quoted(bytes, 1, b'"', false)),
        [b'$', rest @ ..] => {
            let tag = rest.iter().position(|b| !is_word(*b) || *b == b'$').unwrap_or(rest.len());
            let opens = rest.get(tag) == Some(&b'$') && !rest[0].is_ascii_digit();
            if opens { of(Is::Other, until(&text[..tag + 2], tag + 2)) } else { (Is::Other, 1, true) }
        }
        [first, ..] if first.is_ascii_whitespace() => (Is::Blank, run(|b| b.is_ascii_whitespace()), true),
        [first, ..] if is_word(*first) => (Is::Word, run(is_word), true),
        _ => (Is::Other, 1, true),
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Length of what is in quotes, which are doubled within; where a backslash escapes, what follows it does not count.
fn quoted(bytes: &[u8], from: usize, quote: u8, escapes: bool) -> (usize, bool) {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == b'\\' && escapes {
            at += 1;
        } else if byte == quote {
            if bytes.get(at) != Some(&quote) {
                return (at, true);
            }
            at += 1;
        }
    }
    (bytes.len(), false)
}

/// Length of a comment, which may hold others.
fn comment(bytes: &[u8]) -> (usize, bool) {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return (at, true);
        }
    }
    (bytes.len(), false)
}

fn tokens(mut text: &str) -> Vec<(Is, &str)> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let (is, length, _) = token(text);
        let (this, rest) = text.split_at(length);
        all.push((is, this));
        text = rest;
    }
    all
}

/// Whether a text ends outside of quotes and comments.
fn is_whole(mut text: &str) -> bool {
    while !text.is_empty() {
        let (_, length, whole) = token(text);
        if !whole {
            return false;
        }
        text = &text[length..];
    }
    true
}

/// The name that a token is.
fn name((is, text): (Is, &str)) -> Option<String> {
    match is {
        Is::Word => Some(text.to_lowercase()),
        Is::Quoted => Some(text[1..text.len() - 1].replace("\"\"", "\"")),
        _ => None,
    }
}

/// Statements with the schema `from` exchanged for `to` wherever a name is qualified by it, but for names that `stay`
/// there. A program never writes a name of another schema than `pg_catalog` without it. In texts it is a name where one of
/// the `reg…` types is made of it, or a sequence is set. Bodies of functions are texts: they mean the schema in which
/// they are going to be run.
pub(super) fn rename(text: &str, from: &str, to: &str, stay: &HashSet<String>) -> String {
    let tokens = tokens(text);
    let after = |at: usize| tokens.iter().skip(at + 1).filter(|t| t.0 != Is::Blank).map(|t| t.1);
    let before = |at: usize| tokens[..at].iter().rev().filter(|t| t.0 != Is::Blank).map(|t| t.1);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, &(is, this)) in tokens.iter().enumerate() {
        let qualifies = || tokens.get(at + 1).is_some_and(|t| t.1 == ".") && before(at).next() != Some(".");
        let names_object = || {
            let mut next = after(at);
            let cast = next.next() == Some(":") && next.next() == Some(":");
            let of_names = cast && next.next().is_some_and(|kind| kind.starts_with("reg"));
            let mut previous = before(at);
            of_names || (previous.next() == Some("(") && previous.next() == Some("setval"))
        };
        match is {
            Is::Word | Is::Quoted if name((is, this)).as_deref() == Some(from) && qualifies() => {
                let object = tokens.get(at + 2).map(|next| {
                    name(*next).unwrap_or_else(|| {
                        let operator = tokens[at + 2..].iter().take_while(|t| t.0 == Is::Other && t.1 != ")");
                        operator.map(|t| t.1).collect()
                    })
                });
                if object.is_some_and(|object| stay.contains(&object)) {
                    out.push_str(this);
                } else {
                    out.push_str(&quote(to));
                }
            }
            Is::Literal if names_object() => {
                let object = this[1..this.len() - 1].replace("''", "'");
                out.push_str(&literal(&rename(&object, from, to, stay)));
            }
            _ => out.push_str(this),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET client_encoding = 'UTF8';\n\n\
--\n-- Name: f(); Type: FUNCTION; Schema: public; Owner: me\n--\n\n\
CREATE FUNCTION public.f() RETURNS text AS $_$\n--\n-- Name: no; Type: TABLE; Schema: public; Owner: me\n--\n$_$;\n\n\n\
ALTER FUNCTION public.f() OWNER TO me;\n\nSET default_tablespace = '';\n\n\
--\n-- Data for Name: a; Type: b; Type: TABLE DATA; Schema: public; Owner: me\n--\n\n\
COPY public.\"a; Type: b\" (id) FROM stdin;\n1\n--\n\\\\.\n\\.\n\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n";

    fn pieces(script: &str, most: usize) -> Vec<Piece> {
        let mut reader = Reader::default();
        let mut pieces = Vec::new();
        for block in script.as_bytes().chunks(most) {
            reader.push(block).unwrap();
            while let Some(piece) = reader.pop() {
                match (pieces.last_mut(), piece) {
                    (Some(Piece::Rows(before)), Piece::Rows(more)) => before.extend(more),
                    (_, piece) => pieces.push(piece),
                }
            }
        }
        assert!(reader.is_complete());
        pieces
    }

    #[test]
    fn a_script_comes_apart_wherever_it_is_cut() {
        let whole = pieces(SCRIPT, SCRIPT.len());
        let [Piece::Entry(function), Piece::Copy(copy), Piece::Rows(rows), Piece::RowsEnd] = whole.as_slice()
        else {
            panic!("{whole:?}")
        };
        assert_eq!((function.kind.as_str(), function.name.as_str()), ("FUNCTION", "f()"));
        let (body, owner) = function.apart_from_owner();
        assert!(body.contains("-- Name: no; Type: TABLE") && !body.contains("OWNER"), "{body}");
        assert_eq!(owner, Some("ALTER FUNCTION public.f() OWNER TO me;"));
        assert_eq!((copy.kind.as_str(), copy.name.as_str()), ("TABLE DATA", "a; Type: b"));
        assert_eq!(copy.text.trim(), "COPY public.\"a; Type: b\" (id) FROM stdin;");
        assert_eq!(rows, b"1\n--\n\\\\.\n");
        for most in 1..200 {
            assert_eq!(pieces(SCRIPT, most), whole, "{most}");
        }
    }

    #[test]
    fn a_script_that_is_cut_is_not_complete() {
        let mut reader = Reader::default();
        reader.push(&SCRIPT.as_bytes()[..SCRIPT.len() - 60]).unwrap();
        assert!(!reader.is_complete());
        assert!(Reader::default().push(b"SET x = '\xff';\n").is_err());
        assert!(Reader::default().push(b"SET client_encoding = 'LATIN1';\n").is_err());
    }

    #[test]
    fn an_entry_without_an_owner_keeps_all_its_statements() {
        let entry = |text: &str| Entry { kind: "ACL".into(), name: "t".into(), text: text.into() };
        let grants =
            entry("\nREVOKE ALL ON TABLE public.t FROM a;\nGRANT SELECT ON TABLE public.t TO b;\n\n\n");
        assert_eq!(grants.apart_from_owner(), (grants.text.as_str(), None));
        let only = entry("\nALTER TABLE public.t OWNER TO a;\n");
        assert_eq!(only.apart_from_owner(), ("", Some("ALTER TABLE public.t OWNER TO a;")));
    }

    #[test]
    fn the_schema_of_names_is_exchanged_and_nothing_else() {
        let stay = HashSet::from(["citext".to_owned(), "=".to_owned()]);
        for (text, expected) in [
            ("CREATE TABLE public.t (c public.citext)", "CREATE TABLE \"s\".t (c public.citext)"),
            ("SELECT \"public\".\"a b\".x", "SELECT \"s\".\"a b\".x"),
            ("SELECT a.public.b, public_x.y, public", "SELECT a.public.b, public_x.y, public"),
            ("a OPERATOR(public.=) b OPERATOR(public.<>) c", "a OPERATOR(public.=) b OPERATOR(\"s\".<>) c"),
            ("nextval('public.q'::regclass)", "nextval('\"s\".q'::regclass)"),
            ("pg_catalog.setval('public.\"it''s\"', 1)", "pg_catalog.setval('\"s\".\"it''s\"', 1)"),
            (
                "DEFAULT 'public.q'::text || E'\\'public.q' || 'it''s public.q'",
                "DEFAULT 'public.q'::text || E'\\'public.q' || 'it''s public.q'",
            ),
            ("AS $$ SELECT public.t $$; SELECT $1, public.t", "AS $$ SELECT public.t $$; SELECT $1, \"s\".t"),
            ("-- public.t\n/* /* public.t */ ' */ public.t", "-- public.t\n/* /* public.t */ ' */ \"s\".t"),
        ] {
            assert_eq!(rename(text, "public", "s", &stay), expected, "{text}");
        }
        assert_eq!(rename("TABLE \"My \"\"App\".t", "My \"App", "s", &stay), "TABLE \"s\".t");
    }
}
