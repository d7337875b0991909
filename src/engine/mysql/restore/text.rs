//! What `mariadb-dump` and `mysqldump` write, statement by statement. Each is recognised before it is run, and none is handed
//! to a client program: such a script may name the database that it came from and change that. Pure.

use super::program::{self, Program};
use super::sequence;

/// A statement of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::mysql) enum Statement {
    /// A setting of the session.
    Set(String),
    /// Makes a table.
    Table {
        /// Its name.
        name: String,
        /// The statement.
        sql: String,
    },
    /// Fills a table.
    Rows {
        /// Its name.
        table: String,
        /// How many rows.
        rows: u64,
        /// The statement.
        sql: String,
    },
    /// Makes a view, or what stands in its place while its tables are not there yet.
    View {
        /// Its name.
        name: String,
        /// The statement.
        sql: String,
    },
    /// Makes a sequence.
    Sequence {
        /// Its name.
        name: String,
        /// The statement.
        sql: String,
    },
    /// Says where a sequence goes on.
    Value {
        /// Its name.
        sequence: String,
        /// The first number that has not been handed out or reserved.
        value: String,
    },
    /// Makes a stored program.
    Program(Program),
    /// Gives the database the default collation under which programs that follow were made; the clauses behind its name.
    Collation(String),
    /// Nothing that a new database needs.
    Idle,
    /// Something that is not restored; what it is.
    Other(String),
}

impl Statement {
    /// The statement with the sequences of the database that was dumped as those of the session's.
    pub(super) fn here(self, dumped: Option<&str>) -> Self {
        let (Self::Table { sql, .. } | Self::View { sql, .. }) = &self else { return self };
        match dumped {
            _ if !sequence::names_a_database(sql) => self,
            None => Self::Other("a sequence in use, and not the name of the database that was dumped".into()),
            Some(dumped) => match self {
                Self::Table { name, sql } => Self::Table { name, sql: sequence::here(&sql, dumped) },
                Self::View { name, sql } => Self::View { name, sql: sequence::here(&sql, dumped) },
                other => other,
            },
        }
    }
}

/// Takes a dump apart, line by line.
#[derive(Debug)]
pub(in crate::engine::mysql) struct Reader {
    /// The database that was dumped, once that was said.
    database: Option<String>,
    text: String,
    delimiter: String,
    within: Within,
    quoting: Quoting,
}

/// What `sql_mode` says of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoting {
    /// A backslash within a text takes the meaning from what follows.
    escapes: bool,
    /// Texts may stand between double quotes. Else names do, and in names there is no such backslash.
    double: bool,
}

/// What programs write for rows, and what a session of ours begins with.
pub(super) const USUAL: Quoting = Quoting { escapes: true, double: true };

impl Quoting {
    fn escapes_in(self, quote: u8) -> bool {
        self.escapes && (quote == b'\'' || (quote == b'"' && self.double))
    }

    /// What holds after a statement that has been run.
    fn after(self, statement: &str) -> Self {
        let head = head(statement).to_ascii_uppercase();
        if !head.starts_with("SET ") || !head.contains("SQL_MODE") {
            return self;
        }
        // Programs set it for one object, and then to what it was before.
        let says = |mode: &str| statement.to_ascii_uppercase().contains(mode);
        Self { escapes: !says("NO_BACKSLASH_ESCAPES"), double: !says("ANSI_QUOTES") }
    }
}

/// In what the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Code,
    /// Something between two of these quotes.
    Quotes(u8),
    /// A comment that holds no code.
    Comment,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            database: None,
            text: String::new(),
            delimiter: ";".into(),
            within: Within::Code,
            quoting: USUAL,
        }
    }
}

