//! The questions to `pg_catalog` and the rows that answer them: one question each for the whole schema, never one a
//! table. No judgement here; `assemble` makes the neutral schema of it.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::attributes::ATTRIBUTES;
use super::types::{self as made, TypeRow};
use super::views;
use crate::engine::postgres::types::quote;
use crate::model::schema::Object;

/// Answers about one schema.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) relations: Vec<Relation>,
    pub(super) columns: Vec<ColumnRow>,
    pub(super) enums: Vec<EnumRow>,
    pub(super) domain_checks: Vec<DomainCheck>,
    pub(super) sequences: Vec<SequenceRow>,
    pub(super) constraints: Vec<ConstraintRow>,
    pub(super) indexes: Vec<IndexRow>,
    pub(super) objects: Vec<ObjectRow>,
    pub(super) attributes: Vec<ObjectRow>,
    pub(super) views: Vec<Object>,
    pub(super) types: Vec<TypeRow>,
}

/// A table, partition or partitioned table.
#[derive(Debug, Clone, Default)]
pub(super) struct Relation {
    pub(super) oid: i64,
    pub(super) name: String,
    /// The partitioned table on top, for a partition.
    pub(super) root: Option<i64>,
    pub(super) is_leaf: bool,
    pub(super) partitioned_by: Option<String>,
    pub(super) estimated_rows: Option<i64>,
    pub(super) bytes: Option<i64>,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "the catalogue's own columns")]
pub(super) struct ColumnRow {
    pub(super) table: i64,
    pub(super) name: String,
    /// `format_type` of the base type.
    pub(super) native: String,
    pub(super) type_oid: i64,
    pub(super) type_name: String,
    pub(super) type_kind: String,
    pub(super) type_is_built_in: bool,
    pub(super) domain: Option<i64>,
    /// Its name, qualified where it stands in another schema.
    pub(super) domain_name: Option<String>,
    /// What the column says, or a domain.
    pub(super) not_null: bool,
    pub(super) own_not_null: bool,
    /// What the column says, else a domain.
    pub(super) default: Option<String>,
    pub(super) own_default: Option<String>,
    pub(super) default_sequence: Option<i64>,
    pub(super) identity: String,
    pub(super) identity_sequence: Option<i64>,
    pub(super) generated: String,
    /// A trigger of ours sets it on UPDATE.
    pub(super) on_update_now: bool,
    pub(super) collation: Option<String>,
    pub(super) collation_locale: Option<String>,
    pub(super) collation_is_deterministic: bool,
    pub(super) comment: Option<String>,
    /// What its default or generated expression uses beside what is built in.
    pub(super) reaches: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct EnumRow {
    pub(super) oid: i64,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct DomainCheck {
    pub(super) domain: i64,
    pub(super) definition: String,
    /// Whether every value that is there was held to it.
    pub(super) validated: bool,
    /// What it uses beside what is built in.
    pub(super) reaches: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SequenceRow {
    pub(super) oid: i64,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) is_in_schema: bool,
    pub(super) owned: bool,
    pub(super) definition: String,
    pub(super) increment: i64,
    pub(super) last_value: Option<i64>,
    pub(super) is_called: bool,
    pub(super) start: i64,
}

#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "the catalogue's own columns")]
pub(super) struct ConstraintRow {
    pub(super) table: i64,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) index: i64,
    pub(super) columns: Vec<String>,
    pub(super) references_schema_is_ours: bool,
    pub(super) references: Option<String>,
    pub(super) referenced_columns: Vec<String>,
    pub(super) on_delete: String,
    /// ON DELETE SET NULL or SET DEFAULT is for some of the columns only (PostgreSQL 15).
    pub(super) deletes_some: bool,
    pub(super) on_update: String,
    pub(super) match_type: String,
    pub(super) deferrable: bool,
    pub(super) deferred: bool,
    pub(super) validated: bool,
    pub(super) expression: Option<String>,
    pub(super) definition: String,
    /// What the expression uses beside what is built in: functions and operators (those of extensions too), which may have
    /// the name of a built-in one, and domains, whose checks may call them.
    pub(super) reaches: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct IndexRow {
    pub(super) oid: i64,
    pub(super) table: i64,
    pub(super) name: String,
    pub(super) method: String,
    pub(super) unique: bool,
    pub(super) valid: bool,
    pub(super) nulls_not_distinct: bool,
    pub(super) keys: usize,
    /// Column name of each key and included column; `None` for an expression.
    pub(super) columns: Vec<Option<String>>,
    pub(super) texts: Vec<String>,
    pub(super) options: Vec<i32>,
    pub(super) classes: Vec<Option<String>>,
    pub(super) collations: Vec<Option<String>>,
    /// Locale of each of those collations, where it takes different text for equal.
    pub(super) loose_locales: Vec<Option<String>>,
    pub(super) predicate: Option<String>,
    pub(super) definition: String,
    pub(super) reaches: Vec<String>,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct ObjectRow {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) table: Option<String>,
    pub(super) definition: String,
}

const RELATIONS: &str = "
SELECT c.oid::int8 AS oid, c.relname::text AS name, c.relkind = 'r' AS is_leaf,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::int8 END AS root,
       CASE WHEN c.relkind = 'p' AND NOT c.relispartition THEN pg_get_partkeydef(c.oid) END AS partitioned_by,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT sum(greatest(l.reltuples, 0))::int8 FROM pg_partition_tree(c.oid) t
                  JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf)
            WHEN c.reltuples >= 0 THEN c.reltuples::int8 END AS estimated_rows,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT sum(pg_total_relation_size(t.relid))::int8 FROM pg_partition_tree(c.oid) t WHERE t.isleaf)
            ELSE pg_total_relation_size(c.oid) END AS bytes,
       obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname";

