//! Rules by hand: tables and columns under other names and types, columns that stay behind; each said in the plan and
//! the report. The judge is the target itself.

use crate::bad_input::untouched;
use crate::dump;
use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};

/// Two tables with everything that a name can be part of.
fn source(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let (number, tail) = match engine {
        Engine::Sqlite => ("REAL", ""),
        Engine::Postgres => ("DOUBLE PRECISION", ""),
        Engine::Mariadb | Engine::Mysql => ("DOUBLE", " ENGINE=InnoDB"),
    };
    db.execute(&format!(
        "CREATE TABLE clinics (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, secret VARCHAR(40) NOT NULL){tail}"
    ));
    db.execute(&format!(
        "CREATE TABLE diagnostics (id INTEGER NOT NULL PRIMARY KEY, clinic_id INTEGER NOT NULL, score {number}, \
         code VARCHAR(20) NOT NULL, notes VARCHAR(80) NOT NULL, day VARCHAR(10) NOT NULL, \
         CONSTRAINT least CHECK (score >= 0), \
         CONSTRAINT of_clinic FOREIGN KEY (clinic_id) REFERENCES clinics (id)){tail}"
    ));
    db.execute("CREATE UNIQUE INDEX one_code ON diagnostics (code)");
    db.execute("INSERT INTO clinics VALUES (1, 'north', 's1'), (2, 'south', 's2')");
    db.execute(
        "INSERT INTO diagnostics VALUES (1, 1, 1.5, 'a', 'n', '2023-05-01'), (2, 1, 2.25, 'b', 'n', '2024-02-03'), \
         (3, 2, NULL, 'c', 'n', '2024-07-01')",
    );
    db
}

fn migrate(source: &Db, target: &Db, file: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("techcare-db.toml"), file).unwrap();
    let mut command = binary::command(folder.path());
    command
        .args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url])
        .args(more);
    binary::Running::start(command).end()
}

/// Runs a test from every engine to every engine: its label, a source, an empty target.
fn in_every_direction(test: impl Fn(&str, &Db, &Db)) {
    for from in Engine::all() {
        let source = source(from);
        for to in Engine::all() {
            test(&format!("{from:?} to {to:?}"), &source, &Db::fresh(to));
        }
    }
}