impl Reader {
    /// Takes the next line, with its end; answers with a statement that ends in it. Programs write no two on one line.
    pub(in crate::engine::mysql) fn line(&mut self, line: &str) -> Option<String> {
        if self.text.is_empty() && self.within == Within::Code {
            if let Some((_, database)) =
                line.strip_prefix("-- Host: ").and_then(|rest| rest.split_once("    Database: "))
            {
                let database = database.trim_end_matches(['\r', '\n']);
                self.database.get_or_insert_with(|| database.to_owned());
            }
            // The last is how MariaDB forbids its client program to run others.
            if line.trim().is_empty() || line.starts_with("--") || line.starts_with("/*M!999999") {
                return None;
            }
            if let Some(delimiter) = line.strip_prefix("DELIMITER ") {
                delimiter.trim().clone_into(&mut self.delimiter);
                return None;
            }
        }
        let ends = self.ends_in(line);
        self.text.push_str(line);
        if !ends {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let statement = text.trim_end().strip_suffix(&self.delimiter).unwrap_or(&text).trim_end();
        self.quoting = self.quoting.after(statement);
        Some(statement.to_owned())
    }

    /// The database that was dumped, if that has been said.
    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Whether the script stands between two statements.
    pub(in crate::engine::mysql) fn is_between(&self) -> bool {
        self.text.is_empty()
    }

    fn ends_in(&mut self, line: &str) -> bool {
        let ends = line.trim_end().ends_with(&self.delimiter);
        self.within = scan(line.as_bytes(), self.within, self.quoting, &mut |_, _| {});
        ends && self.within == Within::Code
    }
}

/// Goes over text and hears of every byte of code with its place; answers in what the text ends. Comments with a version are
/// code.
pub(super) fn scan(
    text: &[u8],
    mut within: Within,
    quoting: Quoting,
    code: &mut impl FnMut(usize, u8),
) -> Within {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let next = text.get(at + 1).copied();
        match within {
            Within::Comment if byte == b'*' && next == Some(b'/') => {
                within = Within::Code;
                at += 1;
            }
            // A doubled quote ends one text and begins another, which comes to the same.
            Within::Quotes(quote) if byte == quote => within = Within::Code,
            Within::Quotes(quote) if byte == b'\\' && quoting.escapes_in(quote) => at += 1,
            Within::Comment | Within::Quotes(_) => {}
            Within::Code => match (byte, next) {
                (b'\'' | b'"' | b'`', _) => within = Within::Quotes(byte),
                (b'/', Some(b'*')) if !matches!(text.get(at + 2), Some(b'!' | b'M')) => {
                    within = Within::Comment;
                    at += 1;
                }
                (b'#', _) => at = line_end(text, at),
                (b'-', Some(b'-')) if text.get(at + 2).is_none_or(u8::is_ascii_whitespace) => {
                    at = line_end(text, at);
                }
                _ => code(at, byte),
            },
        }
        at += 1;
    }
    within
}

fn line_end(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|b| *b == b'\n').map_or(text.len(), |length| from + length)
}

/// What a statement is.
pub(in crate::engine::mysql) fn recognise(sql: String) -> Statement {
    let several = holds_several(&sql);
    match by_its_words(sql) {
        // Its text may hold statements of its own: where it ends the server says, before it runs it.
        statement @ Statement::Program(_) => statement,
        // The server would run all of them, and only the first has been looked at.
        statement if several && !matches!(statement, Statement::Other(_)) => {
            Statement::Other("several statements in one line".into())
        }
        statement => statement,
    }
}

/// Whether a semicolon stands in the code.
fn holds_several(sql: &str) -> bool {
    let mut several = false;
    scan(sql.as_bytes(), Within::Code, USUAL, &mut |_, byte| several |= byte == b';');
    several
}

fn by_its_words(sql: String) -> Statement {
    let head = head(&sql);
    let mut words = head.split_whitespace().map(str::to_ascii_uppercase);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (first.as_str(), second.as_str()) {
        // What concerns the whole server, and what is for those that copy it. Every statement is committed by itself: without
        // that, the rows would be gone with the session.
        ("SET", _) if names_one_of(&head, &["GLOBAL", "SQL_LOG_BIN", "AUTOCOMMIT"]) => Statement::Idle,
        ("SET", _) => Statement::Set(sql),
        (
            "DROP",
            "TABLE" | "VIEW" | "PROCEDURE" | "FUNCTION" | "PACKAGE" | "EVENT" | "TRIGGER" | "SEQUENCE",
        )
        | ("LOCK" | "UNLOCK", "TABLES")
        // Statistics, which the server gathers anew.
        | ("ANALYZE", "TABLE")
        | ("COMMIT" | "", _) => Statement::Idle,
        // What older programs put in the place of a view until its tables are there.
        ("CREATE", "TABLE") if sql.starts_with("/*!50001 ") => Statement::Idle,
        ("ALTER", "TABLE") if head.ends_with("ABLE KEYS") => Statement::Idle,
        ("ALTER", "DATABASE") => match collation(&sql) {
            Some(clauses) => Statement::Collation(clauses),
            None => Statement::Other("ALTER DATABASE".into()),
        },
        ("INSERT", "INTO") => match (name_after(&sql, "INTO"), rows(&sql)) {
            (Some(table), rows) if rows > 0 => Statement::Rows { table, rows, sql },
            _ => Statement::Other("INSERT".into()),
        },
        ("DO", "SETVAL") => match sequence::value(&sql) {
            Some((sequence, value)) => Statement::Value { sequence, value },
            None => Statement::Other("DO SETVAL".into()),
        },
        ("CREATE", _) => made(sql, &head),
        _ => Statement::Other(format!("{first} {second}").trim_end().to_owned()),
    }
}

