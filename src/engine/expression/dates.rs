//! Functions of dates on which the dialects agree, under whatever names they have them: parts, texts in a portable subset of
//! formats, the day of a moment, and moments rounded down. Of columns without a zone only: with one, the session's would
//! matter.

use sqlparser::ast::{DataType as SqlType, DateTimeField, Expr, Function};

use super::Comparison;
use super::call::{arguments, function_name};
use super::read::{Reader, strip};
use super::term::{Class, Node, Term};
use crate::model::endpoint::Dialect;

/// A part of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Part {
    const ALL: [Self; 6] = [Self::Year, Self::Month, Self::Day, Self::Hour, Self::Minute, Self::Second];

    /// Its word in `strftime` of SQLite.
    const fn sqlite(self) -> &'static str {
        match self {
            Self::Year => "%Y",
            Self::Month => "%m",
            Self::Day => "%d",
            Self::Hour => "%H",
            Self::Minute => "%M",
            Self::Second => "%S",
        }
    }

    /// Its word in `date_format` of MySQL.
    const fn mysql(self) -> &'static str {
        match self {
            Self::Minute => "%i",
            Self::Second => "%s",
            other => other.sqlite(),
        }
    }

    /// Its word in `to_char` of PostgreSQL.
    const fn postgres(self) -> &'static str {
        match self {
            Self::Year => "YYYY",
            Self::Month => "MM",
            Self::Day => "DD",
            Self::Hour => "HH24",
            Self::Minute => "MI",
            Self::Second => "SS",
        }
    }

    /// Its name, which is also a function of MySQL.
    const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether it is a part of a day's time, which a date has none of.
    const fn is_of_time(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second)
    }
}

/// A piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Part(Part),
    /// A mark of punctuation that means itself in every dialect.
    Mark(char),
}

/// A function of one date or moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dated {
    /// A part as a whole number.
    Part(Part),
    /// Its text in a format.
    Text(Vec<Piece>),
    /// Its day.
    Day,
    /// Its beginning: of the year, the month, the day or the hour.
    Floor(Part),
}

impl Dated {
    /// What stands before and behind its argument, which is a moment rather than a date.
    pub(super) fn around(&self, target: Dialect, moment: bool) -> (String, String) {
        match target {
            Dialect::Sqlite => self.around_in_sqlite(moment),
            Dialect::Postgres => self.around_in_postgres(moment),
            Dialect::Mysql => self.around_in_mysql(),
        }
    }

