//! What PostgreSQL's settings should be for a small application that shares its machine with the server. Pure. The
//! figures are those of the server's documentation, which each advice names; where it gives a range, the modest end.

use crate::model::tune::{Advice, Circumstances, Effect, GIB, MIB, Stand};

/// Settings that are looked at.
pub const NAMES: &[&str] = &[
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "random_page_cost",
    "autovacuum",
    "track_counts",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "max_connections",
];

/// What `initdb` gives a server for its buffers where the system lets it.
const DEFAULT_BUFFERS: u64 = 128 * MIB;

/// A setting as `pg_settings` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name.
    pub name: String,
    /// Value in `unit`.
    pub setting: String,
    /// `8kB`, `kB`, `MB` or nothing.
    pub unit: String,
    /// Value as the server shows it.
    pub shown: String,
    /// `default`, `configuration file`, `database`, `command line`, …
    pub origin: String,
    /// Whether the configuration has another value, which waits for a restart.
    pub pending_restart: bool,
}

impl Found {
    /// A size in bytes.
    fn bytes(&self) -> Option<u64> {
        let unit = match self.unit.as_str() {
            "8kB" => 8192,
            "kB" => 1024,
            "MB" => MIB,
            "B" => 1,
            _ => return None,
        };
        self.setting.parse::<u64>().ok()?.checked_mul(unit)
    }

    fn is_off(&self) -> bool {
        self.setting == "off"
    }
}

/// What is advised, the gravest first is for whoever shows it.
pub fn advise(found: &[Found], circumstances: &Circumstances, version: u32) -> Vec<Advice> {
    let connections = found.iter().find(|f| f.name == "max_connections");
    let connections = connections.and_then(|f| f.setting.parse().ok()).unwrap_or(100);
    let rules = Rules { circumstances, version, connections };
    NAMES
        .iter()
        .filter_map(|name| found.iter().find(|found| found.name == *name))
        .filter_map(|found| Some(completed(rules.of(found)?, found)))
        .collect()
}

/// How it is set by hand, and why not by this program where something goes before what ALTER SYSTEM writes.
fn completed(mut advice: Advice, found: &Found) -> Advice {
    if found.pending_restart {
        advice.wait_for_restart();
        return advice;
    }
    let Some(value) = advice.advised.clone() else { return advice };
    let name = &found.name;
    let (by_hand, not_settable) = match found.origin.as_str() {
        "database" => (
            format!("ALTER DATABASE … RESET {name}"),
            Some("it is set for this database, which goes before the server's configuration"),
        ),
        "user" | "database user" => (
            format!("ALTER ROLE … RESET {name}"),
            Some("it is set for this role, which goes before the server's configuration"),
        ),
        "client" => (
            format!("take {name} out of the options of the URL"),
            Some("the connection itself asks for it (options in its URL)"),
        ),
        "command line" | "environment variable" | "override" => (
            format!("start the server without -c {name}=…"),
            Some("it is given where the server is started, which goes before its configuration"),
        ),
        _ => (super::statement(name, &value), None),
    };
    Advice { by_hand: Some(by_hand), not_settable: not_settable.map(str::to_owned), ..advice }
}

struct Rules<'a> {
    circumstances: &'a Circumstances,
    version: u32,
    connections: u64,
}

