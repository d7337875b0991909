//! A look at the values of a table before it goes to another engine: how long, how large, and which of them are
//! not what their column declares. One pass over the rows, with the same eyes as the reader (`cell`).

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::cell::{self, Misfit as CellMisfit, Reading, Value};
use super::ddl::quote;
use super::file::failure;
use super::form::Form;
use super::read::Key;
use crate::engine::condition::where_clause;
use crate::engine::{fit, limits};
use crate::model::batch::Cell;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::epoch::Epoch;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnProfile, Misfit, StorageClasses, TableProfile};
use crate::model::schema::{Column, DataType, IndexKey, Table};
use crate::model::value;

/// Keys that a misfit names.
const KEYS: usize = 5;

const NUL: CellMisfit =
    CellMisfit { code: "nul_in_text", text: "is text with a NUL, which PostgreSQL cannot hold" };
const NOT_UTF8: CellMisfit = CellMisfit { code: "invalid_utf8", text: "is text that is not valid UTF-8" };
const NOT_BYTES: CellMisfit =
    CellMisfit { code: "wrong_storage_class", text: "is a number in a column of byte strings" };
const TEXT_IN_BLOB: CellMisfit =
    CellMisfit { code: "text_in_blob", text: "is text in a column of byte strings" };
const NOT_FINITE: CellMisfit =
    CellMisfit { code: "not_finite", text: "is infinite or no number, which MySQL and MariaDB cannot hold" };
const NO_INSTANT: CellMisfit = CellMisfit { code: codes::DATETIME_RANGE, text: limits::NO_INSTANT };
const LATE_INSTANT: CellMisfit = CellMisfit { code: codes::DATETIME_RANGE, text: limits::LATE_INSTANT };
const WORD: CellMisfit = CellMisfit {
    code: "converted",
    text: "is true, t, false or f in a column of booleans and becomes that truth value",
};
const NULL_IN_KEY: CellMisfit =
    CellMisfit { code: codes::NULL_IN_KEY, text: "is NULL in the primary key, which only SQLite lets it be" };
const NO_EPOCH: CellMisfit = CellMisfit {
    code: "bad_datetime",
    text: "is a number in a column of times whose numbers are not all of them seconds, or all of them milliseconds, since 1970",
};
const TOO_PRECISE: CellMisfit =
    CellMisfit { code: "scale", text: "has more fractional digits than the column declares" };

/// Looks at the whole table, or at those of its rows for which a condition is true.
pub fn table(
    connection: &Connection,
    table: &Table,
    target: Dialect,
    condition: Option<&str>,
) -> Result<TableProfile> {
    let what = || format!("cannot read table {}", quote(&table.name));
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, what(), &e);
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let key_columns = table.key_columns();
    let key = Key::among(connection, &table.name, &names, &key_columns);
    let in_key = |c: &Column| table.primary_key.as_ref().is_some_and(|k| k.columns.contains(&c.name));
    let mut looks: Vec<Look> = table
        .columns
        .iter()
        .map(|c| Look {
            in_key: in_key(c),
            form: (in_key(c) || is_unique(table, c)).then(Form::default),
            ..Look::at(c, target, key_columns.contains(&c.name))
        })
        .collect();
    let mut parts: Vec<String> = looks.iter().map(Look::selected).collect();
    parts.extend(key.rowid.map(|name| format!("t.{name}")));
    let only = condition.map(where_clause).unwrap_or_default();
    let sql = format!("SELECT {} FROM main.{} AS t{only}", parts.join(", "), quote(&table.name));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut count = 0;
    let mut scratch = String::new();
    while let Some(row) = rows.next().map_err(failed)? {
        count += 1;
        for (at, look) in looks.iter_mut().enumerate() {
            let stored = row.get_ref(at).map_err(failed)?;
            if let Some(misfit) = look.value(stored, &mut scratch) {
                look.record(misfit, stored, || key.text(row));
            }
        }
    }
    let columns = looks.into_iter().map(Look::finish).collect();
    Ok(TableProfile { rows: Some(count), columns })
}

