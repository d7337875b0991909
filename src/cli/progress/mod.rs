//! The only writer to stderr: bars on a terminal, a line every ten seconds elsewhere, or one JSON event a line;
//! and, between them, warnings, errors and log lines. Works hears of none of it: it emits events.

mod bars;
mod ledger;
pub mod recording;

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use self::bars::Bars;
use self::ledger::Ledger;
use super::args::ProgressMode;
use super::terminal::{Ink, Style, Terminal};
use crate::model::event::{Event, Observer};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A stream that several hands write to.
#[derive(Clone)]
pub struct Stream(Arc<Mutex<Box<dyn Write + Send>>>);

impl Stream {
    /// A stream over any writer.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// Watches a run and says on stderr what there is to say.
pub struct Progress {
    stream: Stream,
    style: Style,
    quiet: bool,
    attended: bool,
    drawing: Drawing,
    ledger: Mutex<Ledger>,
    last_line: Mutex<Instant>,
}

enum Drawing {
    Nothing,
    Lines,
    Json,
    Bars { bars: Mutex<Bars>, multi: indicatif::MultiProgress },
}

impl Progress {
    /// On the stderr of this process.
    pub fn on_stderr(mode: ProgressMode, quiet: bool, terminal: &Terminal) -> Self {
        Self::new(mode, quiet, terminal, Stream::new(io::stderr()))
    }

    fn new(mode: ProgressMode, quiet: bool, terminal: &Terminal, stream: Stream) -> Self {
        let bars = |forced| {
            let bars = Bars::new(forced);
            Drawing::Bars { multi: bars.multi(), bars: Mutex::new(bars) }
        };
        let drawing = match mode {
            ProgressMode::Json => Drawing::Json,
            ProgressMode::Never => Drawing::Nothing,
            _ if quiet => Drawing::Nothing,
            ProgressMode::Auto if !terminal.stderr_is_terminal => Drawing::Lines,
            ProgressMode::Auto => bars(None),
            ProgressMode::Always if terminal.stderr_is_terminal => bars(None),
            ProgressMode::Always => bars(Some(stream.clone())),
        };
        let now = Instant::now();
        Self {
            stream,
            style: terminal.stderr,
            quiet,
            attended: terminal.stderr_is_terminal,
            drawing,
            ledger: Mutex::new(Ledger::new(now)),
            last_line: Mutex::new(now),
        }
    }

    /// Something that an operator should read.
    pub fn warn(&self, text: &str) {
        if matches!(self.drawing, Drawing::Json) {
            self.json(&Event::Warning { text: text.to_owned() });
        } else if !self.quiet {
            self.print(&format!("{} {text}", self.style.paint(Ink::Warning, "warning:")));
        }
    }

    /// Something that is good to know for somebody who sits there.
    pub fn note(&self, text: &str) {
        if matches!(self.drawing, Drawing::Json) {
            self.print(&json!({"event": "note", "text": text}).to_string());
        } else if !self.quiet && self.attended {
            self.print(text);
        }
    }

    /// An error: its lines for people, after the same as an event where stderr carries events.
    pub fn error(&self, text: &str, event: &serde_json::Value) {
        if matches!(self.drawing, Drawing::Json) {
            self.print(&json!({"event": "error", "error": event}).to_string());
        }
        self.print(text);
    }

    /// Runs something that writes to stderr itself, with the bars out of its way.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.drawing {
            Drawing::Bars { multi, .. } => multi.suspend(work),
            _ => work(),
        }
    }

    /// Called every second or so: prints the line that is due.
    pub fn tick(&self) {
        self.tick_at(Instant::now());
    }

    fn tick_at(&self, now: Instant) {
        if !matches!(self.drawing, Drawing::Lines) {
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*last) < LINE_EVERY {
            return;
        }
        *last = now;
        let line = self.ledger().line(now);
        self.print(&line);
    }

    /// Takes bars off the screen.
    pub fn finish(&self) {
        if let Drawing::Bars { bars, .. } = &self.drawing {
            bars.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn json(&self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            self.print(&line);
        }
    }

    /// A stderr that is closed leaves nobody to tell.
    fn print(&self, text: &str) {
        self.suspend(|| {
            let mut stream = self.stream.lock();
            let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
        });
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if let Event::Warning { text } = event {
            return self.warn(text);
        }
        log(event);
        match &self.drawing {
            Drawing::Nothing => {}
            Drawing::Json => self.json(event),
            Drawing::Lines => self.ledger().hear(event, Instant::now()),
            Drawing::Bars { bars, .. } => {
                let now = Instant::now();
                let mut ledger = self.ledger();
                ledger.hear(event, now);
                bars.lock().unwrap_or_else(PoisonError::into_inner).hear(event, &ledger, now);
            }
        }
    }
}

