//! A whole schema in the place of another: which objects stand in it, which of them a switch cannot move, and what
//! outside of it holds on to them.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::exchange::{kept_schema, moved};
use super::{check_rights, replace};
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::fault::fault;
use crate::engine::way_back;
use crate::model::change::{Change, Kind, Moved};
use crate::model::error::{Error, ErrorKind, Result};

/// The objects that a switch moves by themselves, types before what is made of them. What an extension has made stays with
/// it; what belongs to a table goes with that.
const OBJECTS: &str = "
SELECT word, name FROM (
  SELECT 1 AS step, 'type' AS word, t.typname::text AS name, t.tableoid AS classid, t.oid AS objid
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typnamespace = to_regnamespace(quote_ident($1)) AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
  UNION ALL SELECT 2, 'collation', l.collname::text, l.tableoid, l.oid
    FROM pg_collation l WHERE l.collnamespace = to_regnamespace(quote_ident($1))
  UNION ALL SELECT 3, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                                     ELSE 'table' END, c.relname::text, c.tableoid, c.oid
    FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = c.tableoid AND d.objid = c.oid
                                             AND d.refclassid = c.tableoid AND d.deptype IN ('a', 'i')))
  UNION ALL SELECT 4, 'function', p.proname::text, p.tableoid, p.oid
    FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident($1))
) o WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.classid AND e.objid = o.objid AND e.deptype = 'e')
ORDER BY step, word, name";

/// Everything that belongs to a schema: what stands in it, and what belongs to that (columns' defaults, constraints, rules,
/// triggers, policies). A publication's word that a table is in it is no part of the table.
const MEMBERS: &str = "
SELECT d.classid, d.objid FROM pg_depend d
  WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace(quote_ident($1))
    AND d.classid <> 'pg_extension'::regclass
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
UNION
SELECT d.classid, d.objid FROM pg_depend d JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid
  WHERE d.deptype IN ('a', 'i') AND d.classid <> 'pg_publication_rel'::regclass";

/// What stands in a schema and is of no kind that a switch moves, and functions that only their arguments tell apart.
const UNMOVABLE: &str = "
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace(quote_ident($1))
  AND d.classid NOT IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_collation'::regclass, 'pg_default_acl'::regclass,
                        'pg_extension'::regclass)
  AND coalesce(c.relkind, 'f') NOT IN ('r', 'p', 'v', 'm', 'S', 'c', 'i', 'I')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
UNION ALL
SELECT 'function ' || proname || ', of which there are ' || count(*) FROM pg_proc p
WHERE pronamespace = to_regnamespace(quote_ident($1))
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = p.tableoid AND e.objid = p.oid AND e.deptype = 'e')
GROUP BY proname HAVING count(*) > 1
ORDER BY 1";

/// Owners of the schema's objects whose rights this user does not have.
const OWNERS: &str = "
SELECT 'owner ' || quote_ident(pg_get_userbyid(o.owner)) || ' of ' || pg_describe_object(o.classid, o.objid, 0)
  || ', whose rights are needed to move it'
FROM (SELECT tableoid AS classid, oid AS objid, relowner AS owner FROM pg_class
      WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p', 'v', 'm', 'S')
      UNION ALL SELECT tableoid, oid, proowner FROM pg_proc WHERE pronamespace = to_regnamespace(quote_ident($1))) o
WHERE NOT pg_has_role(o.owner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.classid AND e.objid = o.objid AND e.deptype = 'e')";

/// Tables that are parts of tables of another schema, or have such parts: their rows show there as well, and what comes in the
/// place of one is no part of the other.
const PARTS: &str = "
SELECT pg_describe_object(c.tableoid, c.oid, 0) || ' is part of ' || pg_describe_object(p.tableoid, p.oid, 0)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind IN ('r', 'p', 'f')
  AND (c.relnamespace = to_regnamespace(quote_ident($1))) <> (p.relnamespace = to_regnamespace(quote_ident($1)))";

async fn names(
    session: &mut PgConnection,
    sql: String,
    schemas: &[&str],
) -> Result<Vec<String>, sqlx::Error> {
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
    for schema in schemas {
        query = query.bind((*schema).to_owned());
    }
    query.fetch_all(session).await
}

/// What stands in a schema, by kind and name.
pub(super) async fn objects(
    session: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(Kind, String)>, sqlx::Error> {
    let rows = sqlx::query(OBJECTS).bind(schema).fetch_all(session).await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get::<&str, _>("word")? {
                "type" => Kind::Type,
                "collation" => Kind::Collation,
                "view" => Kind::View,
                "materialized view" => Kind::MaterializedView,
                "sequence" => Kind::Sequence,
                "function" => Kind::Function,
                _ => Kind::Table,
            };
            Ok((kind, row.try_get("name")?))
        })
        .collect()
}