/// What an object of the catalogue or its expression uses beside what is built in: functions, operators and their classes, and
/// domains other than the one that it is of.
macro_rules! reaches {
    ($class:literal, $object:literal, $own:literal) => {
        concat!(
            "ARRAY(SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0)
             FROM pg_depend d LEFT JOIN pg_type y ON d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid
             WHERE d.classid = '",
            $class,
            "'::regclass AND d.objid = ",
            $object,
            "
               AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass)
                    OR (y.typtype = 'd' AND y.oid <> ",
            $own,
            "))
             ORDER BY 1) AS reaches"
        )
    };
}

const COLUMNS: &str = concat!(
    "
WITH RECURSIVE chain AS (
    SELECT t.oid AS domain, t.typbasetype AS base, t.typtypmod AS typmod, t.typnotnull AS not_null,
           t.typdefault AS default_text, 1 AS depth
    FROM pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT c.domain, t.typbasetype, CASE WHEN c.typmod = -1 THEN t.typtypmod ELSE c.typmod END,
           c.not_null OR t.typnotnull, coalesce(c.default_text, t.typdefault), c.depth + 1
    FROM chain c JOIN pg_type t ON t.oid = c.base AND t.typtype = 'd'
), domains AS (
    SELECT DISTINCT ON (domain) * FROM chain ORDER BY domain, depth DESC
)
SELECT a.attrelid::int8 AS table_oid, a.attname::text AS name,
       format_type(b.oid, coalesce(d.typmod, a.atttypmod)) AS native,
       b.oid::int8 AS type_oid, b.typname::text AS type_name, b.typtype::text AS type_kind,
       b.typnamespace = 'pg_catalog'::regnamespace AS type_is_built_in,
       d.domain::oid::int8 AS domain, a.attnotnull OR coalesce(d.not_null, false) AS not_null,
       a.attnotnull AS own_not_null, pg_get_expr(f.adbin, f.adrelid) AS own_default,
       (SELECT CASE WHEN t.typnamespace = c.relnamespace THEN t.typname::text
                    ELSE format('%I.%I', t.typnamespace::regnamespace, t.typname) END
        FROM pg_type t WHERE t.oid = d.domain) AS domain_name,
       coalesce(pg_get_expr(f.adbin, f.adrelid), d.default_text) AS default_text,
       (SELECT p.refobjid::int8 FROM pg_depend p JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
        WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = f.oid AND p.refclassid = 'pg_class'::regclass LIMIT 1)
           AS default_sequence,
       a.attidentity::text AS identity,
       CASE WHEN a.attidentity <> '' THEN
           (SELECT p.objid::int8 FROM pg_depend p WHERE p.classid = 'pg_class'::regclass AND p.deptype = 'i'
              AND p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum LIMIT 1)
       END AS identity_sequence,
       a.attgenerated::text AS generated,
       EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
               WHERE t.tgrelid = a.attrelid AND t.tgname = 'techcare_db_now' AND t.tgenabled <> 'D'
                 AND p.proname LIKE 'techcare\\_db\\_now\\_%'
                 AND encode(convert_to(a.attname::text, getdatabaseencoding()), 'escape')
                     = ANY(string_to_array(encode(t.tgargs, 'escape'), '\\000'))) AS on_update_now,
       CASE WHEN a.attcollation <> b.typcollation THEN o.collname::text END AS collation,
       coalesce(to_jsonb(o) ->> 'colllocale', to_jsonb(o) ->> 'colliculocale', o.collcollate::text) AS collation_locale,
       coalesce(o.collisdeterministic, true) AS collation_is_deterministic,
       col_description(a.attrelid, a.attnum) AS comment,
       ",
    reaches!("pg_attrdef", "f.oid", "a.atttypid"),
    "
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN domains d ON d.domain = a.atttypid
JOIN pg_type b ON b.oid = coalesce(d.base, a.atttypid)
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
LEFT JOIN pg_collation o ON o.oid = a.attcollation
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum"
);

