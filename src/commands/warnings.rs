//! What about a server sooner or later hurts an application that writes UTC and any alphabet; `detect` and `check`
//! say the same of it.

use crate::engine::capability::Facts;
use crate::model::codes::observed::{ENCODING, TIME_ZONE};
use crate::model::endpoint::Dialect;

/// Codes and sentences.
pub(crate) fn of(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut warnings = Vec::new();
    let dialect = facts.flavour.dialect();
    if let Some(zone) = facts.time_zone.as_deref().filter(|zone| dialect != Dialect::Sqlite && !is_utc(zone))
    {
        let text = format!(
            "the server's time zone is {zone}, not UTC: times that TechCare writes with an offset are shifted"
        );
        warnings.push((TIME_ZONE, text));
    }
    let encoding = facts.encoding.to_ascii_lowercase().replace(['-', '_'], "");
    if !encoding.is_empty() && !matches!(encoding.as_str(), "utf8" | "utf8mb4" | "utf16le" | "utf16be") {
        let text = format!(
            "the database's character set is {}: tables that the application makes cannot hold every character",
            facts.encoding
        );
        warnings.push((ENCODING, text));
    }
    warnings
}

/// `SYSTEM` is MySQL's way of not saying.
fn is_utc(zone: &str) -> bool {
    let zone = zone.to_ascii_uppercase();
    matches!(zone.as_str(), "GMT" | "+00:00" | "ZULU" | "SYSTEM" | "ETC/GMT" | "") || zone.contains("UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::endpoint::Flavour;

    fn facts(flavour: Flavour, encoding: &str, time_zone: Option<&str>) -> Facts {
        Facts {
            flavour,
            version: "1".into(),
            version_number: (1, 0, 0),
            encoding: encoding.into(),
            collation: String::new(),
            time_zone: time_zone.map(Into::into),
            size: None,
            identity: String::new(),
            latency: Duration::ZERO,
            collations: vec![],
            sequences: Vec::new(),
            max_value_bytes: None,
            case_sensitive_names: true,
            unique_parents: false,
            namespace: String::new(),
        }
    }

    #[test]
    fn zones_and_character_sets_that_hurt_are_named() {
        for zone in ["UTC", "Etc/UTC", "+00:00", "SYSTEM", "GMT"] {
            assert!(of(&facts(Flavour::Postgres, "UTF8", Some(zone))).is_empty(), "{zone}");
        }
        let found = of(&facts(Flavour::Postgres, "LATIN1", Some("America/Sao_Paulo")));
        assert_eq!(found.len(), 2);
        assert!(found[0].1.contains("America/Sao_Paulo") && found[1].1.contains("LATIN1"));
        assert_eq!(of(&facts(Flavour::Mariadb, "utf8mb3", None)).len(), 1);
        assert!(of(&facts(Flavour::Sqlite, "UTF-8", None)).is_empty());
    }
}
