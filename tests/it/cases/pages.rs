//! The page that tells what a run did, for a browser: where it is written, how a run ends without it, and what is in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use scraper::Html;
use tempfile::TempDir;

use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};
use crate::support::json_schema::fits;
use crate::support::page::{all, sound, texts};

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp;\u{202e}\u{1b}";

fn seeded() -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!(
        "CREATE TABLE \"{}\" (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
        INSERT INTO \"{0}\" VALUES (1, 'plain'), (7, 'long');
        CREATE TABLE roles (id INTEGER PRIMARY KEY, name VARCHAR(2) UNIQUE); INSERT INTO roles VALUES (1, 'admin');
        CREATE TRIGGER watch AFTER INSERT ON roles BEGIN SELECT 1; END",
        HOSTILE.replace('"', "\"\"")
    ));
    source
}

/// A folder with nothing in it, and what is run there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = binary::command(self.0.path());
        command.args(args);
        Running::start(command).end()
    }

    fn migrate(&self, source: &str, target: &str, more: &[&str]) -> Ran {
        self.run(&[&["migrate", "--source", source, "--target", target], more].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn page(&self, name: &str) -> Html {
        sound(&fs::read_to_string(self.path(name)).unwrap())
    }

    /// Files of the folder of reports, in order; none where there is no such folder.
    fn reports(&self) -> Vec<String> {
        let found = fs::read_dir(self.path("reports")).into_iter().flatten();
        let mut names: Vec<String> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn sections(page: &Html) -> Vec<&str> {
    all(page, "section").iter().map(|section| section.attr("id").unwrap()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_migration_leaves_a_page_and_says_where() {
    let (source, target, place) = (seeded(), Db::fresh(Engine::Postgres), Place::new());
    let ran = place.migrate(&source.url, &target.url, &[]);
    // The trigger stays behind.
    assert_eq!(ran.code, 1, "{ran}");
    let kept = place.reports();
    let [page, document] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(page.strip_suffix(".html"), document.strip_suffix(".json"));
    let end = format!("The report is kept in reports/{page}, and for programs in reports/{document}\n");
    assert!(ran.stdout.contains(&end), "{ran}");
    assert_eq!(mode(&place.path("reports").join(page)), 0o600);
    let page = place.page(&format!("reports/{page}"));
    assert_eq!(
        sections(&page),
        ["tables", "proof", "timeline", "throughput", "findings", "next", "undo", "plan"]
    );
    let shown = HOSTILE.replace('\u{1b}', "\\u{1b}");
    let names = texts(&page, "#tables tbody th");
    assert!(names.len() == 3 && names.contains(&shown) && names.contains(&"roles".into()), "{names:?}");
    assert_eq!(texts(&page, "#tables thead th:last-child"), ["digest"]);
    let proof = texts(&page, "#proof p")[0].clone();
    assert!(proof.starts_with("Every value of every row was compared"), "{proof}");
    let found = texts(&page, "#findings details");
    assert!(
        found.iter().any(|one| one.starts_with("object_not_carried") && one.contains("CREATE TRIGGER watch"))
    );
    assert!(texts(&page, "#next pre")[0].contains("DB_TYPE=postgresql DATABASE_URL=postgresql://"));
    let undo = texts(&page, "#undo pre")[0].clone();
    assert!(undo.starts_with("techcare-db rollback --database postgresql://"), "{undo}");
    let phases = texts(&page, "#timeline > .wide tbody th");
    assert!(phases.contains(&"moving rows".into()) && phases.contains(&"checking what arrived".into()));
    assert!(!all(&page, "#throughput svg rect").is_empty());
    assert_eq!(all(&page, "#plan > details").len(), 2);
}

#[test]
fn the_page_goes_where_it_is_asked_to_or_nowhere() {
    let source = seeded();
    let place = Place::new();
    let target = Db::fresh(Engine::Sqlite);
    let ran = place.migrate(&source.url, &target.url, &["--format", "json", "--report", "own.html"]);
    let document = fits("migrate", &ran);
    assert_eq!(document["page"], "own.html");
    assert_eq!(mode(&place.path("own.html")), 0o600);
    assert_eq!(texts(&place.page("own.html"), "#tables tbody th").len(), 3);
    assert_eq!(place.reports().len(), 1, "the document only");

    let place = Place::new();
    let target = Db::fresh(Engine::Sqlite);
    let ran = place.migrate(&source.url, &target.url, &["--no-report"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(place.reports().is_empty() && !ran.stdout.contains("report"), "{ran}");
    let both = place.migrate(&source.url, &target.url, &["--no-report", "--report", "own.html"]);
    assert_eq!(both.code, 2, "{both}");
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_anything_is_done() {
    let (source, place) = (seeded(), Place::new());
    fs::write(place.path("notes.txt"), "mine").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    for (name, code) in [("nowhere/page.html", 2), ("/proc/page.html", 4), ("notes.txt", 4), ("folder", 4)] {
        let target = Db::fresh(Engine::Sqlite);
        let migrated = place.migrate(&source.url, &target.url, &["--report", name]);
        assert_eq!(migrated.code, code, "{name}: {migrated}");
        assert!(migrated.stderr.starts_with("error: ") && migrated.stderr.lines().count() <= 3, "{migrated}");
        assert!(!target.path().exists(), "{name}: the migration began");
        let checked = place.run(&["check", "--database", &source.url, "--report", name]);
        assert_eq!(checked.code, code, "{name}: {checked}");
    }
    assert_eq!(fs::read_to_string(place.path("notes.txt")).unwrap(), "mine");
    assert!(place.reports().is_empty());
}

#[test]
fn a_page_that_cannot_be_written_in_the_end_is_a_warning() {
    let (source, place) = (seeded(), Place::new());
    // Nobody, whatever rights they have, makes a file in what is no folder.
    fs::write(place.path("reports"), "").unwrap();
    let target = Db::fresh(Engine::Sqlite);
    let ran = place.migrate(&source.url, &target.url, &["--no-backup"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("the migration is done, but its report could not be kept in"), "{ran}");
    assert!(!ran.stdout.contains("The report is kept"), "{ran}");

    // The name was free before the migration and is the database's after it.
    let place = Place::new();
    let target = place.path("new.db");
    let ran = place.migrate(&source.url, target.to_str().unwrap(), &["--report", "new.db"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("new.db: new.db exists already and is no HTML page"), "{ran}");
    assert!(fs::read(&target).unwrap().starts_with(b"SQLite format 3\0"));
}

#[test]
fn a_run_that_moves_nothing_has_its_page_where_one_is_asked_for() {
    let (source, target, place) = (seeded(), Db::fresh(Engine::Sqlite), Place::new());
    let asked = ["--report", "page.html"];
    let with = |more: &[&str]| place.migrate(&source.url, &target.url, &[&asked[..], more].concat());

    let ran = with(&["--dry-run"]);
    assert_eq!(ran.code, 1, "{ran}");
    let page = place.page("page.html");
    assert_eq!(sections(&page), ["findings", "plan", "timeline"]);
    assert_eq!(all(&page, "#plan > details").len(), 2);

    let ran = with(&["--dump", "script.sql"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(texts(&place.page("page.html"), "#load pre"), ["sqlite3 NEW.db < script.sql"]);

    target.execute("CREATE TABLE roles (id INTEGER PRIMARY KEY); INSERT INTO roles VALUES (1)");
    let ran = with(&[]);
    assert_eq!(ran.code, 4, "{ran}");
    let said = texts(&place.page("page.html"), "#error dd").join(" ");
    let error = ran.stderr.lines().next().unwrap().trim_start_matches("error: ");
    assert!(said.contains(error), "{said}\n{ran}");

    source.execute(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO odd VALUES (1, 'never')",
    );
    let ran = place.migrate(&source.url, &Db::fresh(Engine::Postgres).url, &asked);
    assert_eq!(ran.code, 4, "{ran}");
    let page = place.page("page.html");
    assert_eq!(sections(&page)[..3], ["error", "findings", "plan"]);
    assert!(texts(&page, "#findings details")[0].starts_with("bad_datetime"));

    let ran = place.migrate("sqlite:////nowhere/at_all.db", &target.url, &asked);
    assert_eq!(ran.code, 3, "{ran}");
    assert_eq!(sections(&place.page("page.html")), ["error", "timeline"]);
    let ran = place.migrate("oracle", &target.url, &asked);
    assert_eq!(ran.code, 2, "{ran}");
    assert_eq!(sections(&place.page("page.html")), ["error"]);
    assert!(place.reports().is_empty(), "a page of what was not done is kept nowhere else");
}

#[test]
fn a_check_has_its_page_where_one_is_asked_for() {
    let (source, place) = (seeded(), Place::new());
    let check = |more: &[&str]| {
        let args = ["check", "--database", &source.url, "--report", "page.html"];
        (place.run(&[&args[..], more].concat()), place.page("page.html"))
    };
    let (ran, page) = check(&[]);
    assert!(sections(&page).starts_with(&["state", "findings"]), "{ran}");
    let (ran, page) = check(&["--target", "mysql"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(sections(&page).starts_with(&["migration", "findings", "plan"]), "{ran}");
    let copy = Db::fresh(Engine::Sqlite);
    copy.execute("CREATE TABLE roles (id INTEGER PRIMARY KEY, name VARCHAR(2) UNIQUE)");
    let (ran, page) = check(&["--against", &copy.url]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(sections(&page).starts_with(&["comparison", "differences"]), "{ran}");
    let rows = texts(&page, "#comparison details tbody th");
    assert!(rows.contains(&"id=1".to_owned()), "{rows:?}");
    let (ran, page) = check(&["--against", "sqlite:////nowhere/at_all.db"]);
    assert_eq!((ran.code, sections(&page)[0]), (3, "error"), "{ran}");
    assert!(place.reports().is_empty());
    assert!(place.run(&["check", "--database", &source.url]).code <= 1);
    assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), 1, "only the page");
}

#[test]
fn no_page_shows_a_password() {
    let (source, target, place) = (seeded(), Db::fresh(Engine::Postgres), Place::new());
    let (before, after) = target.url.split_once('@').unwrap();
    let user = before.split_once("://").unwrap().1.split(':').next().unwrap();
    let secret = "c4n4ry%2Fword";
    let url = format!("postgresql://{user}:{secret}@{after}");
    let held = || {
        let pages = fs::read_dir(place.path("."))
            .unwrap()
            .chain(fs::read_dir(place.path("reports")).into_iter().flatten());
        let files = pages.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        files.map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    let nowhere = format!("postgresql://{user}:{secret}@127.0.0.1:1/none");
    let runs = [
        place.run(&["check", "--database", &source.url, "--target", &url, "--report", "a.html"]),
        place.migrate(&source.url, &url, &["--report", "b.html", "--dry-run"]),
        place.migrate(&source.url, &url, &[]),
        place.migrate(&source.url, &url, &["--report", "c.html"]),
        place.migrate(&source.url, &nowhere, &["--report", "d.html"]),
        place.run(&["check", "--database", &url, "--report", "e.html"]),
    ];
    assert_eq!(runs.map(|ran| ran.code), [1, 1, 1, 4, 3, 0]);
    let texts = held();
    // Five that were asked for, the one of the migration, and its document.
    assert_eq!(texts.len(), 7);
    for text in &texts {
        assert!(text.contains("postgresql://") && text.contains(":***@"), "{text}");
        assert!(!text.contains("c4n4ry"), "{text}");
    }
    assert_eq!(content::tables(&target).len(), 2);
}
