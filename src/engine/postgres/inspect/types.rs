//! Types that users have made: one question for all of a schema, and the order in which they can be made elsewhere.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::model::schema::{Composition, Object, ObjectKind};

/// A type with its statement, and what it is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct TypeRow {
    pub(super) name: String,
    pub(super) definition: String,
    /// Types of the same schema.
    pub(super) uses: Vec<String>,
    /// What else a user has made and no migration carries along, in words for a message.
    pub(super) reaches: Vec<String>,
    /// Of an enum.
    pub(super) labels: Vec<String>,
}

/// Enums, domains, composite types and ranges of the schema, and domains of other schemas that its columns use. What a
/// type depends on stands in `pg_depend`: of itself, of the columns of a composite type, of a domain's checks. Objects
/// below 16384 are the server's own.
const TYPES: &str = "
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
made AS (
    SELECT t.*, t.typnamespace = (SELECT oid FROM ours) AS here FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typnamespace = (SELECT oid FROM ours)
           AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
           OR t.typtype = 'd' AND EXISTS (
               SELECT FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
               WHERE a.atttypid = t.oid AND r.relnamespace = (SELECT oid FROM ours) AND r.relkind IN ('r', 'p')))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
), uses AS (
    SELECT DISTINCT m.oid, d.refclassid, d.refobjid,
           CASE WHEN d.refclassid = 'pg_type'::regclass THEN coalesce(nullif(r.typelem, 0), r.oid) END AS type
    FROM made m
    JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = m.oid
         OR d.classid = 'pg_class'::regclass AND d.objid = m.typrelid AND m.typrelid <> 0
         OR d.classid = 'pg_constraint'::regclass
            AND d.objid IN (SELECT k.oid FROM pg_constraint k WHERE k.contypid = m.oid)
    LEFT JOIN pg_type r ON d.refclassid = 'pg_type'::regclass AND r.oid = d.refobjid
    WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_namespace'::regclass
      AND NOT (d.refclassid = 'pg_type'::regclass AND d.refobjid = m.oid)
      AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid = m.typrelid)
)
SELECT CASE WHEN m.here THEN m.typname::text ELSE format('%I.%I', m.typnamespace::regnamespace, m.typname) END AS name,
       CASE m.typtype
       WHEN 'e' THEN format('CREATE TYPE %I AS ENUM (%s)', m.typname,
                            (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                             FROM pg_enum e WHERE e.enumtypid = m.oid))
       WHEN 'd' THEN format('CREATE DOMAIN %I AS %s%s%s%s', m.typname, format_type(m.typbasetype, m.typtypmod),
                            (SELECT ' COLLATE ' || m.typcollation::regcollation::text FROM pg_type b
                             WHERE b.oid = m.typbasetype AND b.typcollation <> m.typcollation),
                            CASE WHEN m.typnotnull THEN ' NOT NULL' ELSE '' END
                            || coalesce(' DEFAULT ' || pg_get_expr(m.typdefaultbin, 'pg_type'::regclass), ''),
                            (SELECT string_agg(format(' CONSTRAINT %I %s', k.conname,
                                        regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')), ''
                                        ORDER BY k.conname)
                             FROM pg_constraint k WHERE k.contypid = m.oid AND k.contype = 'c'))
       WHEN 'c' THEN format('CREATE TYPE %I AS (%s)', m.typname,
                            (SELECT string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                                        CASE WHEN a.attcollation <> b.typcollation
                                             THEN ' COLLATE ' || a.attcollation::regcollation::text END),
                                        ', ' ORDER BY a.attnum)
                             FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
                             WHERE a.attrelid = m.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
       ELSE (SELECT format('CREATE TYPE %I AS RANGE (SUBTYPE = %s)', m.typname, format_type(r.rngsubtype, NULL))
             FROM pg_range r WHERE r.rngtypid = m.oid) END
       || coalesce(format('; COMMENT ON %s %I IS ', CASE m.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, m.typname)
                   || quote_literal(obj_description(m.oid, 'pg_type')), '')
       || coalesce((SELECT string_agg(format('; COMMENT ON CONSTRAINT %I ON DOMAIN %I IS %s', k.conname, m.typname,
                                             quote_literal(obj_description(k.oid, 'pg_constraint'))), '' ORDER BY k.conname)
                    FROM pg_constraint k
                    WHERE k.contypid = m.oid AND k.contype = 'c' AND obj_description(k.oid, 'pg_constraint') IS NOT NULL), '')
           AS definition,
       ARRAY(SELECT DISTINCT o.typname::text FROM uses u JOIN made o ON o.oid = u.type
             WHERE u.oid = m.oid AND o.oid <> m.oid AND o.here) AS uses,
       ARRAY(SELECT DISTINCT pg_describe_object(u.refclassid, u.refobjid, 0) FROM uses u
             WHERE u.oid = m.oid AND NOT EXISTS (SELECT FROM made o WHERE o.oid = u.type AND o.here))
       || CASE WHEN m.here THEN '{}'::text[] ELSE ARRAY[format('schema %I', m.typnamespace::regnamespace)] END
       || CASE WHEN m.typtype = 'r' THEN ARRAY['what only its own author knows of a range'] ELSE '{}'::text[] END AS reaches,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = m.oid ORDER BY e.enumsortorder) AS labels