const ENUMS: &str = "
SELECT e.enumtypid::int8 AS oid, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
FROM pg_enum e WHERE $1 <> '' GROUP BY e.enumtypid";

const DOMAIN_CHECKS: &str = concat!(
    "
WITH RECURSIVE member AS (
    SELECT t.oid AS domain, t.oid AS type FROM pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT m.domain, t.typbasetype FROM member m JOIN pg_type t ON t.oid = m.type AND t.typtype = 'd'
)
SELECT m.domain::oid::int8 AS domain, pg_get_constraintdef(k.oid) AS definition, k.convalidated AS validated,
       ",
    reaches!("pg_constraint", "k.oid", "k.contypid"),
    "
FROM member m JOIN pg_constraint k ON k.contypid = m.type AND k.contype = 'c'
WHERE $1 <> '' ORDER BY m.domain, k.conname"
);

const SEQUENCES: &str = "
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, n.nspname = $1 AS is_in_schema,
       EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid
               AND p.refclassid = 'pg_class'::regclass AND p.deptype IN ('a', 'i')) AS owned,
       format('CREATE SEQUENCE %I AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', c.relname,
              format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
              CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END) AS definition,
       s.seqincrement AS increment, s.seqstart AS start
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND (n.nspname = $1 OR EXISTS (
      SELECT FROM pg_depend p JOIN pg_attrdef f ON p.classid = 'pg_attrdef'::regclass AND p.objid = f.oid
      JOIN pg_class t ON t.oid = f.adrelid
      WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid
        AND t.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)))
ORDER BY c.relname";

const CONSTRAINTS: &str = concat!(
    "
SELECT k.conrelid::int8 AS table_oid, k.conname::text AS name, k.contype::text AS kind, k.conindid::int8 AS index_oid,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, at)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at) AS columns,
       coalesce(r.relnamespace = c.relnamespace, true) AS references_schema_is_ours,
       r.relname::text AS referenced_table,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, at)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at) AS referenced_columns,
       k.confdeltype::text AS on_delete,
       to_jsonb(k) ->> 'confdelsetcols' IS NOT NULL AS deletes_some, k.confupdtype::text AS on_update, k.confmatchtype::text AS match_type,
       k.condeferrable AS deferrable, k.condeferred AS deferred, k.convalidated AS validated,
       CASE WHEN k.contype = 'c' THEN pg_get_expr(k.conbin, k.conrelid) END AS expression,
       pg_get_constraintdef(k.oid) AS definition,
       ",
    reaches!("pg_constraint", "CASE k.contype WHEN 'c' THEN k.oid END", "k.contypid"),
    "
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
LEFT JOIN pg_class r ON r.oid = k.confrelid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
  AND k.conparentid = 0 AND k.contype IN ('p', 'u', 'f', 'c', 'x')
  AND NOT (c.relispartition AND k.contype = 'c' AND NOT k.conislocal)
ORDER BY k.conrelid, k.conname"
);

