//! Views and materialized views, each with the statements that make it again: options, indexes, comments and defaults of
//! its columns included. Names of this schema stand unqualified, as the session's `search_path` has it.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::engine::expression;
use crate::model::endpoint::Dialect;
use crate::model::schema::{Object, ObjectKind};

/// `reaches` holds whatever a view depends on that is neither a table or view of the schema nor built in: functions and
/// operators (those of extensions too), domains, whose checks may call any of them, tables of other schemas, foreign tables,
/// sequences.
const VIEWS: &str = "
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = $1)
SELECT c.relname::text AS name, c.relkind = 'm' AS materialized,
       format(E'CREATE %s %I%s AS\\n%s', k.word, c.relname,
              coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''), rtrim(pg_get_viewdef(c.oid), '; '))
       || coalesce((SELECT string_agg(E';\\n' || pg_get_indexdef(x.indexrelid, 0, true), '' ORDER BY x.indexrelid)
                    FROM pg_index x WHERE x.indrelid = c.oid), '')
       || coalesce((SELECT string_agg(format(E';\\nALTER VIEW %I ALTER COLUMN %I SET DEFAULT %s', c.relname, a.attname,
                                             pg_get_expr(f.adbin, f.adrelid)), '' ORDER BY f.adnum)
                    FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
                    WHERE f.adrelid = c.oid), '')
       || coalesce((SELECT string_agg(E';\\n' || CASE WHEN d.objsubid = 0
                                      THEN format('COMMENT ON %s %I IS %L', k.word, c.relname, d.description)
                                      ELSE format('COMMENT ON COLUMN %I.%I IS %L', c.relname, a.attname, d.description)
                                      END, '' ORDER BY d.objsubid)
                    FROM pg_description d
                    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
                    WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid), '') AS definition,
       ARRAY(SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0)
             FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             LEFT JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
             LEFT JOIN pg_type y ON d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid
             WHERE r.ev_class = c.oid AND d.refobjid <> c.oid
               AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) OR y.typtype = 'd'
                    OR (t.oid IS NOT NULL AND (t.relnamespace <> c.relnamespace OR t.relkind NOT IN ('r', 'p', 'v', 'm'))))
             ORDER BY 1) AS reaches
FROM pg_class c, LATERAL (SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS word) AS k
WHERE c.relnamespace = (SELECT oid FROM ours) AND c.relkind IN ('v', 'm')
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY c.relname";

/// All views of a schema.
pub(super) async fn all(session: &mut PgConnection, schema: &str) -> Result<Vec<Object>, sqlx::Error> {
    let rows = sqlx::query(VIEWS).bind(schema).fetch_all(session).await?;
    rows.iter()
        .map(|row| {
            let materialized: bool = row.try_get("materialized")?;
            let kind = if materialized { ObjectKind::MaterializedView } else { ObjectKind::View };
            let definition: String = row.try_get("definition")?;
            let mut reaches: Vec<String> = row.try_get("reaches")?;
            reaches.extend(of_the_server(&definition));
            let name: String = row.try_get("name")?;
            Ok(Object { reaches, ..Object::new(kind, name, definition) })
        })
        .collect()
}

/// Built-in functions and catalogues that look at or act on the server rather than the tables. A view may hide one from
/// whoever reads it with more rights than its owner.
fn of_the_server(definition: &str) -> Vec<String> {
    let acts = |word: &String| {
        let word = word.as_str();
        (word.starts_with("pg_") && word != "pg_catalog")
            || word.starts_with("lo_")
            || word.contains("_to_xml")
            || matches!(word, "nextval" | "setval" | "set_config" | "ts_stat")
    };
    let mut found: Vec<String> =
        expression::words(Dialect::Postgres, definition).into_iter().filter(acts).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_the_server_is_named() {
        let text =
            "CREATE VIEW v AS\n SELECT t.a, pg_sleep(1) FROM t WHERE (t.b = 'pg_sleep'::pg_catalog.text)";
        assert_eq!(of_the_server(text), ["pg_sleep"]);
        assert_eq!(
            of_the_server("CREATE VIEW v AS SELECT query_to_xml('x', true, true, '')"),
            ["query_to_xml"]
        );
    }
}
