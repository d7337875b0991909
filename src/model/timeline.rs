//! When what happened: the phases of a run, its tables in each, and what went by. Pure: events and the time since the
//! beginning go in. However long a run is and however often it is retried, what is kept stays bounded by its tables.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::event::{Event, Phase};

/// Most steps of time in which rows are counted.
const STEPS: u128 = 160;

/// Most samples in all; a step has one for each phase in which rows went by.
const SAMPLES: usize = 200;

/// Most phases that are kept, the newest: a run that waits long for a server goes through the same ones again and again.
const PHASES: usize = 200;

/// Shortest step.
const SHORTEST: Duration = Duration::from_millis(10);

/// The course of a run. Times are seconds since it began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// When the run began; said beside the time line.
    #[serde(skip)]
    pub began: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    /// Phases in the order in which they began.
    pub phases: Vec<PhaseSpan>,
    /// Tables in the order in which they began, once for each phase that went through them.
    pub tables: Vec<TableSpan>,
    /// What went by.
    pub throughput: Throughput,
}

/// A phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseSpan {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub start: f64,
    /// When the next one began, or the run ended.
    pub end: f64,
}

/// A table in a phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSpan {
    /// Name in the source.
    pub table: String,
    /// Phase.
    pub phase: Phase,
    /// When it began.
    pub start: f64,
    /// When it was done, or the run ended.
    pub end: f64,
    /// Whether it was done.
    pub finished: bool,
}

/// Rows and bytes of values by steps of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Throughput {
    /// Seconds of a step.
    pub step: f64,
    /// Steps in which something went by, at most 200 in all.
    pub samples: Vec<Sample>,
}

/// What went by in one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// When the step began.
    pub at: f64,
    /// In which phase.
    pub phase: Phase,
    /// Rows.
    pub rows: u64,
    /// Bytes of values.
    pub bytes: u64,
}

/// Makes a time line of events.
#[derive(Debug)]
pub struct Course {
    phases: Vec<(Phase, Duration)>,
    tables: Vec<Passage>,
    /// Where a table of a phase is in `tables`.
    places: HashMap<(Phase, String), usize>,
    step: Duration,
    steps: BTreeMap<(u128, Phase), Tally>,
}

#[derive(Debug)]
struct Passage {
    table: String,
    phase: Phase,
    start: Duration,
    end: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            phases: Vec::new(),
            tables: Vec::new(),
            places: HashMap::new(),
            step: SHORTEST,
            steps: BTreeMap::new(),
        }
    }
}

impl Course {
    /// Takes an event in that happened so long after the beginning.
    pub fn hear(&mut self, event: &Event, at: Duration) {
        let phase = self.phases.last().map_or(Phase::Preflight, |(phase, _)| *phase);
        match event {
            Event::Phase { phase } => {
                if self.phases.len() == PHASES {
                    self.phases.remove(0);
                }
                self.phases.push((*phase, at));
            }
            Event::TableStarted { table, .. } => self.start(phase, table, at),
            Event::TableFinished { table, .. } => {
                if let Some(passage) = self.places.get(&(phase, table.clone())) {
                    self.tables[*passage].end = Some(at);
                }
            }
            Event::Rows { rows, bytes, .. } => self.count(phase, at, Tally { rows: *rows, bytes: *bytes }),
            Event::Total { .. } | Event::Step { .. } | Event::Warning { .. } => {}
        }
    }

    /// A table that is begun again after it was done was begun in vain before.
    fn start(&mut self, phase: Phase, table: &str, at: Duration) {
        if let Some(place) = self.places.get(&(phase, table.to_owned())) {
            let passage = &mut self.tables[*place];
            if passage.end.take().is_some() {
                passage.start = at;
            }
        } else {
            self.places.insert((phase, table.to_owned()), self.tables.len());
            self.tables.push(Passage { table: table.to_owned(), phase, start: at, end: None });
        }
    }

    fn count(&mut self, phase: Phase, at: Duration, tally: Tally) {
        let step = |width: Duration| at.as_micros() / width.as_micros();
        while step(self.step) >= STEPS || self.steps.len() >= SAMPLES {
            self.step *= 2;
            for ((step, phase), tally) in std::mem::take(&mut self.steps) {
                self.steps.entry((step / 2, phase)).or_default().add(tally);
            }
        }
        self.steps.entry((step(self.step), phase)).or_default().add(tally);
    }