fn codes(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["findings"].as_array().unwrap().iter();
    findings.map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

/// A rule with everything that concerns names and types.
fn rules(number: &str) -> String {
    format!(
        "[[rules]]\ntable = 'diagnostics'\nrename = 'diagnosticos'\nexclude = ['notes']\n\
         [rules.columns.score]\nrename = 'nota'\ntype = '{number}'\n\
         [rules.columns.code]\nrename = 'codigo'\n\
         [rules.columns.clinic_id]\nrename = 'clinica'\n\
         [[rules]]\ntable = 'clinics'\nexclude = ['secret']\n[rules.columns.id]\nrename = 'numero'\n"
    )
}

#[test]
fn names_types_and_columns_are_as_the_rules_say() {
    in_every_direction(|label, source, target| {
        let file = rules(if target.engine.is_mysql() { "DECIMAL(10,2)" } else { "NUMERIC(10,2)" });
        let ran = migrate(source, target, &file, &[]);
        assert_eq!(ran.code, 0, "{label}: {ran}");
        let told = codes(&ran);
        for (code, times) in [("renamed_by_rule", 5), ("type_forced", 1), ("column_excluded", 2)] {
            assert_eq!(told.iter().filter(|c| *c == code).count(), times, "{label}, {code}: {ran}");
        }
        let value = |sql: &str| target.value(sql);
        assert_eq!(value("SELECT COUNT(*) FROM diagnosticos").as_deref(), Some("3"), "{label}");
        let sum = value("SELECT SUM(nota) FROM diagnosticos WHERE codigo <> 'c'");
        assert_eq!(sum.as_deref(), Some("3.75"), "{label}");
        assert_eq!(
            value("SELECT COUNT(*) FROM diagnosticos JOIN clinics ON clinica = numero WHERE name = 'north'")
                .as_deref(),
            Some("2"),
            "{label}"
        );
        for gone in
            ["SELECT notes FROM diagnosticos", "SELECT secret FROM clinics", "SELECT 1 FROM diagnostics"]
        {
            assert!(target.refuses(gone), "{label}: {gone}");
        }
        // The guards follow the names.
        for refused in [
            "INSERT INTO diagnosticos (id, clinica, nota, codigo, day) VALUES (4, 1, -1, 'd', 'x')",
            "INSERT INTO diagnosticos (id, clinica, nota, codigo, day) VALUES (4, 1, 1, 'a', 'x')",
        ] {
            assert!(target.refuses(refused), "{label}: {refused}");
        }
    });
}

#[test]
fn the_plan_names_each_rule() {
    let source = source(Engine::Sqlite);
    let target = Db::fresh(Engine::Postgres);
    let ran = migrate(&source, &target, &rules("numeric(10,2)"), &["--dry-run"]);
    assert_eq!(ran.code, 0, "{ran}");
    for code in ["renamed_by_rule", "type_forced", "column_excluded"] {
        assert!(codes(&ran).iter().any(|c| c == code), "{code}: {ran}");
    }
    untouched(&target);
}

#[test]
fn what_needs_a_column_that_stays_behind_is_left_only_by_name() {
    let source = source(Engine::Sqlite);
    let target = Db::fresh(Engine::Postgres);
    let file = "[[rules]]\ntable = 'diagnostics'\nexclude = ['score', 'code', 'clinic_id']\n";
    let refused = migrate(&source, &target, file, &[]);
    assert_eq!(refused.code, 4, "{refused}");
    for code in ["check_not_carried", "unique_not_carried", "foreign_key_not_carried"] {
        assert!(codes(&refused).iter().any(|c| c == code), "{code}: {refused}");
    }
    untouched(&target);
    let accepted = migrate(&source, &target, file, &["--accept", "*_not_carried"]);
    assert_eq!(accepted.code, 1, "{accepted}");
    assert_eq!(target.value("SELECT COUNT(*) FROM diagnostics").as_deref(), Some("3"));
    // The key of the other side.
    let target = Db::fresh(Engine::Mariadb);
    let file = "[[rules]]\ntable = 'clinics'\nexclude = ['id']\n";
    let refused = migrate(&source, &target, file, &[]);
    assert_eq!(refused.code, 4, "{refused}");
    for code in ["unique_not_carried", "foreign_key_not_carried"] {
        assert!(codes(&refused).iter().any(|c| c == code), "{code}: {refused}");
    }
}

#[test]
fn a_forced_type_holds_the_values_or_nothing_is_switched_on() {
    for from in Engine::all() {
        let source = source(from);
        for to in Engine::all() {
            let target = Db::fresh(to);
            let file = "[[rules]]\ntable = 'diagnostics'\n[rules.columns.score]\ntype = 'DECIMAL(10,1)'\n";
            let ran = migrate(&source, &target, file, &[]);
            assert!(matches!(ran.code, 3..=5), "{from:?} to {to:?}: {ran}");
            if from == Engine::Sqlite {
                assert!(ran.stdout.contains("id=2"), "{to:?}: {ran}");
            }
            untouched(&target);
        }
    }
}

#[test]
fn two_things_of_one_name_stop_the_plan() {
    let source = source(Engine::Sqlite);
    let target = Db::fresh(Engine::Postgres);
    for file in [
        "[[rules]]\ntable = 'diagnostics'\nrename = 'clinics'\n",
        "[[rules]]\ntable = 'diagnostics'\n[rules.columns.score]\nrename = 'code'\n",
    ] {
        let ran = migrate(&source, &target, file, &[]);
        assert_eq!(ran.code, 4, "{ran}");
        assert!(codes(&ran).iter().any(|c| c == "name_taken"), "{ran}");
    }
    untouched(&target);
}

#[test]
fn a_rule_that_makes_no_sense_is_a_usage_error() {
    let source = source(Engine::Sqlite);
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        for (file, says) in [
            ("[[rules]]\ntable = 'diagnostic'\n", "clinics, diagnostics"),
            ("[[rules]]\ntable = 'clinics'\nexclude = ['nam']\n", "id, name, secret"),
            ("[[rules]]\ntable = 'clinics'\n[rules.columns.nam]\nrename = 'x'\n", "id, name, secret"),
            ("[[rules]]\ntable = 'clinics'\nrename = ''\n", "does not take"),
            (
                "[[rules]]\ntable = 'clinics'\n[rules.columns.name]\ntype = 'text primary key'\n",
                "is no type of",
            ),
            (
                "[[rules]]\ntable = 'clinics'\n[rules.columns.name]\ntype = 'text); DROP TABLE x; --'\n",
                "is no type of",
            ),
            ("[[rules]]\ntable = 'clinics'\n[rules.columns.name]\ntype = 'text, y int'\n", "is no type of"),
            ("[[rules]]\ntable = 'clinics'\nfilter = 'x'\n", "unknown field"),
        ] {
            let ran = migrate(&source, &target, file, &[]);
            assert_eq!(ran.code, 2, "{file}: {ran}");
            assert!(ran.stdout.contains(says), "{file}: {ran}");
        }
        untouched(&target);
    }
}

