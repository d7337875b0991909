//! What is translated, to what, and what is not: tables of source text and outcome.

use super::*;
use crate::model::schema::DefaultValue;
use Dialect::{Mysql, Postgres, Sqlite};

/// The columns that the tables below speak of.
fn columns(name: &str) -> Option<ColumnFacts> {
    let text = DataType::TEXT;
    let (data_type, comparison) = match name {
        "quantity" | "UnitsInStock" | "rank" | "rank_1" | "Order Qty" => (DataType::INT64, Comparison::Exact),
        "year" => (DataType::INT32, Comparison::Exact),
        "count" => (DataType::Int { bits: 32, unsigned: true }, Comparison::Exact),
        "price" | "UnitPrice" => {
            (DataType::Decimal { precision: Some(12), scale: Some(2) }, Comparison::Exact)
        }
        "huge" => (DataType::Decimal { precision: Some(30), scale: Some(2) }, Comparison::Exact),
        "ratio" | "Discount" => (DataType::Float64, Comparison::Exact),
        "active" => (DataType::Bool, Comparison::Exact),
        "role" | "name" | "value" | "special_features" => (text, Comparison::Exact),
        "email" => (text, Comparison::Equality),
        "nick" => (text, Comparison::Loose),
        "code" => (DataType::Text { max_chars: Some(3), fixed: true }, Comparison::Exact),
        "document" => (DataType::Json { binary: false }, Comparison::Exact),
        "rating" => {
            let labels = vec!["G".into(), "PG-13".into()];
            (DataType::Enum { name: Some("mpaa_rating".into()), labels }, Comparison::Exact)
        }
        "born" | "died" => (DataType::Date, Comparison::Exact),
        "start" | "end" => (DataType::DateTime { precision: 6 }, Comparison::Exact),
        "picture" => (DataType::BYTES, Comparison::Exact),
        _ => return None,
    };
    let name = if name == "rank" { "rank_1".into() } else { name.into() };
    Some(ColumnFacts { name, data_type, comparison })
}

#[track_caller]
fn check(source: Dialect, target: Dialect, table: &[(&str, Option<&str>)]) {
    for (text, expected) in table {
        let found = translate(source, text, target, Want::Unique { ascii: false }, &columns);
        assert_eq!(found.as_deref(), *expected, "{source} to {target}: {text}");
        // What comes out is understood, and means itself. (Casts are an answer to SQLite's ways only.)
        if let Some(found) = found.filter(|f| !f.contains("CAST(")) {
            let again = translate(target, &found, target, Want::Unique { ascii: false }, &columns);
            assert_eq!(again.as_ref(), Some(&found), "{target} to {target}");
        }
    }
}

/// Words of the trade, to be thrown together.
const WORDS: &[&str] = &[
    "quantity",
    "\"name\"",
    "`role`",
    "[price]",
    "active",
    "0",
    "1.5",
    "-",
    "+",
    "*",
    "/",
    "%",
    "||",
    "(",
    ")",
    ",",
    "=",
    "<>",
    ">=",
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "IN",
    "BETWEEN",
    "LIKE",
    "'a'",
    "'%'",
    "E'\\x'",
    "_utf8mb4'a'",
    "::",
    "text",
    "numeric(1)",
    "ANY",
    "ARRAY[",
    "]",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "length",
    "coalesce",
    "substr",
    "now()",
    "current_timestamp",
    "COLLATE",
    "~",
    "->>",
    "'{a,b}'",
    ";",
    "--",
    "/*",
    "\\'",
    "'",
    "\"",
    "\0",
    "é",
];

