//! Targets whose schema Django, Rails, Alembic or Nextcloud has made: rows go into it, the notes of the migration tool
//! stay as they are, and the application goes on inserting.

use crate::support::binary;
use crate::support::database::{Db, Engine};

#[test]
fn a28_a_value_longer_than_the_target_takes() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(40));
         INSERT INTO person VALUES (1, 'short'), (7, '{}'), (8, NULL)",
        "x".repeat(60)
    ));
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        target.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(40))");
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        let json = ran.json();
        let found =
            json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "target_mismatch").unwrap();
        assert_eq!((&found["table"], &found["column"]), (&"person".into(), &"name".into()), "{found}");
        assert_eq!(found["rows"], 1, "{found}");
        assert_eq!(found["keys"][0], "id=7", "{found}");
        assert!(!ran.to_string().contains("xxxx"), "a value is shown: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM person").as_deref(), Some("0"));
        // Without --data-only the empty table gives way to one that holds it.
        assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 0);
        assert_eq!(target.value("SELECT char_length(name) FROM person WHERE id = 7").as_deref(), Some("60"));
    }
}

#[test]
fn letters_and_uuids_that_a_column_of_the_target_does_not_take() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), u uuid);
         INSERT INTO t VALUES (1, 'ação €', 'ação 日', NULL), (2, '日', 'x', NULL), (3, 'x', '😀', NULL),
             (4, 'x', 'x', '01234567-89ab-cdef-0123-456789abcdef'), (5, NULL, NULL, '0190163d-8694-739b-aea5-966c26f8ad90')",
    );
    for engine in Engine::mysqls() {
        let target = Db::fresh(engine);
        let uuid = if engine == Engine::Mariadb { "uuid" } else { "char(36)" };
        target.execute(&format!(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1, b VARCHAR(20) CHARACTER SET utf8mb3,
                 u {uuid})"
        ));
        for more in [&["--data-only", "--dry-run"][..], &["--data-only"]] {
            let ran = binary::migrate(&source.url, &target.url, more);
            assert_eq!(ran.code, 4, "{engine:?}: {ran}");
            let json = ran.json();
            let found =
                json["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "target_mismatch");
            let told: Vec<String> =
                found.map(|f| format!("{} {} {}", f["column"], f["rows"], f["keys"])).collect();
            let mut expected = vec!["\"a\" 1 [\"id=2\"]", "\"b\" 1 [\"id=3\"]"];
            if engine == Engine::Mariadb {
                expected.push("\"u\" 1 [\"id=4\"]");
            }
            assert_eq!(told, expected, "{engine:?}: {ran}");
            assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("0"));
        }
        let uuid = if engine == Engine::Mariadb { "VARCHAR(36)" } else { "CHAR(36)" };
        target.execute(&format!(
            "ALTER TABLE t MODIFY a VARCHAR(20) CHARACTER SET utf8mb4, MODIFY b VARCHAR(20) CHARACTER SET utf8mb4,
                 MODIFY u {uuid}"
        ));
        assert_eq!(binary::migrate(&source.url, &target.url, &["--data-only"]).code, 0, "{engine:?}");
    }
}

/// Django on SQLite.
const DJANGO: &str = r#"
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
INSERT INTO django_migrations VALUES (1, 'shop', '0001_initial', '2024-01-01 10:00:00.000001');
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq" ON "django_content_type" ("app_label", "model");
INSERT INTO django_content_type VALUES (4, 'shop', 'order'), (9, 'shop', 'item');
CREATE TABLE "shop_order" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "token" char(32) NOT NULL UNIQUE, "paid" bool NOT NULL, "total" decimal NOT NULL, "placed" datetime NOT NULL, "day" date NULL, "note" text NOT NULL, "count" integer unsigned NOT NULL CHECK ("count" >= 0));
INSERT INTO shop_order VALUES
 (3, '0123456789abcdef0123456789abcdef', 1, 19.9, '2024-05-01 12:30:00.123456', '2024-05-01', 'ação', 2),
 (40, 'fedcba9876543210fedcba9876543210', 0, 5, '2023-12-31 23:59:59', NULL, '', 0);