FROM made m ORDER BY m.here DESC, m.typname";

/// Asks for all types.
pub(super) async fn all(session: &mut PgConnection, schema: &str) -> Result<Vec<TypeRow>, sqlx::Error> {
    let read = |r: &PgRow| {
        Ok(TypeRow {
            name: r.try_get("name")?,
            definition: r.try_get("definition")?,
            uses: r.try_get("uses")?,
            reaches: r.try_get("reaches")?,
            labels: r.try_get("labels")?,
        })
    };
    sqlx::query(TYPES).bind(schema).fetch_all(session).await?.iter().map(read).collect()
}

/// The types as objects, those first that others are made of. A type that is made of one that is not carried is not
/// carried either.
pub(super) fn objects(rows: &[TypeRow]) -> Vec<Object> {
    let mut made: Vec<Object> = Vec::with_capacity(rows.len());
    let mut left: Vec<&TypeRow> = rows.iter().collect();
    while !left.is_empty() {
        let ready = |row: &TypeRow| row.uses.iter().all(|used| made.iter().any(|o| o.name == *used));
        let (now, later): (Vec<&TypeRow>, Vec<&TypeRow>) = left.iter().partition(|row| ready(row));
        // The server has no types that are made of each other.
        let now = if now.is_empty() { later.clone() } else { now };
        left.retain(|row| !now.iter().any(|n| std::ptr::eq(*n, *row)));
        for row in now {
            let mut object = Object::new(ObjectKind::Type, row.name.clone(), row.definition.trim());
            object.reaches.clone_from(&row.reaches);
            object.composition = Some(Composition { uses: row.uses.clone(), labels: row.labels.clone() });
            let stays = |used: &&String| made.iter().any(|o| o.name == **used && !o.reaches.is_empty());
            object.reaches.extend(row.uses.iter().filter(stays).map(|used| format!("type {used}")));
            made.push(object);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, uses: &[&str], reaches: &[&str]) -> TypeRow {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
        TypeRow {
            name: name.into(),
            definition: format!("CREATE DOMAIN {name} AS integer"),
            uses: words(uses),
            reaches: words(reaches),
            labels: Vec::new(),
        }
    }

    #[test]
    fn a_type_comes_after_those_it_is_made_of() {
        let rows = [row("a", &["b"], &[]), row("b", &["c"], &[]), row("c", &[], &[])];
        let names: Vec<String> = objects(&rows).into_iter().map(|o| o.name).collect();
        assert_eq!(names, ["c", "b", "a"]);
    }

    #[test]
    fn what_is_made_of_a_type_that_stays_behind_stays_behind() {
        let rows = [row("a", &["b"], &[]), row("b", &[], &["function f(integer)"]), row("c", &[], &[])];
        let stays: Vec<(String, Vec<String>)> =
            objects(&rows).into_iter().map(|o| (o.name, o.reaches)).collect();
        assert_eq!(stays[0], ("b".into(), vec!["function f(integer)".into()]));
        assert_eq!(stays[1], ("c".into(), vec![]));
        assert_eq!(stays[2], ("a".into(), vec!["type b".into()]));
    }
}