/// What is done, for `-v`. Before any lock is taken: a log line makes room for itself among the bars.
fn log(event: &Event) {
    match event {
        Event::Phase { phase } => tracing::info!(?phase, "phase"),
        Event::Total { tables, rows } => tracing::info!(tables, rows, "total"),
        Event::TableStarted { table, rows } => tracing::info!(table, rows, "table started"),
        Event::TableFinished { table, rows } => tracing::info!(table, rows, "table finished"),
        Event::Step { what } => tracing::info!(what, "step"),
        Event::Rows { .. } | Event::Warning { .. } => {}
    }
}

/// Log lines go where everything else on stderr goes.
pub struct LogWriter(Arc<Progress>);

impl LogWriter {
    /// Writes through this progress.
    pub fn new(progress: Arc<Progress>) -> Self {
        Self(progress)
    }
}

impl Write for LogWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| self.0.stream.lock().write_all(buffer))?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stream.lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Phase;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(buffer);
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn progress(mode: ProgressMode, quiet: bool) -> (Progress, Paper) {
        let paper = Paper::default();
        let terminal = Terminal {
            stdout: Style::default(),
            stderr: Style::default(),
            can_ask: false,
            stderr_is_terminal: false,
        };
        (Progress::new(mode, quiet, &terminal, Stream::new(paper.clone())), paper)
    }

    fn run(progress: &Progress) {
        let users = || "users".to_owned();
        progress.event(&Event::Total { tables: 1, rows: Some(4) });
        progress.event(&Event::Phase { phase: Phase::Load });
        progress.event(&Event::TableStarted { table: users(), rows: Some(4) });
        progress.event(&Event::Rows { table: users(), rows: 4, bytes: 1200 });
        progress.event(&Event::Warning { text: "look here".into() });
        progress.tick();
        progress.tick_at(Instant::now() + LINE_EVERY);
        progress.event(&Event::TableFinished { table: users(), rows: 4 });
        progress.finish();
    }

    #[test]
    fn without_a_terminal_there_is_a_line_every_ten_seconds() {
        let (progress, paper) = progress(ProgressMode::Auto, false);
        run(&progress);
        let text = paper.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0], "warning: look here");
        assert!(lines[1].starts_with("users 4/4 rows  1.2 kB  "), "{text}");
    }

    #[test]
    fn json_is_one_event_a_line() {
        let (progress, paper) = progress(ProgressMode::Json, false);
        run(&progress);
        progress.error("error: x", &json!({"kind": "usage"}));
        let text = paper.text();
        let (text, last) = text.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(last, "error: x");
        let events: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(events.len(), 7, "{text}");
        assert_eq!(events[1], json!({"event": "phase", "phase": "load"}));
        assert_eq!(events[6]["event"], "error");
    }

    #[test]
    fn quiet_and_never_draw_nothing_but_errors_are_said() {
        for (mode, quiet, expected) in
            [(ProgressMode::Auto, true, "gone\n"), (ProgressMode::Never, false, "warning: look here\ngone\n")]
        {
            let (progress, paper) = progress(mode, quiet);
            run(&progress);
            progress.error("gone", &serde_json::Value::Null);
            assert_eq!(paper.text(), expected);
        }
    }

    #[test]
    fn forced_bars_are_drawn_and_taken_away() {
        let (progress, paper) = progress(ProgressMode::Always, false);
        run(&progress);
        let text = paper.text();
        assert!(text.contains("users") && text.contains("moving rows"), "{text}");
        assert!(text.contains("warning: look here\n"), "{text}");
    }
}
