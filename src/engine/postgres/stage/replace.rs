//! Tables of the target that give way to others: what keeps one from it, and the part of the switch that locks them and
//! puts back what stood on them (grants, owner, triggers, foreign keys of other tables).

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::{execute, staying};
use crate::engine::postgres::fault::{code, fault};
use crate::engine::postgres::types::quote;
use crate::engine::staying::refuse_orphans;
use crate::model::change::Again;
use crate::model::error::{Error, ErrorKind, Result};

/// How long the switch waits for whoever is reading or writing one of the tables.
pub(super) const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10s'";

/// What would be lost with a table: whatever depends on it, its row type, its constraints or its sequences, but for
/// its own parts, foreign keys and triggers, which are made again. An object that belongs to the table without a name
/// of its own in the plan (policy, rule, statistics, publication) would go with it silently.
const HOLDERS: &str = "
WITH mine AS (
  SELECT 'pg_class'::regclass::oid AS classid, c.oid AS objid FROM pg_class c WHERE c.oid = $1::regclass
  UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t WHERE t.typrelid = $1::regclass
  UNION ALL SELECT 'pg_type'::regclass, t.typarray FROM pg_type t WHERE t.typrelid = $1::regclass
  UNION ALL SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE k.conrelid = $1::regclass
  UNION ALL SELECT 'pg_class'::regclass, s.objid FROM pg_depend s
    WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass AND s.refobjid = $1::regclass
      AND s.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_class c WHERE c.oid = s.objid AND c.relkind = 'S')
)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS holder
FROM pg_depend d JOIN mine m ON m.classid = d.refclassid AND m.objid = d.refobjid
WHERE (d.classid, d.objid) NOT IN (SELECT classid, objid FROM mine)
  AND (d.deptype = 'n' AND d.classid <> 'pg_constraint'::regclass
       OR d.classid IN ('pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_statistic_ext'::regclass,
                        'pg_publication_rel'::regclass))
  AND NOT (d.classid = 'pg_attrdef'::regclass
           AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = $1::regclass))
  AND NOT (d.classid = 'pg_trigger'::regclass)
  AND NOT (d.classid = 'pg_rewrite'::regclass
           AND d.objid IN (SELECT r.oid FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
                           JOIN pg_class o ON o.oid = $1::regclass AND o.relnamespace = v.relnamespace
                           WHERE v.relkind IN ('v', 'm') AND v.relname = ANY($2)))
UNION ALL
SELECT 'owner ' || quote_ident(pg_get_userbyid(relowner)) || ', whose rights are needed to replace it'
FROM pg_class WHERE oid = $1::regclass AND NOT pg_has_role(relowner, 'USAGE')
UNION ALL
SELECT 'row level security' FROM pg_class WHERE oid = $1::regclass AND (relrowsecurity OR relforcerowsecurity)
UNION ALL
SELECT 'inheritance from ' || inhparent::regclass::text FROM pg_inherits WHERE inhrelid = $1::regclass
ORDER BY 1";

/// Statements that put back what stood on the tables, made while it is still there; without `$3` only the foreign keys
/// of other tables. Names are qualified, so that they mean the new tables once these are in place. The triggers that this
/// program makes itself are parts of the new tables already.
const RESTORE: &str = "
WITH old AS (SELECT c.oid, c.relname, c.relowner, c.relacl, n.nspname FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = ANY($2)),
parts AS (SELECT 'TABLE' AS kind, o.oid, format('%I.%I', o.nspname, o.relname) AS name, o.relowner, o.relacl FROM old o
          UNION ALL
          SELECT 'SEQUENCE', s.oid, format('%I.%I', o.nspname, s.relname), s.relowner, s.relacl
          FROM old o JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid
               AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S')
SELECT 1 AS step, format('ALTER TABLE %s OWNER TO %I', name, pg_get_userbyid(relowner)) AS sql
FROM parts WHERE $3 AND kind = 'TABLE' AND pg_get_userbyid(relowner) <> current_user
UNION ALL
SELECT 2, format('GRANT %s ON %s %s TO %s%s', a.privilege_type, p.kind, p.name,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM parts p, aclexplode(p.relacl) a WHERE $3 AND a.grantee <> p.relowner
UNION ALL
SELECT 2, format('GRANT %s (%I) ON %I.%I TO %s%s', a.privilege_type, t.attname, o.nspname, o.relname,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM old o JOIN pg_attribute t ON t.attrelid = o.oid, aclexplode(t.attacl) a WHERE $3 AND a.grantee <> o.relowner
UNION ALL
SELECT 3, pg_get_triggerdef(t.oid) FROM old o JOIN pg_trigger t ON t.tgrelid = o.oid WHERE $3 AND NOT t.tgisinternal
  AND t.tgname <> 'techcare_db_now'
UNION ALL
SELECT 4, format('ALTER TABLE %I.%I %s TRIGGER %I', o.nspname, o.relname,
                 CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname)
FROM old o JOIN pg_trigger t ON t.tgrelid = o.oid WHERE $3 AND NOT t.tgisinternal AND t.tgenabled <> 'O'
  AND t.tgname <> 'techcare_db_now'
UNION ALL
SELECT 5, format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))
FROM old o JOIN pg_constraint k ON k.confrelid = o.oid AND k.contype = 'f' AND k.conparentid = 0
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM old WHERE old.oid = k.conrelid)
ORDER BY 1";

