//! What has been heard so far, and how it reads as a line. Pure: events and the time go in, text comes out; bars
//! and lines say the same.

use std::time::{Duration, Instant};

use crate::cli::units;
use crate::model::event::{Event, Phase};

/// Tables that a line names one by one.
const NAMED: usize = 3;

/// Where a run stands.
#[derive(Debug)]
pub struct Ledger {
    phase: Option<Phase>,
    phase_begun: Instant,
    step: Option<(String, Instant)>,
    tables: Option<usize>,
    expected: Option<u64>,
    finished: usize,
    moved: Tally,
    running: Vec<Running>,
}

/// A table under way.
#[derive(Debug)]
struct Running {
    table: String,
    tally: Tally,
    expected: Option<u64>,
    begun: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
}

impl Ledger {
    /// Nothing has happened yet.
    pub fn new(now: Instant) -> Self {
        Self {
            phase: None,
            phase_begun: now,
            step: None,
            tables: None,
            expected: None,
            finished: 0,
            moved: Tally::default(),
            running: Vec::new(),
        }
    }

    /// Takes an event in.
    pub fn hear(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Phase { phase } => {
                self.phase = Some(*phase);
                self.phase_begun = now;
                self.step = None;
                self.finished = 0;
                self.moved = Tally::default();
                self.running.clear();
            }
            Event::Total { tables, rows } => {
                self.tables = Some(*tables);
                self.expected = *rows;
            }
            Event::TableStarted { table, rows } => self.running.push(Running {
                table: table.clone(),
                tally: Tally::default(),
                expected: *rows,
                begun: now,
            }),
            Event::Rows { table, rows, bytes } => {
                self.moved.add(*rows, *bytes);
                if let Some(running) = self.running.iter_mut().find(|r| r.table == *table) {
                    running.tally.add(*rows, *bytes);
                }
            }
            Event::TableFinished { table, .. } => {
                self.finished += 1;
                self.running.retain(|r| r.table != *table);
            }
            Event::Step { what } => self.step = Some((what.clone(), now)),
            Event::Warning { .. } => {}
        }
    }

    /// The phase in words.
    pub fn phase(&self) -> &'static str {
        units::phase(self.phase.unwrap_or(Phase::Preflight))
    }

    /// The phase and the statement that runs in it.
    pub fn heading(&self) -> String {
        match &self.step {
            Some((what, _)) => format!("{}: {what}", self.phase()),
            None => self.phase().to_owned(),
        }
    }

    /// Rows so far and rows to come of a table under way.
    pub fn position(&self, table: &str) -> Option<(u64, Option<u64>)> {
        self.running.iter().find(|r| r.table == table).map(|r| (r.tally.rows, r.expected))
    }

    /// Rows so far and rows to come of all tables.
    pub fn total_position(&self) -> (u64, Option<u64>) {
        (self.moved.rows, self.expected)
    }

    /// A table under way, in words.
    pub fn table(&self, table: &str, now: Instant) -> String {
        let running = self.running.iter().find(|r| r.table == table);
        running.map_or_else(String::new, |r| r.tally.text(r.expected, now - r.begun))
    }

    /// All tables, in words.
    pub fn total(&self, now: Instant) -> String {
        self.moved.text(self.expected, now - self.phase_begun)
    }

    /// `2/4 tables`, as far as their number is known.
    pub fn tables_done(&self) -> Option<String> {
        self.tables.map(|tables| format!("{}/{tables} tables", self.finished))
    }

    /// The one line of a run without a terminal.
    pub fn line(&self, now: Instant) -> String {
        let prefix = if self.phase == Some(Phase::Verify) { "checking " } else { "" };
        match self.running.as_slice() {
            [] => {
                let begun = self.step.as_ref().map_or(self.phase_begun, |(_, begun)| *begun);
                format!("{}  for {}", self.heading(), units::duration(now - begun))
            }
            [one] => format!("{prefix}{} {}", one.table, self.table(&one.table, now)),
            several => {
                let named: Vec<&str> = several.iter().take(NAMED).map(|r| r.table.as_str()).collect();
                let more = if several.len() > NAMED { ", …" } else { "" };
                let done = self.tables_done().map(|done| format!("{done}  ")).unwrap_or_default();
                format!("{prefix}{}{more}: {done}{}", named.join(", "), self.total(now))
            }
        }
    }
}

