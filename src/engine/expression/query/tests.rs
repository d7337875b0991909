use super::*;
use Dialect::{Mysql, Postgres, Sqlite};

fn relations() -> Vec<Relation> {
    let relation = |name: &str, columns: Vec<RelationColumn>| Relation {
        source: name.into(),
        name: name.into(),
        columns,
    };
    let column = |name: &str, data_type: DataType, comparison| RelationColumn {
        source: name.into(),
        source_type: "its".into(),
        native_type: "theirs".into(),
        facts: Some(ColumnFacts { name: name.into(), data_type, comparison }),
    };
    let int = |name: &str| column(name, DataType::INT64, Comparison::Exact);
    let text = |name: &str| column(name, DataType::TEXT, Comparison::Exact);
    vec![
        relation(
            "item",
            vec![
                int("id"),
                text("name"),
                column("made", DataType::Date, Comparison::Exact),
                column("price", DataType::Decimal { precision: Some(10), scale: Some(2) }, Comparison::Exact),
                column("loose", DataType::TEXT, Comparison::Loose),
                column("equal", DataType::TEXT, Comparison::Equality),
                column("live", DataType::Bool, Comparison::Exact),
            ],
        ),
        relation("sale", vec![int("id"), int("item"), int("n")]),
        relation(
            "visit",
            vec![
                int("id"),
                column("at", DataType::DateTime { precision: 6 }, Comparison::Exact),
                column("zoned", DataType::Timestamp { precision: 6 }, Comparison::Exact),
            ],
        ),
        relation("untold", vec![int("id"), RelationColumn { facts: None, ..int("epoch") }]),
    ]
}

fn translate(source: Dialect, query: &str, target: Dialect) -> Option<String> {
    let view = view(source, &format!("CREATE VIEW v AS {query}"), target, &relations())?;
    Some(view.query.replace(['"', '`'], ""))
}

#[test]
fn portable_queries_are_put_into_other_words() {
    for (source, query, target, expected) in [
        (
            Sqlite,
            "SELECT * FROM sale",
            Postgres,
            "SELECT sale.id AS id, sale.item AS item, sale.n AS n FROM sale",
        ),
        (
            Sqlite,
            "SELECT i.id, name || '!' AS label FROM item i WHERE live AND n IS NULL ORDER BY label",
            Mysql,
            "",
        ),
        (
            Sqlite,
            "SELECT i.id, name || '!' AS label FROM item i WHERE live ORDER BY label DESC",
            Mysql,
            "SELECT i.id AS id, concat(i.name, '!') AS label FROM item AS i WHERE i.live ORDER BY (concat(i.name, '!')) DESC",
        ),
        (
            Mysql,
            "select `i`.`name` AS `name`,count(0) AS `c`,sum(`s`.`n`) AS `total` from (`item` `i` left join `sale` `s` on((`s`.`item` = `i`.`id`))) group by `i`.`name` having (count(0) > 1)",
            Postgres,
            "SELECT i.name AS name, count(0) AS c, sum(s.n) AS total FROM item AS i LEFT JOIN sale AS s ON s.item = i.id GROUP BY i.name HAVING count(0) > 1",
        ),
        (
            Postgres,
            "SELECT i.id, (i.name)::text AS label FROM (item i JOIN sale s USING (id)) ORDER BY i.made DESC LIMIT 3",
            Sqlite,
            "SELECT i.id AS id, i.name AS label FROM item AS i JOIN sale AS s ON i.id = s.id ORDER BY i.made DESC NULLS FIRST LIMIT 3",
        ),
        (
            Postgres,
            "SELECT id FROM sale ORDER BY n LIMIT 2 OFFSET 1",
            Mysql,
            "SELECT sale.id AS id FROM sale ORDER BY sale.n IS NULL, sale.n LIMIT 2 OFFSET 1",
        ),
        (
            Sqlite,
            "SELECT 'a' AS kind, id FROM item UNION ALL SELECT 'b', n FROM sale",
            Postgres,
            "SELECT 'a' AS kind, item.id AS id FROM item UNION ALL SELECT 'b' AS kind, sale.n AS id FROM sale",
        ),
        (
            Sqlite,
            "SELECT t.total FROM (SELECT item, sum(n) AS total FROM sale GROUP BY 1) AS t, item WHERE item.id = t.item",
            Mysql,
            "SELECT t.total AS total FROM (SELECT sale.item AS item, sum(sale.n) AS total FROM sale GROUP BY sale.item) AS t CROSS JOIN item WHERE item.id = t.item",
        ),
        (
            Postgres,
            "SELECT max(i.price) AS most, count(DISTINCT i.name) AS names, sum(CASE WHEN i.live THEN 1 ELSE 0 END) AS live FROM item i",
            Mysql,
            "SELECT max(i.price) AS most, count(DISTINCT i.name) AS names, sum(CASE WHEN i.live THEN 1 ELSE 0 END) AS live FROM item AS i",
        ),
    ] {
        let expected = Some(expected).filter(|text| !text.is_empty()).map(str::to_owned);
        assert_eq!(translate(source, query, target), expected, "{source} → {target}: {query}");
    }
}