fn names_one_of(head: &str, words: &[&str]) -> bool {
    let head = head.to_ascii_uppercase();
    words.iter().any(|word| head.contains(word))
}

fn made(sql: String, head: &str) -> Statement {
    const KINDS: [&str; 8] =
        ["PACKAGE", "TABLE", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE"];
    if let Some(program) = program::header(&sql) {
        return Statement::Program(program);
    }
    let words = head.split_whitespace().map(str::to_ascii_uppercase);
    let kind = words.skip(1).find(|word| KINDS.contains(&word.as_str())).unwrap_or_default();
    match (kind.as_str(), name_after(&sql, &kind)) {
        ("TABLE", Some(name)) => Statement::Table { name, sql },
        ("VIEW", Some(name)) => Statement::View { name, sql },
        ("SEQUENCE", Some(name)) => Statement::Sequence { name, sql },
        ("", _) | ("TABLE" | "VIEW" | "SEQUENCE", None) => Statement::Other("CREATE".into()),
        _ => Statement::Other(kind.to_lowercase()),
    }
}

/// The beginning of a statement without the signs of comments with a version, up to its first text or opening parenthesis.
fn head(sql: &str) -> String {
    let end = sql.find(['(', '\'', '\n']).filter(|_| !sql.trim_start().starts_with("/*!50001 CREATE"));
    let mut head = String::new();
    for word in sql[..end.unwrap_or(sql.len())].split_whitespace() {
        let word = word.strip_suffix("*/").unwrap_or(word);
        let opens = word.starts_with("/*!") || word.starts_with("/*M!");
        let rest =
            word.trim_start_matches(['/', '*', '!', 'M']).trim_start_matches(|c: char| c.is_ascii_digit());
        let word = if opens { rest } else { word };
        if !word.is_empty() {
            head.push_str(word);
            head.push(' ');
        }
    }
    head.truncate(head.trim_end().len());
    head
}

/// The clauses of an ALTER DATABASE behind the name: a character set and a collation, and nothing else.
fn collation(sql: &str) -> Option<String> {
    name_after(sql, "DATABASE")?;
    let words: Vec<&str> = sql[sql.rfind('`')? + 1..].split_whitespace().collect();
    let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match words.as_slice() {
        ["CHARACTER", "SET", set, "COLLATE", collation] if is_name(set) && is_name(collation) => {
            Some(words.join(" "))
        }
        _ => None,
    }
}

/// The quoted name behind a word; none where it is qualified with a database.
fn name_after(sql: &str, word: &str) -> Option<String> {
    // Names stand at the beginning of what may be a megabyte of rows.
    let upper: String = sql.chars().take(4_000).collect::<String>().to_ascii_uppercase();
    let at = upper.find(&format!("{word} `"))? + word.len() + 2;
    let rest = &sql[at..];
    let mut name = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '`' && chars.next_if(|next| next.1 == '`').is_none() {
            return (!rest[at + 1..].starts_with('.')).then_some(name);
        }
        name.push(c);
    }
    None
}