    /// The number that its digits are, if it is the text of one part.
    pub(super) fn as_part(&self, moment: bool) -> Option<Self> {
        match self {
            Self::Text(pieces) => match pieces.as_slice() {
                [Piece::Part(part)] if *part != Part::Second && (moment || !part.is_of_time()) => {
                    Some(Self::Part(*part))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn around_in_sqlite(&self, moment: bool) -> (String, String) {
        // SQLite rounds to milliseconds, and so up into the next second, day or year.
        let (open, close) = if moment { ("substr(", ", 1, 19))") } else { ("", ")") };
        let call = |format: &str| (format!("strftime('{format}', {open}"), close.to_owned());
        match self {
            Self::Part(part) => {
                let (before, after) = call(part.sqlite());
                (format!("CAST({before}"), format!("{after} AS INTEGER)"))
            }
            Self::Text(pieces) => call(&format(pieces, Part::sqlite)),
            Self::Day => (format!("date({open}"), close.to_owned()),
            Self::Floor(part) => call(&format!("{}.000000", floor(*part, Part::sqlite))),
        }
    }

    fn around_in_postgres(&self, moment: bool) -> (String, String) {
        match self {
            Self::Part(part) => (format!("CAST(extract({} FROM ", part.name()), ") AS integer)".into()),
            Self::Text(pieces) => {
                let format = format(pieces, Part::postgres);
                // The text of a date is that of a moment with a zone otherwise.
                let (open, close) = if moment { ("", "") } else { ("CAST(", " AS timestamp)") };
                (format!("to_char({open}"), format!("{close}, '{format}')"))
            }
            Self::Day => ("CAST(".into(), " AS date)".into()),
            Self::Floor(part) => (format!("date_trunc('{}', ", part.name()), ")".into()),
        }
    }

    fn around_in_mysql(&self) -> (String, String) {
        match self {
            Self::Part(part) => (format!("{}(", part.name()), ")".into()),
            Self::Text(pieces) => ("date_format(".into(), format!(", '{}')", format(pieces, Part::mysql))),
            Self::Day => ("date(".into(), ")".into()),
            Self::Floor(part) => {
                let format = floor(*part, Part::mysql);
                ("CAST(date_format(".into(), format!(", '{format}') AS DATETIME(6))"))
            }
        }
    }
}

fn format(pieces: &[Piece], word: impl Fn(Part) -> &'static str) -> String {
    let mut format = String::new();
    for piece in pieces {
        match piece {
            Piece::Part(part) => format.push_str(word(*part)),
            Piece::Mark(mark) => format.push(*mark),
        }
    }
    format
}

/// The format of a moment whose smaller parts are those that a year, month, day or hour begins with.
fn floor(part: Part, word: impl Fn(Part) -> &'static str) -> String {
    let mut format = String::new();
    for (of, mark, first) in [
        (Part::Year, "", "0000"),
        (Part::Month, "-", "01"),
        (Part::Day, "-", "01"),
        (Part::Hour, " ", "00"),
        (Part::Minute, ":", "00"),
        (Part::Second, ":", "00"),
    ] {
        format.push_str(mark);
        format.push_str(if of <= part { word(of) } else { first });
    }
    format
}

/// A format of parts with leading zeros and of punctuation.
fn pieces(source: Dialect, format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if matches!(first, '-' | '/' | ':' | '.' | ',' | ' ') {
            pieces.push(Piece::Mark(first));
            rest = &rest[1..];
            continue;
        }
        let (part, length) = Part::ALL.into_iter().find_map(|part| {
            let word = match source {
                Dialect::Sqlite => part.sqlite(),
                Dialect::Mysql => part.mysql(),
                Dialect::Postgres => part.postgres(),
            };
            let begins = rest.get(..word.len()).is_some_and(|begin| match source {
                Dialect::Postgres => begin.eq_ignore_ascii_case(word),
                _ => begin == word,
            });
            begins.then_some((part, word.len()))
        })?;
        // DDD and SSSS of PostgreSQL are something else.
        let last = rest[..length].chars().next_back();
        rest = &rest[length..];
        let goes_on = rest.chars().next().zip(last).is_some_and(|(a, b)| a.eq_ignore_ascii_case(&b));
        if source == Dialect::Postgres && goes_on {
            return None;
        }
        pieces.push(Piece::Part(part));
    }
    (!pieces.is_empty()).then_some(pieces)
}

impl Reader<'_> {
    /// `EXTRACT(part FROM …)`.
    pub(super) fn extract(&self, field: &DateTimeField, expr: &Expr, level: usize) -> Option<Node> {
        let part = Part::named(&field.to_string().to_ascii_lowercase())?;
        let node = self.part(part, expr, level)?;
        // PostgreSQL makes a number of it that divides into fractions.
        let class = match self.source {
            Dialect::Postgres => Class::Decimal { as_text: false },
            _ => node.class,
        };
        Some(Node::new(node.term, class))
    }

    /// A function of dates.
    pub(super) fn dated(&self, function: &Function, level: usize) -> Option<Node> {
        let name = function_name(&function.name)?;
        let arguments = arguments(function)?;
        match (self.source, name.as_str(), arguments.as_slice()) {
            (Dialect::Sqlite, "strftime", [format, moment])
            | (Dialect::Mysql, "date_format", [moment, format])
            | (Dialect::Postgres, "to_char", [moment, format]) => {
                let pieces = pieces(self.source, &self.constant(format, level)?)?;
                // SQLite rounds to milliseconds first, so that a second may be the next one.
                if self.source == Dialect::Sqlite && pieces.contains(&Piece::Part(Part::Second)) {
                    return None;
                }
                let (term, moment) = self.moment(moment, level)?;
                let call = Term::Dated { call: Dated::Text(pieces), moment, term };
                Some(Node::new(call, Class::Text { comparison: Comparison::Exact, fixed: false }))
            }
            (_, "date", [moment]) => self.day(self.walk(moment, level)?),
            (Dialect::Postgres, "date_trunc", [part, moment]) => {
                let part = Part::named(&self.constant(part, level)?)?;
                let node = self.walk(moment, level)?;
                let floors = matches!(part, Part::Year | Part::Month | Part::Day | Part::Hour);
                if !floors || node.class != Class::DateTime {
                    return None;
                }
                let call = Term::Dated { call: Dated::Floor(part), moment: true, term: Box::new(node.term) };
                Some(Node::new(call, Class::DateTime))
            }
            (Dialect::Postgres, "date_part", [part, moment]) => {
                let node = self.part(Part::named(&self.constant(part, level)?)?, moment, level)?;
                // A double, which is a whole number elsewhere.
                Some(Node::new(node.term, Class::Decimal { as_text: false }))
            }
            (Dialect::Mysql, "dayofmonth", [moment]) => self.part(Part::Day, moment, level),
            (Dialect::Mysql, name, [moment]) => self.part(Part::named(name)?, moment, level),
            _ => None,
        }
    }

    fn part(&self, part: Part, expr: &Expr, level: usize) -> Option<Node> {
        let (term, moment) = self.moment(expr, level)?;
        // PostgreSQL has fractions of seconds, and no hours of a date.
        if part == Part::Second || (part.is_of_time() && !moment) {
            return None;
        }
        let call = Term::Dated { call: Dated::Part(part), moment, term };
        Some(Node::new(call, Class::Integer { unsigned: false }))
    }

    /// The day of a date or moment.
    pub(super) fn day(&self, node: Node) -> Option<Node> {
        match node.class {
            Class::Date => Some(node),
            Class::DateTime if self.dates => {
                let call = Term::Dated { call: Dated::Day, moment: true, term: Box::new(node.term) };
                Some(Node::new(call, Class::Date))
            }
            _ => None,
        }
    }

    /// A date or a moment without a zone, and which of the two it is.
    fn moment(&self, expr: &Expr, level: usize) -> Option<(Box<Term>, bool)> {
        let expr = match strip(expr) {
            // As PostgreSQL calls a function with a date: its midnight has the same day in any zone.
            Expr::Cast { expr, data_type: SqlType::Timestamp(..), .. }
                if self.source == Dialect::Postgres =>
            {
                let node = self.walk(expr, level)?;
                return (node.class == Class::Date).then(|| (Box::new(node.term), false));
            }
            other => other,
        };
        let node = self.walk(expr, level)?;
        let is_plain = !node.is_literal();
        match node.class {
            Class::Date if is_plain => Some((Box::new(node.term), false)),
            Class::DateTime if is_plain => Some((Box::new(node.term), true)),
            _ => None,
        }
    }

    fn constant(&self, expr: &Expr, level: usize) -> Option<String> {
        match self.walk(expr, level)?.term {
            Term::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_only_if_each_piece_is_known() {
        for (source, format, target, expected) in [
            (Dialect::Sqlite, "%Y-%m-%d", Dialect::Postgres, "YYYY-MM-DD"),
            (Dialect::Mysql, "%Y/%m %H:%i", Dialect::Sqlite, "%Y/%m %H:%M"),
            (Dialect::Postgres, "yyyy-MM HH24:MI", Dialect::Mysql, "%Y-%m %H:%i"),
            (Dialect::Postgres, "YYYYMMDD", Dialect::Sqlite, "%Y%m%d"),
        ] {
            let pieces = pieces(source, format).unwrap();
            let word = match target {
                Dialect::Sqlite => Part::sqlite,
                Dialect::Postgres => Part::postgres,
                Dialect::Mysql => Part::mysql,
            };
            assert_eq!(super::format(&pieces, word), expected, "{format}");
        }
        for (source, format) in [
            (Dialect::Sqlite, "%W"),
            (Dialect::Sqlite, "%Y%%"),
            (Dialect::Sqlite, "year %Y"),
            (Dialect::Mysql, "%M"),
            (Dialect::Mysql, "%Y-%b"),
            (Dialect::Postgres, "Month"),
            (Dialect::Postgres, "DDD"),
            (Dialect::Postgres, "DDDD"),
            (Dialect::Postgres, "SSSS"),
            (Dialect::Postgres, "HH12"),
            (Dialect::Postgres, "FMMM"),
            (Dialect::Postgres, "YYYY\"x\""),
            (Dialect::Postgres, ""),
        ] {
            assert_eq!(pieces(source, format), None, "{format}");
        }
    }
}