DELETE FROM shop_order WHERE id = 40;
CREATE TABLE "shop_item" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "order_id" bigint NOT NULL REFERENCES "shop_order" ("id") DEFERRABLE INITIALLY DEFERRED, "content_type_id" integer NOT NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED, "rate" real NULL);
CREATE INDEX "shop_item_order_id_c9d9f8a1" ON "shop_item" ("order_id");
INSERT INTO shop_item VALUES (1, 3, 9, 0.1);
"#;

/// The same as `manage.py migrate` makes it on PostgreSQL.
const DJANGO_POSTGRES: &str = r#"
CREATE TABLE "django_migrations" ("id" bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" timestamp with time zone NOT NULL);
INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_initial', '2024-06-06 06:06:06+00');
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
ALTER TABLE "django_content_type" ADD CONSTRAINT "django_content_type_app_label_model_76bd3d3b_uniq" UNIQUE ("app_label", "model");
INSERT INTO django_content_type (app_label, model) VALUES ('shop', 'order'), ('shop', 'item');
CREATE TABLE "shop_order" ("id" bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "token" uuid NOT NULL UNIQUE, "paid" boolean NOT NULL, "total" numeric(10, 2) NOT NULL, "placed" timestamp with time zone NOT NULL, "day" date NULL, "note" text NOT NULL, "count" integer NOT NULL CHECK ("count" >= 0));
CREATE TABLE "shop_item" ("id" bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "order_id" bigint NOT NULL, "content_type_id" integer NOT NULL, "rate" double precision NULL);
ALTER TABLE "shop_item" ADD CONSTRAINT "shop_item_order_id_c9d9f8a1_fk_shop_order_id" FOREIGN KEY ("order_id") REFERENCES "shop_order" ("id") DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE "shop_item" ADD CONSTRAINT "shop_item_content_type_id_fk" FOREIGN KEY ("content_type_id") REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX "shop_item_order_id_c9d9f8a1" ON "shop_item" ("order_id");
"#;

/// And on MySQL and MariaDB.
const DJANGO_MYSQL: &str = "
CREATE TABLE `django_migrations` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `app` varchar(255) NOT NULL, `name` varchar(255) NOT NULL, `applied` datetime(6) NOT NULL);
INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_initial', '2024-06-06 06:06:06');
CREATE TABLE `django_content_type` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `app_label` varchar(100) NOT NULL, `model` varchar(100) NOT NULL);
ALTER TABLE `django_content_type` ADD CONSTRAINT `django_content_type_app_label_model_76bd3d3b_uniq` UNIQUE (`app_label`, `model`);
INSERT INTO django_content_type (app_label, model) VALUES ('shop', 'order'), ('shop', 'item');
CREATE TABLE `shop_order` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `token` char(32) NOT NULL UNIQUE, `paid` bool NOT NULL, `total` numeric(10, 2) NOT NULL, `placed` datetime(6) NOT NULL, `day` date NULL, `note` longtext NOT NULL, `count` integer UNSIGNED NOT NULL CHECK (`count` >= 0));
CREATE TABLE `shop_item` (`id` bigint AUTO_INCREMENT NOT NULL PRIMARY KEY, `order_id` bigint NOT NULL, `content_type_id` integer NOT NULL, `rate` double precision NULL);
ALTER TABLE `shop_item` ADD CONSTRAINT `shop_item_order_id_c9d9f8a1_fk_shop_order_id` FOREIGN KEY (`order_id`) REFERENCES `shop_order` (`id`);
ALTER TABLE `shop_item` ADD CONSTRAINT `shop_item_content_type_id_fk` FOREIGN KEY (`content_type_id`) REFERENCES `django_content_type` (`id`);
";

