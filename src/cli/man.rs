//! Manual pages, made from the same definition that the command line is parsed by: a page for techcare-db and one a
//! command. What clap does not know (exit codes, environment, files) stands here.

use std::io::{self, Write as _};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Arguments, Format, ManArgs};
use super::dispatch::Answer;
use super::render::json;
use crate::model::error::{Error, ErrorKind, Result};

const NAME: &str = "techcare-db";

const EXIT_STATUS: [(&str, &str); 7] = [
    ("0", "Done."),
    (
        "1",
        "Done, and there is something to look at: findings or differences, rejected or converted rows, objects left behind.",
    ),
    ("2", "The command line or the configuration is wrong."),
    ("3", "A database cannot be reached, or refuses the login."),
    ("4", "Refused before anything changed."),
    (
        "5",
        "Failed on the way; the databases are as they were, or the run can be gone on with: the message says which.",
    ),
    ("130", "Interrupted by Ctrl-C or SIGTERM, and cleaned up as for 5."),
];

const ENVIRONMENT: [(&str, &str); 16] = [
    ("TECHCARE_HOME", "The TechCare folder, where --app-dir is not given."),
    ("DATABASE_URL", "The database of the application, as a URL."),
    ("SOURCE_DATABASE_URL, TARGET_DATABASE_URL", "The same for one side of a migration; they go first."),
    ("DB_TYPE", "Engine of the application's database, where there is no DATABASE_URL."),
    (
        "DB_USER, DB_PASSWORD, DB_HOST, DB_PORT, DB_NAME",
        "The parts of a server's address. With SOURCE_ or TARGET_ before the name they are for that side alone.",
    ),
    (
        "DB_PASSWORD_FILE",
        "A file that holds the password and nobody else can read; SOURCE_ and TARGET_ as above.",
    ),
    ("PGPASSWORD", "Password for PostgreSQL, where the name of the database has none."),
    ("PGPASSFILE", "Read instead of ~/.pgpass."),
    ("MYSQL_PWD", "Password for MySQL and MariaDB, where the name of the database has none."),
    ("NO_COLOR", "No colours."),
    ("CLICOLOR", "With 0: no colours."),
    ("CLICOLOR_FORCE", "Colours, also where the output is no terminal."),
    ("TERM", "With dumb: no colours and no bars."),
    ("RUST_LOG", "What is logged to stderr, as in -v, by module."),
    ("PATH", "Where pg_dump, pg_restore, mariadb-dump and mysqldump are looked for."),
    ("HOME", "Where .pgpass and .my.cnf are looked for."),
];

const FILES: [(&str, &str); 9] = [
    (".env", "Settings of the application, read after the environment."),
    ("techcare-db.toml", "Databases by name, policies and rules."),
    ("instance/techcare.db", "The SQLite database of the application."),
    ("backups/", "What backup writes, each file with its manifest."),
    ("reports/", "A report of each migration."),
    ("rejects/", "Keys of the rows that a migration put aside."),
    (
        "history/",
        "What rollback can take back; in tune/ the old values of settings, which tune --undo puts back.",
    ),
    ("~/.pgpass", "Passwords for PostgreSQL."),
    ("~/.my.cnf", "Password for MySQL and MariaDB, under [client]."),
];

/// What else to read about a command, by its name.
const SEE_ALSO: [(&str, &[&str]); 3] = [
    ("techcare-db-backup", &["pg_dump", "mariadb-dump", "mysqldump", "crontab"]),
    ("techcare-db-rollback", &["pg_restore"]),
    ("techcare-db-completions", &["bash", "zsh", "fish"]),
];

/// A manual page.
struct Page {
    /// Its file: `techcare-db-schema-up.1`.
    file: String,
    /// Its text, for `man`.
    text: Vec<u8>,
}

/// `man`.
pub fn run(args: &ManArgs, format: Format) -> Answer {
    let said = match &args.output_dir {
        Some(folder) => write_all(folder).map(|paths| {
            let text = paths.join("\n") + "\n";
            (text, json::files("man", &paths))
        }),
        None => one(&args.command).map(|text| {
            let document = json::text("man", &text);
            (text, document)
        }),
    };
    match said {
        Ok((text, document)) => Answer::done(format, || text, || document, 0),
        Err(failure) => Answer::failed(format, Some("man"), failure, None, None),
    }
}

