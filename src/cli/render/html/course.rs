//! When what happened, drawn: phases one behind the other, tables within them, and how many rows went by.

use std::cmp::Reverse;
use std::time::Duration;

use maud::{Markup, html};

use super::parts::{folded, plain, seconds, table, text, time};
use crate::cli::render::table::Column;
use crate::cli::units;
use crate::model::event::Phase;
use crate::model::timeline::{Sample, TableSpan, Throughput, Timeline};

/// Most tables that are drawn.
const DRAWN: usize = 50;

/// Most rows of figures that are open from the beginning.
const OPEN: usize = 20;

/// Width of drawings in their own units.
const WIDTH: f64 = 1000.0;

/// Height of the plot in its own units.
const HEIGHT: f64 = 200.0;

const PHASES: [Column; 3] = [Column::Left("phase"), Column::Right("began after"), Column::Right("took")];

const TABLES: [Column; 5] = [
    Column::Left("table"),
    Column::Left("phase"),
    Column::Right("began after"),
    Column::Right("took"),
    Column::Left("when"),
];

const SAMPLES: [Column; 6] = [
    Column::Right("after"),
    Column::Left("phase"),
    Column::Right("rows"),
    Column::Right("rows/s"),
    Column::Right("bytes"),
    Column::Right("bytes/s"),
];

/// What a phase is drawn with.
const fn class(phase: Phase) -> &'static str {
    match phase {
        Phase::Preflight => "p-preflight",
        Phase::Profile => "p-profile",
        Phase::Stage => "p-stage",
        Phase::Load => "p-load",
        Phase::Finish => "p-finish",
        Phase::Verify => "p-verify",
        Phase::Switch => "p-switch",
        Phase::Compare => "p-compare",
        Phase::Backup => "p-backup",
    }
}

/// A phase in its colour and in words.
fn phase(phase: Phase) -> Markup {
    html! { span.swatch.(class(phase)) aria-hidden="true" {} (units::phase(phase)) }
}

/// A place on the axis of time.
fn place(at: f64, all: f64) -> f64 {
    if all > 0.0 { (at / all).clamp(0.0, 1.0) * WIDTH } else { 0.0 }
}

/// A number of a drawing.
fn number(number: f64) -> String {
    format!("{number:.1}")
}

/// A bar that is seen however short it is.
fn bar(start: f64, end: f64, all: f64) -> (String, String) {
    let (from, to) = (place(start, all), place(end, all));
    let wide = (to - from).max(2.0);
    (number(from.min(WIDTH - wide)), number(wide))
}

/// Phases and tables.
pub fn timeline(line: &Timeline) -> Markup {
    let took = |start: f64, end: f64| seconds(end - start);
    let rows = line.phases.iter().map(|span| {
        [phase(span.phase), html! { (seconds(span.start)) }, html! { (took(span.start, span.end)) }]
    });
    let figures = table("Phases in the order in which they began", &PHASES, rows);
    html! {
        figure {
            svg.strip viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" aria-labelledby="phases-name phases-text" {
                title id="phases-name" { "Phases of the run" }
                desc id="phases-text" { "Each phase is a bar from when it began to when it ended; the table below has the figures." }
                @for span in &line.phases {
                    @let (x, width) = bar(span.start, span.end, line.seconds);
                    rect class=(class(span.phase)) x=(x) y="0" width=(width) height="40" {}
                }
            }
            (axis(line.seconds))
        }
        @if line.phases.len() > OPEN {
            (folded(false, &html! { (units::count(line.phases.len() as u64)) " phases" }, &figures))
        } @else {
            (figures)
        }
        @if !line.tables.is_empty() { (tables(line)) }
    }
}

fn axis(all: f64) -> Markup {
    html! { p.axis aria-hidden="true" { span { "0 s" } span { (seconds(all)) } } }
}