#[test]
fn what_may_give_other_rows_is_not_translated() {
    for query in [
        // Which rows, is chance or a matter of collations.
        "SELECT id FROM item LIMIT 1",
        "SELECT id FROM item ORDER BY equal LIMIT 1",
        // A value that is not the group's.
        "SELECT name, count(*) FROM item",
        "SELECT id, name FROM item GROUP BY id",
        "SELECT loose, count(*) FROM item GROUP BY loose",
        "SELECT DISTINCT loose FROM item",
        "SELECT max(equal) AS m FROM item",
        "SELECT avg(id) AS a FROM item",
        "SELECT id FROM item WHERE loose = 'a'",
        "SELECT id FROM item WHERE name LIKE 'a%'",
        // Which column?
        "SELECT id FROM item, sale",
        "SELECT * FROM item JOIN sale USING (id)",
        "SELECT id, id FROM item",
        "SELECT nothing FROM item",
        "SELECT id FROM nowhere",
        "SELECT * FROM untold",
        "SELECT epoch FROM untold",
        // What nobody looked at.
        "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w WHERE n < 5) SELECT n FROM w",
        "SELECT id FROM item INTERSECT SELECT id FROM sale",
        // It would hide a table.
        "WITH sale AS (SELECT id FROM item) SELECT id FROM sale",
        "WITH w AS (SELECT id FROM item), W AS (SELECT id FROM sale) SELECT id FROM w",
        // Collations decide which rows are one.
        "SELECT loose FROM item UNION SELECT name FROM item",
        "SELECT name FROM item UNION ALL SELECT name FROM item UNION SELECT loose FROM item",
        // The first of several rows.
        "SELECT id, (SELECT n FROM sale WHERE item = i.id) AS n FROM item i",
        "SELECT id FROM item WHERE id IN (SELECT name FROM item AS other)",
        "SELECT id FROM item WHERE loose IN (SELECT name FROM item AS other)",
        "SELECT id FROM item WHERE id IN (SELECT item FROM sale ORDER BY n LIMIT 2)",
        // Whose aggregate is it?
        "SELECT id FROM item i WHERE 1 = (SELECT max(i.id) FROM sale)",
        // Whose name is it?
        "SELECT x.id FROM item x WHERE EXISTS (SELECT 1 FROM sale x WHERE x.n = made)",
        "SELECT count(*) AS c FROM item i HAVING EXISTS (SELECT 1 FROM sale WHERE item = i.id)",
        // Which order?
        "SELECT row_number() OVER () AS n FROM item",
        "SELECT row_number() OVER (ORDER BY equal) AS n FROM item",
        "SELECT rank() OVER (PARTITION BY loose ORDER BY id) AS n FROM item",
        "SELECT sum(n) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM sale",
        "SELECT sum(n) OVER w AS s FROM sale WINDOW w AS (ORDER BY id)",
        "SELECT id FROM sale WHERE row_number() OVER (ORDER BY id) = 1",
        "SELECT ntile(4) OVER (ORDER BY id) AS n FROM item",
        // Dates by a clock, a session or a rounding.
        "SELECT strftime('%Y', 'now') AS y FROM item",
        "SELECT strftime('%S', at) AS s FROM visit",
        "SELECT strftime('%W', made) AS w FROM item",
        "SELECT strftime('%Y', made, '+1 day') AS y FROM item",
        "SELECT strftime('%Y', zoned) AS y FROM visit",
        "SELECT strftime('%Y', name) AS y FROM item",
        "SELECT id FROM item NATURAL JOIN sale",
        "SELECT name FROM item UNION ALL SELECT id FROM sale",
        "SELECT random() AS r FROM item",
        "SELECT sum(DISTINCT n) AS s FROM sale",
        "SELECT count(*) FILTER (WHERE n > 1) AS c FROM sale",
        "SELECT sum(price) AS s FROM item",
        "VALUES (1)",
    ] {
        assert_eq!(translate(Sqlite, query, Postgres), None, "{query}");
    }
    for definition in [
        "CREATE TEMP VIEW v AS SELECT id FROM item",
        "CREATE VIEW v AS SELECT id FROM item; DROP TABLE item",
        "CREATE VIEW v (a, b) AS SELECT id FROM item",
        "SELECT id FROM item",
    ] {
        assert_eq!(view(Sqlite, definition, Postgres, &relations()), None, "{definition}");
    }
    for definition in [
        "CREATE VIEW v AS SELECT DISTINCT ON (id) id FROM item",
        "CREATE VIEW v WITH (security_barrier=true) AS SELECT id FROM item",
        "CREATE MATERIALIZED VIEW v AS SELECT id FROM item",
        "CREATE VIEW v AS SELECT id FROM item FOR UPDATE",
    ] {
        assert_eq!(view(Postgres, definition, Sqlite, &relations()), None, "{definition}");
    }
}