/// The page of a command, `["schema", "up"]` say; of techcare-db itself without one.
fn one(command: &[String]) -> Result<String> {
    let name = [&[NAME.to_owned()], command].concat().join("-");
    let file = format!("{name}.1");
    let found = pages().map_err(internal)?.into_iter().find(|page| page.file == file);
    let page = found.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("there is no command {:?}", command.join(" ")))
            .next("see techcare-db --help")
    })?;
    Ok(String::from_utf8_lossy(&page.text).into_owned())
}

/// Writes all pages, over those of an earlier version; answers with their paths.
fn write_all(folder: &Path) -> Result<Vec<String>> {
    let failed = |path: &Path, e: io::Error| {
        Error::new(ErrorKind::of_writing(&e), format!("cannot write {}", path.display())).why(e)
    };
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let mut paths = Vec::new();
    for page in pages().map_err(internal)? {
        let path = folder.join(&page.file);
        std::fs::write(&path, &page.text).map_err(|e| failed(&path, e))?;
        paths.push(path.display().to_string());
    }
    Ok(paths)
}

fn internal(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "a manual page could not be made").why(error)
}

/// All pages, that of techcare-db first.
fn pages() -> io::Result<Vec<Page>> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, None, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, parent: Option<&str>, pages: &mut Vec<Page>) -> io::Result<()> {
    pages.push(page(command, parent)?);
    let name = name_of(command);
    shown(command).try_for_each(|below| add(below, Some(name), pages))
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set())
}

/// `techcare-db-schema-up`.
fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, parent: Option<&str>) -> io::Result<Page> {
    let name = name_of(command);
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    // Written by hand: clap_mangen leaves an empty date out, and the version would stand in its place. A date would make
    // every build another page.
    writeln!(text, ".TH {name} 1 \"\" \"techcare-db {}\" \"TechCare databases\"", env!("CARGO_PKG_VERSION"))?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(&mut text)?;
    }

    let mut rest = Roff::new();
    pairs(&mut rest, "EXIT STATUS", &EXIT_STATUS, |word| bold(word));
    if parent.is_none() {
        pairs(&mut rest, "ENVIRONMENT", &ENVIRONMENT, |word| bold(word));
        rest.control("SH", ["FILES"]);
        rest.text([roman("All but the last two are looked for in the TechCare folder.")]);
        entries(&mut rest, &FILES, |word| italic(word));
    } else {
        for heading in ["ENVIRONMENT", "FILES"] {
            rest.control("SH", [heading]);
            rest.text([roman("As "), bold(NAME), roman("(1) has them for all commands.")]);
        }
    }
    further(&mut rest, command);
    see_also(&mut rest, command, parent);
    rest.to_writer(&mut text)?;
    Ok(Page { file: format!("{name}.1"), text })
}

fn pairs(page: &mut Roff, heading: &str, entries_of: &[(&str, &str)], face: fn(&str) -> Inline) {
    page.control("SH", [heading]);
    entries(page, entries_of, face);
}

fn entries(page: &mut Roff, entries: &[(&str, &str)], face: fn(&str) -> Inline) {
    for (word, text) in entries {
        page.control("TP", []);
        page.text([face(word)]);
        page.text([roman(*text)]);
    }
}

/// What `--help` says below the options: blocks of a heading and indented lines become sections, all other lines notes.
/// Exit codes, which end their block, have a section already.
fn further(page: &mut Roff, command: &Command) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut notes = Vec::new();
    for block in help.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (first, lines) = block.split_once('\n').unwrap_or((block, ""));
        match first.strip_suffix(':').filter(|_| lines.starts_with(' ')) {
            Some(heading) => {
                page.control("SH", [heading.to_uppercase().as_str()]);
                page.control("nf", []);
                for line in lines.lines() {
                    page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
                }
                page.control("fi", []);
            }
            None => notes.extend(block.lines().take_while(|line| !line.starts_with("Exit codes:"))),
        }
    }
    if !notes.is_empty() {
        page.control("SH", ["NOTES"]);
        for line in notes {
            page.text([roman(line)]);
        }
    }
}