/// The tables that took longest, in the order in which they began.
fn tables(line: &Timeline) -> Markup {
    let length = |span: &TableSpan| time(span.end - span.start);
    let mut longest: Vec<(usize, &TableSpan)> = line.tables.iter().enumerate().collect();
    longest.sort_by_key(|(_, span)| Reverse(length(span)));
    longest.truncate(DRAWN);
    longest.sort_unstable_by_key(|(at, _)| *at);
    let all = line.tables.len();
    let caption = if all > DRAWN {
        format!("The {DRAWN} that took longest of {}, a table in a phase each", units::count(all as u64))
    } else {
        "Tables in the order in which they began".to_owned()
    };
    let rows = longest.into_iter().map(|(_, span)| {
        let (x, width) = bar(span.start, span.end, line.seconds);
        let ended = if span.finished { "" } else { ", not done" };
        [
            text(&span.table),
            phase(span.phase),
            html! { (seconds(span.start)) },
            html! { (seconds(span.end - span.start)) (ended) },
            html! {
                svg.bar viewBox="0 0 1000 40" preserveAspectRatio="none" aria-hidden="true" {
                    rect class=(class(span.phase)) x=(x) y="0" width=(width) height="40" {}
                }
            },
        ]
    });
    let figures = table(&caption, &TABLES, rows);
    folded(all <= OPEN, &html! { "Tables, and when each was worked on" }, &figures)
}

/// One sample as it is drawn: what went by in the same step before it is below it.
struct Drawn<'a> {
    sample: &'a Sample,
    below: u64,
}

fn stacked(samples: &[Sample]) -> (Vec<Drawn<'_>>, u64) {
    let mut drawn: Vec<Drawn<'_>> = Vec::with_capacity(samples.len());
    let mut most = 0;
    for sample in samples {
        let below = drawn.last().map_or(0, |last| {
            let same_step = last.sample.at.total_cmp(&sample.at).is_eq();
            if same_step { last.below + last.sample.rows } else { 0 }
        });
        most = most.max(below + sample.rows);
        drawn.push(Drawn { sample, below });
    }
    (drawn, most)
}

/// How many rows went by when.
pub fn throughput(line: &Timeline) -> Markup {
    let Throughput { step, samples } = &line.throughput;
    let step = time(*step);
    let (drawn, most) = stacked(samples);
    let mut phases: Vec<Phase> = samples.iter().map(|sample| sample.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    let peak = units::count(units::per_second(most, step));
    html! {
        figure {
            p.axis { span { "at most " (peak) " rows/s" } }
            svg.plot viewBox="0 0 1000 200" preserveAspectRatio="none" role="img" aria-labelledby="rate-name rate-text" {
                title id="rate-name" { "Rows a second" }
                desc id="rate-text" {
                    "Rows that went by in each step of " (seconds(step.as_secs_f64())) ", at most " (peak)
                    " a second; the table below has the figures."
                }
                @for Drawn { sample, below } in &drawn {
                    @let (x, width) = bar(sample.at, sample.at + step.as_secs_f64(), line.seconds);
                    @let (top, tall) = (height(below + sample.rows, most), height(sample.rows, most));
                    rect class=(class(sample.phase)) x=(x) y=(number(HEIGHT - top)) width=(width) height=(number(tall)) {}
                }
            }
            (axis(line.seconds))
            figcaption { ul.legend { @for each in &phases { li { (phase(*each)) } } } }
        }
        (folded(false, &html! { "Figures of the plot" }, &table("What went by, step by step", &SAMPLES, figures(samples, step))))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a pixel is coarser")]
fn height(rows: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { rows as f64 / most as f64 * HEIGHT }
}

fn figures(samples: &[Sample], step: Duration) -> impl Iterator<Item = [Markup; 6]> {
    samples.iter().map(move |sample| {
        let bytes = units::bytes(units::per_second(sample.bytes, step));
        [
            html! { (seconds(sample.at)) },
            phase(sample.phase),
            html! { (units::count(sample.rows)) },
            html! { (units::count(units::per_second(sample.rows, step))) },
            html! { (plain(&units::bytes(sample.bytes))) },
            html! { (plain(&format!("{bytes}/s"))) },
        ]
    })
}
