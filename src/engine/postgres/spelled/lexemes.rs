//! Sorted words with their places. <https://www.postgresql.org/docs/current/datatype-textsearch.html>

/// Bytes of a word, the greatest place, and places of one word.
const MOST_BYTES: usize = 2046;
const LAST: u32 = 16_383;
const MOST_PLACES: usize = 255;

/// Whether a text is a `tsvector`: words in quotes, in the order of their bytes, with their places in order and the weight
/// of each but for D.
pub(super) fn vector(text: &str) -> bool {
    let mut before: Option<String> = None;
    let mut rest = text;
    while !rest.is_empty() {
        if before.is_some() {
            let Some(after) = rest.strip_prefix(' ') else { return false };
            rest = after;
        }
        let Some((word, after)) = word(rest) else { return false };
        if word.is_empty() || word.len() > MOST_BYTES || before.is_some_and(|before| before >= word) {
            return false;
        }
        let Some(after) = places(after) else { return false };
        (before, rest) = (Some(word), after);
    }
    true
}

/// A word in quotes, in which quotes and backslashes stand twice, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut word = String::new();
    loop {
        let end = rest.find(['\'', '\\'])?;
        let (part, mark) = rest.split_at(end);
        word.push_str(part);
        let (mark, after) = mark.split_at(1);
        match after.strip_prefix(mark) {
            Some(after) => {
                word.push_str(mark);
                rest = after;
            }
            None if mark == "'" => return Some((word, after)),
            None => return None,
        }
    }
}

/// The places behind a word, if it has any, and what follows them.
fn places(text: &str) -> Option<&str> {
    let Some(list) = text.strip_prefix(':') else { return Some(text) };
    let (list, rest) = list.split_at(list.find(' ').unwrap_or(list.len()));
    let places: Option<Vec<u32>> = list.split(',').map(place).collect();
    let places = places?;
    (places.len() <= MOST_PLACES && places.is_sorted_by(|one, other| one < other)).then_some(rest)
}

fn place(text: &str) -> Option<u32> {
    let number = text.strip_suffix(['A', 'B', 'C']).unwrap_or(text);
    number.parse().ok().filter(|place| (1..=LAST).contains(place) && place.to_string() == number)
}
