//! What the settings of MySQL and MariaDB should be for a small application that shares its machine with the server.
//! Pure. The figures are those of the documentation that each advice names; where it gives a range, the modest end.

use std::collections::HashMap;

use super::literal;
use crate::model::endpoint::Flavour;
use crate::model::tune::{Advice, Circumstances, Effect, GIB, MIB, Stand};

/// Settings that are looked at, or that advice about others depends on.
pub const NAMES: &[&str] = &[
    "innodb_buffer_pool_size",
    "innodb_redo_log_capacity",
    "innodb_log_file_size",
    "max_allowed_packet",
    "character_set_server",
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "innodb_doublewrite",
    "innodb_buffer_pool_chunk_size",
    "innodb_buffer_pool_instances",
    "innodb_log_files_in_group",
    "innodb_dedicated_server",
    "log_bin",
];

/// Both products' default size of the buffer pool.
const DEFAULT_POOL: u64 = 128 * MIB;

/// Least that a packet should be allowed to be: a row with a few long texts, or a statement of a dump.
const LEAST_PACKET: u64 = 16 * MIB;

/// Default of MySQL 8.
const USUAL_PACKET: u64 = 64 * MIB;

/// What MySQL lets nobody persist.
const UNKEPT: &str = "innodb_doublewrite";

/// Product and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Product.
    pub flavour: Flavour,
    /// Version.
    pub version: (u32, u32, u32),
}

impl Server {
    /// Whether it keeps settings by itself (SET PERSIST).
    pub fn persists(self) -> bool {
        self.flavour == Flavour::Mysql && self.version >= (8, 0, 0)
    }

    /// Whether it keeps this setting.
    fn keeps(self, setting: &str) -> bool {
        self.persists() && setting != UNKEPT
    }

    /// The statement that sets.
    pub fn statement(self, setting: &str, value: &str, effect: Effect) -> String {
        let how = match (self.persists(), effect) {
            (true, Effect::Restart) => "PERSIST_ONLY",
            (true, _) => "PERSIST",
            (false, _) => "GLOBAL",
        };
        format!("SET {how} {setting} = {}", written(value))
    }

    /// How somebody else makes it last.
    fn by_hand(self, setting: &str, value: &str, effect: Effect) -> String {
        if self.keeps(setting) {
            self.statement(setting, value, effect)
        } else {
            format!("in an option file, under [mysqld]: {setting} = {value}")
        }
    }

    /// Whether the log of InnoDB changes its size while the server runs.
    fn resizes_log(self) -> bool {
        match self.flavour {
            Flavour::Mariadb => self.version >= (10, 9, 0),
            _ => self.version >= (8, 0, 30),
        }
    }

    /// The setting of the log's size.
    fn log_setting(self) -> &'static str {
        if self.flavour == Flavour::Mysql && self.resizes_log() {
            "innodb_redo_log_capacity"
        } else {
            "innodb_log_file_size"
        }
    }

    fn source(self, setting: &str) -> String {
        let page = match (self.flavour, setting) {
            (Flavour::Mariadb, name) if name.starts_with("innodb") => "innodb-system-variables",
            (Flavour::Mariadb, "sync_binlog") => "replication-and-binary-log-system-variables",
            (Flavour::Mariadb, _) => "server-system-variables",
            (_, name) if name.starts_with("innodb") => "innodb-parameters",
            (_, "sync_binlog") => "replication-options-binary-log",
            _ => "server-system-variables",
        };
        if self.flavour == Flavour::Mariadb {
            format!("https://mariadb.com/kb/en/{page}/#{setting}")
        } else {
            let (major, minor, _) = self.version;
            format!("https://dev.mysql.com/doc/refman/{major}.{minor}/en/{page}.html#sysvar_{setting}")
        }
    }
}

/// A value in a statement: numbers as they are, everything else as a string.
pub fn written(value: &str) -> String {
    if value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty() {
        value.to_owned()
    } else {
        literal(value)
    }
}