impl Rules<'_> {
    fn of(&self, found: &Found) -> Option<Advice> {
        match found.name.as_str() {
            "shared_buffers" => self.by_memory(found, Self::shared_buffers),
            "effective_cache_size" => self.by_memory(found, Self::effective_cache_size),
            "work_mem" => self.by_memory(found, Self::work_mem),
            "maintenance_work_mem" => self.by_memory(found, Self::maintenance_work_mem),
            "max_wal_size" => self.max_wal_size(found),
            "random_page_cost" => self.random_page_cost(found),
            "autovacuum" | "track_counts" => Some(self.housekeeping(found)),
            "fsync" | "synchronous_commit" | "full_page_writes" => Some(self.durability(found)),
            _ => None,
        }
    }

    fn well(&self, found: &Found, why: impl Into<String>) -> Advice {
        let page = match found.name.as_str() {
            "shared_buffers" | "work_mem" | "maintenance_work_mem" => "runtime-config-resource",
            "effective_cache_size" | "random_page_cost" => "runtime-config-query",
            // Its settings have moved between pages; this one explains it in every version.
            "autovacuum" => "routine-vacuuming",
            "track_counts" => "runtime-config-statistics",
            _ => "runtime-config-wal",
        };
        let anchor = match found.name.as_str() {
            "autovacuum" => "AUTOVACUUM".to_owned(),
            name => format!("GUC-{}", name.to_uppercase().replace('_', "-")),
        };
        let version = self.version;
        let source = format!("https://www.postgresql.org/docs/{version}/{page}.html#{anchor}");
        Advice::well(&found.name, &found.shown, why, source)
    }

    /// A setting that depends on the memory.
    fn by_memory(&self, found: &Found, rule: fn(&Self, &Found, u64) -> Option<Advice>) -> Option<Advice> {
        match self.circumstances.memory {
            Some(memory) => rule(self, found, memory),
            None => Some(
                self.well(found, "depends on the memory of the server's machine")
                    .stands(Stand::MemoryUnknown),
            ),
        }
    }

    fn shared_buffers(&self, found: &Found, memory: u64) -> Option<Advice> {
        let now = found.bytes()?;
        // Below 1 GB the documentation asks for a smaller share.
        let share = if memory >= GIB { memory / 4 } else { memory / 8 };
        let most = down(share, 32 * MIB).max(32 * MIB);
        // Twice what there is: it grows, and indexes are built.
        let wanted = up(self.circumstances.size.saturating_mul(2), DEFAULT_BUFFERS).min(most);
        let effect = Effect::Restart;
        Some(if now > memory / 5 * 2 {
            let why = "more than 40 % of the memory; the system's own cache, on which PostgreSQL relies, and the \
                       application need the rest";
            self.well(found, why).advise(Stand::Change, size(most), effect)
        } else if now + now / 4 < wanted {
            let why = "the cache of the server: 25 % of the memory is a reasonable start, and not more than twice what \
                       the databases hold";
            self.well(found, why).advise(Stand::Change, size(wanted), effect)
        } else {
            self.well(found, "enough for what the databases hold, or a quarter of the memory")
        })
    }

    fn effective_cache_size(&self, found: &Found, memory: u64) -> Option<Advice> {
        let now = found.bytes()?;
        let half = size(down(memory / 2, 64 * MIB).max(64 * MIB));
        let effect = Effect::AtOnce;
        Some(if now > memory / 4 * 3 {
            let why = "the planner expects more of the tables in memory than there is memory; nothing is allocated by it";
            self.well(found, why).advise(Stand::Change, half, effect)
        } else if now < memory / 4 {
            let why = "the planner expects less of the tables in memory than there may be, and uses indexes less; \
                       nothing is allocated by it";
            self.well(found, why).advise(Stand::Change, half, effect)
        } else {
            self.well(found, "what the planner may expect to find in memory")
        })
    }

    fn work_mem(&self, found: &Found, memory: u64) -> Option<Advice> {
        let now = found.bytes()?;
        let each = down(memory / 4 / self.connections.max(1), MIB);
        let all = now.saturating_mul(self.connections);
        let effect = Effect::NewConnections;
        Some(if all > memory && now > 4 * MIB {
            let why = format!(
                "every sort of each of {} connections may take that much: together more than the memory",
                self.connections
            );
            self.well(found, why).advise(Stand::Change, size(each.clamp(4 * MIB, 16 * MIB)), effect)
        } else if now * 2 <= each.min(16 * MIB) {
            let why = format!(
                "memory of one sort or hash before it goes to disk; {} connections together stay within a quarter of \
                 the memory",
                self.connections
            );
            self.well(found, why).advise(Stand::Change, size(each.min(16 * MIB)), effect)
        } else {
            self.well(found, "memory of one sort or hash before it goes to disk")
        })
    }

    fn maintenance_work_mem(&self, found: &Found, memory: u64) -> Option<Advice> {
        let now = found.bytes()?;
        let wanted = down(memory / 16, MIB).clamp(64 * MIB, 512 * MIB);
        let effect = Effect::NewConnections;
        Some(if now > 64 * MIB && now.saturating_mul(4) > memory {
            let why = "VACUUM, index builds and each worker of autovacuum may take that much: too much for this memory";
            self.well(found, why).advise(Stand::Change, size(wanted), effect)
        } else if now * 2 <= wanted && self.circumstances.size > now * 4 {
            let why = "VACUUM, index builds and loading a backup are faster with more";
            self.well(found, why).advise(Stand::Change, size(wanted), effect)
        } else {
            self.well(found, "enough for VACUUM and index builds of what the databases hold")
        })
    }

    fn max_wal_size(&self, found: &Found) -> Option<Advice> {
        Some(if found.bytes()? < GIB {
            let why =
                "less than the default: a load, and a migration, forces checkpoints one after the other";
            self.well(found, why).advise(Stand::Change, size(GIB), Effect::AtOnce)
        } else {
            self.well(found, "room enough between two checkpoints")
        })
    }

    /// Which kind of disk it is no server knows.
    fn random_page_cost(&self, found: &Found) -> Option<Advice> {
        if !self.circumstances.ssd {
            return None;
        }
        let now: f64 = found.setting.parse().ok()?;
        Some(if now >= 2.0 {
            let why = "a solid-state disk reads one page anywhere about as fast as the next one (--ssd)";
            self.well(found, why).advise(Stand::Change, "1.1", Effect::AtOnce)
        } else {
            self.well(found, "fits a solid-state disk")
        })
    }

    fn housekeeping(&self, found: &Found) -> Advice {
        if found.is_off() {
            let why = "without autovacuum rows that are gone are not cleared away, so that tables grow, and plans go by \
                       old statistics";
            self.well(found, why).advise(Stand::Change, "on", Effect::AtOnce)
        } else {
            self.well(found, "rows that are gone are cleared away and statistics kept fresh")
        }
    }

    fn durability(&self, found: &Found) -> Advice {
        if !found.is_off() {
            return self.well(found, "what was confirmed survives a power cut");
        }
        let (why, effect) = match found.name.as_str() {
            "synchronous_commit" => (
                "rows and logins that were confirmed in the last moments are lost at a power cut",
                Effect::NewConnections,
            ),
            "fsync" => ("a power cut may destroy the whole database", Effect::AtOnce),
            _ => ("a page that a power cut tears in two cannot be mended", Effect::AtOnce),
        };
        self.well(found, why).advise(Stand::Unsafe, "on", effect)
    }
}

