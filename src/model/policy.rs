//! Policies: what the user has decided about findings, by code, table and column. Whatever no policy covers keeps
//! the severity of its code (see [`super::codes`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::codes::{self, Code, Level};

/// What is to be done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Stop before the first row.
    Stop,
    /// Put the row aside, into the reject file.
    Reject,
    /// Convert the value by the code's stated rule.
    Convert,
    /// Go on with the object left behind or changed.
    Accept,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stop, Self::Reject, Self::Convert, Self::Accept];

    /// Its word on the command line and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Reject => "reject",
            Self::Convert => "convert",
            Self::Accept => "accept",
        }
    }

    /// The decision of that word; an error lists the words.
    pub fn parse(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|decision| decision.as_str() == word);
        found.ok_or_else(|| format!("{word:?} is no decision: use {}", words(&Self::ALL)))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `stop, reject or convert`.
fn words(decisions: &[Decision]) -> String {
    let words: Vec<&str> = decisions.iter().map(|d| d.as_str()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// One decision, for the codes that its pattern names, in one place or everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A code, or a pattern in which `*` stands for any text.
    pub code: String,
    /// Only findings about rows, whatever the pattern.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub rows_only: bool,
    /// Only this table, as named in the source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<String>,
    /// Only this column or object of the table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// What is decided.
    pub decision: Decision,
}

impl Policy {
    /// A policy that makes sense: its code exists, allows the decision, and a column has a table. The error is one
    /// sentence that says what would.
    pub fn new(
        code: &str,
        table: Option<String>,
        column: Option<String>,
        decision: Decision,
    ) -> Result<Self, String> {
        if column.is_some() && table.is_none() {
            return Err(format!("the policy for {code:?} names a column without its table"));
        }
        let named: Vec<&Code> = codes::ALL.iter().filter(|known| matches(code, known.name)).collect();
        let [first, ..] = named.as_slice() else {
            let all: Vec<&str> = codes::ALL.iter().map(|code| code.name).collect();
            return Err(format!("{code:?} is no code of a finding; the codes are {}", all.join(", ")));
        };
        if !named.iter().any(|code| code.allows(decision)) {
            let possible = words(first.decisions);
            return Err(format!("{decision} is not possible for {code}: use {possible}"));
        }
        Ok(Self { code: code.to_owned(), rows_only: false, table, column, decision })
    }

    /// The same decision for every finding about rows that allows it.
    pub fn for_rows(decision: Decision) -> Self {
        Self { code: "*".into(), rows_only: true, table: None, column: None, decision }
    }

    /// `CODE[@TABLE[.COLUMN]]`, to be accepted.
    pub fn parse_accept(text: &str) -> Result<Self, String> {
        Self::parse(text, Decision::Accept)
    }

    /// `CODE[@TABLE[.COLUMN]]=DECISION`.
    pub fn parse_rule(text: &str) -> Result<Self, String> {
        let (place, decision) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("{text:?} has no decision: write CODE=stop, reject, convert or accept"))?;
        Self::parse(place, Decision::parse(decision)?)
    }

    fn parse(text: &str, decision: Decision) -> Result<Self, String> {
        let (code, place) = text.split_once('@').map_or((text, None), |(code, place)| (code, Some(place)));
        let Some(place) = place else { return Self::new(code, None, None, decision) };
        let (table, rest) = name(place).ok_or_else(|| format!("{text:?} names no table behind @"))?;
        let column = match rest.strip_prefix('.') {
            None if rest.is_empty() => None,
            Some(rest) => match name(rest) {
                Some((column, "")) => Some(column),
                _ => return Err(format!("{text:?} names no column behind the table")),
            },
            None => return Err(format!("{text:?} goes on behind the table: write CODE@TABLE.COLUMN")),
        };
        Self::new(code, Some(table), column, decision)
    }

    /// How exactly it says what it is about; the larger wins.
    fn precision(&self) -> (bool, bool, bool) {
        (self.column.is_some(), self.table.is_some(), !self.code.contains('*'))
    }

    fn covers(&self, code: &Code, table: Option<&str>, names: [Option<&str>; 2]) -> bool {
        matches(&self.code, code.name)
            && code.allows(self.decision)
            && (!self.rows_only || code.level == Level::Row)
            && self.table.as_deref().is_none_or(|own| Some(own) == table)
            && self.column.as_deref().is_none_or(|own| names.contains(&Some(own)))
    }
}

