//! TechCare's schema, as its application and its older releases declare it in SQLite, towards the real rules: the
//! whole plans, as snapshots.

use std::collections::BTreeMap;

use super::build::{column, datetime, id, index, int, schema, table, text, varchar};
use super::show::show;
use crate::engine::connect;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{ColumnProfile, Plan, Scope, StorageClasses, TableProfile};
use crate::model::schema::{
    Column, DataType, DefaultValue, Identity, IdentityGeneration, Object, ObjectKind, Schema, Table,
};
use crate::pipeline::plan::{PlanInput, plan};

fn boolean(name: &str) -> Column {
    column(name, "BOOLEAN", DataType::Bool)
}

fn users() -> Vec<Column> {
    vec![
        id(),
        varchar("username", 64),
        varchar("email", 120),
        varchar("password_hash", 128),
        varchar("name", 64),
        datetime("created_at"),
        datetime("last_login"),
        boolean("active"),
    ]
}

/// Indexes that SQLAlchemy makes for `unique=True, index=True`.
fn with_user_indexes(users: Table) -> Table {
    users
        .index(index("ix_users_email", &["email"]).unique())
        .index(index("ix_users_username", &["username"]).unique())
}

fn diagnostics() -> Table {
    let results = [
        "cpu_results",
        "memory_results",
        "disk_results",
        "startup_results",
        "driver_results",
        "security_results",
        "network_results",
        "recommendations",
        "notes",
    ];
    let mut columns =
        vec![id(), int("user_id"), varchar("name", 64), datetime("date"), varchar("status", 20)];
    columns.extend(results.iter().map(|name| text(name)));
    columns.push(column("score", "FLOAT", DataType::Float64));
    table("diagnostics", columns).key(&["id"]).references("user_id", "users", None)
}

/// What `create_all()` makes.
fn techcare() -> Schema {
    let mut of_users = users();
    of_users.insert(3, int("role_id"));
    let roles = vec![id(), varchar("name", 64), varchar("description", 255), int("permissions")];
    let plans = vec![
        id(),
        int("user_id").required(),
        varchar("name", 64).required(),
        varchar("frequency", 20).required(),
        int("day_of_month"),
        boolean("enabled"),
        datetime("next_run"),
    ];
    schema(
        Dialect::Sqlite,
        vec![
            diagnostics(),
            table("maintenance_plans", plans).key(&["id"]).references("user_id", "users", None),
            table("roles", roles).key(&["id"]).index(index("", &["name"]).constraint()),
            with_user_indexes(table("users", of_users)).key(&["id"]).references("role_id", "roles", None),
        ],
    )
}

/// A file of an older release after `update_database_schema.py`: `role` stays, `role_id` comes last.
fn older() -> Schema {
    let mut of_users = users();
    of_users.insert(4, varchar("role", 20));
    of_users.push(int("role_id"));
    let autoincrement = Identity {
        generation: IdentityGeneration::AutoIncrement,
        next: Some(9),
        increment: 1,
        sequence: None,
    };
    let roles = vec![
        Column { identity: Some(autoincrement), ..id() },
        varchar("name", 64),
        varchar("description", 255),
        int("permissions").default_to(DefaultValue::Number("0".into())),
    ];
    let mut schema = schema(
        Dialect::Sqlite,
        vec![
            diagnostics(),
            table("roles", roles).key(&["id"]).index(index("", &["name"]).constraint()),
            with_user_indexes(table("users", of_users)).key(&["id"]).references("role_id", "roles", None),
        ],
    );
    schema.objects.push(Object::new(
        ObjectKind::View,
        "active_users",
        "CREATE VIEW active_users AS SELECT * FROM users WHERE active",
    ));
    schema
}

/// The types of TechCare's entities, as far as they differ from what SQLite declares.
fn known() -> Schema {
    let mut known = techcare();
    for column in known.tables.iter_mut().flat_map(|t| &mut t.columns) {
        match &column.data_type {
            DataType::Int { .. } => column.data_type = DataType::INT32,
            DataType::Text { .. } if column.name == "password_hash" => {
                column.data_type = DataType::Text { max_chars: Some(255), fixed: false };
            }
            _ => {}
        }
    }
    known
}

/// What the planner hears of a file with ordinary rows: hashes of 162 characters, one name too long.
fn profiles(schema: &Schema) -> BTreeMap<String, TableProfile> {
    let profile = |table: &Table| {
        let columns = table.columns.iter().map(|c| match (&c.data_type, c.name.as_str()) {
            (DataType::Int { .. }, _) => {
                let classes = Some(StorageClasses { integer: 65, ..StorageClasses::default() });
                ColumnProfile { min_int: Some(1), max_int: Some(65), classes, ..ColumnProfile::default() }
            }
            (DataType::Text { .. }, name) => {
                let longest = match name {
                    "password_hash" => 162,
                    "name" if table.name == "diagnostics" => 90,
                    "driver_results" => 70_000,
                    _ => 12,
                };
                ColumnProfile {
                    max_chars: Some(longest),
                    max_bytes: Some(longest),
                    ..ColumnProfile::default()
                }
            }
            _ => ColumnProfile::default(),
        });
        (table.name.clone(), TableProfile { rows: Some(65), columns: columns.collect() })
    };
    schema.tables.iter().map(profile).collect()
}

fn planned(source: &Schema, flavour: Flavour) -> Plan {
    plan(&PlanInput {
        source,
        source_flavour: Flavour::Sqlite,
        left_out: &[],
        profiles: &profiles(source),
        rules: connect::rules(flavour, None).as_ref(),
        known: Some(&known()),
        existing: None,
        scope: Scope::All,
        by_hand: &[],
    })
}

#[test]
fn techcare_goes_everywhere() {
    let source = techcare();
    for flavour in [Flavour::Sqlite, Flavour::Postgres, Flavour::Mysql, Flavour::Mariadb] {
        let plan = planned(&source, flavour);
        assert_eq!(plan.blockers().count(), 0);
        insta::assert_snapshot!(format!("techcare_to_{}", flavour.title().to_lowercase()), show(&plan));
    }
}

#[test]
fn an_older_file_goes_everywhere() {
    let source = older();
    for flavour in [Flavour::Sqlite, Flavour::Postgres, Flavour::Mariadb] {
        let plan = planned(&source, flavour);
        assert_eq!(plan.blockers().count(), 0);
        insta::assert_snapshot!(format!("older_to_{}", flavour.title().to_lowercase()), show(&plan));
    }
}