const INDEXES: &str = concat!(
    "
SELECT i.indexrelid::int8 AS oid, i.indrelid::int8 AS table_oid, x.relname::text AS name, m.amname::text AS method,
       i.indisunique AS is_unique, i.indisvalid AS valid,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       i.indnkeyatts::int4 AS keys, parts.columns, parts.texts, parts.options, parts.classes, parts.collations,
       parts.loose_locales,
       pg_get_expr(i.indpred, i.indrelid) AS predicate, pg_get_indexdef(i.indexrelid) AS definition,
       obj_description(i.indexrelid, 'pg_class') AS comment, ",
    reaches!("pg_class", "i.indexrelid", "0"),
    "
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_am m ON m.oid = x.relam
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY k) AS columns,
           array_agg(pg_get_indexdef(i.indexrelid, k, false) ORDER BY k) AS texts,
           array_agg(coalesce(i.indoption[k - 1], 0)::int4 ORDER BY k) AS options,
           array_agg(CASE WHEN o.opcdefault THEN NULL ELSE o.opcname::text END ORDER BY k) AS classes,
           array_agg(CASE WHEN l.oid IS NULL OR l.oid = a.attcollation OR l.collname = 'default' THEN NULL
                          ELSE l.collname::text END ORDER BY k) AS collations,
           array_agg(CASE WHEN NOT l.collisdeterministic
                          THEN coalesce(to_jsonb(l) ->> 'colllocale', to_jsonb(l) ->> 'colliculocale', l.collcollate::text)
                          END ORDER BY k) AS loose_locales
    FROM generate_series(1, i.indnatts::int4) AS k
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND i.indkey[k - 1] <> 0
    LEFT JOIN pg_opclass o ON o.oid = i.indclass[k - 1] AND k <= i.indnkeyatts
    LEFT JOIN pg_collation l ON l.oid = i.indcollation[k - 1] AND k <= i.indnkeyatts
) AS parts
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
  AND NOT i.indisprimary AND NOT x.relispartition
ORDER BY i.indrelid, x.relname"
);

const OBJECTS: &str = "
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
on_update AS (SELECT t.oid, t.tgfoid FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
              WHERE t.tgname = 'techcare_db_now' AND t.tgenabled <> 'D' AND p.proname LIKE 'techcare\\_db\\_now\\_%')
SELECT 'virtual_table' AS kind, c.relname::text AS name, NULL::text AS table_name,
       format('CREATE FOREIGN TABLE %I SERVER %I OPTIONS (%s)', c.relname, s.srvname,
              array_to_string(f.ftoptions, ', ')) AS definition
FROM pg_foreign_table f JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver
WHERE c.relnamespace = (SELECT oid FROM ours)
UNION ALL
SELECT 'trigger', t.tgname, c.relname, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = (SELECT oid FROM ours) AND NOT t.tgisinternal AND NOT c.relispartition
  AND t.oid NOT IN (SELECT oid FROM on_update)
UNION ALL
SELECT 'routine', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', NULL,
       CASE WHEN p.prokind = 'a' THEN
           (SELECT format('CREATE AGGREGATE %I(%s) (SFUNC = %s, STYPE = %s%s)', p.proname,
                          pg_get_function_arguments(p.oid), a.aggtransfn, format_type(a.aggtranstype, NULL),
                          CASE WHEN a.aggfinalfn::oid <> 0 THEN ', FINALFUNC = ' || a.aggfinalfn::text ELSE '' END
                          || coalesce(', INITCOND = ' || quote_literal(a.agginitval), ''))
            FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
       ELSE pg_get_functiondef(p.oid) END
FROM pg_proc p WHERE p.pronamespace = (SELECT oid FROM ours)
  AND ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM extension)
  AND p.oid NOT IN (SELECT tgfoid FROM on_update)
UNION ALL
SELECT 'policy', p.polname, c.relname,
       format('CREATE POLICY %I ON %I AS %s FOR %s%s%s', p.polname, c.relname,
              CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                            ELSE 'ALL' END,
              coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''),
              coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''))
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = (SELECT oid FROM ours)
UNION ALL
SELECT 'policy', r.rulename, c.relname, pg_get_ruledef(r.oid)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = (SELECT oid FROM ours) AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'extension', e.extname, NULL, format('CREATE EXTENSION %I VERSION %L', e.extname, e.extversion)
FROM pg_extension e WHERE e.extname <> 'plpgsql'
UNION ALL
SELECT 'schema', n.nspname, NULL,
       format('%s tables; ?options=-c search_path=%s in the URL reads this schema', count(*), n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> $1 AND n.nspname !~ '^(pg_|techcare_db_stage_)'
  AND n.nspname <> 'information_schema' AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM extension)