fn down(bytes: u64, step: u64) -> u64 {
    bytes / step * step
}

fn up(bytes: u64, step: u64) -> u64 {
    bytes.div_ceil(step).saturating_mul(step)
}

/// As PostgreSQL writes sizes: `2GB`, `96MB`. Its units are powers of 1024.
fn size(bytes: u64) -> String {
    if bytes.is_multiple_of(GIB) { format!("{}GB", bytes / GIB) } else { format!("{}MB", bytes / MIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, setting: &str, unit: &str) -> Found {
        Found {
            name: name.into(),
            setting: setting.into(),
            unit: unit.into(),
            shown: format!("{setting}{unit}"),
            origin: "default".into(),
            pending_restart: false,
        }
    }

    /// A server as `initdb` leaves it.
    fn fresh() -> Vec<Found> {
        vec![
            found("shared_buffers", "16384", "8kB"),
            found("effective_cache_size", "524288", "8kB"),
            found("work_mem", "4096", "kB"),
            found("maintenance_work_mem", "65536", "kB"),
            found("max_wal_size", "1024", "MB"),
            found("random_page_cost", "4", ""),
            found("autovacuum", "on", ""),
            found("track_counts", "on", ""),
            found("fsync", "on", ""),
            found("synchronous_commit", "on", ""),
            found("full_page_writes", "on", ""),
            found("max_connections", "100", ""),
        ]
    }

    fn with(name: &str, setting: &str) -> Vec<Found> {
        let mut all = fresh();
        let one = all.iter_mut().find(|f| f.name == name).unwrap();
        setting.clone_into(&mut one.setting);
        all
    }

    fn machine(memory: u64, size: u64) -> Circumstances {
        Circumstances { memory: Some(memory), size, ssd: false }
    }

    /// What is advised about settings that do not stand well.
    fn advised(found: &[Found], circumstances: &Circumstances) -> Vec<(String, Stand, Option<String>)> {
        let all = advise(found, circumstances, 15);
        let all = all.into_iter().filter(|a| a.stand != Stand::Well);
        all.map(|a| (a.setting, a.stand, a.advised)).collect()
    }

    fn change(name: &str, value: &str) -> (String, Stand, Option<String>) {
        (name.into(), Stand::Change, Some(value.into()))
    }

    #[test]
    fn a_small_database_on_a_small_machine_needs_little() {
        // 2 GB shared with the application, 45 MB of rows: the default of 4 GB for the planner is too much.
        let found = advised(&fresh(), &machine(2 * GIB, 45 * MIB));
        assert_eq!(found, [change("effective_cache_size", "1GB")]);
        // 512 MB: 128 MB of buffers are within 40 %.
        let found = advised(&fresh(), &machine(512 * MIB, 45 * MIB));
        assert_eq!(found, [change("effective_cache_size", "256MB")]);
        // 256 MB: they are not.
        let found = advised(&fresh(), &machine(256 * MIB, 45 * MIB));
        assert_eq!(found, [change("shared_buffers", "32MB"), change("effective_cache_size", "128MB"),]);
    }

    #[test]
    fn buffers_follow_the_database_up_to_a_quarter_of_the_memory() {
        let buffers = |memory, size| {
            let all = advised(&fresh(), &machine(memory, size));
            all.into_iter().find(|(name, ..)| name == "shared_buffers").and_then(|(.., value)| value)
        };
        assert_eq!(buffers(8 * GIB, 60 * MIB), None);
        assert_eq!(buffers(8 * GIB, 300 * MIB).as_deref(), Some("640MB"));
        assert_eq!(buffers(8 * GIB, 40 * GIB).as_deref(), Some("2GB"));
        assert_eq!(buffers(3 * GIB, 40 * GIB).as_deref(), Some("768MB"));
        // 6 of 8 GB are too many.
        let found = advised(&with("shared_buffers", "786432"), &machine(8 * GIB, 40 * GIB));
        assert!(found.contains(&change("shared_buffers", "2GB")), "{found:?}");
        // A quarter, set by hand, is left alone whatever the database holds.
        let found = advised(&with("shared_buffers", "262144"), &machine(8 * GIB, MIB));
        assert!(found.iter().all(|(name, ..)| name != "shared_buffers"), "{found:?}");
    }

    #[test]
    fn what_many_connections_may_take_together_stays_below_the_memory() {
        let work = |setting: &str, memory| {
            let all = advised(&with("work_mem", setting), &machine(memory, GIB));
            all.into_iter().find(|(name, ..)| name == "work_mem").and_then(|(.., value)| value)
        };
        assert_eq!(work("4096", 2 * GIB), None);
        assert_eq!(work("4096", 4 * GIB).as_deref(), Some("10MB"));
        assert_eq!(work("4096", 64 * GIB).as_deref(), Some("16MB"));
        assert_eq!(work("262144", 4 * GIB).as_deref(), Some("10MB"));
        assert_eq!(work("262144", 256 * MIB).as_deref(), Some("4MB"));
        let maintenance = |memory, size| {
            let all = advised(&fresh(), &machine(memory, size));
            all.into_iter().find(|(name, ..)| name == "maintenance_work_mem").and_then(|(.., value)| value)
        };
        assert_eq!(maintenance(8 * GIB, 50 * MIB), None);
        assert_eq!(maintenance(8 * GIB, 5 * GIB).as_deref(), Some("512MB"));
        assert_eq!(maintenance(GIB, 5 * GIB), None);
    }

    #[test]
    fn without_the_memory_nothing_that_depends_on_it_is_advised() {
        let unknown = |name: &str| (name.to_owned(), Stand::MemoryUnknown, None);
        let circumstances = Circumstances { memory: None, size: 100 * GIB, ssd: true };
        assert_eq!(
            advised(&fresh(), &circumstances),
            [
                unknown("shared_buffers"),
                unknown("effective_cache_size"),
                unknown("work_mem"),
                unknown("maintenance_work_mem"),
                change("random_page_cost", "1.1"),
            ]
        );
    }

    #[test]
    fn what_loses_rows_at_a_power_cut_is_unsafe_and_never_advised() {
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            let found = advised(&with(name, "off"), &machine(16 * GIB, MIB));
            assert!(found.contains(&(name.into(), Stand::Unsafe, Some("on".into()))), "{found:?}");
        }
        for value in ["on", "local", "remote_write", "remote_apply"] {
            let found = advised(&with("synchronous_commit", value), &machine(16 * GIB, MIB));
            assert!(found.iter().all(|(name, ..)| name != "synchronous_commit"), "{value}");
        }
        // Whatever is found, no advice makes a server less safe.
        for memory in [128 * MIB, GIB, 64 * GIB] {
            for size in [0, GIB, 1000 * GIB] {
                for (name, _, value) in advised(&fresh(), &machine(memory, size)) {
                    assert!(value.is_none_or(|v| v != "off"), "{name}");
                }
            }
        }
    }

    #[test]
    fn autovacuum_and_the_log_are_looked_at() {
        let circumstances = machine(8 * GIB, MIB);
        assert!(advised(&with("autovacuum", "off"), &circumstances).contains(&change("autovacuum", "on")));
        assert!(
            advised(&with("track_counts", "off"), &circumstances).contains(&change("track_counts", "on"))
        );
        assert!(
            advised(&with("max_wal_size", "80"), &circumstances).contains(&change("max_wal_size", "1GB"))
        );
    }

    #[test]
    fn what_goes_before_the_configuration_is_for_somebody_else_to_change() {
        for (origin, by_hand) in [
            ("command line", "start the server without -c fsync=…"),
            ("database", "ALTER DATABASE … RESET fsync"),
            ("user", "ALTER ROLE … RESET fsync"),
            ("configuration file", "ALTER SYSTEM SET \"fsync\" = 'on'"),
        ] {
            let mut all = with("fsync", "off");
            all.iter_mut().find(|f| f.name == "fsync").unwrap().origin = origin.into();
            let all = advise(&all, &machine(8 * GIB, MIB), 15);
            let fsync = all.iter().find(|a| a.setting == "fsync").unwrap();
            assert_eq!(fsync.by_hand.as_deref(), Some(by_hand));
            assert_eq!(fsync.settable().is_some(), origin == "configuration file");
        }
    }

    #[test]
    fn what_is_set_and_waits_is_not_advised_again() {
        let mut all = fresh();
        all[0].pending_restart = true;
        let all = advise(&all, &machine(8 * GIB, 40 * GIB), 15);
        assert_eq!((all[0].stand, all[0].settable()), (Stand::WaitsForRestart, None));
        assert!(all[0].is_finding());
    }

    #[test]
    fn every_advice_names_the_page_of_the_servers_version() {
        let all = advise(&fresh(), &machine(8 * GIB, 40 * GIB), 17);
        assert_eq!(
            all[0].source,
            "https://www.postgresql.org/docs/17/runtime-config-resource.html#GUC-SHARED-BUFFERS"
        );
        assert!(all.iter().all(|a| !a.why.is_empty() && a.source.contains("/docs/17/")));
    }
}