/// The step of [`RESTORE`] that makes the foreign keys of other tables.
const KEYS_STEP: i32 = 5;

/// Functions of our own triggers on the tables, which go where these go.
const FUNCTIONS: &str = "
SELECT DISTINCT p.proname::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.oid = p.pronamespace
WHERE n.nspname = $1 AND c.relname = ANY($2) AND t.tgname = 'techcare_db_now'
  AND p.proname LIKE 'techcare\\_db\\_now\\_%' ORDER BY 1";

/// Statements that take the foreign keys of other tables off the old ones.
const RELEASE: &str = "
SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = k.confrelid JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND m.nspname = $1 AND o.relname = ANY($2)
  AND NOT (n.nspname = $1 AND c.relname = ANY($2))";

/// Foreign keys of the tables onto others that stay, with the statement that makes each again.
const OUTWARD: &str = "
SELECT c.relname::text AS table, k.conname::text AS name,
       format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) AS sql
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = k.confrelid JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname = $1 AND c.relname = ANY($2)
  AND NOT (m.nspname = $1 AND o.relname = ANY($2)) ORDER BY 1, 2";

/// Foreign keys of tables that stay onto tables that go without another one taking their place.
const HELD: &str = "
SELECT format('foreign key %I of table %s refers to table %I', k.conname, k.conrelid::regclass, o.relname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = k.confrelid JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND m.nspname = $1 AND o.relname = ANY($3)
  AND NOT (n.nspname = $1 AND c.relname = ANY($2)) ORDER BY 1";

/// Sessions that have locks on tables, each in words that say whose it is.
const LOCKERS: &str = "
SELECT DISTINCT concat('user ', quote_ident(a.usename), ' with ' || quote_literal(nullif(a.application_name, '')),
                       ' from ' || host(a.client_addr), ' (process ', a.pid, ', ', a.state, ')')
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND n.nspname = $1 AND c.relname = ANY($2)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1 LIMIT 3";

/// What keeps a table from giving way, but for views that go with it.
pub(super) async fn holders(
    session: &mut PgConnection,
    namespace: &str,
    table: &str,
    along: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    let name = format!("{}.{}", quote(namespace), quote(table));
    sqlx::query_scalar(HOLDERS).bind(name).bind(along).fetch_all(session).await
}

/// What has to be done once the new tables are in place.
#[derive(Default)]
pub(super) struct Restore {
    statements: Vec<String>,
    /// Foreign keys of tables that stay.
    keys: Vec<String>,
    references: Vec<staying::Reference>,
}

/// Which of what stood on the old tables the new ones are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Everything: they are newly made.
    All,
    /// The foreign keys of other tables: they have been here before and still have all else.
    Keys,
}

