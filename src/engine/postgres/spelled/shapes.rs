//! Points and what is made of them. <https://www.postgresql.org/docs/current/datatype-geometric.html>

use super::numbers::float;

/// `(x,y)`
pub(super) fn point(text: &str) -> bool {
    coordinates(text).is_some()
}

/// The two numbers of a point.
fn coordinates(text: &str) -> Option<(&str, &str)> {
    let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    (float::<f64>(x) && float::<f64>(y)).then_some((x, y))
}

/// Points with commas between them.
fn points(text: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(')')? + 1;
        found.push(&rest[..end]);
        if !point(&rest[..end]) {
            return None;
        }
        match rest[end..].strip_prefix(',') {
            Some(after) => rest = after,
            None => return rest[end..].is_empty().then_some(found),
        }
    }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// `{A,B,C}`; not both of the first two are zero, and none is a negative zero.
pub(super) fn line(text: &str) -> bool {
    let Some(parts) = between(text, "{", "}").map(|inside| inside.split(',').collect::<Vec<_>>()) else {
        return false;
    };
    let zero = |text: &str| text.parse::<f64>().is_ok_and(|number| number.abs() <= EPSILON);
    parts.len() == 3 && parts.iter().all(|part| float::<f64>(part)) && !(zero(parts[0]) && zero(parts[1]))
}

/// What the server takes for zero there.
const EPSILON: f64 = 1.0e-6;

/// `[(x,y),(x,y)]`
pub(super) fn segment(text: &str) -> bool {
    between(text, "[", "]").and_then(points).is_some_and(|points| points.len() == 2)
}

/// `(x,y),(x,y)`, the upper right corner first.
pub(super) fn rectangle(text: &str) -> bool {
    let Some([high, low]) = points(text).as_deref().and_then(|found| <[&str; 2]>::try_from(found).ok())
    else {
        return false;
    };
    let ordered = |high: &str, low: &str| match (high.parse::<f64>(), low.parse::<f64>()) {
        // A number that is none counts as the greatest.
        (Ok(high), Ok(low)) => high.is_nan() || high >= low,
        _ => false,
    };
    match (coordinates(high), coordinates(low)) {
        (Some(high), Some(low)) => ordered(high.0, low.0) && ordered(high.1, low.1),
        _ => false,
    }
}

/// `((x,y),…)` closed, `[(x,y),…]` open.
pub(super) fn path(text: &str) -> bool {
    let inside = between(text, "(", ")").or_else(|| between(text, "[", "]"));
    inside.and_then(points).is_some()
}

/// `((x,y),…)`
pub(super) fn polygon(text: &str) -> bool {
    between(text, "(", ")").and_then(points).is_some()
}

/// `<(x,y),r>`; no radius is negative.
pub(super) fn circle(text: &str) -> bool {
    let parts = between(text, "<", ">").and_then(|inside| inside.rsplit_once(','));
    parts.is_some_and(|(center, radius)| {
        point(center) && float::<f64>(radius) && (radius == "-0" || !radius.starts_with('-'))
    })
}