#[test]
fn queries_within_queries_are_put_into_other_words() {
    for (source, query, target, expected) in [
        (
            Sqlite,
            "WITH t(what, total) AS (SELECT item, sum(n) FROM sale GROUP BY item), u AS (SELECT what FROM t WHERE total > 3) \
             SELECT i.name FROM u JOIN item i ON i.id = u.what",
            Postgres,
            "WITH t AS (SELECT sale.item AS what, sum(sale.n) AS total FROM sale GROUP BY sale.item), \
             u AS (SELECT t.what AS what FROM t WHERE t.total > 3) SELECT i.name AS name FROM u JOIN item AS i ON i.id = u.what",
        ),
        (Postgres, "SELECT item.name FROM item UNION SELECT i.name FROM item i ORDER BY name", Mysql, ""),
        (
            Mysql,
            "select `item`.`name` AS `name` from `item` union all select `item`.`name` AS `name` from `item` union select `i`.`name` AS `name` from `item` `i`",
            Sqlite,
            "SELECT item.name AS name FROM item UNION ALL SELECT item.name AS name FROM item UNION SELECT i.name AS name FROM item AS i",
        ),
        (
            Postgres,
            "(SELECT item.id FROM item UNION SELECT sale.id FROM sale) UNION ALL SELECT sale.n FROM sale",
            Sqlite,
            "SELECT item.id AS id FROM item UNION SELECT sale.id AS id FROM sale UNION ALL SELECT sale.n AS id FROM sale",
        ),
        (
            Postgres,
            "SELECT i.id, (SELECT max(s.n) AS max FROM sale s WHERE s.item = i.id) AS most FROM item i \
             WHERE (EXISTS (SELECT 1 FROM sale s WHERE s.item = i.id)) AND NOT (i.id IN (SELECT s.item FROM sale s WHERE s.n > 5))",
            Mysql,
            "SELECT i.id AS id, (SELECT max(s.n) AS max FROM sale AS s WHERE s.item = i.id) AS most FROM item AS i \
             WHERE (EXISTS (SELECT 1 AS c1 FROM sale AS s WHERE s.item = i.id)) AND NOT (i.id IN (SELECT s.item AS item FROM sale AS s WHERE s.n > 5))",
        ),
        (
            Mysql,
            "select `i`.`id` AS `id` from `item` `i` where exists(select 1 from `sale` `s` where `s`.`item` = `i`.`id` limit 1)",
            Sqlite,
            "SELECT i.id AS id FROM item AS i WHERE EXISTS (SELECT 1 AS c1 FROM sale AS s WHERE s.item = i.id)",
        ),
        (
            Mysql,
            "select (select `s`.`n` from `sale` `s` where `s`.`item` = `i`.`id`) AS `n` from `item` `i`",
            Postgres,
            "SELECT (SELECT s.n AS n FROM sale AS s WHERE s.item = i.id) AS n FROM item AS i",
        ),
        (
            Sqlite,
            "SELECT i.name, count(*) AS c FROM item i GROUP BY i.name HAVING count(*) > (SELECT count(*) FROM sale)",
            Postgres,
            "SELECT i.name AS name, count(*) AS c FROM item AS i GROUP BY i.name HAVING count(*) > (SELECT count(*) AS count(*) FROM sale)",
        ),
    ] {
        let expected = Some(expected).filter(|text| !text.is_empty()).map(str::to_owned);
        assert_eq!(translate(source, query, target), expected, "{source} → {target}: {query}");
    }
}