/// Locks the tables that give way, and takes the foreign keys of other tables off them; those in `still_empty` are
/// looked at under the lock: whoever wrote a row before keeps it, and the switch is off.
pub(super) async fn release(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
    still_empty: &[String],
    given: Given,
) -> Result<Restore> {
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot take the target's own tables away", e);
    if tables.is_empty() {
        return Ok(Restore::default());
    }
    let place = |name: &String| format!("{}.{}", quote(namespace), quote(name));
    let list = tables.iter().map(place).collect::<Vec<_>>().join(", ");
    execute(session, LOCK_TIMEOUT.into()).await.map_err(|e| failed(&e))?;
    execute(session, format!("LOCK TABLE {list} IN ACCESS EXCLUSIVE MODE")).await.map_err(|e| failed(&e))?;
    refuse_rows(session, namespace, still_empty).await?;
    let rows = sqlx::query(RESTORE).bind(namespace).bind(tables).bind(given == Given::All);
    let rows = rows.fetch_all(&mut *session).await;
    let mut restore = Restore {
        references: staying::references(session, namespace, tables, tables).await.map_err(|e| failed(&e))?,
        ..Restore::default()
    };
    for row in rows.map_err(|e| failed(&e))? {
        let step: i32 = row.try_get("step").map_err(|e| failed(&e))?;
        let statements = if step == KEYS_STEP { &mut restore.keys } else { &mut restore.statements };
        statements.push(row.try_get("sql").map_err(|e| failed(&e))?);
    }
    let release: Vec<String> = sqlx::query_scalar(RELEASE)
        .bind(namespace)
        .bind(tables)
        .fetch_all(&mut *session)
        .await
        .map_err(|e| failed(&e))?;
    for sql in release {
        execute(session, sql).await.map_err(|e| failed(&e))?;
    }
    Ok(restore)
}

/// Foreign keys of the tables onto others that stay.
pub(super) async fn keys_onto_others(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
) -> Result<Vec<Again>, sqlx::Error> {
    let rows = sqlx::query(OUTWARD).bind(namespace).bind(tables).fetch_all(session).await?;
    let key = |row: &sqlx::postgres::PgRow| {
        Ok(Again { table: row.try_get("table")?, name: row.try_get("name")?, sql: row.try_get("sql")? })
    };
    rows.iter().map(key).collect()
}

/// Functions that go with these tables.
pub(super) async fn functions(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(FUNCTIONS).bind(namespace).bind(tables).fetch_all(session).await
}

/// Tables with a foreign key onto one of these, as clauses that name both.
pub(super) async fn keys_of_others(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
    without_heir: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(HELD).bind(namespace).bind(tables).bind(without_heir).fetch_all(session).await
}

impl Restore {
    /// Does it, in the same transaction. Where rows of tables that stay keep a key from being made which leads to a table
    /// in the schema `heirs`, they are named.
    pub(super) async fn run(self, session: &mut PgConnection, heirs: Option<&str>) -> Result<()> {
        let failed = |e: &sqlx::Error| {
            fault(ErrorKind::Write, "cannot put back what stood on the target's own table", e)
        };
        for sql in self.statements {
            tracing::debug!(sql, "statement");
            execute(session, sql).await.map_err(|e| failed(&e))?;
        }
        execute(session, "SAVEPOINT techcare_db_keys".into()).await.map_err(|e| failed(&e))?;
        for sql in self.keys {
            tracing::debug!(sql, "statement");
            let Err(cause) = execute(session, sql).await else { continue };
            if let (Some(heirs), Some("23503")) = (heirs, code(&cause).as_deref()) {
                execute(session, "ROLLBACK TO SAVEPOINT techcare_db_keys".into())
                    .await
                    .map_err(|e| failed(&e))?;
                let orphans = staying::orphans(session, &self.references, heirs).await;
                refuse_orphans(&orphans.map_err(|e| failed(&e))?)?;
            }
            return Err(failed(&cause));
        }
        Ok(())
    }
}

/// Adds to an error who has locks on tables.
pub(super) async fn name_lockers(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
    error: Error,
) -> Error {
    let lockers: Result<Vec<String>, _> =
        sqlx::query_scalar(LOCKERS).bind(namespace).bind(tables).fetch_all(session).await;
    match (lockers, error.reason().map(str::to_owned)) {
        (Ok(lockers), Some(reason)) if !lockers.is_empty() => {
            error.why(format!("{reason}: {} at work in the tables", lockers.join(", ")))
        }
        _ => error,
    }
}

/// Refuses if one of the tables has a row by now.
pub(super) async fn refuse_rows(
    session: &mut PgConnection,
    namespace: &str,
    tables: &[String],
) -> Result<()> {
    for table in tables {
        let sql = format!("SELECT EXISTS (SELECT FROM {}.{})", quote(namespace), quote(table));
        let filled: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *session)
            .await
            .map_err(|e| fault(ErrorKind::Read, "cannot look at what the target holds", &e))?;
        if filled {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table {table:?} was empty and got rows by now"),
            )
            .next("stop the application that writes to the target, then run the same command again"));
        }
    }
    Ok(())
}