GROUP BY n.nspname
UNION ALL
SELECT 'other', i.type || ' ' || i.identity, NULL, format('%s %s', i.type, i.identity)
FROM (SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE opfnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE connamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE cfgnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE dictnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE prsnamespace = (SELECT oid FROM ours)
      UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE tmplnamespace = (SELECT oid FROM ours)
      -- FirstNormalObjectId: below are those that every database has.
      UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
      UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication
      UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
      UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
      UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl
                WHERE defaclnamespace IN (0, (SELECT oid FROM ours))
      UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger) AS o (class, oid),
     LATERAL pg_identify_object(o.class, o.oid, 0) AS i
WHERE (o.class::oid, o.oid) NOT IN (SELECT classid, objid FROM extension)
UNION ALL
SELECT 'comment', n.nspname, NULL, format('COMMENT ON SCHEMA %I IS %L', n.nspname, d.description)
FROM pg_namespace n JOIN pg_description d ON d.classoid = 'pg_namespace'::regclass AND d.objoid = n.oid
WHERE n.oid = (SELECT oid FROM ours) AND d.description <> 'standard public schema'
UNION ALL
SELECT 'comment', b.datname, NULL, format('COMMENT ON DATABASE %I IS %L', b.datname, d.description)
FROM pg_database b JOIN pg_shdescription d ON d.classoid = 'pg_database'::regclass AND d.objoid = b.oid
WHERE b.datname = current_database() AND d.description <> 'default administrative connection database'
UNION ALL
SELECT 'comment', c.relname, NULL, format('COMMENT ON SEQUENCE %I IS %L', c.relname, d.description)
FROM pg_class c JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
WHERE c.relkind = 'S' AND c.relnamespace = (SELECT oid FROM ours)
  AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid
                  AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i'))
UNION ALL
SELECT 'large_object', 'all', NULL, format('%s large objects, which nothing but their oids name', count(*))
FROM pg_largeobject_metadata HAVING count(*) > 0
ORDER BY 1, 2, 3";

/// Asks all questions in one session.
pub(super) async fn catalogue(session: &mut PgConnection, schema: &str) -> Result<Catalogue, sqlx::Error> {
    Ok(Catalogue {
        relations: ask(session, RELATIONS, schema, relation).await?,
        columns: ask(session, COLUMNS, schema, column).await?,
        enums: ask(session, ENUMS, schema, |r| {
            Ok(EnumRow { oid: r.try_get("oid")?, labels: r.try_get("labels")? })
        })
        .await?,
        domain_checks: ask(session, DOMAIN_CHECKS, schema, |r| {
            Ok(DomainCheck {
                domain: r.try_get("domain")?,
                definition: r.try_get("definition")?,
                validated: r.try_get("validated")?,
                reaches: r.try_get("reaches")?,
            })
        })
        .await?,
        sequences: sequences(session, schema).await?,
        constraints: ask(session, CONSTRAINTS, schema, constraint).await?,
        indexes: ask(session, INDEXES, schema, index).await?,
        objects: ask(session, OBJECTS, schema, object).await?,
        attributes: ask(session, ATTRIBUTES, schema, object).await?,
        views: views::all(session, schema).await?,
        types: made::all(session, schema).await?,
    })
}

async fn ask<T>(
    session: &mut PgConnection,
    question: &'static str,
    schema: &str,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    let rows = sqlx::query(question).bind(schema).fetch_all(session).await?;
    rows.iter().map(read).collect()
}

/// Sequences with where they stand. Only the sequence itself knows that exactly (`pg_sequence_last_value` says
/// nothing about one that was set and not called since), so all of them are asked together.
async fn sequences(session: &mut PgConnection, schema: &str) -> Result<Vec<SequenceRow>, sqlx::Error> {
    const AT_ONCE: usize = 200;
    let mut sequences = ask(session, SEQUENCES, schema, |r| {
        Ok(SequenceRow {
            oid: r.try_get("oid")?,
            schema: r.try_get("schema")?,
            name: r.try_get("name")?,
            is_in_schema: r.try_get("is_in_schema")?,
            owned: r.try_get("owned")?,
            definition: r.try_get("definition")?,
            increment: r.try_get("increment")?,
            last_value: None,
            is_called: false,
            start: r.try_get("start")?,
        })
    })
    .await?;
    for group in sequences.chunks_mut(AT_ONCE) {
        let question = group
            .iter()
            .map(|s| {
                format!(
                    "SELECT {}::int8, last_value, is_called FROM {}.{}",
                    s.oid,
                    quote(&s.schema),
                    quote(&s.name)
                )
            })
            .collect::<Vec<_>>()
            .join(" UNION ALL ");
        for row in sqlx::raw_sql(AssertSqlSafe(question)).fetch_all(&mut *session).await? {
            let oid: i64 = row.try_get(0)?;
            if let Some(sequence) = group.iter_mut().find(|s| s.oid == oid) {
                sequence.last_value = row.try_get(1)?;
                sequence.is_called = row.try_get(2)?;
            }
        }
    }
    Ok(sequences)
}