/// Whether a column is one of those of a unique index.
fn is_unique(table: &Table, column: &Column) -> bool {
    let parts = table.indexes.iter().filter(|index| index.unique).flat_map(|index| &index.parts);
    parts.map(|part| &part.key).any(|key| matches!(key, IndexKey::Column(name) if *name == column.name))
}

/// What is seen of one column.
struct Look<'a> {
    column: &'a Column,
    reading: Reading,
    target: Dialect,
    /// Whether it is part of the primary key.
    in_key: bool,
    /// Whether only sizes and classes are selected.
    sizes_only: bool,
    /// How its values are spelled, where that is asked.
    form: Option<Form>,
    classes: StorageClasses,
    utf8: bool,
    /// Times that say their distance from UTC.
    zoned: u64,
    /// Numbers in a column of times, by what each is if all of them turn out to be of one unit: [`NO_EPOCH`] for one that
    /// the target then holds.
    numbers: Vec<Misfit>,
    profile: ColumnProfile,
}

/// Whether a time says its distance from UTC.
fn is_zoned(text: &[u8]) -> bool {
    text.get(11..).is_some_and(|clock| clock.iter().any(|b| matches!(b, b'Z' | b'+' | b'-')))
}

impl<'a> Look<'a> {
    fn at(column: &'a Column, target: Dialect, is_key: bool) -> Self {
        let sizes_only = matches!(column.data_type, DataType::Bytes { .. }) && !is_key;
        Self {
            column,
            reading: Reading::of(&column.native_type, None),
            target,
            in_key: false,
            sizes_only,
            form: None,
            classes: StorageClasses::default(),
            utf8: true,
            zoned: 0,
            numbers: Vec::new(),
            profile: ColumnProfile::default(),
        }
    }

    /// What to select. Of a byte string only its size counts, which SQLite knows without reading it; a value of
    /// another class is represented by the name of the class.
    fn selected(&self) -> String {
        let name = format!("t.{}", quote(&self.column.name));
        if self.column.generated.is_some() {
            return "NULL".into();
        }
        if self.sizes_only {
            return format!(
                "CASE typeof({name}) WHEN 'blob' THEN octet_length({name}) WHEN 'null' THEN NULL ELSE typeof({name}) END"
            );
        }
        name
    }

    fn value(&mut self, stored: ValueRef<'_>, scratch: &mut String) -> Option<CellMisfit> {
        if self.sizes_only {
            return self.size(stored);
        }
        if let Some(form) = &mut self.form {
            form.see(stored, &self.column.data_type);
        }
        match stored {
            ValueRef::Null => {
                self.classes.null += 1;
                // The rowid by another name is never NULL.
                let refused = self.in_key && self.column.identity.is_none();
                return (refused && self.target != Dialect::Sqlite).then_some(NULL_IN_KEY);
            }
            ValueRef::Integer(_) => self.classes.integer += 1,
            ValueRef::Real(_) => self.classes.real += 1,
            ValueRef::Text(text) => {
                self.classes.text += 1;
                self.utf8 &= std::str::from_utf8(text).is_ok();
            }
            ValueRef::Blob(_) => self.classes.blob += 1,
        }
        if let (Some(time), ValueRef::Integer(number)) = (self.time(), stored) {
            self.number(number);
            // The two units have no number in common.
            let micros = Epoch::of(number, number).and_then(|epoch| epoch.micros(number));
            return micros.and_then(|v| self.fits(Value::Plain(time(v)))).or(Some(NO_EPOCH));
        }
        let reading = self.reading;
        match cell::interpret(stored, &self.column.data_type, reading, scratch) {
            Ok(value) => match (value, stored) {
                (Value::Plain(Cell::Bool(_)), ValueRef::Text(_)) => Some(WORD),
                (value @ Value::Plain(Cell::DateTime(_)), ValueRef::Text(text)) => {
                    self.zoned += u64::from(is_zoned(text));
                    self.fits(value)
                }
                (value, _) => self.fits(value),
            },
            Err(misfit) => Some(misfit),
        }
    }