proptest::proptest! {
    #[test]
    fn nonsense_never_panics(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24)) {
        let text = words.join(" ");
        for source in [Sqlite, Postgres, Mysql] {
            for target in [Sqlite, Postgres, Mysql] {
                for want in [Want::Unique { ascii: false }, Want::Speed, Want::Truth, Want::Value(&DataType::INT64)] {
                    let _ = translate(source, &text, target, want, &columns);
                }
                let _ = implied_by_type(source, &text, target, &columns);
                let _ = default(source, &text, target, &DataType::TEXT);
            }
        }
    }

    #[test]
    fn no_text_escapes_its_literal(text in "\\PC{0,20}") {
        // A literal of SQLite, said in MySQL and read back, is the same text.
        let quoted = format!("name = '{}'", text.replace('\'', "''"));
        let mysql = translate(Sqlite, &quoted, Mysql, Want::Truth, &columns).unwrap();
        proptest::prop_assert_eq!(translate(Mysql, &mysql, Sqlite, Want::Truth, &columns), Some(format!(r#""name" = '{}'"#, text.replace('\'', "''"))));
    }
}

#[test]
fn sqlite_to_postgresql() {
    check(
        Sqlite,
        Postgres,
        &[
            // Django, SQLAlchemy, Northwind.
            (r#""quantity" >= 0"#, Some(r#""quantity" >= 0"#)),
            ("[UnitPrice]>=(0)", Some(r#""UnitPrice" >= 0"#)),
            ("[Discount]>=(0) AND [Discount]<=(1)", Some(r#""Discount" >= 0 AND "Discount" <= 1"#)),
            ("active IN (0, 1)", Some(r#""active" IN (false, true)"#)),
            ("role IN ('a','b')", Some(r#""role" IN ('a', 'b')"#)),
            (r#"role IN ("a", "b")"#, Some(r#""role" IN ('a', 'b')"#)),
            ("active = 1", Some(r#""active" = true"#)),
            ("active", Some(r#""active""#)),
            ("NOT active", Some(r#"NOT ("active")"#)),
            ("active = 2", None),
            ("name <> ''", Some(r#""name" <> ''"#)),
            ("name != 'it''s'", Some(r#""name" <> 'it''s'"#)),
            ("name == 'a\\b'", Some("\"name\" = 'a\\b'")),
            ("length(name) > 3", Some(r#"length("name") > 3"#)),
            ("length(picture) < 100", Some(r#"length("picture") < 100"#)),
            ("length(quantity) < 100", None),
            ("name IS NOT NULL OR quantity IS NULL", Some(r#""name" IS NOT NULL OR "quantity" IS NULL"#)),
            ("quantity BETWEEN 1 AND 5", Some(r#""quantity" BETWEEN 1 AND 5"#)),
            ("quantity NOT BETWEEN -1 AND 5", Some(r#""quantity" NOT BETWEEN (-1) AND 5"#)),
            ("rank > 0", Some(r#""rank_1" > 0"#)),
            ("ratio * 2 + 1 >= ratio", Some(r#"(("ratio" * 2) + 1) >= "ratio""#)),
            ("quantity / 2 = 1", Some(r#"("quantity" / 2) = 1"#)),
            ("quantity / 0 = 1", None),
            ("quantity / rank = 1", None),
            ("quantity % 2 = 0", Some(r#"("quantity" % 2) = 0"#)),
            // A double in SQLite, exact in PostgreSQL.
            ("price * 2 > 1", None),
            ("price > 0.5", Some(r#""price" > 0.5"#)),
            ("quantity", Some(r#""quantity""#)),
            ("email LIKE '%@%'", Some(r#""email" LIKE '%@%'"#)),
            // SQLite's LIKE takes 't' for 'T'.
            ("special_features like '%Trailers%'", None),
            ("special_features is null or special_features like '%Trailers%'", None),
            ("name GLOB 'a*'", None),
            ("name REGEXP 'a'", None),
            ("typeof(quantity) = 'integer'", None),
            ("name || 'x' = 'ax'", Some(r#"("name" || 'x') = 'ax'"#)),
            ("name < 'b'", Some(r#""name" < 'b'"#)),
            ("nick = 'b'", None),
            ("name = 1", None),
            ("missing > 0", None),
            ("quantity > (SELECT 1)", None),
            ("quantity >", None),
            ("", None),
            ("quantity > 0; DROP TABLE x", None),
            ("quantity > 0 -- and so on", Some(r#""quantity" > 0"#)),
            ("trim(name) <> ''", Some(r#"trim("name") <> ''"#)),
            ("coalesce(name, '') <> ''", Some(r#"coalesce("name", '') <> ''"#)),
            ("ifnull(quantity, 0) >= 0", Some(r#"coalesce("quantity", 0) >= 0"#)),
            ("coalesce(name, 0) = 0", None),
            ("abs(quantity) < 5", Some(r#"abs("quantity") < 5"#)),
            ("nullif(name, '') IS NULL", Some(r#"nullif("name", '') IS NULL"#)),
            ("died >= born", Some(r#""died" >= "born""#)),
            ("born > '1900-01-01'", Some(r#""born" > '1900-01-01'"#)),
            ("born > 'yesterday'", None),
            ("start > '2020-01-01'", None),
            ("start > '2020-01-01 00:00:00.000000'", Some(r#""start" > '2020-01-01 00:00:00'"#)),
            ("start > datetime('now')", None),
            ("JSON_VALID(value) OR value IS NULL", None),
            (
                "CASE WHEN active THEN quantity > 0 ELSE 1 END",
                Some(r#"CASE WHEN "active" THEN ("quantity" > 0) ELSE true END"#),
            ),
            ("quantity = 0x10", None),
            ("substr(name, 1, 2) = 'ab'", Some(r#"substr("name", 1, 2) = 'ab'"#)),
            ("substr(name, -1) = 'b'", None),
            ("name = 'x' COLLATE NOCASE", None),
            ("active IS TRUE", Some(r#""active" IS TRUE"#)),
            ("products.quantity >= 0", Some(r#""quantity" >= 0"#)),
            ("QUANTITY >= 0", None),
        ],
    );
}

#[test]
fn postgresql_to_sqlite() {
    check(
        Postgres,
        Sqlite,
        &[
            ("(quantity >= 0)", Some(r#""quantity" >= 0"#)),
            ("(QUANTITY >= 0)", Some(r#""quantity" >= 0"#)),
            ("((quantity >= 0) AND (quantity <= 10))", Some(r#""quantity" >= 0 AND "quantity" <= 10"#)),
            ("(price >= (0)::numeric)", Some(r#""price" >= 0"#)),
            // What PostgreSQL writes where a column is of a domain.
            ("((year)::integer >= 1901)", Some(r#""year" >= 1901"#)),
            ("((quantity)::integer >= 1901)", None),
            ("(price >= '-1'::integer)", Some(r#""price" >= (-1)"#)),
            ("(ratio <= (1)::double precision)", Some(r#""ratio" <= 1"#)),
            // Text in SQLite: a double keeps the sign only.
            ("(huge >= (0)::numeric)", Some(r#"CAST("huge" AS REAL) >= 0"#)),
            ("(huge >= (1)::numeric)", None),
            ("(huge >= price)", None),
            ("((role)::text = 'admin'::text)", Some(r#""role" = 'admin'"#)),
            (
                "((role)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
                Some(r#""role" IN ('a', 'b')"#),
            ),
            ("(role = ANY (ARRAY['a'::text, 'b'::text]))", Some(r#""role" IN ('a', 'b')"#)),
            (r#"(role = ANY ('{a,"b c"}'::text[]))"#, Some(r#""role" IN ('a', 'b c')"#)),
            ("(role <> ALL (ARRAY['a'::text]))", Some(r#""role" NOT IN ('a')"#)),
            ("(role = ANY (ARRAY['a'::text, NULL::text]))", None),
            ("((role)::text <> ''::text)", Some(r#""role" <> ''"#)),
            ("(role = 'abc'::character varying(2))", None),
            ("(rating = 'PG-13'::public.mpaa_rating)", Some(r#""rating" = 'PG-13'"#)),
            ("(rating = 'X'::mpaa_rating)", None),
            ("(rating > 'G'::mpaa_rating)", None),
            ("active", Some(r#""active""#)),
            ("(NOT active)", Some(r#"NOT ("active")"#)),
            ("(active = true)", Some(r#""active" = 1"#)),
            ("(active IS TRUE)", Some(r#""active" IS TRUE"#)),
            ("(quantity = ANY (ARRAY[1, 2]))", Some(r#""quantity" IN (1, 2)"#)),
            ("(length((role)::text) > 0)", Some(r#"length("role") > 0"#)),
            ("(char_length((role)::text) > 0)", Some(r#"length("role") > 0"#)),
            ("(octet_length(role) < 10)", Some(r#"length(CAST("role" AS BLOB)) < 10"#)),
            ("(length((code)::text) = 3)", None),
            ("(code = 'abc'::bpchar)", Some(r#""code" = 'abc'"#)),
            ("(code = 'a  '::bpchar)", None),
            ("(email < 'b'::text)", None),
            ("((email)::text = 'b'::text)", Some(r#""email" = 'b'"#)),
            ("((email)::text ~~ '%@%'::text)", Some(r#""email" LIKE '%@%'"#)),
            ("((email)::text ~~ '%a%'::text)", None),
            ("((email)::text ~ '^a'::text)", None),
            (
                "(start > '2020-01-01 00:00:00'::timestamp without time zone)",
                Some(r#""start" > '2020-01-01 00:00:00.000000'"#),
            ),
            ("(start > '2020-01-01 00:00:00+00'::timestamp with time zone)", None),
            ("(born > '1900-01-01'::date)", Some(r#""born" > '1900-01-01'"#)),
            ("(lower((role)::text) = 'a'::text)", None),
            ("(now() > start)", None),
            (r#"("end" >= start)"#, Some(r#""end" >= "start""#)),
            ("btrim(role) <> ''::text", Some(r#"trim("role") <> ''"#)),
            ("(concat(role, 'x') = 'x'::text)", None),
            ("(role = E'a\\\\b')", Some("\"role\" = 'a\\b'")),
        ],
    );
}

#[test]
fn mysql_to_postgresql() {
    check(
        Mysql,
        Postgres,
        &[
            ("`quantity` >= 0", Some(r#""quantity" >= 0"#)),
            ("(`quantity` >= 0)", Some(r#""quantity" >= 0"#)),
            ("`Order Qty` in (1,2)", Some(r#""Order Qty" IN (1, 2)"#)),
            ("(`role` in (_utf8mb4'a',_utf8mb4'b'))", Some(r#""role" IN ('a', 'b')"#)),
            (r"(`role` in (_utf8mb4\'a\',_utf8mb4\'b\'))", Some(r#""role" IN ('a', 'b')"#)),
            (r"`role` = 'a\\b'", Some(r#""role" = 'a\b'"#)),
            (r"`role` = 'it\'s'", Some(r#""role" = 'it''s'"#)),
            (r#"`role` = "a""#, Some(r#""role" = 'a'"#)),
            ("`active` in (0,1)", Some(r#""active" IN (false, true)"#)),
            ("length(`role`) > 3", Some(r#"octet_length("role") > 3"#)),
            ("char_length(`role`) > 3", Some(r#"length("role") > 3"#)),
            ("`role` || 'x'", None),
            ("concat(`role`,_utf8mb4' ',`name`)", Some(r#""role" || ' ' || "name""#)),
            ("left(`role`,3) = 'abc'", Some(r#"substr("role", 1, 3) = 'abc'"#)),
            ("`nick` = 'a'", None),
            ("`nick` is null", Some(r#""nick" IS NULL"#)),
            ("`count` - 1 >= 0", None),
            ("`count` + 1 >= 0", Some(r#"(CAST("count" AS bigint) + 1) >= 0"#)),
            ("`price` * 2 > 1.5", Some(r#"("price" * 2) > 1.5"#)),
            ("`quantity` / 2 > 1", None),
            ("json_valid(`value`)", None),
            ("`name` like 'a%'", Some(r#""name" LIKE 'a%'"#)),
            (r"`name` like 'a\%'", None),
            ("`nick` like 'a%'", None),
            ("`name` regexp '^a'", None),
        ],
    );
}

#[test]
fn to_mysql() {
    check(
        Postgres,
        Mysql,
        &[
            (r#"("we`ird" > 0)"#, None),
            ("(quantity >= 0)", Some("`quantity` >= 0")),
            ("((role)::text = 'a\\b'::text)", Some(r"`role` = 'a\\b'")),
            ("(role || 'x')", Some("concat(`role`, 'x')")),
            ("length(role)", Some("char_length(`role`)")),
            ("(huge > (0)::numeric)", Some("`huge` > 0")),
            ("((email)::text ~~ 'a%'::text)", Some("`email` LIKE 'a%'")),
            ("(active = false)", Some("`active` = 0")),
        ],
    );
    check(
        Sqlite,
        Mysql,
        &[
            (r#"JSON_VALID("value") OR "value" IS NULL"#, Some("json_valid(`value`) OR `value` IS NULL")),
            ("active IN (0, 1)", Some("`active` IN (0, 1)")),
            ("name = 'a\\'", Some(r"`name` = 'a\\'")),
        ],
    );
}

#[test]
fn what_is_wanted_decides() {
    let int = DataType::INT64;
    let real = DataType::Decimal { precision: Some(12), scale: Some(2) };
    for (text, want, expected) in [
        ("quantity", Want::Truth, Some(r#""quantity" <> 0"#)),
        ("NOT quantity", Want::Truth, Some(r#"NOT ("quantity" <> 0)"#)),
        ("name", Want::Truth, None),
        ("lower(name)", Want::Value(&DataType::TEXT), Some(r#"lower("name" COLLATE "C")"#)),
        ("lower(name)", Want::Unique { ascii: true }, Some(r#"lower("name")"#)),
        ("lower(name)", Want::Unique { ascii: false }, Some(r#"lower("name" COLLATE "C")"#)),
        ("lower(name)", Want::Speed, Some(r#"lower("name")"#)),
        ("1", Want::Truth, None),
        ("quantity > 0", Want::Value(&DataType::Bool), Some(r#""quantity" > 0"#)),
        // PostgreSQL stores no boolean in an integer.
        ("quantity > 0", Want::Value(&int), None),
        ("quantity * 2", Want::Value(&int), Some(r#""quantity" * 2"#)),
        ("quantity * 2", Want::Value(&real), Some(r#""quantity" * 2"#)),
        ("ratio * 2", Want::Value(&int), None),
        ("name || 'x'", Want::Value(&DataType::TEXT), Some(r#""name" || 'x'"#)),
    ] {
        assert_eq!(translate(Sqlite, text, Postgres, want, &columns).as_deref(), expected, "{text}");
    }
    // How many digits MySQL keeps of a product is not how many PostgreSQL's column keeps.
    assert_eq!(translate(Mysql, "`price` * `price`", Postgres, Want::Value(&real), &columns), None);
}

#[test]
fn a_json_check_is_what_postgresqls_json_means() {
    for (text, expected) in [
        ("json_valid(`document`)", true),
        ("(json_valid(`document`) or `document` is null)", true),
        ("json_valid(`value`)", false),
        ("json_valid(`document`) or `value` is null", false),
        ("json_valid(`document`) and `document` is null", false),
    ] {
        assert_eq!(implied_by_type(Mysql, text, Postgres, &columns), expected, "{text}");
    }
}

#[test]
fn long_and_deep_expressions_neither_overflow_nor_panic() {
    let chain = vec!["quantity > 0"; 200].join(" AND ");
    assert!(translate(Sqlite, &chain, Postgres, Want::Truth, &columns).is_some());
    let endless = vec!["quantity > 0"; 100_000].join(" OR ");
    assert_eq!(translate(Sqlite, &endless, Postgres, Want::Truth, &columns), None);
    let deep = format!("{}quantity{} > 0", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(translate(Sqlite, &deep, Postgres, Want::Truth, &columns), None);
    let sum = vec!["quantity"; 300].join(" + ");
    assert_eq!(translate(Sqlite, &sum, Postgres, Want::Truth, &columns), None);
    let list = format!("quantity IN ({})", vec!["1"; 5_000].join(","));
    assert!(translate(Sqlite, &list, Postgres, Want::Truth, &columns).is_some());
}

#[test]
fn defaults() {
    let moment = DataType::DateTime { precision: 6 };
    let zoned = DataType::Timestamp { precision: 6 };
    let decimal = DataType::Decimal { precision: Some(4), scale: Some(2) };
    let rating = DataType::Enum { name: None, labels: vec!["G".into()] };
    let number = |n: &str| Some(DefaultValue::Number(n.into()));
    let text = |t: &str| Some(DefaultValue::Text(t.into()));
    for (source, given, target, carries, expected) in [
        (Postgres, "'G'::public.mpaa_rating", Mysql, &rating, text("G")),
        (Postgres, "'X'::public.mpaa_rating", Mysql, &rating, None),
        (Postgres, "'active'::character varying", Mysql, &DataType::TEXT, text("active")),
        (Postgres, "4.99", Mysql, &decimal, number("4.99")),
        (Postgres, "(-1)", Sqlite, &DataType::INT32, number("-1")),
        (Postgres, "'-1'::integer", Sqlite, &DataType::INT32, number("-1")),
        (Postgres, "NULL::character varying", Sqlite, &DataType::TEXT, Some(DefaultValue::Null)),
        (Postgres, "now()", Sqlite, &zoned, Some(DefaultValue::CurrentTimestamp)),
        (Postgres, "timezone('utc'::text, now())", Sqlite, &moment, Some(DefaultValue::CurrentTimestamp)),
        (Postgres, "(now() AT TIME ZONE 'utc'::text)", Sqlite, &moment, Some(DefaultValue::CurrentTimestamp)),
        (Postgres, "('now'::text)::date", Sqlite, &DataType::Date, None),
        (Postgres, "gen_random_uuid()", Sqlite, &DataType::Uuid, None),
        (Postgres, "nextval('a_seq'::regclass)", Sqlite, &DataType::INT64, None),
        (Postgres, "'{}'::jsonb", Sqlite, &DataType::Json { binary: false }, text("{}")),
        (Postgres, "'1 day'::interval", Sqlite, &DataType::Interval, None),
        (Sqlite, "(datetime('now'))", Postgres, &moment, Some(DefaultValue::CurrentTimestamp)),
        (Sqlite, "datetime('now','localtime')", Postgres, &moment, None),
        (
            Sqlite,
            "strftime('%Y-%m-%d %H:%M:%f','now')",
            Postgres,
            &moment,
            Some(DefaultValue::CurrentTimestamp),
        ),
        (Sqlite, "strftime('%s','now')", Postgres, &DataType::INT64, None),
        (Sqlite, "(CURRENT_TIMESTAMP)", Postgres, &moment, Some(DefaultValue::CurrentTimestamp)),
        (Sqlite, "date('now')", Postgres, &DataType::Date, Some(DefaultValue::CurrentDate)),
        (Sqlite, "(1)", Postgres, &DataType::Bool, Some(DefaultValue::Bool(true))),
        (Sqlite, "(2)", Postgres, &DataType::Bool, None),
        (Sqlite, "(0)", Postgres, &DataType::TEXT, text("0")),
        (Sqlite, "(1 + 2)", Postgres, &DataType::INT64, Some(DefaultValue::Expression("1 + 2".into()))),
        (Sqlite, "lower(hex(randomblob(16)))", Postgres, &DataType::TEXT, None),
        (Mysql, "current_timestamp(6)", Postgres, &moment, Some(DefaultValue::CurrentTimestamp)),
        (Mysql, "_utf8mb4'x'", Postgres, &DataType::TEXT, text("x")),
        (Mysql, "uuid()", Postgres, &DataType::TEXT, None),
        (Mysql, "json_object()", Postgres, &DataType::Json { binary: true }, None),
    ] {
        assert_eq!(default(source, given, target, carries), expected, "{source} to {target}: {given}");
    }
}

#[test]
fn what_this_program_and_mariadb_write_for_checks_is_read_again() {
    check(
        Mysql,
        Postgres,
        &[
            ("`quantity` MOD 2 = 0", Some("(\"quantity\" % 2) = 0")),
            (
                "(`quantity` + 1) MOD 3 <> `quantity` MOD 2",
                Some("((\"quantity\" + 1) % 3) <> (\"quantity\" % 2)"),
            ),
            ("`quantity` mod `year` = 0", None),
        ],
    );
    for (source, target, text, expected) in [
        (Postgres, Sqlite, "huge > 0", Some("CAST(huge AS REAL) > 0")),
        (Sqlite, Postgres, "CAST(huge AS REAL) > 0", Some("huge > 0")),
        (Sqlite, Mysql, "0 <= CAST(huge AS REAL)", Some("0 <= huge")),
        // A double is no measure of such digits but for their sign.
        (Sqlite, Postgres, "CAST(huge AS REAL) > 5", None),
        (Sqlite, Postgres, "CAST(name AS REAL) > 0", None),
    ] {
        let found = translate(source, text, target, Want::Truth, &columns);
        assert_eq!(
            found.map(|text| text.replace(['"', '`'], "")).as_deref(),
            expected,
            "{source} to {target}: {text}"
        );
    }
}
