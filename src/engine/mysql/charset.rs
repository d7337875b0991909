//! Collations of MySQL and MariaDB: what a name says about equality, and which collation of the target compares
//! as the source does. Pure: names only.

use crate::model::endpoint::Flavour;
use crate::model::schema::Collation;

/// What a collation's name says about equality.
pub fn describe(name: &str) -> Collation {
    let exact = name.ends_with("_bin") || name == "binary";
    // Kana are told apart (`_ks`) only where case is.
    let case_sensitive = exact || name.ends_with("_cs") || name.ends_with("_ks");
    let accent_sensitive = exact || case_sensitive && !name.contains("_ai_") || name.contains("_as_");
    Collation {
        name: name.to_owned(),
        case_insensitive: !case_sensitive,
        ascii_case: false,
        accent_insensitive: !accent_sensitive,
        pads: name != "binary" && !name.contains("nopad") && !name.contains("0900"),
    }
}

/// Character set that a collation belongs to.
pub fn charset_of(collation: &str) -> &str {
    // MariaDB lists its newest collations without a character set.
    if collation.starts_with("uca1400") {
        return "utf8mb4";
    }
    collation.split_once('_').map_or(collation, |(charset, _)| charset)
}

/// Whether two names mean the same collation under the old and new name of UTF-8 with three bytes.
pub fn is_alias(one: &str, other: &str) -> bool {
    three_bytes(one) == three_bytes(other)
}

fn three_bytes(name: &str) -> String {
    name.strip_prefix("utf8_").map_or_else(|| name.to_owned(), |rest| format!("utf8mb3_{rest}"))
}

/// The collations of a server.
#[derive(Debug, Clone)]
pub struct Collations {
    flavour: Flavour,
    known: Vec<String>,
    exact: String,
    ignore_case: String,
    ignore_both: String,
    padded: String,
}

impl Collations {
    /// Chooses among those that the server lists; where there is no server to ask, by product and version.
    pub fn new(flavour: Flavour, version: (u32, u32, u32), listed: &[String]) -> Self {
        let mariadb = flavour == Flavour::Mariadb;
        let has = |name: &str| {
            if !listed.is_empty() {
                return listed.iter().any(|l| l == name || name.strip_prefix("utf8mb4_") == Some(l));
            }
            match name {
                "utf8mb4_nopad_bin" | "utf8mb4_unicode_nopad_ci" => mariadb && version >= (10, 2, 2),
                "utf8mb4_uca1400_nopad_as_ci" | "utf8mb4_uca1400_nopad_ai_ci" => {
                    mariadb && version >= (10, 10, 1)
                }
                "utf8mb4_0900_bin" => !mariadb && version >= (8, 0, 17),
                "utf8mb4_0900_as_ci" | "utf8mb4_0900_ai_ci" => !mariadb && version >= (8, 0, 1),
                _ => true,
            }
        };
        let first = |names: &[&str]| {
            names.iter().find(|n| has(n)).or(names.last()).copied().unwrap_or_default().to_owned()
        };
        let own: [&[&str]; 3] = if mariadb {
            [
                &["utf8mb4_nopad_bin", "utf8mb4_bin"],
                &["utf8mb4_uca1400_nopad_as_ci", "utf8mb4_unicode_nopad_ci", "utf8mb4_unicode_ci"],
                // The same weights as utf8mb4_0900_ai_ci: ł is l, and one emoji is not another.
                &["utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_unicode_nopad_ci", "utf8mb4_unicode_ci"],
            ]
        } else {
            [
                &["utf8mb4_0900_bin", "utf8mb4_bin"],
                &["utf8mb4_0900_as_ci", "utf8mb4_unicode_ci"],
                &["utf8mb4_0900_ai_ci", "utf8mb4_unicode_ci"],
            ]
        };
        Self {
            flavour,
            known: listed.to_vec(),
            exact: first(own[0]),
            ignore_case: first(own[1]),
            ignore_both: first(own[2]),
            padded: "utf8mb4_bin".into(),
        }
    }