#[test]
fn rows_that_a_rule_leaves_behind_are_counted() {
    let file = "[[rules]]\ntable = 'diagnostics'\nrename = 'recent'\nwhere = \"day >= '2024-01-01'\"\n";
    in_every_direction(|label, source, target| {
        let ran = migrate(source, target, file, &[]);
        assert_eq!(ran.code, 0, "{label}: {ran}");
        let json = ran.json();
        let tables = json["tables"].as_array().unwrap();
        let table = tables.iter().find(|t| t["name"] == "diagnostics").unwrap();
        for (what, rows) in
            [("rows_read", 3), ("rows_written", 2), ("rows_filtered", 1), ("rows_rejected", 0)]
        {
            assert_eq!(table[what], rows, "{label}, {what}: {ran}");
        }
        let finding = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "rows_filtered");
        assert_eq!(finding.unwrap()["rows"], 1, "{label}: {ran}");
        assert_eq!(
            target.query("SELECT code FROM recent ORDER BY code").concat(),
            [Some("b".into()), Some("c".into())]
        );
    });
}

#[test]
fn rows_whose_parent_stays_behind_stop_the_run() {
    let file = "[[rules]]\ntable = 'clinics'\nwhere = \"name = 'north'\"\n";
    in_every_direction(|label, source, target| {
        let ran = migrate(source, target, file, &[]);
        assert!(matches!(ran.code, 3..=5), "{label}: {ran}");
        assert!(ran.stdout.contains("id=3"), "{label}: {ran}");
        untouched(target);
        let rejected = migrate(source, target, file, &["--rule", "orphans=reject"]);
        assert_eq!(rejected.code, 1, "{label}: {rejected}");
        assert_eq!(target.value("SELECT COUNT(*) FROM diagnostics").as_deref(), Some("2"), "{label}");
    });
}