fn django(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    db.execute(match engine {
        Engine::Sqlite => DJANGO,
        Engine::Postgres => DJANGO_POSTGRES,
        Engine::Mariadb | Engine::Mysql => DJANGO_MYSQL,
    });
    db
}

fn codes(ran: &binary::Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a92_a_django_schema_on_the_target() {
    let source = django(Engine::Sqlite);
    for engine in Engine::servers() {
        for more in [&["--data-only"][..], &[]] {
            let target = django(engine);
            // Django has filled two tables by itself: what to do about it is said.
            let ran = binary::migrate(&source.url, &target.url, more);
            assert_eq!(ran.code, 4, "{engine:?} {more:?}: {ran}");
            assert!(ran.to_string().contains("DELETE FROM auth_permission"), "{ran}");
            target.execute("DELETE FROM django_content_type");
            let ran = binary::migrate(&source.url, &target.url, more);
            assert_eq!(ran.code, 0, "{engine:?} {more:?}: {ran}");
            assert!(codes(&ran).contains(&"history_kept".to_owned()), "{ran}");
            let applied = target.query("SELECT id, applied FROM django_migrations").concat();
            assert!(applied[1].as_ref().unwrap().starts_with("2024-06-06 06:06:06"), "{applied:?}");
            assert_eq!(applied.len(), 2, "{applied:?}");

            let order = target.query("SELECT id, token, total, placed, day, note FROM shop_order").concat();
            let order: Vec<&str> = order.iter().map(|v| v.as_deref().unwrap()).collect();
            let token = order[1].replace('-', "");
            assert_eq!(
                (order[0], token.as_str(), order[2]),
                ("3", "0123456789abcdef0123456789abcdef", "19.90")
            );
            assert!(order[3].starts_with("2024-05-01 12:30:00.123456"), "{order:?}");
            assert_eq!(order[4..], ["2024-05-01", "ação"]);
            assert_eq!(target.value("SELECT content_type_id FROM shop_item").as_deref(), Some("9"));
            // The application's next rows.
            target.execute(
                "INSERT INTO shop_order (token, paid, total, placed, note, count)
                 VALUES ('00000000000000000000000000000001', true, 1.5, '2024-07-01 00:00:00', 'n', 1)",
            );
            assert_eq!(
                target.value("SELECT max(id) FROM shop_order").as_deref(),
                Some("41"),
                "{engine:?} {more:?}"
            );
            target.execute("INSERT INTO django_content_type (app_label, model) VALUES ('shop', 'new')");
            assert_eq!(target.value("SELECT max(id) FROM django_content_type").as_deref(), Some("10"));
        }
    }
}

/// Rails notes each version, Alembic the newest: a target that is further on is said.
#[test]
fn a92_rails_and_alembic_notes_stay() {
    let schema = |engine: Engine| {
        let id = match engine {
            Engine::Sqlite => "integer PRIMARY KEY AUTOINCREMENT NOT NULL",
            Engine::Postgres => "bigserial PRIMARY KEY",
            Engine::Mariadb | Engine::Mysql => "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
        };
        let datetime = match engine {
            Engine::Postgres => "timestamp(6) without time zone",
            _ => "datetime(6)",
        };
        format!(
            "CREATE TABLE schema_migrations (version varchar(255) NOT NULL PRIMARY KEY);
             CREATE TABLE ar_internal_metadata (`key` varchar(255) NOT NULL PRIMARY KEY, value varchar(255),
                 created_at {datetime} NOT NULL, updated_at {datetime} NOT NULL);
             CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,
                 CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
             CREATE TABLE posts (id {id}, title varchar(255), created_at {datetime} NOT NULL);
             CREATE INDEX index_posts_on_title ON posts (title);
             INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-01-01 00:00:00', '2024-01-01 00:00:00');
             INSERT INTO schema_migrations VALUES ('20240101000000');"
        )
        .replace('`', if engine == Engine::Postgres { "\"" } else { "`" })
    };
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&schema(Engine::Sqlite));
    source.execute(
        "INSERT INTO posts VALUES (5, 'a post', '2024-02-03 04:05:06.000007');
         INSERT INTO alembic_version VALUES ('aaaa')",
    );
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute(&schema(engine));
        target.execute(
            "INSERT INTO schema_migrations VALUES ('20240202000000'); INSERT INTO alembic_version VALUES ('aaaa')",
        );
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 1, "{engine:?}: {ran}");
        let mut codes = codes(&ran);
        codes.retain(|c| c == "history_kept" || c == "migration_state");
        codes.sort();
        assert_eq!(codes, ["history_kept", "history_kept", "migration_state"], "{ran}");
        assert_eq!(target.value("SELECT count(*) FROM schema_migrations").as_deref(), Some("2"));
        assert_eq!(target.value("SELECT count(*) FROM alembic_version").as_deref(), Some("1"));
        target.execute("INSERT INTO posts (title, created_at) VALUES ('next', '2024-03-01 00:00:00')");
        assert_eq!(target.value("SELECT max(id) FROM posts").as_deref(), Some("6"), "{engine:?}");
    }
    // Where the target has no such table, the notes move as any other rows.
    let target = Db::fresh(Engine::Postgres);
    assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 0);
    assert_eq!(target.value("SELECT version_num FROM alembic_version").as_deref(), Some("aaaa"));
}