impl Tally {
    fn add(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.bytes += bytes;
    }

    /// `120,000/300,000 rows  45 MB  12 MB/s  about 20 s left`. An estimate that turned out too low is dropped.
    fn text(self, expected: Option<u64>, elapsed: Duration) -> String {
        let expected = expected.filter(|all| *all >= self.rows);
        let rows = match expected {
            Some(all) => format!("{}/{} rows", units::count(self.rows), units::count(all)),
            None => units::plural(self.rows, "row"),
        };
        let rate = units::bytes(units::per_second(self.bytes, elapsed));
        let left = expected
            .filter(|all| *all > self.rows)
            .and_then(|all| units::remaining(self.rows, all, elapsed))
            .map(|left| format!("  about {} left", units::duration(left)));
        format!("{rows}  {}  {rate}/s{}", units::bytes(self.bytes), left.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(table: &str, rows: Option<u64>) -> Event {
        Event::TableStarted { table: table.into(), rows }
    }

    fn rows(table: &str, rows: u64, bytes: u64) -> Event {
        Event::Rows { table: table.into(), rows, bytes }
    }

    #[test]
    fn one_table_reads_as_the_contract_shows() {
        let begin = Instant::now();
        let mut ledger = Ledger::new(begin);
        ledger.hear(&Event::Total { tables: 2, rows: Some(400_000) }, begin);
        ledger.hear(&Event::Phase { phase: Phase::Load }, begin);
        ledger.hear(&started("users", Some(300_000)), begin);
        ledger.hear(&rows("users", 120_000, 45_000_000), begin);
        let now = begin + Duration::from_millis(3_750);
        assert_eq!(ledger.line(now), "users 120,000/300,000 rows  45 MB  12 MB/s  about 5.6 s left");
        ledger.hear(&started("roles", None), begin);
        ledger.hear(&rows("roles", 1, 10), begin);
        assert_eq!(
            ledger.line(now),
            "users, roles: 0/2 tables  120,001/400,000 rows  45 MB  12 MB/s  about 8.7 s left"
        );
        assert_eq!(ledger.table("roles", now), "1 row  10 B  2 B/s");
        ledger.hear(&Event::TableFinished { table: "users".into(), rows: 120_000 }, now);
        assert!(ledger.line(now).starts_with("roles 1 row"));
        assert_eq!(ledger.position("roles"), Some((1, None)));
        assert_eq!(ledger.position("users"), None);
    }

    #[test]
    fn a_long_statement_is_named_with_its_time() {
        let begin = Instant::now();
        let mut ledger = Ledger::new(begin);
        assert_eq!(ledger.line(begin), "reading the catalogues  for 0.0 s");
        ledger.hear(&Event::Phase { phase: Phase::Finish }, begin);
        ledger.hear(&Event::Step { what: "index \"ix_users_email\"".into() }, begin);
        assert_eq!(
            ledger.line(begin + Duration::from_secs(35)),
            "making keys and indexes: index \"ix_users_email\"  for 35 s"
        );
    }

    #[test]
    fn a_phase_counts_anew_and_a_low_estimate_is_dropped() {
        let begin = Instant::now();
        let mut ledger = Ledger::new(begin);
        ledger.hear(&Event::Phase { phase: Phase::Load }, begin);
        ledger.hear(&started("a", Some(1)), begin);
        ledger.hear(&rows("a", 5, 5), begin);
        assert_eq!(ledger.table("a", begin), "5 rows  5 B  0 B/s");
        ledger.hear(&Event::Phase { phase: Phase::Verify }, begin);
        assert_eq!(ledger.total_position(), (0, None));
        ledger.hear(&started("a", Some(5)), begin);
        assert!(ledger.line(begin).starts_with("checking a 0/5 rows"));
    }
}
