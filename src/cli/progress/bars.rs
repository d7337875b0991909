//! Bars on a terminal: what is being done, one bar per running table, and a total.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::Stream;
use super::ledger::Ledger;
use crate::model::event::{Event, Phase};

/// Redraws a second.
const REFRESH: u8 = 10;

/// Columns where the width of a forced terminal is not known.
const ASSUMED_WIDTH: u16 = 100;

/// The bars that are drawn.
pub struct Bars {
    multi: MultiProgress,
    heading: ProgressBar,
    total: Option<ProgressBar>,
    tables: HashMap<String, ProgressBar>,
}

impl Bars {
    /// Bars on stderr; `forced` draws them also where stderr is no terminal.
    pub fn new(forced: Option<Stream>) -> Self {
        let target = match forced {
            Some(stream) => ProgressDrawTarget::term_like_with_hz(Box::new(ForcedTerminal(stream)), REFRESH),
            None => ProgressDrawTarget::stderr_with_hz(REFRESH),
        };
        let multi = MultiProgress::with_draw_target(target);
        let heading = multi.add(ProgressBar::no_length().with_style(style("{spinner} {wide_msg}")));
        heading.enable_steady_tick(Duration::from_millis(120));
        Self { multi, heading, total: None, tables: HashMap::new() }
    }

    /// The handle that makes room for other lines.
    pub fn multi(&self) -> MultiProgress {
        self.multi.clone()
    }

    /// Draws what an event, which `ledger` has heard already, changed.
    pub fn hear(&mut self, event: &Event, ledger: &Ledger, now: Instant) {
        match event {
            Event::Phase { phase } => {
                self.clear_tables();
                self.heading.set_message(ledger.heading());
                if matches!(phase, Phase::Load | Phase::Verify | Phase::Compare) {
                    let bar = self.multi.add(new_bar("total", ledger.total_position().1));
                    self.total = Some(bar);
                }
            }
            Event::TableStarted { table, rows } => {
                let bar = new_bar(&single_line(table), *rows);
                let bar = match &self.total {
                    Some(total) => self.multi.insert_before(total, bar),
                    None => self.multi.add(bar),
                };
                self.tables.insert(table.clone(), bar);
            }
            Event::Rows { table, .. } => {
                if let (Some(bar), Some((rows, expected))) = (self.tables.get(table), ledger.position(table))
                {
                    place(bar, rows, expected, &ledger.table(table, now));
                }
                self.draw_total(ledger, now);
            }
            Event::TableFinished { table, .. } => {
                if let Some(bar) = self.tables.remove(table) {
                    bar.finish_and_clear();
                }
                self.draw_total(ledger, now);
            }
            Event::Step { .. } => self.heading.set_message(single_line(&ledger.heading())),
            Event::Total { .. } | Event::Warning { .. } => {}
        }
    }

    fn draw_total(&self, ledger: &Ledger, now: Instant) {
        if let Some(bar) = &self.total {
            let (rows, expected) = ledger.total_position();
            if let Some(done) = ledger.tables_done() {
                bar.set_prefix(done);
            }
            place(bar, rows, expected, &ledger.total(now));
        }
    }

    fn clear_tables(&mut self) {
        for (_, bar) in self.tables.drain() {
            bar.finish_and_clear();
        }
        if let Some(total) = self.total.take() {
            total.finish_and_clear();
        }
    }

    /// Takes everything off the screen.
    pub fn clear(&mut self) {
        self.clear_tables();
        self.heading.finish_and_clear();
    }
}

fn new_bar(name: &str, expected: Option<u64>) -> ProgressBar {
    let (bar, template) = match expected {
        Some(rows) => (ProgressBar::new(rows), "  {prefix:14!} {bar:10} {wide_msg}"),
        None => (ProgressBar::no_length(), "  {prefix:14!} {spinner:10} {wide_msg}"),
    };
    bar.with_style(style(template)).with_prefix(name.to_owned())
}

/// On 80 columns the time that is left is the last thing to fit.
fn place(bar: &ProgressBar, rows: u64, expected: Option<u64>, text: &str) {
    if expected.is_some_and(|expected| rows > expected) {
        bar.set_length(rows);
    }
    bar.set_position(rows);
    bar.set_message(text.replace("  about ", "  "));
}

/// A template of ours that cannot be read would be a fault; the bar is drawn in its plainest form then.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// A table may be called anything: no control character reaches the terminal.
fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Draws with plain escape sequences on a stream that is no terminal (`--progress always`).
#[derive(Debug)]
struct ForcedTerminal(Stream);

impl ForcedTerminal {
    fn put(&self, text: &str) -> io::Result<()> {
        self.0.lock().write_all(text.as_bytes())
    }

    fn cursor(&self, by: usize, direction: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.put(&format!("\u{1b}[{by}{direction}")) }
    }
}

impl TermLike for ForcedTerminal {
    fn width(&self) -> u16 {
        ASSUMED_WIDTH
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.put(&format!("{s}\n"))
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.put(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.0.lock().flush()
    }
}
