//! The application's own database, as it writes it, around the circle SQLite → PostgreSQL → MariaDB or MySQL → SQLite: every
//! stored byte is the same, accounts log in, and the next row gets the right id on each engine.

use std::path::Path;
use std::process::Command;

use crate::schema::seed::passwords::PASSWORDS;
use crate::support::binary;
use crate::support::canon::hex;
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::objects;

/// TechCare's tables, parents first, with what a new row needs.
const TABLES: [(&str, &str); 4] = [
    ("roles", "(name) VALUES ('a new role')"),
    ("users", "(username, email) VALUES ('a new user', 'new@example.org')"),
    ("diagnostics", "(name) VALUES ('a new diagnostic')"),
    (
        "maintenance_plans",
        "(user_id, name, cleaning_types, frequency, time) VALUES ({user}, 'p', 'c', 'daily', '03:00')",
    ),
];

/// A file that the seeder wrote: an example of this package, built along with the tests.
pub fn seeded(diagnostics: u32) -> Db {
    let seeder = Path::new(binary::PATH).parent().unwrap().join("examples/seed");
    let db = Db::fresh(Engine::Sqlite);
    let done = Command::new(&seeder)
        .arg("--out")
        .arg(db.path())
        .args(["--diagnostics", &diagnostics.to_string()])
        .output();
    let done = done.unwrap_or_else(|error| panic!("{}: {error}", seeder.display()));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    db
}

/// Every row with the storage class and the exact literal of every value.
fn exactly(db: &Db, table: &str) -> Vec<Vec<Option<String>>> {
    let columns = content::columns(db).into_iter().filter(|(of, ..)| of == table);
    let list: Vec<_> = columns
        .map(|(_, column, _)| {
            let column = db.engine.quote(&column);
            // A double by its bits: `%!.17g` tells any two of them apart.
            format!("typeof({column}) || ' ' || CASE typeof({column}) WHEN 'real' THEN printf('%!.17g', {column}) ELSE quote({column}) END")
        })
        .collect();
    db.query(&format!("SELECT {} FROM {table} ORDER BY id", list.join(", ")))
}

fn migrate(source: &Db, target: &Db) {
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.peak_kib < 100 * 1024, "{} KiB of memory", ran.peak_kib);
    let json = ran.json();
    for (table, _) in TABLES {
        let told = json["tables"].as_array().unwrap().iter().find(|told| told["name"] == table).unwrap();
        assert_eq!(told["verified"], true, "{told}");
        let rows: u64 = source.value(&format!("SELECT count(*) FROM {table}")).unwrap().parse().unwrap();
        assert_eq!(told["rows_written"], rows, "{told}");
    }
}

fn around_the_circle(product: Engine, diagnostics: u32) {
    if !product.at_hand() {
        return;
    }
    let first = seeded(diagnostics);
    let before = std::fs::read(first.path()).unwrap();
    let postgres = Db::fresh(Engine::Postgres);
    let mysql = Db::fresh(product);
    let last = Db::fresh(Engine::Sqlite);
    migrate(&first, &postgres);
    migrate(&postgres, &mysql);
    migrate(&mysql, &last);
    assert!(before == std::fs::read(first.path()).unwrap(), "the source was written to");

    assert_eq!(content::tables(&last), content::tables(&first));
    for (table, _) in TABLES {
        let (here, there) = (exactly(&first, table), exactly(&last, table));
        assert_eq!(here.len(), there.len(), "{table}");
        let differing = here.iter().zip(&there).find(|(here, there)| here != there);
        assert!(differing.is_none(), "{table}: {differing:?}");
    }

    let whole = content::read(&first);
    let facts = objects::facts(&first);
    for db in [&postgres, &mysql, &last] {
        assert_eq!(content::differences(&whole, &content::read(db), &Renamed::new()), Vec::<String>::new());
        assert_eq!(objects::missing(&facts, &objects::facts(db), &Renamed::new(), &[]), Vec::<String>::new());
        let names: Vec<_> = objects::facts(db).into_iter().map(|fact| fact.name).collect();
        for index in ["ix_users_username", "ix_users_email"] {
            assert!(names.iter().any(|name| name == index), "{:?} has no {index}", db.engine);
        }
        logs_in(&first, db);
        next_ids(db);
    }
}

/// Every account is found by exactly its name, nobody else's, with its own hash; and the passwords behind the first
/// hashes open them, computed anew by openssl.
pub fn logs_in(first: &Db, db: &Db) {
    let accounts = first.query(
        "SELECT username, password_hash, id FROM users
         WHERE username IS NOT NULL AND password_hash IS NOT NULL ORDER BY id LIMIT 50",
    );
    for (i, account) in accounts.iter().enumerate() {
        let (name, hash) = (account[0].as_ref().unwrap(), account[1].as_ref().unwrap());
        let literal = match db.engine {
            Engine::Mariadb | Engine::Mysql => name.replace('\\', "\\\\"),
            _ => name.clone(),
        };
        let sql =
            format!("SELECT password_hash FROM users WHERE username = '{}'", literal.replace('\'', "''"));
        let found = db.query(&sql);
        assert_eq!(found, [[Some(hash.clone())]], "{:?}: {name}", db.engine);
        if i < PASSWORDS.len() {
            let number: usize = account[2].as_ref().unwrap().parse().unwrap();
            let (password, _) = PASSWORDS[(number - 1) % PASSWORDS.len()];
            assert!(opens(password, found[0][0].as_ref().unwrap()), "{:?}: {name} can't log in", db.engine);
        }
    }
}