/// Rows of an INSERT: its outermost parentheses behind VALUES.
fn rows(sql: &str) -> u64 {
    let (mut depth, mut rows, mut values, mut word) = (0_u32, 0, false, 0);
    scan(sql.as_bytes(), Within::Code, USUAL, &mut |_, byte| {
        word = if b"VALUES".get(word) == Some(&byte) { word + 1 } else { usize::from(byte == b'V') };
        values |= word == 6 && depth == 0;
        match byte {
            b'(' => {
                rows += u64::from(depth == 0 && values);
                depth += 1;
            }
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(script: &str) -> Vec<String> {
        let mut reader = Reader::default();
        let all = script.split_inclusive('\n').filter_map(|line| reader.line(line)).collect();
        assert!(reader.is_between());
        all
    }

    #[test]
    fn a_dump_comes_apart() {
        let script = "/*M!999999\\- enable the sandbox mode */ \n-- it's\n\nSET NAMES utf8mb4;\n\
            INSERT INTO `t` VALUES\n(1,'a;\\'\n-- b;\n'),\n(2,'c');\n\
            DELIMITER ;;\nCREATE PROCEDURE `p`()\nbegin select 1; select ';;';\nend ;;\nDELIMITER ;\n/* a;\n ' */ SELECT 1;\n";
        assert_eq!(
            statements(script),
            [
                "SET NAMES utf8mb4",
                "INSERT INTO `t` VALUES\n(1,'a;\\'\n-- b;\n'),\n(2,'c')",
                "CREATE PROCEDURE `p`()\nbegin select 1; select ';;';\nend",
                "/* a;\n ' */ SELECT 1",
            ]
        );
        // As both programs print a routine that was made under another sql_mode; what follows it is read as before.
        let script = "/*!50003 SET sql_mode              = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */ ;\nDELIMITER ;;\n\
            CREATE DEFINER=\"r\"@\"h\" PROCEDURE \"p\\\"()\nSELECT '\\', \";;\n\" ;;\nDELIMITER ;\n\
            /*!50003 SET sql_mode              = @saved_sql_mode */ ;\n\
            INSERT INTO `t` VALUES ('SET SQL_MODE NO_BACKSLASH_ESCAPES');\nINSERT INTO `t` VALUES ('\\';\n');\n";
        assert_eq!(
            statements(script)[1..],
            [
                "CREATE DEFINER=\"r\"@\"h\" PROCEDURE \"p\\\"()\nSELECT '\\', \";;\n\"",
                "/*!50003 SET sql_mode              = @saved_sql_mode */",
                "INSERT INTO `t` VALUES ('SET SQL_MODE NO_BACKSLASH_ESCAPES')",
                "INSERT INTO `t` VALUES ('\\';\n')",
            ]
        );
        let mut cut = Reader::default();
        assert_eq!(cut.line("INSERT INTO `t` VALUES (1,';\n"), None);
        assert!(!cut.is_between());
    }

    /// Whole dumps as the programs print them, of one database on either server.
    #[test]
    fn what_the_programs_print_is_recognised() {
        for (dump, utf8) in [
            (
                include_str!("../../../../tests/it/fixtures/dumps/mariadb-10.11.sql"),
                "collation utf8mb4_general_ci",
            ),
            (
                include_str!("../../../../tests/it/fixtures/dumps/mysql-9.7.sql"),
                "collation utf8mb4_0900_ai_ci",
            ),
        ] {
            let mut found = Vec::new();
            for statement in statements(dump).into_iter().map(recognise) {
                found.push(match statement {
                    Statement::Idle | Statement::Set(_) => continue,
                    Statement::Table { name, .. } => format!("table {name}"),
                    Statement::Rows { table, rows, .. } => format!("{rows} rows of {table}"),
                    Statement::Program(program) => format!("{} {}", program.kind.word(), program.name),
                    Statement::Collation(clauses) => {
                        format!("collation {}", clauses.rsplit(' ').next().unwrap())
                    }
                    other => format!("{other:?}"),
                });
            }
            let expected = [
                "table log",
                "table t",
                "2 rows of t",
                "trigger tr1",
                "trigger tr2",
                "event e1",
                "event e2",
                "function f1",
                "collation latin1_general_ci",
                "function f2",
                utf8,
                "procedure p1",
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn statements_are_recognised() {
        let other = |what: &str| Statement::Other(what.into());
        for (sql, expected) in [
            ("/*!40101 SET NAMES utf8mb4 */", None),
            ("SET @@SESSION.SQL_LOG_BIN= 0", Some(Statement::Idle)),
            ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '1'", Some(Statement::Idle)),
            ("DROP TABLE IF EXISTS `a`", Some(Statement::Idle)),
            ("/*!50001 DROP VIEW IF EXISTS `v`*/", Some(Statement::Idle)),
            ("/*!40000 ALTER TABLE `a` DISABLE KEYS */", Some(Statement::Idle)),
            (
                "ALTER DATABASE `a``b` CHARACTER SET latin1 COLLATE latin1_general_ci",
                Some(Statement::Collation("CHARACTER SET latin1 COLLATE latin1_general_ci".into())),
            ),
            ("ALTER DATABASE `live` READ ONLY = 1", Some(other("ALTER DATABASE"))),
            ("LOCK TABLES `a` WRITE", Some(Statement::Idle)),
            ("set autocommit=0", Some(Statement::Idle)),
            ("/*M!100616 SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0 */", Some(Statement::Idle)),
            ("set @@session.sql_log_bin = 0", Some(Statement::Idle)),
            ("set global max_connections = 1", Some(Statement::Idle)),
            ("commit", Some(Statement::Idle)),
            ("/*!80002 ANALYZE TABLE `a` UPDATE HISTOGRAM ON `b` WITH 8 BUCKETS */", Some(Statement::Idle)),
            (
                "/*!50001 CREATE TABLE `v` (\n  `id` tinyint NOT NULL\n) ENGINE=MyISAM */",
                Some(Statement::Idle),
            ),
            (
                "INSERT INTO `a` VALUES (1); DROP DATABASE `live`",
                Some(other("several statements in one line")),
            ),
            ("SET NAMES utf8; DELETE FROM `live`.`t`", Some(other("several statements in one line"))),
            ("SET @a = ';' /* ; */", None),
            // What is not said as the server says it.
            ("CREATE TRIGGER t BEFORE INSERT OR UPDATE ON a FOR EACH ROW SET @a = 1", Some(other("trigger"))),
            ("CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1", Some(other("event"))),
            ("DROP PACKAGE BODY IF EXISTS `p`", Some(Statement::Idle)),
            ("CREATE SEQUENCE `live`.`s` start with 5", Some(other("CREATE"))),
            (
                "CREATE SEQUENCE `s` start with 5; DROP DATABASE `live`",
                Some(other("several statements in one line")),
            ),
            ("DO SETVAL(`s`, 5, 0)", Some(Statement::Value { sequence: "s".into(), value: "5".into() })),
            ("DO SETVAL(`s`, 5, 1)", Some(other("DO SETVAL"))),
            ("DO SLEEP(5)", Some(other("DO SLEEP"))),
            ("USE `live`", Some(other("USE `LIVE`"))),
            ("INSERT INTO `live`.`t` VALUES (1)", Some(other("INSERT"))),
            ("CREATE TABLE `live`.`t` (a int)", Some(other("CREATE"))),
        ] {
            let set = Statement::Set(sql.to_owned());
            assert_eq!(recognise(sql.to_owned()), expected.unwrap_or(set), "{sql}");
        }
        let named = |sql: &str| match recognise(sql.to_owned()) {
            Statement::Table { name, .. } => format!("table {name}"),
            Statement::View { name, .. } => format!("view {name}"),
            Statement::Rows { table, rows, .. } => format!("{rows} rows of {table}"),
            Statement::Program(program) => format!("{} {}", program.kind.word(), program.name),
            Statement::Sequence { name, .. } => format!("sequence {name}"),
            other => format!("{other:?}"),
        };
        for (sql, expected) in [
            ("CREATE TABLE `a``b` (\n `view` int)", "table a`b"),
            ("/*!50001 CREATE VIEW `v` AS SELECT\n NULL AS `id` */", "view v"),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`r`@`h` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */",
                "view v",
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`h`*/ /*!50003 trigger t before insert on a for each row begin set \
                 @a = 1; set @b = 2; end */",
                "trigger t",
            ),
            ("CREATE DEFINER=`r`@`h` FUNCTION `f`(a int) RETURNS int(11)\nRETURN a", "function f"),
            ("CREATE DEFINER=`r`@`h` PROCEDURE `p`()\nBEGIN select 1; select 2; END", "procedure p"),
            (
                "/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`h`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION \
                 PRESERVE ENABLE DO SELECT 1 */",
                "event e",
            ),
            (
                "CREATE SEQUENCE `a``b` start with -1 minvalue -9 maxvalue -1 increment by -3 nocache",
                "sequence a`b",
            ),
            ("CREATE DEFINER=\"r\"@\"h\" PACKAGE \"p\" as procedure a(x int); end", "package p"),
            (
                "CREATE DEFINER=\"r\"@\"h\" PACKAGE BODY \"p\" as procedure a(x int) as begin select 1; end; end",
                "package body p",
            ),
            ("INSERT INTO `a` VALUES\n(1,'(\\'VALUES ('),\n(2,point(1,2))", "2 rows of a"),
            ("INSERT INTO `VALUES` (`a`, `b`) VALUES (1,2),(3,4),(5,\"(\")", "3 rows of VALUES"),
        ] {
            assert_eq!(named(sql), expected, "{sql}");
        }
    }
}