    /// The time line of a run that began then and has lasted so long.
    pub fn timeline(&self, began: DateTime<Utc>, lasted: Duration) -> Timeline {
        let ends = self.phases.iter().skip(1).map(|(_, start)| *start).chain([lasted]);
        let phases = self.phases.iter().zip(ends);
        let phases = phases.map(|((phase, start), end)| PhaseSpan {
            phase: *phase,
            start: seconds(*start),
            end: seconds(end),
        });
        let mut tables: Vec<&Passage> = self.tables.iter().collect();
        tables.sort_by_key(|passage| passage.start);
        let tables = tables.into_iter().map(|passage| TableSpan {
            table: passage.table.clone(),
            phase: passage.phase,
            start: seconds(passage.start),
            end: seconds(passage.end.unwrap_or(lasted)),
            finished: passage.end.is_some(),
        });
        let samples = self.steps.iter().map(|((step, phase), tally)| Sample {
            at: seconds(self.step * u32::try_from(*step).unwrap_or(u32::MAX)),
            phase: *phase,
            rows: tally.rows,
            bytes: tally.bytes,
        });
        Timeline {
            began,
            seconds: seconds(lasted),
            phases: phases.collect(),
            tables: tables.collect(),
            throughput: Throughput { step: seconds(self.step), samples: samples.collect() },
        }
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// Whole milliseconds: more would be noise.
fn seconds(time: Duration) -> f64 {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn started(table: &str) -> Event {
        Event::TableStarted { table: table.into(), rows: None }
    }

    fn finished(table: &str) -> Event {
        Event::TableFinished { table: table.into(), rows: 1 }
    }

    fn rows(rows: u64, bytes: u64) -> Event {
        Event::Rows { table: "users".into(), rows, bytes }
    }

    fn heard(events: &[(u64, Event)], lasted: u64) -> Timeline {
        let mut course = Course::default();
        for (at, event) in events {
            course.hear(event, ms(*at));
        }
        course.timeline(DateTime::UNIX_EPOCH, ms(lasted))
    }

    fn phase(phase: Phase) -> Event {
        Event::Phase { phase }
    }

    #[test]
    fn phases_and_tables_have_their_times() {
        let line = heard(
            &[
                (0, phase(Phase::Preflight)),
                (100, phase(Phase::Load)),
                (110, started("users")),
                (120, started("roles")),
                (130, rows(7, 70)),
                (150, finished("roles")),
                (200, finished("users")),
                (250, phase(Phase::Verify)),
                (260, started("users")),
            ],
            300,
        );
        let phases: Vec<_> = line.phases.iter().map(|p| (p.phase, p.start, p.end)).collect();
        let expected = [(Phase::Preflight, 0.0, 0.1), (Phase::Load, 0.1, 0.25), (Phase::Verify, 0.25, 0.3)];
        assert_eq!(phases, expected);
        let tables: Vec<_> =
            line.tables.iter().map(|t| (t.table.as_str(), t.phase, t.start, t.end, t.finished)).collect();
        let expected = [
            ("users", Phase::Load, 0.11, 0.2, true),
            ("roles", Phase::Load, 0.12, 0.15, true),
            ("users", Phase::Verify, 0.26, 0.3, false),
        ];
        assert_eq!(tables, expected);
        let sample = Sample { at: 0.13, phase: Phase::Load, rows: 7, bytes: 70 };
        assert_eq!(line.throughput, Throughput { step: 0.01, samples: vec![sample] });
    }

    #[test]
    fn a_table_that_is_tried_again_is_there_once() {
        let line = heard(
            &[
                (0, phase(Phase::Load)),
                (10, started("users")),
                (20, finished("users")),
                (30, phase(Phase::Preflight)),
                (40, phase(Phase::Load)),
                (50, started("users")),
                // The proof of what another loader brought reads the table within the same phase.
                (55, started("users")),
                (60, finished("users")),
            ],
            70,
        );
        assert_eq!(line.tables.len(), 1);
        assert_eq!((line.tables[0].start, line.tables[0].end), (0.05, 0.06));
    }

    #[test]
    fn samples_stay_few_and_lose_nothing_however_long_it_takes() {
        let mut course = Course::default();
        let mut moved = 0;
        for at in 0..50_000 {
            if at == 25_000 {
                course.hear(&phase(Phase::Verify), ms(at * 7));
            }
            course.hear(&rows(3, at), ms(at * 7));
            moved += at;
            assert!(course.steps.len() <= SAMPLES);
        }
        let throughput = course.timeline(DateTime::UNIX_EPOCH, ms(350_000)).throughput;
        assert_eq!(throughput.samples.iter().map(|s| s.rows).sum::<u64>(), 150_000);
        assert_eq!(throughput.samples.iter().map(|s| s.bytes).sum::<u64>(), moved);
        assert!(throughput.samples.len() > 60, "{}", throughput.samples.len());
        assert!((throughput.step - 2.56).abs() < 1e-9, "{}", throughput.step);
    }

    #[test]
    fn phases_stay_few_however_often_it_is_tried() {
        let again = |n: u64| (n, phase(if n.is_multiple_of(2) { Phase::Preflight } else { Phase::Load }));
        let line = heard(&(0..1000).map(again).collect::<Vec<_>>(), 1000);
        assert_eq!(line.phases.len(), PHASES);
        assert_eq!((line.phases[0].start, line.phases[PHASES - 1].end), (0.8, 1.0));
    }
}