#[test]
fn a_condition_is_one_expression_that_the_source_takes() {
    for from in Engine::all() {
        let source = source(from);
        let target = Db::fresh(Engine::Sqlite);
        for (condition, says) in [
            ("1 = 1; DROP TABLE clinics", "is not one expression"),
            ("1 = 1) OR (1 = 1", "is not one expression"),
            ("1 = 1 -- ", "is not one expression"),
            ("1 = 1 /*! OR 1 = 1 */", "is not one expression"),
            ("nobody = 1", "nobody"),
        ] {
            let file = format!("[[rules]]\ntable = 'clinics'\nwhere = \"{condition}\"\n");
            let ran = migrate(&source, &target, &file, &[]);
            assert_eq!(ran.code, 2, "{from:?}, {condition}: {ran}");
            assert!(ran.stdout.contains(says), "{from:?}, {condition}: {ran}");
        }
        if from == Engine::Sqlite {
            let file = "[[rules]]\ntable = 'clinics'\nwhere = '\"nam\" > 1'\n";
            let ran = migrate(&source, &target, file, &[]);
            assert_eq!(ran.code, 2, "{ran}");
            assert!(ran.stdout.contains("nam"), "{ran}");
        }
        untouched(&target);
        assert_eq!(source.value("SELECT COUNT(*) FROM clinics").as_deref(), Some("2"));
    }
}

#[test]
fn every_way_to_ask_holds_to_the_same_rules() {
    let findings = |ran: &Ran| {
        let mut findings = ran.json()["findings"].as_array().cloned().unwrap_or_default();
        for finding in &mut findings {
            finding.as_object_mut().unwrap().remove("question");
        }
        findings
    };
    // How many rows there may be is the server's guess at that moment.
    let plan_of = |ran: &Ran| {
        let mut plan = ran.json()["plan"].clone();
        for table in plan["tables"].as_array_mut().unwrap() {
            table.as_object_mut().unwrap().remove("estimated_rows");
        }
        plan
    };
    in_every_direction(|label, source, target| {
        if source.engine == Engine::Mysql {
            // As a source it is read in MariaDB's words.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let number = if target.engine.is_mysql() { "DECIMAL(10,2)" } else { "NUMERIC(10,2)" };
        let rules = rules(number).replacen('\n', "\nwhere = \"day >= '2024-01-01'\"\n", 1);
        std::fs::write(folder.path().join("techcare-db.toml"), rules).unwrap();
        let ask = |args: &[&str]| {
            let mut command = binary::command(folder.path());
            command.args(["--format", "json"]).args(args);
            binary::Running::start(command).end()
        };
        let script = folder.path().join("script.sql");
        let of = ["migrate", "--source", &source.url, "--target"];
        let ahead = ask(&["check", "--database", &source.url, "--target", &target.url]);
        let plan = ask(&[&of[..], &[&target.url, "--dry-run"]].concat());
        untouched(target);
        let dumped =
            ask(&[&of[..], &[dump::unreachable(target.engine), "--dump", script.to_str().unwrap()]].concat());
        let done = ask(&[&of[..], &[&target.url]].concat());
        assert_eq!(done.code, 0, "{label}: {done}");
        let json = ahead.json();
        assert_eq!((ahead.code, &json["migration"]["would"]), (0, &"carry_everything".into()), "{label}");
        assert_eq!(plan_of(&ahead), plan_of(&plan), "{label}");
        for other in [&plan, &done] {
            assert_eq!(findings(&ahead), findings(other), "{label}: {other}");
        }
        // Whoever writes a script has nobody to ask what the table's check means in the target's words.
        let (untried, others): (Vec<_>, Vec<_>) =
            findings(&dumped).into_iter().partition(|finding| finding["code"] == "check_untried");
        assert_eq!((untried.len(), findings(&ahead)), (1, others), "{label}: {dumped}");
        let loaded = Db::fresh(target.engine);
        let (well, said) = dump::load(&loaded, &script);
        assert!(well, "{label}: {said}");
        for sql in [
            "SELECT id, clinica, nota, codigo, day FROM diagnosticos ORDER BY id",
            "SELECT numero, name FROM clinics ORDER BY numero",
        ] {
            let rows = target.query(sql);
            assert_eq!((rows.len(), &rows), (2, &loaded.query(sql)), "{label}: {sql}");
        }
    });
}