    /// Equal only if the code points are.
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// The one that compares as a collation of another engine does.
    pub fn like(&self, collation: Option<&Collation>) -> String {
        match collation {
            Some(c) if c.case_insensitive && c.accent_insensitive => &self.ignore_both,
            Some(c) if c.case_insensitive => &self.ignore_case,
            Some(c) if c.pads => &self.padded,
            None | Some(_) => &self.exact,
        }
        .clone()
    }

    /// The same collation by name, or the one that comes nearest where this product does not have it.
    pub fn same(&self, collation: &Collation) -> String {
        let name = &collation.name;
        let listed =
            |n: &str| self.known.iter().any(|k| k == n || n.strip_prefix("utf8mb4_") == Some(k.as_str()));
        if self.known.is_empty() {
            let foreign = match self.flavour {
                Flavour::Mariadb => name.contains("0900"),
                _ => name.contains("nopad") || name.contains("uca1400"),
            };
            return if foreign { self.like(Some(collation)) } else { name.clone() };
        }
        let other = three_bytes(name);
        let older = name.strip_prefix("utf8mb3_").map(|rest| format!("utf8_{rest}"));
        match () {
            () if listed(name) => name.clone(),
            () if listed(&other) => other,
            () => match older {
                Some(older) if listed(&older) => older,
                _ => self.like(Some(collation)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_equal() {
        for (name, case, accent, pads) in [
            ("utf8mb4_bin", false, false, true),
            ("utf8mb4_nopad_bin", false, false, false),
            ("utf8mb4_0900_bin", false, false, false),
            ("utf8mb4_0900_ai_ci", true, true, false),
            ("utf8mb4_0900_as_cs", false, false, false),
            ("utf8mb4_ja_0900_as_cs", false, false, false),
            ("utf8mb4_ja_0900_as_cs_ks", false, false, false),
            ("utf8mb4_0900_as_ci", true, false, false),
            ("utf8mb4_general_ci", true, true, true),
            ("utf8mb4_uca1400_as_ci", true, false, true),
            ("latin1_swedish_ci", true, true, true),
            ("latin1_general_cs", false, false, true),
        ] {
            let c = describe(name);
            assert_eq!((c.case_insensitive, c.accent_insensitive, c.pads), (case, accent, pads), "{name}");
        }
    }

    #[test]
    fn the_exact_collation_depends_on_product_and_version() {
        for (flavour, version, name) in [
            (Flavour::Mariadb, (10, 11, 6), "utf8mb4_nopad_bin"),
            (Flavour::Mariadb, (10, 1, 48), "utf8mb4_bin"),
            (Flavour::Mysql, (8, 0, 36), "utf8mb4_0900_bin"),
            (Flavour::Mysql, (5, 7, 44), "utf8mb4_bin"),
        ] {
            assert_eq!(Collations::new(flavour, version, &[]).exact(), name);
        }
    }

    #[test]
    fn a_collation_of_the_other_product_becomes_its_like() {
        let maria = Collations::new(Flavour::Mariadb, (10, 11, 0), &[]);
        assert_eq!(maria.same(&describe("utf8mb4_0900_bin")), "utf8mb4_nopad_bin");
        assert_eq!(maria.same(&describe("utf8mb4_0900_ai_ci")), "utf8mb4_uca1400_nopad_ai_ci");
        let older = Collations::new(Flavour::Mariadb, (10, 6, 0), &[]);
        assert_eq!(older.same(&describe("utf8mb4_0900_ai_ci")), "utf8mb4_unicode_nopad_ci");
        let mysql = Collations::new(Flavour::Mysql, (8, 4, 0), &[]);
        assert_eq!(mysql.same(&describe("latin1_swedish_ci")), "latin1_swedish_ci");
        assert_eq!(mysql.same(&describe("utf8mb4_unicode_nopad_ci")), "utf8mb4_0900_ai_ci");
    }
}
