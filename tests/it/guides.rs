//! The guides: what they tell a reader to type is typed here, in both languages it is the same, and no link leads
//! nowhere. While one is being written, `TECHCARE_DB_TEST_GUIDE=backup.md` runs its commands alone.

mod page;
mod sandbox;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use page::{Action, Step};
use sandbox::{Sandbox, Servers};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of a folder and below that end in `.md`.
fn pages(folder: &Path, out: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            pages(&path, out);
        } else if path.extension().is_some_and(|end| end == "md") {
            out.push(path);
        }
    }
    out.sort();
}

/// The guides of a language, each by its file name.
fn guides(folder: &str) -> BTreeMap<String, String> {
    let mut found = Vec::new();
    pages(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "no guides in {folder}");
    found.retain(|path| path.file_name().unwrap() != "README.md");
    found.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(path))).collect()
}

fn steps(name: &str, text: &str) -> Vec<Step> {
    page::steps(text).unwrap_or_else(|why| panic!("{name}, {why}"))
}

#[test]
fn every_command_of_every_guide_does_what_the_guide_says() {
    let servers = Servers::start();
    let mut faults = Vec::new();
    let only = std::env::var("TECHCARE_DB_TEST_GUIDE").ok();
    let mut guides = guides("docs/guides");
    guides.retain(|name, _| only.as_ref().is_none_or(|only| only == name));
    assert!(!guides.is_empty(), "no guide {only:?}");
    for (name, text) in guides {
        let mut sandbox = Sandbox::new(&servers, "any");
        for step in steps(&name, &text) {
            if let Action::Scenario(scenario) = &step.action {
                drop(sandbox.take());
                sandbox = Sandbox::new(&servers, scenario);
            } else if let Some(Err(why)) = sandbox.as_mut().map(|sandbox| sandbox.take(&step)) {
                faults.push(format!("{name}, line {}: {why}\n{}", step.line, step.text));
                // What follows stands on it.
                sandbox = None;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n----\n"));
}

#[test]
fn both_languages_have_the_same_guides_with_the_same_commands() {
    let (english, portuguese) = (guides("docs/guides"), guides("docs/pt-BR"));
    assert_eq!(english.keys().collect::<Vec<_>>(), portuguese.keys().collect::<Vec<_>>());
    for (name, text) in &english {
        let other = &portuguese[name];
        let plain = |text: &str| -> Vec<(Action, String)> {
            steps(name, text).into_iter().map(|step| (step.action, page::bare(&step.text))).collect()
        };
        for (here, there) in plain(text).into_iter().zip(plain(other)) {
            assert_eq!(here, there, "{name}");
        }
        assert_eq!(plain(text).len(), plain(other).len(), "{name}: blocks");
        assert_eq!(levels(text), levels(other), "{name}: headings");
    }
}

#[test]
fn the_readme_is_the_same_in_both_languages() {
    let (english, other) = (read(&root().join("README.md")), read(&root().join("README.pt-BR.md")));
    assert_eq!(levels(&english), levels(&other));
    let code = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("    ") && !line.trim().is_empty());
        lines.map(page::bare).collect()
    };
    assert_eq!(code(&english), code(&other));
}

/// How deep each heading is.
fn levels(text: &str) -> Vec<usize> {
    headings(text).iter().map(|(level, _)| *level).collect()
}

/// Headings outside of code, with their depth.
fn headings(text: &str) -> Vec<(usize, String)> {
    let mut code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        let level = line.chars().take_while(|c| *c == '#').count();
        if !code && level > 0 && line[level..].starts_with(' ') {
            found.push((level, line[level + 1..].to_owned()));
        }
    }
    found
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Targets of the links of a page, code left out.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        if code || line.starts_with("    ") {
            continue;
        }
        found.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
    }
    found
}

/// Every page that a reader may come to.
fn all_pages() -> Vec<PathBuf> {
    let mut found =
        vec![root().join("README.md"), root().join("README.pt-BR.md"), root().join("CHANGELOG.md")];
    pages(&root().join("docs"), &mut found);
    found
}

#[test]
fn no_link_leads_nowhere() {
    assert_eq!(anchor("`check`: is it *safe*, really?"), "check-is-it-safe-really");
    let mut dead = Vec::new();
    for page in all_pages() {
        for link in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let there = target.exists()
                && (fragment.is_empty()
                    || headings(&read(&target)).iter().any(|(_, heading)| anchor(heading) == fragment));
            if !there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_index_leads_to_every_page() {
    let docs = root().join("docs");
    for (index, folder) in [("README.md", "guides"), ("pt-BR/README.md", "pt-BR")] {
        let index = docs.join(index);
        let linked: BTreeSet<PathBuf> = links(&read(&index))
            .iter()
            .filter_map(|link| index.parent().unwrap().join(link.split('#').next()?).canonicalize().ok())
            .collect();
        let mut wanted: Vec<PathBuf> =
            fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path()).collect();
        if folder == "pt-BR" {
            wanted.clear();
        }
        pages(&docs.join(folder), &mut wanted);
        wanted.retain(|page| {
            page.extension().is_some_and(|end| end == "md") && page.file_name().unwrap() != "README.md"
        });
        let left: Vec<&PathBuf> =
            wanted.iter().filter(|page| !linked.contains(&page.canonicalize().unwrap())).collect();
        assert!(left.is_empty(), "{} does not name {left:?}", index.display());
    }
}