    fn size(&mut self, stored: ValueRef<'_>) -> Option<CellMisfit> {
        let (class, misfit) = match stored {
            ValueRef::Integer(bytes) => {
                grow(&mut self.profile.max_bytes, u64::try_from(bytes).unwrap_or(0));
                self.classes.blob += 1;
                return None;
            }
            ValueRef::Text(b"integer") => (&mut self.classes.integer, NOT_BYTES),
            ValueRef::Text(b"real") => (&mut self.classes.real, NOT_BYTES),
            ValueRef::Text(_) => {
                // Its bytes were not selected.
                self.utf8 = false;
                (&mut self.classes.text, TEXT_IN_BLOB)
            }
            _ => {
                self.classes.null += 1;
                return None;
            }
        };
        *class += 1;
        Some(misfit)
    }

    /// The cells of a column of times that may stand as numbers.
    fn time(&self) -> Option<fn(i64) -> Cell> {
        match self.column.data_type {
            DataType::DateTime { .. } => Some(Cell::DateTime),
            DataType::Timestamp { .. } => Some(Cell::Timestamp),
            _ => None,
        }
    }

    /// Takes the measure of a value of the right type; some are right here and impossible in the target.
    fn fits(&mut self, value: Value<'_>) -> Option<CellMisfit> {
        match value {
            Value::Text(text) => self.text(text),
            Value::RawText(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(text),
                Err(_) => Some(NOT_UTF8),
            },
            Value::Bytes(bytes) => {
                grow(&mut self.profile.max_bytes, length(bytes.len()));
                None
            }
            Value::Decimal(digits) => self.decimal(digits),
            Value::Plain(Cell::Int(v)) => {
                self.number(v);
                None
            }
            Value::Plain(Cell::Float(v)) => {
                self.profile.doubles |= !fit::is_single(v);
                (self.target == Dialect::Mysql && !v.is_finite()).then_some(NOT_FINITE)
            }
            Value::Plain(cell @ (Cell::DateTime(v) | Cell::Timestamp(v) | Cell::Time(v))) => {
                let too_precise = v.rem_euclid(self.smallest_step()) != 0;
                too_precise.then_some(TOO_PRECISE).or_else(|| self.instant(cell))
            }
            Value::Uuid(uuid) => {
                self.profile.odd_uuids |= self.target == Dialect::Mysql && !limits::mariadb_takes(&uuid);
                None
            }
            Value::Plain(_) | Value::Null => None,
        }
    }

    /// Instants become TIMESTAMP in MySQL and MariaDB.
    fn instant(&self, cell: Cell) -> Option<CellMisfit> {
        let Cell::Timestamp(v) = cell else { return None };
        if self.target != Dialect::Mysql || (limits::FIRST_INSTANT..=limits::LAST_INSTANT).contains(&v) {
            None
        } else if (limits::LAST_INSTANT..=limits::LAST_LATE_INSTANT).contains(&v) {
            Some(LATE_INSTANT)
        } else {
            Some(NO_INSTANT)
        }
    }

    fn number(&mut self, v: i64) {
        // Between it and the least year of MySQL lie numbers that are none.
        if v == 0 && self.column.data_type == DataType::Year {
            return;
        }
        self.profile.min_int = Some(self.profile.min_int.map_or(v, |least| least.min(v)));
        self.profile.max_int = Some(self.profile.max_int.map_or(v, |most| most.max(v)));
    }

    fn text(&mut self, text: &str) -> Option<CellMisfit> {
        grow(&mut self.profile.max_chars, length(text.chars().count()));
        grow(&mut self.profile.max_bytes, length(text.len()));
        self.profile.ascii = Some(self.profile.ascii != Some(false) && text.is_ascii());
        (self.target == Dialect::Postgres && text.as_bytes().contains(&0)).then_some(NUL)
    }

