//! `docs/findings/`: each code of a finding has its page and its line in the index, each page its code, and both say
//! of it what the program does.

use std::collections::BTreeSet;
use std::path::Path;

use techcare_db::model::codes::observed::{self, Question};
use techcare_db::model::codes::{self, Code, Level};
use techcare_db::model::plan::Severity;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(folder().join(name))
        .unwrap_or_else(|error| panic!("docs/findings/{name}: {error}"))
}

fn decisions(code: &Code) -> String {
    code.decisions.iter().map(|decision| decision.as_str()).collect::<Vec<_>>().join(", ")
}

#[test]
fn each_page_says_what_the_program_does() {
    for code in codes::ALL {
        let severity = match code.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Blocker => "blocker",
        };
        let about = if code.level == Level::Row { "rows" } else { "an object" };
        let decisions = decisions(code);
        let head = format!("# {}\n\n{severity} · about {about} · decisions: {decisions}\n\n", code.name);
        let text = page(&format!("{}.md", code.name));
        assert!(text.starts_with(&head), "docs/findings/{}.md has to begin with:\n{head}", code.name);
        for part in ["**Why.**", "**What happens.**", "**Deciding otherwise.**"] {
            assert!(text.contains(part), "docs/findings/{}.md lacks {part}", code.name);
        }
    }
}

#[test]
fn each_page_of_an_observation_says_who_observes_it() {
    let (index, guide) = (page("README.md"), page("../check.md"));
    for code in observed::ALL {
        let severity = if code.severity == Severity::Info { "note" } else { "warning" };
        let by = match code.question {
            Question::Alone => "`check`",
            Question::Against => "`check --against`",
        };
        let head = format!(
            "# {}\n\n{severity} · observed by {by} · nothing to decide\n\n{}\n\n",
            code.name, code.text
        );
        let text = page(&format!("{}.md", code.name));
        assert!(text.starts_with(&head), "docs/findings/{}.md has to begin with:\n{head}", code.name);
        for part in ["**Why.**", "**What to do.**"] {
            assert!(text.contains(part), "docs/findings/{}.md lacks {part}", code.name);
        }
        let line = format!("| [`{0}`]({0}.md) | {1} | {severity} |\n", code.name, code.text);
        assert!(index.contains(&line), "docs/findings/README.md lacks:\n{line}");
        assert!(guide.contains(&format!("(findings/{}.md)", code.name)), "docs/check.md lacks {}", code.name);
    }
}

#[test]
fn the_index_has_a_line_for_each_code_and_no_page_is_left_over() {
    let index = page("README.md");
    for code in codes::ALL {
        let line = format!("| [`{0}`]({0}.md) | {1} | {2} |\n", code.name, code.text, decisions(code));
        assert!(index.contains(&line), "docs/findings/README.md lacks:\n{line}");
    }
    let pages =
        std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let observed = observed::ALL.iter().map(|code| code.name);
    let names = codes::ALL.iter().map(|code| code.name).chain(observed);
    let known: BTreeSet<String> = names.map(|name| format!("{name}.md")).collect();
    let left: Vec<String> = pages.filter(|page| page != "README.md" && !known.contains(page)).collect();
    assert!(left.is_empty(), "pages of no code: {left:?}");
}

/// The sources in a folder and below.
fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, out);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            out.push_str(&std::fs::read_to_string(&entry).unwrap());
        }
    }
}

/// A code that no test brings about may stand where its page says it does, or not.
#[test]
fn each_code_is_named_by_a_test() {
    let mut text = String::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")), &mut text);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = text.split(|c| !is_word(c)).collect();
    let names = codes::ALL.iter().map(|c| c.name).chain(observed::ALL.iter().map(|c| c.name));
    let unnamed: Vec<&str> = names.filter(|name| !words.contains(name)).collect();
    assert!(unnamed.is_empty(), "no test names {unnamed:?}");
}