#[test]
fn windows_are_put_into_other_words() {
    for (source, query, target, expected) in [
        (
            Sqlite,
            "SELECT id, row_number() OVER (PARTITION BY item ORDER BY n DESC, id) AS place FROM sale",
            Postgres,
            "SELECT sale.id AS id, row_number() OVER (PARTITION BY sale.item ORDER BY sale.n DESC NULLS LAST, sale.id NULLS FIRST) AS place FROM sale",
        ),
        (
            Postgres,
            "SELECT sale.id, sum(sale.n) OVER (ORDER BY sale.item) AS so_far, count(*) OVER (PARTITION BY sale.item) AS c FROM sale",
            Mysql,
            "SELECT sale.id AS id, sum(sale.n) OVER (ORDER BY sale.item IS NULL, sale.item) AS so_far, count(*) OVER (PARTITION BY sale.item) AS c FROM sale",
        ),
        (
            Mysql,
            "select `sale`.`item` AS `item`,dense_rank() over ( order by sum(`sale`.`n`) desc) AS `r` from `sale` group by `sale`.`item`",
            Sqlite,
            "SELECT sale.item AS item, dense_rank() OVER (ORDER BY (sum(sale.n)) DESC) AS r FROM sale GROUP BY sale.item",
        ),
    ] {
        assert_eq!(
            translate(source, query, target).as_deref(),
            Some(expected),
            "{source} → {target}: {query}"
        );
    }
}

