//! A probe's rows put to a server: one statement for all of them, and after an error one for each half, so that one row
//! at which a condition fails does not hide the others.

use std::ops::Range;

use async_trait::async_trait;

use super::capability::Verdict;
use crate::model::error::Result;

/// Most statements for the rows of one probe; those that are left then are not asked about.
const MOST_STATEMENTS: usize = 64;

/// A condition that every row fulfils, if its values are of the columns' types.
const ALWAYS: &str = "1 = 1";

/// What a server says of some rows.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of each whether the condition is true or unknown.
    Decided(Vec<bool>),
    /// An error, because a number on the way is beyond its type.
    Overflow,
    /// Another error.
    Failed,
}

/// A server that can be asked.
#[async_trait]
pub trait Ask: Send {
    /// What it makes of these rows under a condition.
    async fn ask(&mut self, rows: &[usize], condition: &str) -> Result<Answer>;
}

/// What it makes of each of `rows` rows, of which the columns hold those in `held`.
pub async fn verdicts(
    server: &mut dyn Ask,
    rows: usize,
    held: &[usize],
    condition: &str,
) -> Result<Vec<Verdict>> {
    let mut verdicts = vec![Verdict::Unheld; rows];
    let mut stretches = Stretches::of(held.len());
    while let Some(stretch) = stretches.next() {
        let asked = &held[stretch.clone()];
        match server.ask(asked, condition).await? {
            Answer::Decided(answers) => {
                for (row, admitted) in asked.iter().zip(answers) {
                    verdicts[*row] = if admitted { Verdict::Admitted } else { Verdict::Refused };
                }
            }
            Answer::Overflow | Answer::Failed if stretches.halve(&stretch) => {}
            Answer::Overflow => {}
            // Either the condition fails or the values are none of the columns' types.
            Answer::Failed => {
                if let (Answer::Decided(_), [row]) = (server.ask(asked, ALWAYS).await?, asked) {
                    verdicts[*row] = Verdict::Refused;
                }
            }
        }
    }
    Ok(verdicts)
}

/// Stretches of rows that are still to be asked about, in order.
#[derive(Debug)]
struct Stretches {
    waiting: Vec<Range<usize>>,
    statements: usize,
}

impl Stretches {
    /// All rows in one.
    fn of(rows: usize) -> Self {
        let all = 0..rows;
        Self { waiting: if all.is_empty() { Vec::new() } else { vec![all] }, statements: 0 }
    }

    /// The next stretch; `None` at the end, or when enough was asked.
    fn next(&mut self) -> Option<Range<usize>> {
        if self.statements >= MOST_STATEMENTS {
            return None;
        }
        self.statements += 1;
        self.waiting.pop()
    }

    /// Has both halves of a stretch asked about instead of it. `false` if it is one row.
    fn halve(&mut self, stretch: &Range<usize>) -> bool {
        if stretch.len() < 2 {
            return false;
        }
        let middle = stretch.start + stretch.len() / 2;
        self.waiting.push(middle..stretch.end);
        self.waiting.push(stretch.start..middle);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that takes even rows, fails at some and overflows at others.
    struct Scripted {
        fails: Range<usize>,
        overflows: Range<usize>,
        asked: usize,
    }

    #[async_trait]
    impl Ask for Scripted {
        async fn ask(&mut self, rows: &[usize], condition: &str) -> Result<Answer> {
            self.asked += 1;
            Ok(if condition != ALWAYS && rows.iter().any(|row| self.fails.contains(row)) {
                Answer::Failed
            } else if rows.iter().any(|row| self.overflows.contains(row)) {
                Answer::Overflow
            } else {
                Answer::Decided(rows.iter().map(|row| row % 2 == 0).collect())
            })
        }
    }

    #[tokio::test]
    async fn a_row_that_fails_is_found_and_the_others_are_answered() {
        let mut server = Scripted { fails: 4..5, overflows: 7..8, asked: 0 };
        let held: Vec<usize> = (0..20).filter(|row| *row != 10).collect();
        let answers = verdicts(&mut server, 20, &held, "c").await.unwrap();
        for (row, verdict) in answers.iter().enumerate() {
            let expected = match row {
                4 => Verdict::Refused,
                7 | 10 => Verdict::Unheld,
                row if row % 2 == 0 => Verdict::Admitted,
                _ => Verdict::Refused,
            };
            assert_eq!(*verdict, expected, "row {row}");
        }
        assert_eq!(verdicts(&mut server, 0, &[], "c").await.unwrap(), []);
    }

    #[tokio::test]
    async fn where_every_row_fails_it_ends() {
        let mut server = Scripted { fails: 0..300, overflows: 0..0, asked: 0 };
        let held: Vec<usize> = (0..300).collect();
        let answers = verdicts(&mut server, 300, &held, "c").await.unwrap();
        assert!(server.asked <= 2 * MOST_STATEMENTS, "{}", server.asked);
        assert!(answers.contains(&Verdict::Refused) && answers.contains(&Verdict::Unheld));
    }
}
