//! What tables have beside columns, keys and checks, and no other part of the catalogue tells: inheritance, row level
//! security, storage, statistics, comments of their parts. None of it is carried; all of it is told.

/// `$1` is the schema. Inheritance is a `constraint`, which stops a plan: a query of the parent answers with fewer rows
/// where its children are tables of their own. The rest changes no answer. CACHE of a sequence is left aside: it makes
/// gaps and nothing else.
pub(super) const ATTRIBUTES: &str = "
WITH ours AS (
    SELECT c.* FROM pg_class c
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), sequences AS (
    SELECT s.*, d.refobjid AS of_table, format_type(s.seqtypid, NULL) AS type,
           CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                           ELSE 9223372036854775807 END AS most
    FROM pg_sequence s JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
)
SELECT 'constraint' AS kind, c.relname::text AS name, c.relname::text AS table_name,
       format('INHERITS (%s): a query of %1$s answers with the rows of %I too',
              string_agg(quote_ident(p.relname), ', ' ORDER BY i.inhseqno), c.relname) AS definition
FROM ours c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
GROUP BY c.relname
UNION ALL
SELECT 'attribute', 'row level security', c.relname,
       format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', c.relname)
       || CASE WHEN c.relforcerowsecurity THEN format('; ALTER TABLE %I FORCE ROW LEVEL SECURITY', c.relname) ELSE '' END
FROM ours c WHERE c.relrowsecurity
UNION ALL
SELECT 'attribute', 'storage parameters', c.relname,
       format('ALTER TABLE %I SET (%s)', c.relname, array_to_string(c.reloptions, ', '))
FROM ours c WHERE c.reloptions IS NOT NULL
UNION ALL
SELECT 'attribute', 'storage parameters', c.relname,
       string_agg(format('ALTER INDEX %I SET (%s)', x.relname, array_to_string(x.reloptions, ', ')), '; ' ORDER BY x.relname)
FROM ours c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
WHERE x.reloptions IS NOT NULL GROUP BY c.relname
UNION ALL
SELECT 'attribute', 'storage', c.relname,
       string_agg(format('ALTER TABLE %I ALTER COLUMN %I SET STORAGE %s', c.relname, a.attname,
                         CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN'
                                           ELSE 'EXTENDED' END), '; ' ORDER BY a.attnum)
FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage GROUP BY c.relname
UNION ALL
SELECT 'attribute', 'compression', c.relname,
       string_agg(format('ALTER TABLE %I ALTER COLUMN %I SET COMPRESSION %s', c.relname, a.attname,
                         CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END), '; ' ORDER BY a.attnum)
-- A column of the catalogue since PostgreSQL 14: before, the name in the inner query is that of the outer one.
FROM ours c CROSS JOIN (SELECT ''::\"char\" AS attcompression) AS before_14
CROSS JOIN LATERAL (SELECT a.attname, a.attnum, attcompression FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS a
WHERE a.attcompression <> '' GROUP BY c.relname
UNION ALL
SELECT 'attribute', 'statistics', c.relname,
       string_agg(format('ALTER TABLE %I ALTER COLUMN %I %s', c.relname, a.attname,
                         concat_ws(', ALTER COLUMN ' || quote_ident(a.attname) || ' ',
                                   CASE WHEN a.attstattarget >= 0 THEN format('SET STATISTICS %s', a.attstattarget) END,
                                   format('SET (%s)', nullif(array_to_string(a.attoptions, ', '), '')))),
                  '; ' ORDER BY a.attnum)
FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND (a.attstattarget >= 0 OR a.attoptions IS NOT NULL) GROUP BY c.relname
UNION ALL
SELECT 'attribute', k.conname, c.relname,
       format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'c' AND k.connoinherit
UNION ALL
SELECT 'attribute', 'unlogged', c.relname, format('ALTER TABLE %I SET UNLOGGED', c.relname)
FROM ours c WHERE c.relpersistence = 'u'
UNION ALL
SELECT 'attribute', 'replica identity', c.relname,
       format('ALTER TABLE %I REPLICA IDENTITY %s', c.relname,
              CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
                   ELSE 'USING INDEX ' || (SELECT quote_ident(x.relname) FROM pg_index i
                                           JOIN pg_class x ON x.oid = i.indexrelid
                                           WHERE i.indrelid = c.oid AND i.indisreplident) END)
FROM ours c WHERE c.relreplident IN ('n', 'f', 'i')
UNION ALL
SELECT 'attribute', 'clustering', c.relname, format('ALTER TABLE %I CLUSTER ON %I', c.relname, x.relname)
FROM ours c JOIN pg_index i ON i.indrelid = c.oid AND i.indisclustered JOIN pg_class x ON x.oid = i.indexrelid
UNION ALL
SELECT 'attribute', 'type', c.relname, format('CREATE TABLE %I OF %s', c.relname, format_type(c.reloftype, NULL))
FROM ours c WHERE c.reloftype <> 0
UNION ALL
SELECT 'attribute', s.stxname, c.relname, pg_get_statisticsobjdef(s.oid)
FROM ours c JOIN pg_statistic_ext s ON s.stxrelid = c.oid
UNION ALL
SELECT 'attribute', 'sequence', c.relname,
       string_agg(format('ALTER SEQUENCE %I MINVALUE %s MAXVALUE %s START WITH %s%s', q.relname, s.seqmin, s.seqmax,
                         s.seqstart, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END),
                  '; ' ORDER BY q.relname)
FROM ours c JOIN sequences s ON s.of_table = c.oid JOIN pg_class q ON q.oid = s.seqrelid
WHERE s.seqcycle
   OR (s.seqincrement > 0 AND (s.seqmin, s.seqmax, s.seqstart) <> (1, s.most, 1))
   OR (s.seqincrement < 0 AND (s.seqmin, s.seqmax, s.seqstart) <> (-s.most - 1, -1, -1))
GROUP BY c.relname
UNION ALL
SELECT 'comment', said.name, c.relname, said.text
FROM ours c CROSS JOIN LATERAL (
    SELECT k.conname AS name, format('COMMENT ON CONSTRAINT %I ON %I IS %L', k.conname, c.relname, d.description) AS text
    FROM pg_constraint k JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
    WHERE k.conrelid = c.oid
    UNION ALL
    SELECT x.relname, format('COMMENT ON INDEX %I IS %L', x.relname, d.description)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = x.oid
    WHERE i.indrelid = c.oid AND d.description NOT LIKE 'techcare-db was: {%'
    UNION ALL
    SELECT q.relname, format('COMMENT ON SEQUENCE %I IS %L', q.relname, d.description)
    FROM sequences s JOIN pg_class q ON q.oid = s.seqrelid
    JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = q.oid
    WHERE s.of_table = c.oid
    UNION ALL
    SELECT s.stxname, format('COMMENT ON STATISTICS %I IS %L', s.stxname, d.description)
    FROM pg_statistic_ext s
    JOIN pg_description d ON d.classoid = 'pg_statistic_ext'::regclass AND d.objoid = s.oid
    WHERE s.stxrelid = c.oid
) AS said
ORDER BY 1, 2, 3";
