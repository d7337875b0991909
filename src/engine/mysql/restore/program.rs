//! The beginning of what makes a routine, a package, a trigger or an event, as far as it has to be known before the server reads it:
//! what it is, under which name, in which database. Pure.

use std::ops::Range;

use crate::model::change::Kind;

/// A stored program of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::mysql) struct Program {
    /// Function, procedure, package, its body, trigger or event.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: String,
    /// The table that a trigger is on.
    pub(super) table: Option<String>,
    /// The statement without the signs of comments with a version, and without a database before its text begins: MariaDB
    /// keeps what was typed of a trigger.
    pub(super) sql: String,
    /// Where it says of an event that it is switched on.
    enabled: Option<Range<usize>>,
}

impl Program {
    /// The statement that makes an event which never fires. Others as they are.
    pub(super) fn at_rest(&self) -> String {
        let mut sql = self.sql.clone();
        if let Some(word) = &self.enabled {
            sql.replace_range(word.clone(), "DISABLE");
        }
        sql
    }

    /// Whether an event fires when its time has come.
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.is_some()
    }
}

/// Takes `CREATE … TRIGGER name BEFORE INSERT ON table` and its like apart; `None` where it is nothing of the kind, or says
/// something else there than the server does.
pub(super) fn header(sql: &str) -> Option<Program> {
    let mut tokens = Tokens::of(sql);
    tokens.word(&["CREATE"])?;
    let mut word = tokens.next()?;
    if word.is("DEFINER") {
        tokens.sign('=')?;
        tokens.name()?;
        word = tokens.next()?;
        if word.text == "@" {
            tokens.name()?;
            word = tokens.next()?;
        }
    }
    if word.is("AGGREGATE") {
        word = tokens.next().filter(|word| word.is("FUNCTION"))?;
    }
    let kinds = [Kind::Function, Kind::Procedure, Kind::Package, Kind::Trigger, Kind::Event];
    let mut kind = kinds.into_iter().find(|kind| word.is(kind.word()))?;
    // A package of that name stands between quotes.
    if kind == Kind::Package && tokens.peek()?.is("BODY") {
        tokens.next();
        kind = Kind::PackageBody;
    }
    let name = tokens.qualified()?;
    let mut table = None;
    let mut enabled = None;
    match kind {
        Kind::Trigger => {
            tokens.word(&["BEFORE", "AFTER"])?;
            tokens.word(&["INSERT", "UPDATE", "DELETE"])?;
            tokens.word(&["ON"])?;
            table = Some(tokens.qualified()?);
        }
        Kind::Event => enabled = tokens.status()?,
        _ => {}
    }
    let mut sql = sql.trim_end();
    if tokens.open {
        // A trigger of MySQL may end in a semicolon. Then this sign would begin another statement.
        sql = sql.strip_suffix("*/")?.trim_end();
    }
    let mut sql = sql.to_owned();
    for cut in tokens.cuts.into_iter().rev() {
        if let Some(word) = enabled.as_mut().filter(|word| word.start >= cut.end) {
            *word = word.start - cut.len()..word.end - cut.len();
        }
        sql.replace_range(cut, "");
    }
    Some(Program { kind, name, table, sql, enabled })
}

/// Switches an event on that the server tells of as switched off.
pub(super) fn switched_on(sql: &str) -> Option<String> {
    let mut tokens = Tokens::of(sql);
    let word = tokens.preserve().and_then(|()| tokens.next()).filter(|word| word.is("DISABLE"))?;
    let mut sql = sql.to_owned();
    sql.replace_range(word.range, "ENABLE");
    Some(sql)
}

/// A word, a name or text between quotes, or a sign.
struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

#[derive(Clone)]
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
    /// What is left out of the statement, in order.
    cuts: Vec<Range<usize>>,
    /// A comment with a version has begun and not ended.
    open: bool,
}