/// What is advised.
pub fn advise(found: &HashMap<String, String>, circumstances: &Circumstances, server: Server) -> Vec<Advice> {
    let rules = Rules { found, circumstances, server };
    let all = [
        rules.buffer_pool(),
        rules.log(),
        rules.packet(),
        rules.character_set(),
        rules.flush_at_commit(),
        rules.binary_log(),
        rules.doublewrite(),
    ];
    all.into_iter().flatten().map(|advice| rules.completed(advice)).collect()
}

struct Rules<'a> {
    found: &'a HashMap<String, String>,
    circumstances: &'a Circumstances,
    server: Server,
}

impl Rules<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.found.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("on"))
    }

    fn well(&self, name: &str, why: &str) -> Advice {
        let now = self.text(name).unwrap_or_default();
        Advice::well(name, now, why, self.server.source(name))
    }

    fn completed(&self, advice: Advice) -> Advice {
        let (Some(value), Some(effect)) = (&advice.advised, advice.takes_effect) else { return advice };
        let by_hand = self.server.by_hand(&advice.setting, value, effect);
        let not_settable = (effect == Effect::Restart && !self.server.keeps(&advice.setting)).then(|| {
            "it is read when the server starts, and the server does not keep it by itself".to_owned()
        });
        Advice { by_hand: Some(by_hand), not_settable, ..advice }
    }

    /// Whether the server chooses sizes itself.
    fn chooses_itself(&self) -> bool {
        self.is_on("innodb_dedicated_server")
    }

    fn buffer_pool(&self) -> Option<Advice> {
        const NAME: &str = "innodb_buffer_pool_size";
        let now = self.number(NAME)?;
        if self.chooses_itself() {
            return Some(self.well(NAME, "the server chooses it by itself (innodb_dedicated_server)"));
        }
        let Some(memory) = self.circumstances.memory else {
            let why = "depends on the memory of the server's machine";
            return Some(self.well(NAME, why).stands(Stand::MemoryUnknown));
        };
        // It is always a multiple of this.
        let chunk = self.number("innodb_buffer_pool_chunk_size").filter(|n| *n > 0).unwrap_or(DEFAULT_POOL);
        let step = chunk.saturating_mul(self.number("innodb_buffer_pool_instances").unwrap_or(1).max(1));
        // Half is the modest end of 50 to 75 %. Below 1 GB MySQL itself stays at its default.
        let most = if memory >= GIB { down(memory / 2, step) } else { down(memory / 4, step) }
            .max(step.min(DEFAULT_POOL));
        let size = self.circumstances.size;
        let wanted = up(size.saturating_add(size / 2), step).max(DEFAULT_POOL).min(most);
        Some(if now > memory / 4 * 3 && now > most {
            let why = "more than 75 % of the memory; the system and the application need the rest";
            self.well(NAME, why).advise(Stand::Change, most.to_string(), Effect::AtOnce)
        } else if now + now / 4 < wanted {
            let why = "the cache of tables and indexes: what the databases hold and half as much again, up to 50 % of \
                       the memory";
            self.well(NAME, why).advise(Stand::Change, wanted.to_string(), Effect::AtOnce)
        } else {
            self.well(NAME, "enough for what the databases hold, or half of the memory")
        })
    }

    fn log(&self) -> Option<Advice> {
        let name = self.server.log_setting();
        let files = match (self.server.flavour, name) {
            (Flavour::Mysql, "innodb_log_file_size") => {
                self.number("innodb_log_files_in_group").unwrap_or(2).max(1)
            }
            _ => 1,
        };
        let now = self.number(name)?;
        if self.chooses_itself() {
            return Some(self.well(name, "the server chooses it by itself (innodb_dedicated_server)"));
        }
        let least = if self.server.flavour == Flavour::Mariadb { 96 * MIB } else { 100 * MIB };
        let wanted = up(self.circumstances.size / 4, 64 * MIB).clamp(least, GIB);
        let effect = if self.server.resizes_log() { Effect::AtOnce } else { Effect::Restart };
        Some(if now.saturating_mul(files) + now / 4 < wanted {
            let why = "a small log makes InnoDB write pages again and again while much is changed, as in a load or a \
                       migration";
            self.well(name, why).advise(Stand::Change, wanted.div_ceil(files).to_string(), effect)
        } else {
            self.well(name, "enough for what the databases hold")
        })
    }

    fn packet(&self) -> Option<Advice> {
        const NAME: &str = "max_allowed_packet";
        Some(if self.number(NAME)? < LEAST_PACKET {
            let why = "a long value, or a statement of a backup that is loaded, may not go through";
            self.well(NAME, why).advise(Stand::Change, USUAL_PACKET.to_string(), Effect::NewConnections)
        } else {
            self.well(NAME, "long values and statements of backups go through")
        })
    }

    fn character_set(&self) -> Option<Advice> {
        const NAME: &str = "character_set_server";
        Some(if self.text(NAME)?.eq_ignore_ascii_case("utf8mb4") {
            self.well(NAME, "databases that are made without a character set hold every character")
        } else {
            let why = "databases that are made without a character set do not hold every character; those that are \
                       there stay as they are";
            self.well(NAME, why).advise(Stand::Change, "utf8mb4", Effect::NewDatabases)
        })
    }

    fn flush_at_commit(&self) -> Option<Advice> {
        const NAME: &str = "innodb_flush_log_at_trx_commit";
        Some(if self.text(NAME)? == "1" {
            self.well(NAME, "what was confirmed survives a power cut")
        } else {
            let why = "rows and logins that were confirmed in the last second are lost at a power cut";
            self.well(NAME, why).advise(Stand::Unsafe, "1", Effect::AtOnce)
        })
    }

    /// Without a binary log it means nothing.
    fn binary_log(&self) -> Option<Advice> {
        const NAME: &str = "sync_binlog";
        if !self.is_on("log_bin") {
            return None;
        }
        Some(if self.text(NAME)? == "1" {
            self.well(NAME, "the binary log has what was confirmed, also after a power cut")
        } else {
            let why = "after a power cut the binary log may lack what was confirmed, and replicas and recoveries from it \
                       with it";
            self.well(NAME, why).advise(Stand::Unsafe, "1", Effect::AtOnce)
        })
    }

    fn doublewrite(&self) -> Option<Advice> {
        const NAME: &str = "innodb_doublewrite";
        let off = matches!(self.text(NAME)?.to_ascii_lowercase().as_str(), "off" | "0" | "false");
        Some(if off {
            let why = "a page that a power cut tears in two cannot be mended, unless the disk or file system writes \
                       pages whole (ZFS)";
            self.well(NAME, why).advise(Stand::Unsafe, "ON", Effect::Restart)
        } else {
            self.well(NAME, "a page that a power cut tears in two can be mended")
        })
    }
}

