//! Names get into SQL by one door per engine. What a compiler cannot say is read out of the sources here: which files
//! make SQL, and that none of it puts quotes of its own around what it fills in.

use std::path::{Path, PathBuf};

use super::files;

/// How our SQL begins.
const VERBS: [&str; 20] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "PRAGMA ",
    "SET ",
    "GRANT ",
    "RENAME ",
    "LOCK ",
    "COPY ",
    "ATTACH ",
    "TRUNCATE ",
    "EXECUTE ",
    "CALL ",
    "WITH ",
    "REPLACE ",
    "COMMENT ",
];

/// Where each engine quotes.
const DIALECTS: [&str; 3] = ["src/engine/sqlite", "src/engine/postgres", "src/engine/mysql"];

/// Text literals of a source file, with the line that each begins in. Its tests, which stand at the end, are left out.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("\n#[cfg(test)]").next().unwrap();
    let letters: Vec<char> = source.chars().collect();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    let next = |at: usize| letters.get(at + 1).copied().unwrap_or(' ');
    while at < letters.len() {
        match letters[at] {
            '\n' => line += 1,
            '/' if next(at) == '/' => {
                while at + 1 < letters.len() && next(at) != '\n' {
                    at += 1;
                }
            }
            '\'' if next(at) == '\\' => at += 3,
            '\'' if letters.get(at + 2) == Some(&'\'') => at += 2,
            'r' if next(at) == '#' && letters.get(at + 2) == Some(&'"') => {
                let rest: String = letters[at + 3..].iter().collect();
                let text = rest.split("\"#").next().unwrap();
                found.push((line, text.to_owned()));
                line += text.matches('\n').count();
                at += 4 + text.chars().count();
            }
            '"' => {
                let (begin, mut text) = (line, String::new());
                at += 1;
                while letters[at] != '"' {
                    if letters[at] == '\\' {
                        at += 1;
                        // A line that goes on.
                        if letters[at] == '\n' {
                            line += 1;
                            while letters[at + 1].is_whitespace() {
                                at += 1;
                            }
                        } else {
                            text.push(letters[at]);
                        }
                    } else {
                        line += usize::from(letters[at] == '\n');
                        text.push(letters[at]);
                    }
                    at += 1;
                }
                found.push((begin, text));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Source files below `src`, as paths from the root of the repository.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rust =
        files(&root.join("src")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let within = |path: &PathBuf| path.strip_prefix(root).unwrap().to_owned();
    let all: Vec<_> = rust.map(|path| (within(&path), std::fs::read_to_string(path).unwrap())).collect();
    let is_test =
        |path: &Path| path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    all.into_iter().filter(|(path, _)| !is_test(path)).collect()
}

fn is_sql(text: &str) -> bool {
    VERBS.iter().any(|verb| text.starts_with(verb))
}

/// Whether a template is filled in. `{{` is a brace.
fn is_filled(text: &str) -> bool {
    text.replace("{{", "").contains('{')
}

#[test]
fn sql_with_names_in_it_is_made_by_the_dialects_only() {
    // What the dialects share, over names that each has quoted or through the target's own quoting; the source's own words
    // of a constraint behind such names; and the text of an index as SQLite would show it, from the names in the entities'
    // code, which is compared and never run.
    let others = [
        "src/engine/condition.rs",
        "src/engine/expression/query/mod.rs",
        "src/engine/expression/query/within.rs",
        "src/pipeline/plan/objects.rs",
        "src/pipeline/plan/views.rs",
        "src/techcare/registry.rs",
    ];
    let (mut made, mut read) = (Vec::new(), 0);
    for (path, source) in sources() {
        read += 1;
        let sql = literals(&source).into_iter().filter(|(_, text)| is_sql(text) && is_filled(text));
        let is_dialect = DIALECTS.iter().any(|folder| path.starts_with(folder));
        let is_known = others.iter().any(|other| path == Path::new(other));
        for (line, text) in sql.filter(|_| !is_known) {
            made.push((is_dialect, format!("{}:{line}: {text}", path.display())));
        }
    }
    let elsewhere: Vec<_> = made.iter().filter(|(is_dialect, _)| !is_dialect).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    // The reader of sources really finds what there is.
    assert!(read > 100 && made.len() > 60, "{read} files, {} templates", made.len());
}

#[test]
fn no_template_brings_quotes_of_its_own() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        for (line, text) in literals(&source).into_iter().filter(|(_, text)| is_sql(text)) {
            let text = text.replace("{{", "").replace("}}", "");
            if ["'{", "\"{", "`{"].iter().any(|quoted| text.contains(quoted)) {
                found.push(format!("{}:{line}: {text}", path.display()));
            }
        }
    }
    // Words of our own, and a name that the server gave to its snapshot, without the quotes that it could hold.
    let fine = [
        "routine_type = '{word}'",
        "LIKE '{0}________\\_{1}'",
        "table_name = '{MARKER}'",
        "locale = '{locale}'",
        "SET TRANSACTION SNAPSHOT '{}'",
    ];
    found.retain(|place| !fine.iter().any(|known| place.contains(known)));
    assert!(found.is_empty(), "a name or a text goes through quote() or literal(): {found:#?}");
}

#[test]
fn the_driver_is_told_that_sql_is_safe_by_the_dialects_only() {
    let mut places = 0;
    for (path, source) in sources() {
        let count = source.matches("AssertSqlSafe(").count();
        places += count;
        let is_dialect = DIALECTS.iter().any(|folder| path.starts_with(folder));
        assert!(count == 0 || is_dialect, "{} asserts that SQL is safe", path.display());
    }
    assert!(places > 0);
}

#[test]
fn no_code_is_unsafe() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for folder in ["", "entity", "migration"] {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{} has lints of its own", manifest.display());
    }
}