fn see_also(page: &mut Roff, command: &Command, parent: Option<&str>) {
    let name = name_of(command);
    let mut others: Vec<&str> = parent.into_iter().collect();
    if parent.is_some_and(|parent| parent != NAME) {
        others.push(NAME);
    }
    others.extend(shown(command).map(name_of));
    others.extend(SEE_ALSO.iter().filter(|(of, _)| *of == name).flat_map(|(_, programs)| *programs));
    page.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (n, other) in others.iter().enumerate() {
        line.extend([bold(*other), roman(if n + 1 == others.len() { "(1)" } else { "(1), " })]);
    }
    page.text(line);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text_of(page: &Page) -> String {
        String::from_utf8(page.text.clone()).unwrap()
    }

    fn of(name: &str) -> String {
        text_of(pages().unwrap().iter().find(|page| page.file == format!("{name}.1")).unwrap())
    }

    /// Every command with its full name, as clap has it.
    fn commands() -> Vec<Command> {
        fn walk(command: &Command, found: &mut Vec<Command>) {
            found.push(command.clone());
            command.get_subcommands().for_each(|below| walk(below, found));
        }
        let mut root = Arguments::command().disable_help_subcommand(true);
        root.build();
        let mut found = Vec::new();
        walk(&root, &mut found);
        found
    }

    #[test]
    fn every_command_has_a_page_with_every_option() {
        let commands = commands();
        assert!(commands.len() > 10, "{}", commands.len());
        assert_eq!(pages().unwrap().len(), commands.len());
        for command in commands {
            let page = of(name_of(&command));
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                let written = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(page.contains(&written), "{}: {option}", name_of(&command));
            }
            for below in command.get_subcommands() {
                let written = name_of(below).replace('-', "\\-");
                assert!(page.contains(&written), "{}: {written}", name_of(&command));
            }
        }
    }

    #[test]
    fn every_page_has_its_sections() {
        for page in pages().unwrap() {
            let text = text_of(&page);
            let title = format!(".TH {} 1 \"\" \"techcare-db ", page.file.trim_end_matches(".1"));
            assert!(text.starts_with(&title), "{text}");
            for heading in
                ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "\"SEE ALSO\""]
            {
                assert!(text.contains(&format!(".SH {heading}\n")), "{}: {heading}\n{text}", page.file);
            }
            assert!(!text.contains("Exit codes:") && !text.contains("refused with"), "{}\n{text}", page.file);
        }
        for name in ["techcare-db", "techcare-db-backup", "techcare-db-migrate", "techcare-db-man"] {
            assert!(of(name).contains(".SH EXAMPLES\n.nf\ntechcare\\-db "), "{name}:\n{}", of(name));
        }
        assert!(of("techcare-db").contains(".SH \"NAMING A DATABASE\"\n"), "{}", of("techcare-db"));
    }

    #[test]
    fn every_exit_code_is_explained() {
        use ErrorKind as Kind;
        let kinds = [Kind::Usage, Kind::Login, Kind::Refused, Kind::Internal, Kind::Interrupted];
        let mut codes: BTreeSet<String> = kinds.iter().map(|kind| kind.exit_code().to_string()).collect();
        codes.extend(["0".to_owned(), "1".to_owned()]);
        assert_eq!(codes, EXIT_STATUS.iter().map(|(code, _)| (*code).to_owned()).collect());
    }

    #[test]
    fn a_command_that_is_none_is_refused() {
        let args = ManArgs { command: vec!["nonsense".into()], output_dir: None };
        let answer = run(&args, Format::Text);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""));
        assert!(answer.error.unwrap().to_string().contains("nonsense"));
        let args = ManArgs { command: vec!["schema".into(), "up".into()], output_dir: None };
        assert!(run(&args, Format::Text).stdout.contains("techcare\\-db\\-schema\\-up"));
    }

    #[test]
    fn pages_are_written_over_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("share/man1");
        let args = ManArgs { command: Vec::new(), output_dir: Some(at.clone()) };
        for _ in 0..2 {
            let answer = run(&args, Format::Text);
            assert_eq!((answer.code, answer.stdout.lines().count()), (0, pages().unwrap().len()));
            std::fs::write(at.join("techcare-db.1"), "older").unwrap();
        }
        run(&args, Format::Json);
        assert_eq!(std::fs::read_to_string(at.join("techcare-db.1")).unwrap(), of("techcare-db"));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let args = ManArgs { command: Vec::new(), output_dir: Some(folder.path().join("file/man")) };
        assert_eq!(run(&args, Format::Text).code, 5);
    }
}