#[test]
fn dates_are_put_into_other_words() {
    for (source, query, target, expected) in [
        (
            Sqlite,
            "SELECT CAST(strftime('%Y', made) AS INTEGER) AS y FROM item",
            Mysql,
            "SELECT year(item.made) AS y FROM item",
        ),
        (
            Sqlite,
            "SELECT strftime('%Y-%m', made) AS m, count(*) AS c FROM item GROUP BY strftime('%Y-%m', made)",
            Postgres,
            "SELECT to_char(CAST(item.made AS timestamp), 'YYYY-MM') AS m, count(*) AS c FROM item GROUP BY to_char(CAST(item.made AS timestamp), 'YYYY-MM')",
        ),
        (
            Mysql,
            "select year(`v`.`at`) AS `y`,dayofmonth(`v`.`at`) AS `d`,cast(`v`.`at` as date) AS `day`,date_format(`v`.`at`,'%H:%i:%s') AS `t` from `visit` `v`",
            Sqlite,
            "SELECT CAST(strftime('%Y', substr(v.at, 1, 19)) AS INTEGER) AS y, CAST(strftime('%d', substr(v.at, 1, 19)) AS INTEGER) AS d, \
             date(substr(v.at, 1, 19)) AS day, strftime('%H:%M:%S', substr(v.at, 1, 19)) AS t FROM visit AS v",
        ),
        (
            Postgres,
            "SELECT EXTRACT(year FROM item.made) AS y, (EXTRACT(month FROM item.made))::integer AS m, to_char((item.made)::timestamp with time zone, 'YYYY/MM'::text) AS t FROM item",
            Mysql,
            "SELECT year(item.made) AS y, month(item.made) AS m, date_format(item.made, '%Y/%m') AS t FROM item",
        ),
        (
            Postgres,
            "SELECT date_trunc('month'::text, visit.at) AS m, (visit.at)::date AS d FROM visit",
            Sqlite,
            "SELECT strftime('%Y-%m-01 00:00:00.000000', substr(visit.at, 1, 19)) AS m, date(substr(visit.at, 1, 19)) AS d FROM visit",
        ),
        (
            Postgres,
            "SELECT date_trunc('hour'::text, visit.at) AS h FROM visit",
            Mysql,
            "SELECT CAST(date_format(visit.at, '%Y-%m-%d %H:00:00') AS DATETIME(6)) AS h FROM visit",
        ),
    ] {
        assert_eq!(
            translate(source, query, target).as_deref(),
            Some(expected),
            "{source} → {target}: {query}"
        );
    }
    for query in [
        "SELECT date_trunc('month'::text, (item.made)::timestamp with time zone) AS m FROM item",
        "SELECT date_trunc('week'::text, visit.at) AS w FROM visit",
        "SELECT EXTRACT(year FROM visit.zoned) AS y FROM visit",
        "SELECT EXTRACT(epoch FROM visit.at) AS y FROM visit",
        "SELECT EXTRACT(hour FROM item.made) AS y FROM item",
        "SELECT to_char(visit.at, 'Month'::text) AS m FROM visit",
    ] {
        assert_eq!(translate(Postgres, query, Sqlite), None, "{query}");
    }
}

#[test]
fn columns_say_how_they_are_read() {
    let text = "CREATE VIEW v (a, b, c) AS SELECT price, count(*), sum(id) FROM item GROUP BY price";
    let view = view(Sqlite, text, Postgres, &relations()).unwrap();
    assert!(
        view.query.starts_with("SELECT \"item\".\"price\" AS \"a\", count(*) AS \"b\""),
        "{}",
        view.query
    );
    let told: Vec<(&str, &str, DataType)> = view
        .columns
        .iter()
        .map(|c| (c.source.as_str(), c.native_type.as_str(), c.facts.clone().unwrap().data_type))
        .collect();
    assert_eq!(
        told,
        [
            ("a", "theirs", DataType::Decimal { precision: Some(10), scale: Some(2) }),
            ("b", "", DataType::INT64),
            ("c", "", DataType::Decimal { precision: Some(15), scale: None }),
        ]
    );
}

/// Each gives the same rows until data comes by which the two readings part.
#[test]
fn what_reads_otherwise_on_one_side_is_not_translated() {
    for (source, query, target) in [
        // The comma binds weaker than RIGHT JOIN.
        (Postgres, "SELECT item.id FROM item, sale s RIGHT JOIN visit v ON s.id = v.id", Mysql),
        // A name that has no place in the view is no string.
        (Sqlite, r#"SELECT id FROM untold WHERE "epoch" IS NULL"#, Postgres),
        // The number that the text begins with.
        (Sqlite, "SELECT id FROM item WHERE CAST(name AS DATE) = made", Postgres),
        // The place of a column.
        (Sqlite, "SELECT name, id, 1 AS p FROM item ORDER BY p, id LIMIT 10", Postgres),
        // A decimal of few digits.
        (Postgres, "SELECT avg(date_part('year', made)) AS y FROM item", Mysql),
        // An alias of the result would come first.
        (Sqlite, "SELECT id FROM item WHERE EXISTS (SELECT 1 FROM sale WHERE name = 'a')", Postgres),
        // Literals sort as the session has it.
        (
            Sqlite,
            "WITH k AS (SELECT CASE WHEN id > 5 THEN 'Big' ELSE 'all' END AS s, id FROM item) \
             SELECT s, id FROM k ORDER BY s, id LIMIT 10",
            Postgres,
        ),
    ] {
        assert_eq!(translate(source, query, target), None, "{query}");
    }
}
