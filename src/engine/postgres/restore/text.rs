//! What `pg_restore` writes where it has no database to write into: a script of entries, each under a comment that says
//! what it is. It is read entry by entry and never handed to a program that would obey it, and the schema that its names
//! stand in is exchanged for another. Pure.

use std::collections::{HashSet, VecDeque};

use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::types::quote;

/// How the comment of an entry begins.
const HEADS: [&str; 2] = ["-- Name: ", "-- Data for Name: "];

/// Settings that stand between entries.
const SETTINGS: [&str; 2] = ["SET default_tablespace = ", "SET default_table_access_method = "];

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
        let text = self.text.trim_end();
        let (rest, last) = text.rsplit_once("\n\n").unwrap_or(("", text));
        let last = last.trim_start_matches('\n');
        let says = last.starts_with("ALTER ") && last.contains(" OWNER TO ") && last.ends_with(';');
        // A comment may hold such words.
        if says && is_whole(rest) { (rest, Some(last)) } else { (&self.text, None) }
    }

    /// Its name without the arguments of a function and without quotes.
    pub(super) fn bare_name(&self) -> String {
        let name = self.name.split('(').next().unwrap_or_default().trim();
        name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name).replace("\"\"", "\"")
    }

    /// Whether it makes something, or fills it, that is found by its name in the schema alone.
    pub(super) fn makes(&self) -> bool {
        const KINDS: [&str; 16] = [
            "TABLE",
            "TABLE DATA",
            "FOREIGN TABLE",
            "VIEW",
            "MATERIALIZED VIEW",
            "MATERIALIZED VIEW DATA",
            "SEQUENCE",
            "SEQUENCE SET",
            "TYPE",
            "SHELL TYPE",
            "DOMAIN",
            "COLLATION",
            "FUNCTION",
            "PROCEDURE",
            "AGGREGATE",
            "OPERATOR",
        ];
        KINDS.contains(&self.kind.as_str())
    }

    /// Its statements, one by one.
    pub(super) fn statements(&self) -> Vec<String> {
        let (mut all, mut one) = (Vec::new(), String::new());
        for (is, this) in tokens(&self.text) {
            one.push_str(this);
            if is == Is::Other && this == ";" {
                all.push(std::mem::take(&mut one));
            }
        }
        all.push(one);
        all.iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    }

    /// A schema other than `own` that has a table which this one would be a part of: its rows would show there at once.
    pub(super) fn joins_another(&self, own: &str) -> Option<String> {
        let tokens = tokens(&self.text);
        let tokens: Vec<_> = tokens.into_iter().filter(|token| token.0 != Is::Blank).collect();
        let is = |at: usize, word: &str| {
            tokens.get(at).is_some_and(|t| t.0 == Is::Word && t.1.eq_ignore_ascii_case(word))
        };
        let (from, end) = match self.kind.as_str() {
            "TABLE ATTACH" => (0, (0..tokens.len()).find(|at| is(*at, "FOR") || is(*at, "DEFAULT"))?),
            "TABLE" | "FOREIGN TABLE" => {
                let begins =
                    |at: &usize| is(*at, "INHERITS") && tokens.get(at + 1).is_some_and(|t| t.1 == "(");
                let from = (0..tokens.len()).find(begins)?;
                (from, from + tokens[from..].iter().position(|t| t.1 == ")")?)
            }
            _ => return None,
        };
        (from..end).find_map(|at| {
            let qualifies = tokens.get(at + 1).is_some_and(|t| t.1 == ".");
            let schema = name(tokens[at]).filter(|_| qualifies)?;
            (schema != own).then_some(schema)
        })
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
        // In what was left there is no line end.
        let mut searched = bytes.len();
        bytes.extend_from_slice(block);
        let (mut at, mut rows_from) = (0, 0);
        while let Some(length) = bytes[searched..].iter().position(|b| *b == b'\n') {
            let end = searched + length + 1;
            let line = &bytes[at..end];
            if self.in_rows {
                if line == ROWS_END {
                    self.rows(&bytes[rows_from..at]);
                    self.pieces.push_back(Piece::RowsEnd);
                    self.in_rows = false;
                }
            } else {
                self.line(line)?;
                rows_from = end;
            }
            (at, searched) = (end, end);
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
            if text.starts_with("SET standard_conforming_strings = off") {
                return Err(
                    "its texts are in the old spelling of backslashes (standard_conforming_strings = off)"
                        .into(),
                );
            }
            return match text.strip_prefix("SET client_encoding = ") {
                Some(encoding) if encoding != "'UTF8';\n" => Err(format!("it is in {}", encoding.trim_end())),
                _ => Ok(()),
            };
        };
        if entry.text.is_empty() && text == "--\n" {
            return Ok(());
        }
        // Where the next table is to stand and how it is to be kept: settings that come before the comment of its entry.
        if SETTINGS.iter().any(|setting| text.starts_with(setting)) && is_whole(&entry.text) {
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

/// What stands between the quotes of a token; none where one of them is missing.
fn inner(text: &str) -> Option<&str> {
    text.get(1..text.len().checked_sub(1)?)
}

/// The name that a token is.
fn name((is, text): (Is, &str)) -> Option<String> {
    match is {
        Is::Word => Some(text.to_lowercase()),
        Is::Quoted => Some(inner(text)?.replace("\"\"", "\"")),
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
            Is::Literal if names_object() => match inner(this) {
                Some(object) => {
                    out.push_str(&literal(&rename(&object.replace("''", "'"), from, to, stay)));
                }
                None => out.push_str(this),
            },
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
        assert!(Reader::default().push(b"SET standard_conforming_strings = off;\n").is_err());
        assert!(Reader::default().push(b"SET standard_conforming_strings = on;\n").is_ok());
    }

    #[test]
    fn an_entry_without_an_owner_keeps_all_its_statements() {
        let entry = |text: &str| Entry { kind: "ACL".into(), name: "t".into(), text: text.into() };
        let grants =
            entry("\nREVOKE ALL ON TABLE public.t FROM a;\nGRANT SELECT ON TABLE public.t TO b;\n\n\n");
        assert_eq!(grants.apart_from_owner(), (grants.text.as_str(), None));
        let only = entry("\nALTER TABLE public.t OWNER TO a;\n");
        assert_eq!(only.apart_from_owner(), ("", Some("ALTER TABLE public.t OWNER TO a;")));
        let comment = entry("\nCOMMENT ON TABLE public.t IS 'a\n\nALTER TABLE t OWNER TO b';\n");
        assert_eq!(comment.apart_from_owner(), (comment.text.as_str(), None));
    }

    #[test]
    fn statements_come_apart_outside_of_names() {
        let text = "\nREVOKE ALL ON TABLE public.\"a;\nb\" FROM a;\nGRANT SELECT ON TABLE public.\"a;\nb\" TO b;\n\n\n";
        let entry = Entry { kind: "ACL".into(), name: "TABLE a".into(), text: text.into() };
        assert_eq!(
            entry.statements(),
            ["REVOKE ALL ON TABLE public.\"a;\nb\" FROM a;", "GRANT SELECT ON TABLE public.\"a;\nb\" TO b;"]
        );
    }

    #[test]
    fn settings_between_entries_belong_to_none() {
        let script = "--\n-- Name: a; Type: TABLE; Schema: public; Owner: me\n--\n\nCREATE TABLE public.a ();\n\n\n\
SET default_tablespace = elsewhere;\n\nSET default_table_access_method = heap;\n\n\
--\n-- Name: f(); Type: FUNCTION; Schema: public; Owner: me\n--\n\n\
CREATE FUNCTION public.f() RETURNS text AS $$\nSET default_tablespace = '';\n$$;\n\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n";
        let texts: Vec<String> = pieces(script, 7)
            .into_iter()
            .map(|piece| match piece {
                Piece::Entry(entry) => entry.text.trim().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], "CREATE TABLE public.a ();");
        assert!(texts[1].contains("SET default_tablespace"), "{texts:?}");
    }

    #[test]
    fn tables_that_join_those_of_other_schemas_are_known() {
        let joins = |kind: &str, text: &str| {
            Entry { kind: kind.into(), name: "t".into(), text: text.into() }.joins_another("public")
        };
        let attach = "ALTER TABLE ONLY other.p ATTACH PARTITION public.t FOR VALUES FROM (1.5) TO (2.5);";
        assert_eq!(joins("TABLE ATTACH", attach).as_deref(), Some("other"));
        assert_eq!(joins("TABLE ATTACH", &attach.replace("other", "public")), None);
        let made = "CREATE TABLE public.t (a int DEFAULT other.f())\nINHERITS (public.p, \"My\".q);";
        assert_eq!(joins("TABLE", made).as_deref(), Some("My"));
        assert_eq!(joins("TABLE", "CREATE TABLE public.t (inherits other.kind);"), None);
    }

    #[test]
    fn names_of_entries_are_bare() {
        let bare =
            |name: &str| Entry { kind: "X".into(), name: name.into(), text: String::new() }.bare_name();
        assert_eq!(
            (bare("f(integer)").as_str(), bare("\"F\"(a)").as_str(), bare("t").as_str()),
            ("f", "F", "t")
        );
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
        for cut in ["SELECT \"", "nextval('", "setval('\u{e4}", "public.\""] {
            rename(cut, "public", "s", &stay);
        }
        assert_eq!(rename("TABLE \"My \"\"App\".t", "My \"App", "s", &stay), "TABLE \"s\".t");
    }
}