fn relation(r: &PgRow) -> Result<Relation, sqlx::Error> {
    Ok(Relation {
        oid: r.try_get("oid")?,
        name: r.try_get("name")?,
        root: r.try_get("root")?,
        is_leaf: r.try_get("is_leaf")?,
        partitioned_by: r.try_get("partitioned_by")?,
        estimated_rows: r.try_get("estimated_rows")?,
        bytes: r.try_get("bytes")?,
        comment: r.try_get("comment")?,
    })
}

fn column(r: &PgRow) -> Result<ColumnRow, sqlx::Error> {
    Ok(ColumnRow {
        table: r.try_get("table_oid")?,
        name: r.try_get("name")?,
        on_update_now: r.try_get("on_update_now")?,
        native: r.try_get("native")?,
        type_oid: r.try_get("type_oid")?,
        type_name: r.try_get("type_name")?,
        type_kind: r.try_get("type_kind")?,
        type_is_built_in: r.try_get("type_is_built_in")?,
        domain: r.try_get("domain")?,
        domain_name: r.try_get("domain_name")?,
        not_null: r.try_get("not_null")?,
        own_not_null: r.try_get("own_not_null")?,
        default: r.try_get("default_text")?,
        own_default: r.try_get("own_default")?,
        default_sequence: r.try_get("default_sequence")?,
        identity: r.try_get("identity")?,
        identity_sequence: r.try_get("identity_sequence")?,
        generated: r.try_get("generated")?,
        collation: r.try_get("collation")?,
        collation_locale: r.try_get("collation_locale")?,
        collation_is_deterministic: r.try_get("collation_is_deterministic")?,
        comment: r.try_get("comment")?,
        reaches: r.try_get("reaches")?,
    })
}

fn object(r: &PgRow) -> Result<ObjectRow, sqlx::Error> {
    Ok(ObjectRow {
        kind: r.try_get("kind")?,
        name: r.try_get("name")?,
        table: r.try_get("table_name")?,
        definition: r.try_get::<Option<String>, _>("definition")?.unwrap_or_default(),
    })
}

fn constraint(r: &PgRow) -> Result<ConstraintRow, sqlx::Error> {
    Ok(ConstraintRow {
        table: r.try_get("table_oid")?,
        name: r.try_get("name")?,
        kind: r.try_get("kind")?,
        index: r.try_get("index_oid")?,
        columns: r.try_get("columns")?,
        references_schema_is_ours: r.try_get("references_schema_is_ours")?,
        references: r.try_get("referenced_table")?,
        referenced_columns: r.try_get("referenced_columns")?,
        on_delete: r.try_get("on_delete")?,
        deletes_some: r.try_get("deletes_some")?,
        on_update: r.try_get("on_update")?,
        match_type: r.try_get("match_type")?,
        deferrable: r.try_get("deferrable")?,
        deferred: r.try_get("deferred")?,
        validated: r.try_get("validated")?,
        expression: r.try_get("expression")?,
        definition: r.try_get("definition")?,
        reaches: r.try_get("reaches")?,
    })
}

fn index(r: &PgRow) -> Result<IndexRow, sqlx::Error> {
    Ok(IndexRow {
        oid: r.try_get("oid")?,
        table: r.try_get("table_oid")?,
        name: r.try_get("name")?,
        method: r.try_get("method")?,
        unique: r.try_get("is_unique")?,
        valid: r.try_get("valid")?,
        nulls_not_distinct: r.try_get("nulls_not_distinct")?,
        keys: usize::try_from(r.try_get::<i32, _>("keys")?).unwrap_or(0),
        columns: r.try_get("columns")?,
        texts: r.try_get("texts")?,
        options: r.try_get("options")?,
        classes: r.try_get("classes")?,
        collations: r.try_get("collations")?,
        loose_locales: r.try_get("loose_locales")?,
        predicate: r.try_get("predicate")?,
        definition: r.try_get("definition")?,
        reaches: r.try_get("reaches")?,
        comment: r.try_get("comment")?,
    })
}