/// What keeps a whole schema from giving way, each as a clause: what depends on its objects from outside, but for
/// foreign keys, which a switch leads elsewhere; and owners.
pub(super) async fn holders(session: &mut PgConnection, schema: &str) -> Result<Vec<String>, sqlx::Error> {
    let outside = format!(
        "WITH RECURSIVE member AS ({MEMBERS})
         SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) || ' depends on '
           || pg_describe_object(d.refclassid, d.refobjid, 0)
         FROM pg_depend d JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid
         WHERE (d.classid, d.objid) NOT IN (SELECT classid, objid FROM member)
           AND NOT (d.classid = 'pg_constraint'::regclass
                    AND d.objid IN (SELECT oid FROM pg_constraint WHERE contype = 'f'))
           AND NOT (d.classid = 'pg_trigger'::regclass
                    AND d.objid IN (SELECT oid FROM pg_trigger WHERE tgisinternal))
         UNION ALL {PARTS} UNION ALL {OWNERS} ORDER BY 1"
    );
    names(session, outside, &[schema]).await
}

/// Objects of the schema `one` that are made of something in the schema `other`, as clauses.
async fn entangled(session: &mut PgConnection, one: &str, other: &str) -> Result<Vec<String>, sqlx::Error> {
    let onto = MEMBERS.replace("$1", "$2").replace("member", "stranger");
    let sql = format!(
        "WITH RECURSIVE member AS ({MEMBERS}), stranger AS ({onto})
         SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) || ' depends on '
           || pg_describe_object(d.refclassid, d.refobjid, 0)
         FROM pg_depend d JOIN member m ON m.classid = d.classid AND m.objid = d.objid
         JOIN stranger s ON s.classid = d.refclassid AND s.objid = d.refobjid ORDER BY 1"
    );
    names(session, sql, &[one, other]).await
}

/// Refuses a schema with something in it that a switch cannot move.
pub(super) async fn refuse_unmovable(session: &mut PgConnection, schema: &str, whose: &str) -> Result<()> {
    let found = names(session, UNMOVABLE.into(), &[schema]).await;
    let found = found.map_err(|e| fault(ErrorKind::Read, format!("cannot look at {whose}"), &e))?;
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, format!("there is something in {whose} that rollback does not move"))
        .why(found.join("; "))
        .next("nothing was changed: restore the dump by hand into a new database, as docs/backup.md says"))
}

/// Refuses if the schema could not give way now, whatever is put in its place.
pub(in crate::engine::postgres) async fn restorable(connector: &Connector, namespace: &str) -> Result<()> {
    let mut session = connector.session().await?;
    check_rights(&mut session, connector, namespace).await?;
    refuse_unmovable(&mut session, namespace, "the database").await?;
    let holders = holders(&mut session, namespace).await;
    let holders = holders.map_err(|e| fault(ErrorKind::Read, "cannot look at what gives way", &e))?;
    let _ = sqlx::Connection::close(session).await;
    way_back::refuse_held(&holders)
}

/// The change in which all that stands in the schema gives way to all that stands in `staged`.
pub(in crate::engine::postgres) async fn change(
    session: &mut PgConnection,
    namespace: &str,
    run: &str,
    staged: &str,
) -> Result<Change> {
    let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot look at what gives way", e);
    refuse_unmovable(session, staged, "the backup").await?;
    refuse_unmovable(session, namespace, "the database").await?;
    let mut entangled = entangled(session, staged, namespace).await.map_err(|e| failed(&e))?;
    entangled.extend(names(session, PARTS.into(), &[staged]).await.map_err(|e| failed(&e))?);
    if !entangled.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "what was restored holds on to what is there")
            .why(entangled.join("; "))
            .next(
                "nothing was changed: restore the dump by hand into a new database, as docs/backup.md says",
            ));
    }
    let kept_schema = kept_schema(run);
    let all = |objects: Vec<(Kind, String)>, place: &str| -> Vec<Moved> {
        objects.iter().map(|(kind, name)| moved(*kind, name, place)).collect()
    };
    let shown = all(objects(session, staged).await.map_err(|e| failed(&e))?, staged);
    if !shown.iter().any(|moved| moved.kind == Kind::Table) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("there is no table of schema {namespace:?} in the backup"),
        )
        .next("nothing was changed: an empty schema needs no backup"));
    }
    let kept = all(objects(session, namespace).await.map_err(|e| failed(&e))?, &kept_schema);
    let mut change =
        Change { run: run.to_owned(), shown, kept, whole: true, mark: kept_schema, ..Change::default() };
    let old: Vec<String> = change.tables_kept().map(|moved| moved.name.clone()).collect();
    let has_heir = |name: &String| change.tables_shown().any(|moved| moved.name == *name);
    let without_heir: Vec<String> = old.iter().filter(|name| !has_heir(name)).cloned().collect();
    let mut held = holders(session, namespace).await.map_err(|e| failed(&e))?;
    let keys = replace::keys_of_others(session, namespace, &old, &without_heir).await;
    held.extend(keys.map_err(|e| failed(&e))?);
    way_back::refuse_held(&held)?;
    change.again = replace::keys_onto_others(session, namespace, &old).await.map_err(|e| failed(&e))?;
    Ok(change)
}
