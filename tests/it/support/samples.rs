//! The sample databases of other people (`../shared/data`), loaded as that folder's README says, through the real
//! clients; with the exact row counts that it lists.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use super::database::{Db, Engine};

/// Folder of the samples, if it is there.
pub fn folder() -> Option<PathBuf> {
    let path = std::env::var_os("TECHCARE_DB_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if path.join("README.md").exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: no sample databases in {} (TECHCARE_DB_TEST_DATA names another folder)",
        path.display()
    );
    None
}

/// A sample, loaded once a test process and never written to afterwards. `None` where the folder is missing.
pub fn sample(name: &'static str, engine: Engine) -> Option<Arc<Db>> {
    type Shelf = HashMap<(&'static str, Engine), Arc<OnceLock<Arc<Db>>>>;
    static LOADED: OnceLock<Mutex<Shelf>> = OnceLock::new();
    let folder = folder()?;
    let place =
        Arc::clone(LOADED.get_or_init(Mutex::default).lock().unwrap().entry((name, engine)).or_default());
    Some(Arc::clone(place.get_or_init(|| Arc::new(load(&folder, name, engine)))))
}

fn load(folder: &Path, name: &str, engine: Engine) -> Db {
    let dir = folder.join(name);
    let file = |name: &str| dir.join(name);
    match (name, engine) {
        ("chinook", Engine::Sqlite) => open(&file("Chinook_Sqlite.sqlite")),
        ("northwind", Engine::Sqlite) => open(&file("northwind.db")),
        ("sakila", Engine::Sqlite) => open(&file("sakila.db.gz")),
        ("trac", Engine::Sqlite) => open(&file("trac.db")),
        ("oscar", Engine::Sqlite) => open(&file("oscar.sqlite3.gz")),
        ("chinook", Engine::Postgres) => {
            feed(engine, &engine.server(), &file("Chinook_PostgreSql.sql"));
            Db::existing(engine, "chinook")
        }
        ("chinook", Engine::Mariadb | Engine::Mysql) => {
            feed(engine, &engine.server(), &file("Chinook_MySql.sql"));
            Db::existing(engine, "Chinook")
        }
        ("sakila", Engine::Mariadb | Engine::Mysql) => {
            feed(engine, &engine.server(), &file("sakila_mysql_schema.sql"));
            feed(engine, &engine.server(), &file("sakila_mysql_data.sql.gz"));
            Db::existing(engine, "sakila")
        }
        _ => {
            let db = Db::fresh(engine);
            let scripts: &[&str] = match (name, engine) {
                ("pagila", Engine::Postgres) => {
                    &["pagila-schema.sql", "pagila-data.sql.gz", "pagila-schema-jsonb.sql"]
                }
                ("trac", Engine::Postgres) => &["trac_postgresql.sql"],
                ("trac", Engine::Mariadb) => &["trac_mariadb.sql"],
                ("oscar", Engine::Postgres) => &["oscar_postgresql15.sql.gz"],
                ("oscar", Engine::Mariadb) => &["oscar_mariadb.sql.gz"],
                _ => panic!("{name} does not come as {engine:?}"),
            };
            for script in scripts {
                feed(engine, &db.url, &file(script));
            }
            db
        }
    }
}

/// A private copy of a SQLite sample.
fn open(file: &Path) -> Db {
    let db = Db::fresh(Engine::Sqlite);
    std::fs::write(db.path(), unpacked(file)).unwrap();
    db
}

fn unpacked(file: &Path) -> Vec<u8> {
    if file.extension().is_some_and(|end| end == "gz") {
        let done = Command::new("gzip").arg("-dc").arg(file).output().unwrap();
        assert!(done.status.success(), "{}", file.display());
        done.stdout
    } else {
        std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

/// Feeds a script to the engine's own client, as `psql -f` and `mysql <` do.
fn feed(engine: Engine, url: &str, file: &Path) {
    let mut client;
    if engine == Engine::Postgres {
        client = Command::new("psql");
        client.args(["-X", "-q", "-o", "/dev/null", "-d", url]);
    } else {
        client = super::client::mariadb(url);
        client.arg("--default-character-set=utf8mb4");
    }
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), unpacked(file)).unwrap();
    let done = client
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::from(std::fs::File::open(script.path()).unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{client:?}: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", file.display());
}

/// Names as the README spells them turned into those of the PostgreSQL script of chinook.
pub fn snake(name: &str) -> String {
    let mut text = String::new();
    for (i, letter) in name.char_indices() {
        if letter.is_uppercase() && i > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Exact row counts of a sample, tables without rows included with 0.
pub fn counts(name: &str, engine: Engine) -> Vec<(String, usize)> {
    let (full, empty) = match name {
        "chinook" => (CHINOOK, ""),
        "northwind" => (NORTHWIND, "CustomerCustomerDemo,CustomerDemographics"),
        "sakila" => (SAKILA, ""),
        "pagila" => (PAGILA, "packages_apt_postgresql_org,packages_yum_postgresql_org"),
        "trac" => (TRAC, TRAC_EMPTY),
        "oscar" => (OSCAR, OSCAR_EMPTY),
        other => panic!("no counts of {other}"),
    };
    let mut counts: Vec<(String, usize)> = full
        .split(',')
        .map(|pair| {
            let (table, rows) = pair.trim().rsplit_once(' ').unwrap();
            (table.to_owned(), rows.parse().unwrap())
        })
        .chain(
            empty.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| (name.to_owned(), 0)),
        )
        .collect();
    if name == "chinook" && engine == Engine::Postgres {
        for (table, _) in &mut counts {
            *table = snake(table);
        }
    }
    counts.sort();
    counts
}

const CHINOOK: &str = "Album 347, Artist 275, Customer 59, Employee 8, Genre 25, Invoice 412, InvoiceLine 2240, \
    MediaType 5, Playlist 18, PlaylistTrack 8715, Track 3503";

const NORTHWIND: &str = "Categories 8, Customers 93, EmployeeTerritories 49, Employees 9, Order Details 2155, \
    Orders 830, Products 77, Regions 4, Shippers 3, Suppliers 29, Territories 53";

const SAKILA: &str = "actor 200, address 603, category 16, city 600, country 109, customer 599, film 1000, \
    film_actor 5462, film_category 1000, film_text 1000, inventory 4581, language 6, payment 16049, rental 16044, \
    staff 2, store 2";

const PAGILA: &str = "actor 200, address 603, category 16, city 600, country 109, customer 599, film 1000, \
    film_actor 5462, film_category 2367, inventory 4581, language 6, payment 16049, rental 16044, staff 1500, \
    store 500";

const TRAC: &str =
    "cache 2, component 2, enum 13, milestone 4, permission 16, report 8, system 2, version 2, wiki 60";

const TRAC_EMPTY: &str = "attachment, auth_cookie, node_change, notify_subscription, notify_watch, repository, revision, session, \
    session_attribute, ticket, ticket_change, ticket_custom";

const OSCAR: &str = "address_country 249, analytics_userrecord 1, auth_group 1, auth_permission 369, auth_user 2, \
    catalogue_attributeoption 3, catalogue_attributeoptiongroup 1, catalogue_category 7, catalogue_product \
    209, catalogue_productattribute 1, catalogue_productattributevalue 8, catalogue_productcategory 204, \
    catalogue_productclass 2, catalogue_productimage 140, django_content_type 92, django_flatpage 1, \
    django_flatpage_sites 1, django_migrations 161, django_site 1, offer_benefit 3, offer_condition 3, \
    offer_conditionaloffer 3, offer_range 2, offer_range_included_categories 1, order_line 1, \
    order_lineprice 1, order_order 1, order_orderdiscount 1, order_shippingaddress 1, partner_partner 2, \
    partner_stockrecord 203";

const OSCAR_EMPTY: &str = "address_useraddress, analytics_productrecord, analytics_userproductview, analytics_usersearch, \
    auth_group_permissions, auth_user_groups, auth_user_user_permissions, basket_basket, \
    basket_basket_vouchers, basket_line, basket_lineattribute, catalogue_option, \
    catalogue_product_product_options, catalogue_productattributevalue_value_multi_option, \
    catalogue_productclass_options, catalogue_productrecommendation, communication_communicationeventtype, \
    communication_email, communication_notification, customer_productalert, django_admin_log, \
    django_session, easy_thumbnails_source, easy_thumbnails_thumbnail, easy_thumbnails_thumbnaildimensions, \
    offer_conditionaloffer_combinations, offer_range_classes, offer_range_excluded_categories, \
    offer_range_excluded_products, offer_rangeproduct, offer_rangeproductfileupload, order_billingaddress, \
    order_communicationevent, order_lineattribute, order_orderlinediscount, order_ordernote, \
    order_orderstatuschange, order_paymentevent, order_paymenteventquantity, order_paymenteventtype, \
    order_shippingevent, order_shippingeventquantity, order_shippingeventtype, order_surcharge, \
    partner_partner_users, partner_partneraddress, partner_stockalert, payment_bankcard, payment_source, \
    payment_sourcetype, payment_transaction, reviews_productreview, reviews_vote, \
    shipping_orderanditemcharges, shipping_orderanditemcharges_countries, shipping_weightband, \
    shipping_weightbased, shipping_weightbased_countries, thumbnail_kvstore, voucher_voucher, \
    voucher_voucher_offers, voucher_voucherapplication, voucher_voucherset, wishlists_line, \
    wishlists_wishlist, wishlists_wishlistsharedemail";