/// A name up to the next dot, or one in double quotes (doubled within), and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, rest)),
        }
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((tail, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(tail)
}

/// All policies of a run, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// These, one after the other.
    pub fn new(policies: Vec<Policy>) -> Self {
        Self(policies)
    }

    /// What was decided about a code at a place; `None` where nothing was. The policy that says most exactly what
    /// it is about wins (column, then table, then code), and of equals the one that was given last.
    pub fn decision(
        &self,
        code: &str,
        table: Option<&str>,
        column: Option<&str>,
        object: Option<&str>,
    ) -> Option<Decision> {
        let code = codes::find(code)?;
        let covering = self.0.iter().filter(|policy| policy.covers(code, table, [column, object]));
        // `max_by_key` gives the last of equals.
        covering.max_by_key(|policy| policy.precision()).map(|policy| policy.decision)
    }

    /// Whether any puts rows of a table aside, or changes their values.
    pub fn change_rows(&self, table: &str) -> bool {
        let changes = |policy: &Policy| matches!(policy.decision, Decision::Reject | Decision::Convert);
        self.0.iter().any(|policy| changes(policy) && policy.table.as_deref().is_none_or(|own| own == table))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them puts rows aside or changes them.
    pub fn touch_rows(&self) -> bool {
        self.0.iter().any(|policy| matches!(policy.decision, Decision::Reject | Decision::Convert))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(rules: &[&str]) -> Policies {
        Policies::new(rules.iter().map(|rule| Policy::parse_rule(rule).unwrap()).collect())
    }

    #[test]
    fn the_most_exact_wins_and_of_equals_the_last() {
        let policies = policies(&[
            "check_not_carried@users=accept",
            "*_not_carried=stop",
            "check_not_carried=stop",
            "check_not_carried@users.\"a.b\"=stop",
            "index_not_carried=stop",
            "index_not_carried=accept",
        ]);
        let ask = |code, table, column| policies.decision(code, table, column, None);
        assert_eq!(ask("check_not_carried", Some("users"), None), Some(Decision::Accept));
        assert_eq!(ask("check_not_carried", Some("users"), Some("a.b")), Some(Decision::Stop));
        assert_eq!(ask("check_not_carried", Some("roles"), Some("a.b")), Some(Decision::Stop));
        assert_eq!(ask("default_not_carried", Some("roles"), None), Some(Decision::Stop));
        assert_eq!(ask("index_not_carried", None, None), Some(Decision::Accept));
        assert_eq!(ask("widened", None, None), None);
        let named = policies.decision("check_not_carried", Some("users"), None, Some("a.b"));
        assert_eq!(named, Some(Decision::Stop), "an object is named like a column");
    }

    #[test]
    fn a_pattern_decides_only_where_its_decision_is_possible() {
        let policies = Policies::new(vec![Policy::parse_accept("*").unwrap()]);
        let ask = |code| policies.decision(code, None, None, None);
        assert_eq!(ask("unique_looser"), Some(Decision::Accept));
        assert_eq!(ask("unsupported_type"), None);
        assert_eq!(ask("nul_in_text"), None);
        let rows = Policies::new(vec![Policy::for_rows(Decision::Stop)]);
        assert_eq!(rows.decision("nul_in_text", None, None, None), Some(Decision::Stop));
        assert_eq!(rows.decision("widened", None, None, None), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (rule, says) in [
            ("no_such_code=stop", "the codes are unsupported_type, case_twins"),
            ("x*=stop", "is no code"),
            ("nul_in_text", "has no decision"),
            ("nul_in_text=perhaps", "use stop, reject, convert or accept"),
            ("unsupported_type=accept", "accept is not possible for unsupported_type: use stop"),
            ("unique_looser=convert", "use stop or accept"),
            ("unique_looser@=stop", "names no table"),
            ("unique_looser@t.=stop", "names no column"),
            ("unique_looser@\"t=stop", "names no table"),
            ("unique_looser@\"t\"x=stop", "goes on behind"),
        ] {
            let error = Policy::parse_rule(rule).unwrap_err();
            assert!(error.contains(says), "{rule}: {error}");
        }
        assert!(Policy::new("widened", None, Some("c".into()), Decision::Stop).is_err());
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*_not_carried", "index_not_carried", true),
            ("index_*", "index_not_carried", true),
            ("in*not*ied", "index_not_carried", true),
            ("in*nit*ied", "index_not_carried", false),
            ("index_not_carried*d", "index_not_carried", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
