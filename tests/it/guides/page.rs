//! A guide as the tests read it: its fenced blocks, and what the HTML comment in front of each says about it.
//!
//! | comment | the block |
//! | --- | --- |
//! | none | `sh` is run, `crontab` is run as cron does |
//! | `not run: WHY` | is for reading |
//! | `exit: N` | ends with N |
//! | `output` | is what the block before said, in these words; `…` stands for any text |
//! | `said in: PATH` | cannot be brought about here; the words of its lines stand in this source file |
//! | `file: PATH` | is the content of a file |
//! | `append: PATH` | is added to a file |
//!
//! `scenario: NAME` stands alone: a new machine from here on. So does a comment of several lines that begins with
//! `unseen` or `unseen, exit: N`: what is in it is run, and brings about what the reader meets.

/// What is to be done with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Run { exit: i32 },
    Cron,
    Output,
    File(String),
    Append(String),
    Source(String),
    Skip,
    Scenario(String),
}

/// A step of a guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub action: Action,
    pub text: String,
}

/// The steps of a page, or the first block of which nobody says what it is.
pub fn steps(page: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut said: Option<String> = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, raw)) = lines.next() {
        let line = raw.trim();
        let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(language) = line.strip_prefix("```") {
            let indent = raw.len() - raw.trim_start().len();
            let mut text = String::new();
            loop {
                let (_, raw) = lines.next().ok_or_else(|| format!("line {}: no end", number + 1))?;
                if raw.trim() == "```" {
                    break;
                }
                text.push_str(raw.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            let action = action(language, said.take().as_deref())
                .ok_or_else(|| format!("line {}: a block that is neither run nor marked", number + 1))?;
            steps.push(Step { line: number + 1, action, text });
        } else if let Some(name) = comment.and_then(|comment| comment.strip_prefix("scenario: ")) {
            let action = Action::Scenario(name.to_owned());
            steps.push(Step { line: number + 1, action, text: String::new() });
        } else if let Some(said) = line.strip_prefix("<!-- unseen").filter(|_| comment.is_none()) {
            let action = match said.strip_prefix(", exit: ").map(str::parse) {
                None if said.is_empty() => Action::Run { exit: 0 },
                Some(Ok(exit)) => Action::Run { exit },
                _ => return Err(format!("line {}: unseen, and what?", number + 1)),
            };
            let text: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "-->").collect();
            steps.push(Step { line: number + 1, action, text: text.join("\n") + "\n" });
        } else if let Some(comment) = comment {
            said = Some(comment.to_owned());
        } else if raw.starts_with("    ") {
            return Err(format!("line {}: code without a fence", number + 1));
        } else if !line.is_empty() && said.is_some() {
            return Err(format!("line {}: the comment before belongs to no block", number + 1));
        }
    }
    Ok(steps)
}

fn action(language: &str, said: Option<&str>) -> Option<Action> {
    let Some(said) = said else {
        return match language {
            "sh" => Some(Action::Run { exit: 0 }),
            "crontab" => Some(Action::Cron),
            _ => None,
        };
    };
    if said == "output" {
        return Some(Action::Output);
    }
    let (key, value) = said.split_once(": ")?;
    match key {
        "not run" => Some(Action::Skip),
        "exit" => Some(Action::Run { exit: value.parse().ok()? }),
        "file" => Some(Action::File(value.to_owned())),
        "append" => Some(Action::Append(value.to_owned())),
        "said in" => Some(Action::Source(value.to_owned())),
        _ => None,
    }
}

/// A block without the remarks that a translation puts into its own language.
pub fn bare(text: &str) -> String {
    let remark = |line: &str| line.trim_start().starts_with('#');
    let code = |line: &str| line.split("  # ").next().unwrap_or_default().trim_end().to_owned();
    text.lines().filter(|line| !remark(line)).map(|line| code(line) + "\n").collect()
}

#[test]
fn a_block_has_to_say_what_it_is() {
    let run = |exit| Action::Run { exit };
    let actions =
        |page: &str| steps(page).map(|steps| steps.into_iter().map(|step| step.action).collect::<Vec<_>>());
    assert_eq!(actions("```sh\ntrue\n```\n<!-- exit: 1 -->\n```sh\nfalse\n```"), Ok(vec![run(0), run(1)]));
    assert!(actions("```ini\n[a]\n```").is_err());
    assert!(actions("<!-- not run -->\n```ini\n[a]\n```").is_err());
    assert!(actions("text\n\n    rm x\n").is_err());
    assert_eq!(actions("<!-- unseen -->"), Ok(vec![]));
    assert_eq!(actions("<!-- unseen, exit: 3\n#a\n-->\n```sh\nls\n```"), Ok(vec![run(3), run(0)]));
    assert!(actions("<!-- unseen exit 3\na\n-->").is_err());
    assert!(actions("<!-- exit: 1 -->\ntext\n\n```sh\nfalse\n```").is_err());
    assert_eq!(steps("1. x\n\n   ```sh\n   a\n     b\n   ```").unwrap()[0].text, "a\n  b\n");
    assert_eq!(bare("# por quê\nls  # aqui\n"), "ls\n");
}
