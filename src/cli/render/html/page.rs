//! The frame of a page: head, verdict, where to find what, and the sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::{facts, plain, text};
use crate::cli::terminal::Ink;
use crate::model::report::{DatabaseReport, Status};
use crate::model::timeline::Timeline;

/// The style sheet of every page.
const STYLE: &str = include_str!("style.css");

/// Nothing is loaded from anywhere and nothing is run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A page under construction.
pub struct Page {
    title: String,
    ink: Ink,
    verdict: String,
    facts: Vec<(&'static str, Markup)>,
    sections: Vec<Section>,
}

struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

impl Page {
    /// A page of that title which begins with a verdict.
    pub fn new(title: String, status: Status, verdict: String) -> Self {
        let ink = match status {
            Status::Done => Ink::Good,
            Status::Findings => Ink::Warning,
            Status::Refused | Status::Failed | Status::Error => Ink::Bad,
        };
        Self { title, ink, verdict, facts: Vec::new(), sections: Vec::new() }
    }

    /// A thing to be known at once.
    pub fn fact(&mut self, name: &'static str, value: Markup) {
        self.facts.push((name, value));
    }

    /// A database.
    pub fn database(&mut self, name: &'static str, database: &DatabaseReport) {
        let version = database.version.as_deref().unwrap_or(&database.engine);
        let value = html! {
            (text(version)) br;
            code { (text(&database.location)) } br;
            span.faint { (text(&database.origin)) }
        };
        self.fact(name, value);
    }

    /// When it began and how long it took.
    pub fn lasted(&mut self, line: &Timeline) {
        self.fact("began", html! { (line.began.format("%Y-%m-%d %H:%M:%S UTC")) });
        self.fact("took", html! { (super::parts::seconds(line.seconds)) });
    }

    /// Adds a section.
    pub fn section(&mut self, id: &'static str, title: &'static str, body: Markup) {
        self.sections.push(Section { id, title, body });
    }

    /// The page as text.
    pub fn finish(self) -> String {
        let title = plain(&self.title);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the report" }
                    header {
                        h1 { bdi { (title) } }
                        p.verdict.(super::parts::class(self.ink)) { (text(&self.verdict)) }
                        (facts(self.facts))
                    }
                    @if self.sections.len() > 1 {
                        nav aria-label="On this page" {
                            ul { @for section in &self.sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                        }
                    }
                    main id="main" {
                        @for section in &self.sections {
                            section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                                h2 id={ (section.id) "-title" } { (section.title) }
                                (section.body)
                            }
                        }
                    }
                    footer { p { "techcare-db " (env!("CARGO_PKG_VERSION")) } }
                }
            }
        };
        page.into_string()
    }
}
