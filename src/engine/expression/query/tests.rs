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
        "WITH w AS (SELECT 1 AS a) SELECT a FROM w",
        "SELECT id FROM item WHERE EXISTS (SELECT 1 FROM sale)",
        "SELECT row_number() OVER (ORDER BY id) AS n FROM item",
        "SELECT id FROM item UNION SELECT id FROM sale",
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