/// Nextcloud from MySQL to PostgreSQL, as `occ db:convert-type` does it: the new schema is there and empty.
#[test]
fn a92_a_nextcloud_schema_on_the_target() {
    for from in Engine::mysqls() {
        let source = Db::fresh(from);
        source.execute(
            "CREATE TABLE oc_filecache (fileid bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, storage bigint NOT NULL DEFAULT 0,
                 path varchar(4000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, path_hash varchar(32) NOT NULL DEFAULT '',
                 encrypted int NOT NULL DEFAULT 0, UNIQUE KEY fs_storage_path_hash (storage, path_hash));
             CREATE TABLE oc_share (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, share_type smallint NOT NULL DEFAULT 0,
                 expiration datetime, accepted tinyint(1) NOT NULL DEFAULT 0, note longtext);
             INSERT INTO oc_filecache VALUES (12, 1, 'files/Fotos/é.jpg', 'abc', 0), (90, 1, '', 'd41d', 0);
             DELETE FROM oc_filecache WHERE fileid = 90;
             INSERT INTO oc_share VALUES (1, 3, '2025-01-01 00:00:00', 1, 'x'), (2, 0, NULL, 0, NULL)",
        );
        let target = Db::fresh(Engine::Postgres);
        target.execute(
            "CREATE TABLE oc_filecache (fileid bigserial PRIMARY KEY, storage bigint NOT NULL DEFAULT 0,
                 path varchar(4000), path_hash varchar(32) NOT NULL DEFAULT '', encrypted integer NOT NULL DEFAULT 0);
             CREATE UNIQUE INDEX fs_storage_path_hash ON oc_filecache (storage, path_hash);
             CREATE TABLE oc_share (id bigserial PRIMARY KEY, share_type smallint NOT NULL DEFAULT 0,
                 expiration timestamp(0) without time zone, accepted boolean NOT NULL DEFAULT false, note text)",
        );
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 0, "{from:?}: {ran}");
        assert_eq!(target.value("SELECT path FROM oc_filecache").as_deref(), Some("files/Fotos/é.jpg"));
        assert_eq!(target.value("SELECT count(*) FROM oc_share WHERE accepted").as_deref(), Some("1"));
        target.execute("INSERT INTO oc_filecache (path, path_hash) VALUES ('new', 'h')");
        assert_eq!(target.value("SELECT max(fileid) FROM oc_filecache").as_deref(), Some("91"));
    }
}