fn down(bytes: u64, step: u64) -> u64 {
    bytes / step * step
}

fn up(bytes: u64, step: u64) -> u64 {
    bytes.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MYSQL: Server = Server { flavour: Flavour::Mysql, version: (8, 4, 3) };
    const MARIADB: Server = Server { flavour: Flavour::Mariadb, version: (10, 11, 6) };

    /// A server with its defaults.
    fn fresh(server: Server) -> HashMap<String, String> {
        let mariadb = server.flavour == Flavour::Mariadb;
        let mut all: HashMap<String, String> = [
            ("innodb_buffer_pool_size", "134217728"),
            ("max_allowed_packet", if mariadb { "16777216" } else { "67108864" }),
            ("character_set_server", if mariadb { "latin1" } else { "utf8mb4" }),
            ("innodb_flush_log_at_trx_commit", "1"),
            ("sync_binlog", if mariadb { "0" } else { "1" }),
            ("log_bin", if mariadb { "OFF" } else { "ON" }),
            ("innodb_doublewrite", "ON"),
            ("innodb_buffer_pool_chunk_size", if mariadb { "0" } else { "134217728" }),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let log = if mariadb { "100663296" } else { "104857600" };
        all.insert(server.log_setting().to_owned(), log.to_owned());
        all
    }

    fn with(server: Server, name: &str, value: &str) -> HashMap<String, String> {
        let mut all = fresh(server);
        all.insert(name.to_owned(), value.to_owned());
        all
    }

    fn machine(memory: u64, size: u64) -> Circumstances {
        Circumstances { memory: Some(memory), size, ssd: false }
    }

    /// What is advised about settings that do not stand well.
    fn advised(
        found: &HashMap<String, String>,
        circumstances: &Circumstances,
        server: Server,
    ) -> Vec<(String, Stand, Option<String>)> {
        let all = advise(found, circumstances, server).into_iter().filter(|a| a.stand != Stand::Well);
        all.map(|a| (a.setting, a.stand, a.advised)).collect()
    }

    fn change(name: &str, value: &str) -> (String, Stand, Option<String>) {
        (name.into(), Stand::Change, Some(value.into()))
    }

    #[test]
    fn a_small_database_needs_nothing_but_its_characters() {
        let small = machine(2 * GIB, 45 * MIB);
        assert_eq!(advised(&fresh(MYSQL), &small, MYSQL), []);
        assert_eq!(advised(&fresh(MARIADB), &small, MARIADB), [change("character_set_server", "utf8mb4")]);
    }

    #[test]
    fn the_pool_follows_the_databases_up_to_half_of_the_memory() {
        let pool = |found: &HashMap<String, String>, memory, size| {
            let all = advised(found, &machine(memory, size), MYSQL);
            all.into_iter().find(|(name, ..)| name == "innodb_buffer_pool_size").and_then(|(.., value)| value)
        };
        let fresh = fresh(MYSQL);
        assert_eq!(pool(&fresh, 8 * GIB, 80 * MIB), None);
        assert_eq!(pool(&fresh, 8 * GIB, 300 * MIB), Some((512 * MIB).to_string()));
        assert_eq!(pool(&fresh, 8 * GIB, 100 * GIB), Some((4 * GIB).to_string()));
        assert_eq!(pool(&fresh, GIB, 100 * GIB), Some((512 * MIB).to_string()));
        assert_eq!(pool(&fresh, 512 * MIB, 100 * GIB), None);
        // More than the machine has.
        let large = with(MYSQL, "innodb_buffer_pool_size", &(7 * GIB).to_string());
        assert_eq!(pool(&large, 8 * GIB, 0), Some((4 * GIB).to_string()));
        // In as large steps as the server takes.
        let mut steps = with(MYSQL, "innodb_buffer_pool_instances", "8");
        assert_eq!(pool(&steps, 8 * GIB, 1200 * MIB), Some((2 * GIB).to_string()));
        steps.insert("innodb_dedicated_server".into(), "ON".into());
        assert_eq!(pool(&steps, 8 * GIB, 100 * GIB), None);
    }

    #[test]
    fn the_log_has_the_name_and_the_ways_of_the_version() {
        let size = 3 * GIB;
        let find = |found: &HashMap<String, String>, server| {
            let all = advise(found, &machine(8 * GIB, size), server);
            all.into_iter()
                .find(|a| a.setting.contains("log_"))
                .map(|a| (a.setting, a.advised, a.takes_effect))
        };
        let wanted = (768 * MIB).to_string();
        let old = Server { flavour: Flavour::Mysql, version: (8, 0, 29) };
        let mut found = with(old, "innodb_log_file_size", "50331648");
        found.insert("innodb_log_files_in_group".into(), "2".into());
        for (found, server, expected) in [
            (fresh(MYSQL), MYSQL, ("innodb_redo_log_capacity", &wanted, Effect::AtOnce)),
            (fresh(MARIADB), MARIADB, ("innodb_log_file_size", &wanted, Effect::AtOnce)),
            (found, old, ("innodb_log_file_size", &(384 * MIB).to_string(), Effect::Restart)),
        ] {
            let (name, value, effect) = find(&found, server).unwrap();
            assert_eq!(
                (name.as_str(), value.as_ref(), effect),
                (expected.0, Some(expected.1), Some(expected.2))
            );
        }
        let before = Server { version: (10, 8, 0), ..MARIADB };
        let all = advise(&fresh(before), &machine(8 * GIB, size), before);
        let log = all.iter().find(|a| a.setting == "innodb_log_file_size").unwrap();
        assert!(log.settable().is_none() && log.not_settable.is_some(), "{log:?}");
        assert_eq!(
            log.by_hand.as_deref(),
            Some("in an option file, under [mysqld]: innodb_log_file_size = 805306368")
        );
    }

    #[test]
    fn without_the_memory_nothing_that_depends_on_it_is_advised() {
        let circumstances = Circumstances { memory: None, size: 45 * MIB, ssd: false };
        let unknown = ("innodb_buffer_pool_size".to_owned(), Stand::MemoryUnknown, None);
        assert_eq!(advised(&fresh(MYSQL), &circumstances, MYSQL), [unknown]);
    }

    #[test]
    fn what_loses_rows_at_a_power_cut_is_unsafe_and_never_advised() {
        let circumstances = machine(8 * GIB, 45 * MIB);
        for (name, value, safe) in [
            ("innodb_flush_log_at_trx_commit", "0", "1"),
            ("innodb_flush_log_at_trx_commit", "2", "1"),
            ("sync_binlog", "0", "1"),
            ("sync_binlog", "1000", "1"),
            ("innodb_doublewrite", "OFF", "ON"),
        ] {
            let found = advised(&with(MYSQL, name, value), &circumstances, MYSQL);
            assert_eq!(found, [(name.to_owned(), Stand::Unsafe, Some(safe.to_owned()))]);
        }
        // Which MySQL keeps for nobody.
        let all = advise(&with(MYSQL, "innodb_doublewrite", "OFF"), &circumstances, MYSQL);
        let doublewrite = all.iter().find(|a| a.setting == "innodb_doublewrite").unwrap();
        assert!(doublewrite.settable().is_none() && doublewrite.not_settable.is_some(), "{doublewrite:?}");
        // MariaDB's default; there is no binary log.
        assert!(advise(&fresh(MARIADB), &circumstances, MARIADB).iter().all(|a| a.setting != "sync_binlog"));
        // Such as MySQL has it for the whole page: pages are found out, and not mended.
        let detect = with(MYSQL, "innodb_doublewrite", "DETECT_AND_RECOVER");
        assert_eq!(advised(&detect, &circumstances, MYSQL), []);
    }

    #[test]
    fn packets_and_statements() {
        let found = advised(&with(MYSQL, "max_allowed_packet", "1048576"), &machine(8 * GIB, MIB), MYSQL);
        assert_eq!(found, [change("max_allowed_packet", "67108864")]);
        assert_eq!(MYSQL.statement("a", "64", Effect::AtOnce), "SET PERSIST a = 64");
        assert_eq!(MYSQL.statement("a", "ON", Effect::Restart), "SET PERSIST_ONLY a = 'ON'");
        assert_eq!(MARIADB.statement("a", "utf8mb4", Effect::AtOnce), "SET GLOBAL a = 'utf8mb4'");
        assert_eq!(written(""), "''");
    }

    #[test]
    fn every_advice_names_the_products_own_page() {
        let sources = |server| {
            let all = advise(&fresh(server), &machine(GIB, 0), server);
            all.into_iter().map(|a| a.source).collect::<Vec<_>>()
        };
        assert_eq!(
            sources(MYSQL)[0],
            "https://dev.mysql.com/doc/refman/8.4/en/innodb-parameters.html#sysvar_innodb_buffer_pool_size"
        );
        assert_eq!(
            sources(MARIADB)[0],
            "https://mariadb.com/kb/en/innodb-system-variables/#innodb_buffer_pool_size"
        );
    }
}