impl<'a> Tokens<'a> {
    fn of(sql: &'a str) -> Self {
        Self { sql, at: 0, cuts: Vec::new(), open: false }
    }

    /// The next token. The signs of comments with a version are none; other comments do not stand where this looks.
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.sql[self.at..];
            let blank = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            let signs = if rest.starts_with("/*!") || rest.starts_with("/*M!") {
                let digits = rest.find('!')? + 1;
                digits + rest[digits..].bytes().take_while(u8::is_ascii_digit).count()
            } else if rest.starts_with("*/") {
                2
            } else {
                0
            };
            self.at += blank + signs;
            if signs > 0 {
                self.open = signs > 2;
                self.cuts.push(self.at - signs..self.at);
                continue;
            }
            let length = match rest.chars().next()? {
                quote @ ('`' | '"' | '\'') => quoted(rest, quote)?,
                c if is_letter(c) => rest.find(|c| !is_letter(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let range = self.at..self.at + length;
            self.at = range.end;
            return Some(Token { text: &self.sql[range.clone()], range });
        }
    }

    fn word(&mut self, words: &[&str]) -> Option<()> {
        let token = self.next()?;
        words.iter().any(|word| token.is(word)).then_some(())
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        self.next()?.text.starts_with(sign).then_some(())
    }

    /// A name, with or without quotes, that may be an account's too.
    fn name(&mut self) -> Option<String> {
        let token = self.next()?;
        match token.text.chars().next()? {
            quote @ ('`' | '"' | '\'') => {
                let inner = &token.text[1..token.text.len() - 1];
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            c => is_letter(c).then(|| token.text.to_owned()),
        }
    }

    /// A name; what stands before it of a database is left out.
    fn qualified(&mut self) -> Option<String> {
        let start = self.peek()?.range.start;
        let name = self.name()?;
        if self.peek().is_none_or(|token| token.text != ".") {
            return Some(name);
        }
        self.sign('.')?;
        self.cuts.push(start..self.peek()?.range.start);
        self.name()
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.clone().next()
    }

    /// Goes behind ON COMPLETION PRESERVE or NOT PRESERVE, which the server always writes. What stands before it in a schedule are
    /// numbers, words and texts between quotes.
    fn preserve(&mut self) -> Option<()> {
        loop {
            let token = self.next()?;
            if token.is("DO") {
                return None;
            }
            if token.is("COMPLETION") {
                if self.peek()?.is("NOT") {
                    self.next();
                }
                return self.word(&["PRESERVE"]);
            }
        }
    }

    /// Where an event says that it is switched on, if it does; `None` if it does not say.
    #[allow(clippy::option_option, reason = "not said is not switched off")]
    fn status(&mut self) -> Option<Option<Range<usize>>> {
        self.preserve()?;
        let word = self.next()?;
        if word.is("ENABLE") {
            return Some(Some(word.range));
        }
        word.is("DISABLE").then_some(None)
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// Length of what stands between quotes at the beginning of a text, with them. A doubled quote is one.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_apart() {
        for (sql, kind, name, table) in [
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`127.0.0.1`*/ /*!50003 TRIGGER tr1 BEFORE INSERT ON t FOR EACH \
                 ROW BEGIN SET NEW.n = 1; END \n*/",
                Kind::Trigger,
                "tr1",
                Some("t"),
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=\"root\"@\"h\"*/ /*!50003 TRIGGER `a``b` AFTER DELETE ON `t``u` FOR \
                 EACH ROW SET @a = 1 */",
                Kind::Trigger,
                "a`b",
                Some("t`u"),
            ),
            ("CREATE DEFINER=`r`@`%` PROCEDURE `p`(IN x int)\nSELECT 1", Kind::Procedure, "p", None),
            ("CREATE DEFINER=`role` PROCEDURE \"p\"()\nSELECT 1", Kind::Procedure, "p", None),
            (
                "CREATE DEFINER=`r`@`%` FUNCTION `f`(x varchar(10)) RETURNS int(11)\nRETURN 1",
                Kind::Function,
                "f",
                None,
            ),
            (
                "CREATE DEFINER=`r`@`%` AGGREGATE FUNCTION `f`(x int) RETURNS int\nRETURN 1",
                Kind::Function,
                "f",
                None,
            ),
            (
                "CREATE DEFINER=\"r\"@\"%\" PACKAGE \"body\"    COMMENT 'x'\n as procedure a(); end",
                Kind::Package,
                "body",
                None,
            ),
            (
                "CREATE DEFINER=\"r\"@\"%\" PACKAGE BODY \"p\"\"q\" as procedure a() as begin null; end; end",
                Kind::PackageBody,
                "p\"q",
                None,
            ),
        ] {
            let program = header(sql).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(
                (program.kind, program.name.as_str(), program.table.as_deref()),
                (kind, name, table),
                "{sql}"
            );
            assert_eq!(program.at_rest(), program.sql, "{sql}");
        }
        let trigger = "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`h`*/ /*!50003 TRIGGER `a` BEFORE DELETE ON `t` FOR EACH ROW \
                       set @a = '/*! */' + /*!50003 1 */; \n*/";
        assert_eq!(
            header(trigger).unwrap().sql.split_whitespace().collect::<Vec<_>>().join(" "),
            "CREATE DEFINER=`r`@`h` TRIGGER `a` BEFORE DELETE ON `t` FOR EACH ROW set @a = '/*! */' + /*!50003 1 */;"
        );
        for sql in [
            "CREATE TABLE `trigger` (a int)",
            "CREATE DEFINER=`trigger`@`h` VIEW `v` AS select 1",
            "CREATE SEQUENCE `s` start with 5",
            "CREATE DEFINER=`r`@`h` TRIGGER `t` BEFORE INSERT OR UPDATE ON `t` FOR EACH ROW SET @a = 1",
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1",
            "CREATE TRIGGER `t",
            "SET @a = 1",
        ] {
            assert_eq!(header(sql), None, "{sql}");
        }
    }

    /// The trigger of MariaDB whose author wrote the database: it would be made there, wherever the dump is restored.
    #[test]
    fn no_program_names_its_database() {
        let program =
            header("CREATE TRIGGER live.tr BEFORE UPDATE ON `live` . `t` FOR EACH ROW SET @a = 'live.t'");
        let program = program.unwrap();
        assert_eq!(program.sql, "CREATE TRIGGER tr BEFORE UPDATE ON `t` FOR EACH ROW SET @a = 'live.t'");
        assert_eq!((program.name.as_str(), program.table.as_deref()), ("tr", Some("t")));
        let event = header(
            "CREATE EVENT `live`.`e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO SELECT 1",
        );
        let event = event.unwrap();
        assert_eq!(
            event.at_rest(),
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE DO SELECT 1"
        );
    }

    #[test]
    fn events_are_switched_off_and_on_again() {
        for (sql, enabled) in [
            (
                "/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`h`*/ /*!50106 EVENT `on completion` ON SCHEDULE EVERY 1 DAY STARTS \
                 '2030-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ON COMPLETION PRESERVE ENABLE' DO SET @a = \
                 'ENABLE' \n*/",
                true,
            ),
            (
                "CREATE DEFINER=`r`@`h` EVENT `e` ON SCHEDULE AT '2031-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE ON \
                 SLAVE DO SELECT 1",
                false,
            ),
        ] {
            let event = header(sql).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(event.is_enabled(), enabled, "{sql}");
            let rest = event.at_rest();
            assert!(rest.contains("PRESERVE DISABLE"), "{rest}");
            if enabled {
                assert_eq!(switched_on(&rest).as_ref(), Some(&event.sql));
                assert_eq!(switched_on(&event.sql), None);
            } else {
                assert_eq!((&rest, event.sql.as_str()), (&event.sql, sql));
            }
        }
    }
}
