//! An error as people see it: three lines at most, what failed, why in the server's own words, what to do next; for cron the same
//! in one.
//! The last gate before the terminal: whatever looks like the password of a URL is masked here once more.

use crate::cli::terminal::{Ink, Style};
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::{Error, ErrorKind};

/// The same in one line: `error: what: why; next: what to do`.
pub fn line(error: &Error, style: Style) -> String {
    let part = |sign: &str, text: Option<&str>| {
        let text = text.map(tidy).filter(|text| !text.is_empty());
        text.map_or_else(String::new, |text| format!("{sign}{text}"))
    };
    let (why, next) = (part(": ", error.reason()), part("; next: ", error.advice()));
    format!("{} {}{why}{next}", style.paint(Ink::Bad, "error:"), tidy(&what(error)))
}

/// What failed, and how much else did.
fn what(error: &Error) -> String {
    let what = error.what();
    match error.others().len() {
        0 => what.to_owned(),
        1 => format!("{what} (and another failure at the same time)"),
        more => format!("{what} (and {more} other failures at the same time)"),
    }
}

/// Two or three lines without a last line feed.
pub fn render(error: &Error, style: Style) -> String {
    let what = what(error);
    let lines = [
        (Ink::Bad, "error:", Some(what.as_str())),
        (Ink::Faint, "  why:", error.reason()),
        (Ink::Faint, " next:", error.advice()),
    ];
    let lines: Vec<String> = lines
        .into_iter()
        .filter_map(|(ink, label, text)| {
            let text = text.map(tidy).filter(|text| !text.is_empty())?;
            Some(format!("{} {text}", style.paint(ink, label)))
        })
        .collect();
    lines.join("\n")
}

/// Says where the database's name came from if the error is about reaching it: the operator has to know which
/// line of which file to correct.
pub fn with_origin(error: Error, endpoint: &Endpoint) -> Error {
    let about_naming = matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Login);
    let named = match &endpoint.location {
        Location::File(path) | Location::Archive { path, .. } => {
            error.what().contains(&path.display().to_string())
        }
        Location::Postgres(_) | Location::Mysql(_) => error.what().contains(&endpoint.to_string()),
    };
    let told = error.what().contains(&endpoint.origin) || !error.others().is_empty();
    if !about_naming || !named || told {
        return error;
    }
    let mut told = Error::new(error.kind(), format!("{} ({})", error.what(), endpoint.origin));
    if let Some(why) = error.reason() {
        told = told.why(why);
    }
    match error.advice() {
        Some(next) => told.next(next),
        None => told,
    }
}

/// One line, no control characters, no password.
pub fn tidy(text: &str) -> String {
    let joined: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    mask(&super::one_line(&joined.join("; ")))
}

/// Masks what stands between the user and the host of anything that looks like a URL, and `password=…`.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`')).unwrap_or(after.len());
        let (url, next) = after.split_at(end);
        out.push_str(before);
        match url.rfind('@').and_then(|host| Some((url[..host].find(':')?, host))) {
            Some((colon, host)) => {
                out.push_str(&url[..colon]);
                out.push_str(":***");
                out.push_str(&url[host..]);
            }
            None => out.push_str(url),
        }
        rest = next;
    }
    out.push_str(rest);
    mask_query(&out)
}

fn mask_query(text: &str) -> String {
    let mut out = text.to_owned();
    for key in ["?password=", "&password=", "?passwd=", "&passwd="] {
        let mut from = 0;
        while let Some(at) = out[from..].find(key).map(|at| from + at + key.len()) {
            let stop = |c: char| c.is_whitespace() || matches!(c, '&' | '\'' | '"' | '`');
            let end = out[at..].find(stop).map_or(out.len(), |end| at + end);
            out.replace_range(at..end, "***");
            from = at + 3;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_three_lines_at_most() {
        let error = Error::new(ErrorKind::Write, "cannot write table \"users\"")
            .why("ERROR: out of shared memory\nHINT:  raise\r\n\r\nmax_locks")
            .next("raise max_locks_per_transaction");
        assert_eq!(
            render(&error, Style::default()),
            "error: cannot write table \"users\"\n  why: ERROR: out of shared memory; HINT:  raise; max_locks\n \
             next: raise max_locks_per_transaction"
        );
        assert_eq!(render(&Error::new(ErrorKind::Usage, "x"), Style::default()), "error: x");
        let mut several = Error::new(ErrorKind::Lost, "x").why("");
        several.push(Error::new(ErrorKind::Lost, "y"));
        assert_eq!(render(&several, Style::default()), "error: x (and another failure at the same time)");
    }

    #[test]
    fn an_error_for_cron_is_one_line() {
        let error = Error::new(ErrorKind::Unreachable, "cannot reach\nthe server")
            .why("refused\nby mysql://u:canary@h/d")
            .next("start it");
        assert_eq!(
            line(&error, Style::default()),
            "error: cannot reach; the server: refused; by mysql://u:***@h/d; next: start it"
        );
        assert_eq!(line(&Error::new(ErrorKind::Usage, "x").next("y"), Style::default()), "error: x; next: y");
        assert_eq!(line(&Error::new(ErrorKind::Usage, "x"), Style::default()), "error: x");
    }

    #[test]
    fn the_origin_is_told_once() {
        let endpoint = Endpoint::new(Location::File("/srv/x.db".into()), "from DATABASE_URL in .env");
        let error =
            Error::new(ErrorKind::Unreachable, "there is no SQLite file /srv/x.db").why("w").next("n");
        let told = with_origin(error, &endpoint);
        assert_eq!(told.what(), "there is no SQLite file /srv/x.db (from DATABASE_URL in .env)");
        assert_eq!((told.reason(), told.advice()), (Some("w"), Some("n")));
        let again = with_origin(told, &endpoint);
        assert_eq!(again.what(), "there is no SQLite file /srv/x.db (from DATABASE_URL in .env)");
        let other = with_origin(Error::new(ErrorKind::Write, "/srv/x.db"), &endpoint);
        assert_eq!(other.what(), "/srv/x.db");
    }

    #[test]
    fn passwords_of_urls_are_masked() {
        for (text, expected) in [
            (
                "unexpected argument 'postgresql://u:canary@h/d' found",
                "unexpected argument 'postgresql://u:***@h/d' found",
            ),
            ("mysql://u:can@ry@h/d and pg://a:canary@b", "mysql://u:***@h/d and pg://a:***@b"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            ("postgresql://h/d?password=canary&x=1", "postgresql://h/d?password=***&x=1"),
            ("no url here: a:b@c", "no url here: a:b@c"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }
}