/// What Werkzeug asks at a login: does scrypt of the password and the hash's salt give the rest of the hash?
fn opens(password: &str, hash: &str) -> bool {
    let mut parts = hash.splitn(3, '$');
    let (method, salt, digest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    assert_eq!(method, "scrypt:32768:8:1");
    let options = [
        format!("hexpass:{}", hex(password.as_bytes())),
        format!("salt:{salt}"),
        "n:32768".to_owned(),
        "r:8".to_owned(),
        "p:1".to_owned(),
        "maxmem_bytes:67108864".to_owned(),
    ];
    let mut openssl = Command::new("openssl");
    openssl.args(["kdf", "-keylen", "64"]);
    for option in &options {
        openssl.args(["-kdfopt", option]);
    }
    let done = openssl.arg("SCRYPT").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().replace(':', "").eq_ignore_ascii_case(digest)
}

/// What the application inserts next gets the id after the highest there ever was.
pub fn next_ids(db: &Db) {
    for (table, row) in TABLES {
        let most = format!("SELECT max(id) FROM {table}");
        let before: i64 = db.value(&most).unwrap().parse().unwrap();
        let user = db.value("SELECT min(id) FROM users").unwrap();
        db.execute(&format!("INSERT INTO {table} {}", row.replace("{user}", &user)));
        assert_eq!(db.value(&most).unwrap(), (before + 1).to_string(), "{:?}: {table}", db.engine);
    }
}

#[test]
fn ten_thousand_diagnostics_around_the_circle() {
    around_the_circle(Engine::Mariadb, 10_000);
}

#[test]
fn ten_thousand_diagnostics_around_the_circle_with_mysql() {
    around_the_circle(Engine::Mysql, 10_000);
}

#[test]
fn three_hundred_thousand_diagnostics_around_the_circle() {
    if std::env::var_os("TECHCARE_DB_TEST_NIGHTLY").is_none() {
        eprintln!("skipped: `make nightly` runs this one");
        return;
    }
    around_the_circle(Engine::Mariadb, 300_000);
}

/// The loader that goes through SeaORM's entities is an oracle for the bulk one.
#[test]
fn both_loaders_bring_the_same() {
    let first = seeded(300);
    for engine in Engine::servers() {
        let (bulk, seaorm) = (Db::fresh(engine), Db::fresh(engine));
        for (target, loader) in [(&bulk, "bulk"), (&seaorm, "seaorm")] {
            let ran = binary::migrate(&first.url, &target.url, &["--loader", loader]);
            assert_eq!(ran.code, 0, "{loader}: {ran}");
        }
        let whole = content::read(&bulk);
        assert_eq!(
            content::differences(&whole, &content::read(&seaorm), &Renamed::new()),
            Vec::<String>::new()
        );
        assert_eq!(
            content::differences(&content::read(&first), &whole, &Renamed::new()),
            Vec::<String>::new()
        );
    }
}

/// What a policy or a rule decides about rows, it decides whichever loader was asked for.
#[test]
fn both_loaders_do_as_policies_and_rules_say() {
    let first = seeded(60);
    first.execute(
        "UPDATE diagnostics SET name = name || char(0) WHERE id IN (SELECT id FROM diagnostics ORDER BY id LIMIT 2)",
    );
    let rules = "[[rules]]\ntable = 'diagnostics'\nwhere = 'id % 2 = 0'\n\n[[rules]]\ntable = 'users'\nrename = 'people'\n";
    for (policy, rules, written) in
        [("nul_in_text=reject", "", 58), ("nul_in_text=convert", "", 60), ("nul_in_text=convert", rules, 30)]
    {
        let mut ends = Vec::new();
        for loader in ["bulk", "seaorm"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("techcare-db.toml"), rules).unwrap();
            let target = Db::fresh(Engine::Postgres);
            let mut command = binary::command(folder.path());
            command.args(["--format", "json", "migrate", "--no-backup", "--source", &first.url]);
            command.args(["--target", &target.url, "--rule", policy, "--loader", loader]);
            let ran = binary::Running::start(command).end();
            assert!(ran.code <= 1, "{loader} {policy}: {ran}");
            let json = ran.json();
            let tables = json["tables"].as_array().unwrap().iter();
            let counts: Vec<String> = tables
                .map(|table| {
                    let of = |field: &str| table[field].to_string();
                    let names = format!("{} {}", of("name"), of("target_name"));
                    format!("{names} {} {} {}", of("rows_written"), of("rows_rejected"), of("rows_filtered"))
                })
                .collect();
            assert_eq!(
                target.value("SELECT count(*) FROM diagnostics"),
                Some(written.to_string()),
                "{loader} {policy}: {ran}"
            );
            ends.push((ran.code, counts, content::read(&target)));
        }
        let differences = content::differences(&ends[0].2, &ends[1].2, &Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{policy}");
        assert_eq!((ends[0].0, &ends[0].1), (ends[1].0, &ends[1].1), "{policy}");
    }
}