    fn decimal(&mut self, digits: &str) -> Option<CellMisfit> {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches(['-', '0']);
        if whole.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return (self.target == Dialect::Mysql).then_some(NOT_FINITE);
        }
        let count = |digits: &str| u32::try_from(digits.len()).unwrap_or(u32::MAX);
        grow(&mut self.profile.whole_digits, count(whole));
        grow(&mut self.profile.fraction_digits, count(fraction.trim_end_matches('0')));
        None
    }

    /// Microseconds of the last digit that the column declares.
    fn smallest_step(&self) -> i64 {
        match self.column.data_type {
            DataType::DateTime { precision }
            | DataType::Timestamp { precision }
            | DataType::Time { precision }
            | DataType::TimeSpan { precision } => value::step(precision),
            _ => 1,
        }
    }

    fn record(&mut self, misfit: CellMisfit, stored: ValueRef<'_>, key: impl FnOnce() -> String) {
        let is_number = self.time().is_some() && matches!(stored, ValueRef::Integer(_));
        let misfits = if is_number { &mut self.numbers } else { &mut self.profile.misfits };
        let account = account(misfits, misfit.code, misfit.text);
        account.rows += 1;
        if account.keys.len() < KEYS {
            account.keys.push(key());
        }
    }

    /// What the numbers among times are: one unit, or misfits.
    fn epoch(&mut self) {
        let of_numbers = std::mem::take(&mut self.numbers);
        let numbers: u64 = of_numbers.iter().map(|m| m.rows).sum();
        let range = self.profile.min_int.zip(self.profile.max_int).filter(|_| numbers > 0);
        self.profile.epoch = range.and_then(|(least, greatest)| Epoch::of(least, greatest));
        if numbers > 0 {
            (self.profile.min_int, self.profile.max_int) = (None, None);
        }
        for found in of_numbers {
            let (code, text) = match self.profile.epoch {
                None => (NO_EPOCH.code, NO_EPOCH.text),
                Some(_) if found.text == NO_EPOCH.text => continue,
                Some(_) => (found.code.as_str(), found.text.as_str()),
            };
            let account = account(&mut self.profile.misfits, code, text);
            account.rows += found.rows;
            account.keys.extend(found.keys);
            account.keys.truncate(KEYS);
        }
        let mut spellings = Vec::new();
        if let Some(epoch) = self.profile.epoch {
            spellings.push(format!("{numbers} as {epoch}"));
        }
        if self.zoned > 0 {
            spellings.push(format!("{} with Z or an offset", self.zoned));
        }
        if spellings.is_empty() {
            return;
        }
        self.profile.misfits.push(Misfit {
            code: codes::DATETIME_FORMAT.to_owned(),
            rows: self.zoned + if self.profile.epoch.is_some() { numbers } else { 0 },
            keys: Vec::new(),
            late: false,
            text: format!(
                "holds times in the form YYYY-MM-DD HH:MM:SS, and {}; all of them are read as UTC",
                spellings.join(", and ")
            ),
        });
    }

    fn finish(mut self) -> ColumnProfile {
        self.epoch();
        let looked = self.column.generated.is_none();
        // No text at all is ASCII.
        let ascii = self.profile.ascii.or(looked.then_some(true));
        let utf8 = looked.then_some(self.utf8);
        let one_form = self.form.filter(|_| looked).map(|form| form != Form::Many);
        ColumnProfile { classes: looked.then_some(self.classes), utf8, ascii, one_form, ..self.profile }
    }
}

/// The account of a misfit among those of its column.
fn account<'m>(misfits: &'m mut Vec<Misfit>, code: &str, text: &str) -> &'m mut Misfit {
    let at = misfits.iter().position(|m| m.code == code && m.text == text).unwrap_or_else(|| {
        misfits.push(Misfit {
            code: code.to_owned(),
            rows: 0,
            keys: Vec::new(),
            text: text.to_owned(),
            late: text == limits::LATE_INSTANT,
        });
        misfits.len() - 1
    });
    &mut misfits[at]
}

fn grow<T: Ord + Copy>(most: &mut Option<T>, value: T) {
    *most = Some(most.map_or(value, |m| m.max(value)));
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
